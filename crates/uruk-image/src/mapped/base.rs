//! Images that build on others: what has changed since one was loaded into this process.
//!
//! Data flow: a loaded image and its file → the values that its variables had once it was loaded → those that are others now: of what a
//! world describes whole objects, with their pointers; of everything else the words that differ → one block of bytes, with a list of where
//! they go. What the image has is referred to by its place there.
//! Invariant: a word that has changed is in the list, or a finding.

use super::contents::{Change, Contents, Kind};
use super::error::{MappedError, Problem};
use super::file;
use super::load::{BASE, Mapped};
use crate::closure::{Closure, Edge, Kept, Target};
use crate::data::{CodeSymbols, referent};
use crate::error::Error;
use crate::library::Library;
use crate::link::{Dynamic, What};
use crate::memory::Memory;
use crate::packed;
use crate::pointers::{External, PointerEntry};
use crate::proof::{Finding, Mappings};
use crate::types::WORD;
use crate::world::World;
use foldhash::HashMap;
use std::ops::Range;
use uruk_jitlink::arch::ABS64;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::{LinkGraph, SectionKind};

/// The symbol of the bytes that have changed.
pub(super) const CHANGES: &str = "uruk.changes";

/// A loaded image that another one builds on.
pub struct Base<'a> {
    image: &'a Mapped,
    /// Its variables as they were once it was loaded.
    first: Vec<u8>,
    /// Words of them that only the process knows, and that nobody changes.
    unknown: Vec<Range<usize>>,
    /// Words of them that are addresses of imports: the numbers of these, and what is added.
    imported: HashMap<u64, (u32, i64)>,
}

/// What has changed in an image.
pub struct Changes {
    /// The bytes that it has now, for the image that builds on it; none if nothing has changed.
    pub graph: Option<LinkGraph>,
    /// Where they go.
    pub list: Vec<Change>,
    /// Words that would be wrong in another process.
    pub findings: Vec<Finding>,
}

impl<'a> Base<'a> {
    /// An image that has been loaded, from these bytes of its file.
    pub fn new(image: &'a Mapped, bytes: &[u8]) -> Result<Base<'a>, MappedError> {
        let refused = |problem: Problem| problem.of("that another one builds on");
        let (header, contents) = file::read(bytes).map_err(refused)?;
        if header.digest != image.digest {
            return Err(refused(Problem::Altered));
        }
        if contents.base.is_some() {
            return Err(refused(Problem::Chain));
        }
        let Contents { parts: [_, _, data], end, address, .. } = &contents;
        let mut first = bytes[data.start as usize..data.end as usize].to_vec();
        first.resize((end - data.start) as usize, 0);
        let mut unknown = Vec::new();
        let start = image.range().start;
        let mut set = |place: u64, value: &dyn Fn(u64) -> Option<u64>| {
            let place = place.checked_sub(data.start).and_then(|place| usize::try_from(place).ok());
            let Some((place, word)) =
                place.and_then(|place| Some((place, first.get_mut(place..)?.first_chunk_mut::<8>()?)))
            else {
                return;
            };
            match value(u64::from_le_bytes(*word)) {
                Some(value) => *word = value.to_le_bytes(),
                None => unknown.push(place..place + 8),
            }
        };
        packed::each(&contents.own, |place| set(place, &|word| Some(word.wrapping_add(start.wrapping_sub(*address)))));
        for Dynamic { place, what } in &contents.words {
            let value = match *what {
                What::Own(target) => Some(start.wrapping_add(target)),
                What::Import(number, addend) => Some(image.imports[number as usize])
                    .map(|found| if found == 0 { 0 } else { found.wrapping_add_signed(addend) }),
                What::Slot(number) => Some(image.imports[number as usize]),
                _ => None,
            };
            set(*place, &|_| value);
            if let What::Descriptor(..) = what {
                set(*place + 8, &|_| None);
            }
        }
        let import = |word: &Dynamic| match word.what {
            What::Import(number, addend) => Some((word.place, (number, addend))),
            _ => None,
        };
        let imported = contents.words.iter().filter_map(import).collect();
        Ok(Base { image, first, unknown, imported })
    }

    /// Where it lies.
    pub(crate) fn range(&self) -> Range<u64> {
        self.image.range()
    }

    /// What it defines, as a library: one of those that an image that builds on it is written with.
    pub fn library(&self) -> Library {
        let contents = &self.image.contents;
        let exports = contents.exports.iter().filter(|export| export.kind != Kind::ThreadLocal);
        let symbols = exports.map(|export| (export.name.clone(), export.kind.symbol_kind(), export.size));
        let whole = (BASE.to_owned(), Kind::Object.symbol_kind(), 0);
        Library::of_image(self.image.digest, symbols.chain([whole]))
    }

    /// What has changed: objects and cells that are kept and lie in it, and other variables.
    pub fn changes(
        &self,
        (world, closure): (&World, &Closure),
        code: &dyn CodeSymbols,
        format: &'static Format,
        (memory, mappings): (&dyn Memory, &Mappings),
    ) -> Result<Changes, Error> {
        let start = self.range().start + self.image.contents.parts[2].start;
        let mut now = vec![0; self.first.len()];
        if !memory.read(start, &mut now) {
            let (path, size) = ("the variables of the image that this one builds on".into(), now.len() as u64);
            return Err(Error::Unreadable { path, address: start, size });
        }
        self.unknown.iter().for_each(|range| now[range.clone()].copy_from_slice(&self.first[range.clone()]));
        let mut changes = Gathered { bytes: Vec::new(), list: Vec::new(), objects: Vec::new() };
        let mut findings = Vec::new();
        let first_place = self.image.contents.parts[2].start;
        // What no object has.
        let mut rest = now.clone();
        let mut described = vec![false; now.len()];
        for (number, kept) in (0..).zip(&closure.kept) {
            let Some(range) = self.place_of(kept, start) else {
                if self.range().contains(&kept.address) {
                    self.check_constant(closure, number, memory)?;
                }
                continue;
            };
            rest[range.clone()].copy_from_slice(&self.first[range.clone()]);
            described[range.clone()].fill(true);
            let edges = closure.edges_of(number);
            let leads_elsewhere = |edge: &Edge| {
                let at = range.start + edge.from.offset as usize;
                !self.leads_there(closure, edge, first_place + at as u64, &self.first[at..at + WORD as usize])
            };
            if now[range.clone()] == self.first[range.clone()] && !edges.iter().any(leads_elsewhere) {
                continue;
            }
            let mut bytes = now[range.clone()].to_vec();
            let pointers = edges.iter().map(|edge| edge.from.offset).chain(closure.cleared_of(number));
            pointers.for_each(|offset| bytes[offset as usize..][..WORD as usize].fill(0));
            for (offset, value) in changed_words(&bytes, &self.first[range.clone()]) {
                if let Some(mapping) = mappings.at(value) {
                    let path = closure.path(world, Some((number, offset as u64)));
                    findings.push(Finding { path, value, mapping: mapping.name.clone() });
                }
            }
            let place = changes.push(first_place + range.start as u64, &bytes);
            changes.objects.push((number, place));
        }
        for (offset, value) in changed_words(&rest, &self.first) {
            let place = first_place + offset as u64;
            if let Some(mapping) = mappings.at(value) {
                let path = format!("a variable of the image that this one builds on, at {place:#x}");
                findings.push(Finding { path, value, mapping: mapping.name.clone() });
            }
            // An object that has a part of the word has said above what becomes of that.
            for at in (offset..rest.len().min(offset + 8)).filter(|at| !described[*at]) {
                changes.push(first_place + at as u64, &rest[at..=at]);
            }
        }
        let graph = if changes.list.is_empty() { None } else { Some(changes.graph(closure, code, format)?) };
        Ok(Changes { graph, list: changes.list, findings })
    }

    /// Errors if a pointer of something that lies in the image, but not among its variables, leads elsewhere than it says: nobody can
    /// change it there.
    fn check_constant(&self, closure: &Closure, number: u32, memory: &dyn Memory) -> Result<(), Error> {
        for edge in closure.edges_of(number) {
            let (field, mut word) = (closure.kept[number as usize].address + edge.from.offset, [0; WORD as usize]);
            let place = field - self.range().start;
            if !memory.read(field, &mut word) || !self.leads_there(closure, edge, place, &word) {
                let to = match edge.to {
                    Target::External(number) => PointerEntry::Symbol(closure.externals[number as usize].clone()),
                    Target::Place(to, _) => PointerEntry::Own(closure.kept[to.kept as usize].address + to.offset),
                    Target::Code(address) => PointerEntry::Own(address),
                };
                let reason = "it lies in the image that this one builds on, and is no variable of it".into();
                return Err(Error::Entry { field, to: to.to_string(), reason });
            }
        }
        Ok(())
    }

    /// Whether a pointer at a place in the image has led there from the start, when this was its word. An entry may say so without a
    /// change of the pointer itself.
    fn leads_there(&self, closure: &Closure, edge: &Edge, place: u64, word: &[u8]) -> bool {
        match edge.to {
            Target::Place(to, tag) => {
                let address = closure.kept[to.kept as usize].address + to.offset + tag;
                word == address.to_le_bytes()
            }
            Target::External(number) => {
                let External { name, version, addend, .. } = &closure.externals[number as usize];
                self.imported.get(&place).is_some_and(|(number, added)| {
                    let import = &self.image.contents.imports[*number as usize];
                    let same_version = version.is_none() || *version == import.version;
                    (name, addend) == (&import.name, added) && same_version
                })
            }
            // Such a pointer is the address that it has.
            Target::Code(_) => true,
        }
    }

    /// Where something kept lies among the variables, if it does.
    fn place_of(&self, kept: &Kept, start: u64) -> Option<Range<usize>> {
        let offset = usize::try_from(kept.address.checked_sub(start)?).ok()?;
        let end = offset.checked_add(kept.size as usize).filter(|end| *end <= self.first.len())?;
        Some(offset..end)
    }
}

/// Words that differ, by their offsets, with what they are now. The last one may have fewer bytes.
fn changed_words<'a>(now: &'a [u8], first: &'a [u8]) -> impl Iterator<Item = (usize, u64)> + 'a {
    let words = now.chunks(8).zip(first.chunks(8)).enumerate().filter(|(_, (now, first))| now != first);
    words.map(|(number, (now, _))| {
        let mut word = [0; 8];
        word[..now.len()].copy_from_slice(now);
        (number * 8, u64::from_le_bytes(word))
    })
}

/// Changed bytes, one behind the other.
struct Gathered {
    bytes: Vec<u8>,
    list: Vec<Change>,
    /// Objects by their numbers, with where their bytes are.
    objects: Vec<(u32, u64)>,
}

impl Gathered {
    fn push(&mut self, base: u64, bytes: &[u8]) -> u64 {
        let (own, size) = (self.bytes.len() as u64, bytes.len() as u64);
        // Words that lie side by side go together.
        match self.list.last_mut().filter(|last| last.base + last.size == base && last.own + last.size == own) {
            Some(last) => last.size += size,
            None => self.list.push(Change { base, own, size }),
        }
        self.bytes.extend(bytes);
        own
    }

    fn graph(&self, closure: &Closure, code: &dyn CodeSymbols, format: &'static Format) -> Result<LinkGraph, Error> {
        let name = "what has changed";
        let mut graph = LinkGraph::with_format(name, format);
        let mut editor = graph.edit(Stage::BeforePruning);
        let section = editor.add_section(".data.rel.ro", SectionKind::ReadOnly)?;
        editor.retain_section(section)?;
        let block = editor.add_block(section, &self.bytes, 16)?;
        editor.add_symbol(NewSymbol::global(CHANGES, block, 0).hidden())?;
        for (number, place) in &self.objects {
            for edge in closure.edges_of(*number) {
                let found = referent(closure, edge.to, code, name, format)?;
                // Making the data's graph fails because of functions that nobody knows.
                let Some((symbol, weak, addend)) = found else { continue };
                let symbol = NewSymbol::external(&symbol);
                let symbol = editor.add_symbol(if weak { symbol.weak() } else { symbol })?;
                let offset = u32::try_from(place + edge.from.offset).map_err(|_| Error::Large)?;
                editor.add_edge(block, offset, ABS64, symbol, addend)?;
            }
        }
        drop(editor);
        Ok(graph)
    }
}
