//! Relocations to edges.
//!
//! Every edge is checked here once, so that fixing up needs no checks: its type is known, its field lies in its block, its
//! symbol exists. What a relocation adds stands in the field itself, or, for instructions of some architectures, in a
//! relocation before it; a reference without a symbol holds the address that it refers to, as the object is laid out.
//! Source: `mach-o/reloc.h` of cctools, and the files named where types are listed.

use super::blocks::Part;
use super::machine::{Does, Machine, Reloc};
use super::offsets;
use super::read::Reader;
use crate::arch::{
    ABS64, DESCRIPTOR_ARGUMENT, DESCRIPTOR_FUNCTION, DIFFERENCE32, DIFFERENCE64, DISTANCE32, Field, PC64, SUBTRAHEND,
};
use crate::edit::raw;
use crate::error::LinkError;
use crate::graph::*;
use object::LittleEndian as LE;
use object::macho::{Relocation, RelocationInfo};

/// Bytes of a descriptor of a thread-local variable's first word; the second one follows.
const WORD: u64 = 8;

/// Why a relocation makes no edge.
enum Refusal {
    Unsupported,
    Refused(&'static str),
    Damage(&'static str),
}

use Refusal::{Damage, Refused, Unsupported};

/// The section that relocations apply to.
struct Site<'a> {
    part: &'a Part,
    bytes: &'a [u8],
}

/// A relocation whose type is known and whose field lies in a block.
struct Raw<'a> {
    info: RelocationInfo,
    reloc: &'static Reloc,
    /// Its field.
    bytes: &'a [u8],
    block: BlockId,
    /// Where the field lies in the block.
    offset: u64,
}

/// Reads the edges of a graph whose blocks and symbols are there.
pub(super) struct Edges<'a, 'b> {
    reader: &'a Reader<'b>,
    graph: &'a mut LinkGraph,
    machine: &'static Machine,
    /// Bytes of the file that no relocations have taken so far.
    left: u64,
    /// Those of the section at hand.
    found: Vec<(BlockId, Edge)>,
    has_threads: bool,
}

impl<'a, 'b> Edges<'a, 'b> {
    /// Reads the relocations of all loaded sections.
    pub fn read(reader: &'a Reader<'b>, graph: &'a mut LinkGraph) -> Result<(), LinkError> {
        let machine = reader.headers.machine;
        let left = reader.headers.bytes.len() as u64;
        let has_threads = graph.sections.iter().any(|section| section.kind.is_thread_local());
        let mut edges = Edges { reader, graph, machine, left, found: Vec::new(), has_threads };
        for (index, part) in reader.parts.iter().enumerate() {
            match part {
                Some(part) if part.section.offsets => offsets::read(reader, index, part.block(0).0, edges.graph)?,
                Some(part) => edges.read_section(index, part)?,
                None => {}
            }
        }
        Ok(())
    }

    fn read_section(&mut self, index: usize, part: &Part) -> Result<(), LinkError> {
        let headers = &self.reader.headers;
        let header = headers.sections[index].header;
        let (at, count) = (u64::from(header.reloff.get(LE)), u64::from(header.nreloc.get(LE)));
        if count == 0 {
            return Ok(());
        }
        let raws: &[Relocation<LE>] = headers.array(at, count, "relocations that lie past the end of the file")?;
        // A small file could otherwise ask for any number of edges by naming the same bytes often.
        let left = self.left.checked_sub(size_of_val(raws) as u64);
        self.left = left.ok_or_else(|| headers.malformed(at, "relocations that overlap others"))?;
        let bytes = match part.section.kind.is_zero_fill() {
            true => &[][..],
            false => &headers.bytes[header.offset.get(LE) as usize..][..part.size as usize],
        };
        let site = Site { part, bytes };
        let mut position = 0;
        while let Some(raw) = raws.get(position) {
            let done = self.add(&site, raw, raws.get(position + 1));
            position += done.map_err(|refusal| {
                self.refuse(index, at + (position * size_of::<Relocation<LE>>()) as u64, raw, refusal)
            })?;
        }
        self.enter()
    }

    fn refuse(&self, section: usize, at: u64, raw: &Relocation<LE>, refusal: Refusal) -> LinkError {
        let headers = &self.reader.headers;
        let info = raw.info(LE);
        let name = || String::from_utf8_lossy(&headers.sections[section].full_name()).into_owned();
        match refusal {
            Unsupported => {
                let place = format!("{}({}+{:#x})", headers.input.name(), name(), info.r_address);
                LinkError::UnsupportedRelocation { place, kind: info.r_type.0.into() }
            }
            Refused(hint) => LinkError::UnsupportedSection {
                file: headers.input.name().to_string(),
                section: name(),
                what: "holds what is not linked",
                hint,
            },
            Damage(what) => headers.malformed(at, what),
        }
    }

    /// Reads a relocation, with the next one where they are a pair. Returns their number.
    fn add(&mut self, site: &Site<'_>, raw: &Relocation<LE>, next: Option<&Relocation<LE>>) -> Result<usize, Refusal> {
        let first = self.decode(site, raw)?;
        let second = || next.and_then(|next| self.decode(site, next).ok());
        let same_place = |second: &Raw<'_>| second.info.r_address == first.info.r_address;
        match first.reloc.does {
            Does::Refer(kind) => self.add_reference(site, &first, kind, 0)?,
            Does::ReferToSymbol(kind) if first.info.r_extern => self.add_reference(site, &first, kind, 0)?,
            Does::ReferToSymbol(_) => return Err(Damage("a relocation that has to name a symbol and does not")),
            Does::Subtract => {
                let is_minuend = |second: &Raw<'_>| {
                    same_place(second) && second.reloc.number == 0 && second.reloc.length == first.reloc.length
                };
                let what = "a SUBTRACTOR relocation without an UNSIGNED one of its place and length behind it";
                let second = second().filter(is_minuend).ok_or(Damage(what))?;
                self.add_difference(site, &first, &second)?;
                return Ok(2);
            }
            Does::Add => {
                let what = "an ADDEND relocation without one of its place behind it that takes addends";
                let Some((second, kind)) = second().filter(same_place).and_then(|second| match second.reloc.does {
                    Does::ReferToSymbol(kind) if self.takes_addend(kind) && second.info.r_extern => {
                        Some((second, kind))
                    }
                    _ => None,
                }) else {
                    return Err(Damage(what));
                };
                // 24 bits with a sign.
                let addend = i64::from((first.info.r_symbolnum << 8) as i32 >> 8);
                self.add_reference(site, &second, kind, addend)?;
                return Ok(2);
            }
            Does::Refuse(hint) => return Err(Refused(hint)),
        }
        Ok(1)
    }

    /// Whether a kind's addend stands in a relocation of its own.
    fn takes_addend(&self, kind: EdgeKind) -> bool {
        let info = self.graph.arch().info(kind);
        self.machine.separate_addends && matches!(info.field, Field::Code { .. }) && info.entry != Some(Entry::Got)
    }

    fn decode<'s>(&self, site: &Site<'s>, raw: &Relocation<LE>) -> Result<Raw<'s>, Refusal> {
        let info = raw.info(LE);
        let known = |reloc: &&Reloc| reloc.number == info.r_type.0;
        let Some(reloc) = self.machine.reloc(info.r_type.0, info.r_length, info.r_pcrel) else {
            return Err(match self.machine.relocs.iter().any(|reloc| known(&reloc)) {
                true => Damage("a relocation whose length does not go with its type"),
                false => Unsupported,
            });
        };
        let at = info.r_address as usize;
        let bytes = site.bytes.get(at..at + (1 << reloc.length));
        let bytes = bytes.ok_or(Damage("a relocation that lies outside its section"))?;
        let (block, start) = site.part.block(site.part.position(at as u64));
        let offset = at as u64 - start;
        if self.graph.block(block).size - offset < bytes.len() as u64 {
            return Err(Damage("a relocation that lies across the start of a symbol"));
        }
        Ok(Raw { info, reloc, bytes, block, offset })
    }

    /// What a relocation refers to, and the addend of an edge to that. `more` comes from a relocation before it.
    fn target(&self, site: &Site<'_>, raw: &Raw<'_>, more: i64) -> Result<(SymbolId, i64), Refusal> {
        let Raw { info, reloc, bytes, .. } = raw;
        let separate = self.machine.separate_addends && matches!(reloc.does, Does::ReferToSymbol(_));
        let held = if separate { more } else { signed(bytes) };
        let before = if reloc.relative && self.machine.counts_from_end { bytes.len() as i64 } else { 0 };
        if info.r_extern {
            let missing = Damage("a relocation to a symbol that does not exist");
            let symbol = self.reader.symbol(info.r_symbolnum).ok_or(missing)?;
            return Ok((symbol, held.wrapping_sub(before)));
        }
        let section = self.reader.headers.section(info.r_symbolnum, 0);
        let section = section.map_err(|_| Damage("a relocation to a section that does not exist"))?;
        let before = before + i64::from((self.machine.immediate)(reloc.number));
        let origin = if reloc.relative { site.part.address + u64::from(info.r_address) + before as u64 } else { 0 };
        let reference = self.reader.reference(section, origin.wrapping_add_signed(held));
        let (symbol, distance) = reference.ok_or(Damage("a reference to a place outside of the section it names"))?;
        Ok((symbol, (distance as i64).wrapping_sub(before)))
    }

    fn add_reference(&mut self, site: &Site<'_>, raw: &Raw<'_>, kind: EdgeKind, more: i64) -> Result<(), Refusal> {
        let (target, addend) = self.target(site, raw, more)?;
        if self.has_threads && self.is_thread_local(target) {
            return self.add_descriptor(site, raw, kind, (target, addend));
        }
        self.push(raw.block, raw.offset, target, kind, addend);
        Ok(())
    }

    fn is_thread_local(&self, symbol: SymbolId) -> bool {
        let Definition::Block(block) = self.graph.symbol(symbol).definition else { return false };
        self.graph.section(self.graph.block(block).section).kind.is_thread_local()
    }

    /// The last word of a descriptor refers to the variable's initial value. The system that this was made for puts its
    /// offset there and a key in the word before; here they are what finds the variable in the calling thread.
    fn add_descriptor(
        &mut self,
        site: &Site<'_>,
        raw: &Raw<'_>,
        kind: EdgeKind,
        (target, addend): (SymbolId, i64),
    ) -> Result<(), Refusal> {
        if !site.part.section.thread_variables || kind != ABS64 || raw.offset < 2 * WORD {
            return Err(Damage("a reference to a thread-local variable's initial value, which is not its address"));
        }
        self.push(raw.block, raw.offset, target, DESCRIPTOR_ARGUMENT, addend);
        self.push(raw.block, raw.offset - WORD, target, DESCRIPTOR_FUNCTION, addend);
        Ok(())
    }

    fn add_difference(&mut self, site: &Site<'_>, less: &Raw<'_>, raw: &Raw<'_>) -> Result<(), Refusal> {
        if !less.info.r_extern {
            return Err(Damage("a SUBTRACTOR relocation that does not name a symbol"));
        }
        let missing = Damage("a relocation to a symbol that does not exist");
        let less = self.reader.symbol(less.info.r_symbolnum).ok_or(missing)?;
        let (target, addend) = self.target(site, raw, 0)?;
        let is_wide = raw.bytes.len() == 8;
        let symbol = self.graph.symbol(less);
        if symbol.definition == Definition::Block(raw.block) {
            // From somewhere in the same block: a distance from the field itself.
            let back = (raw.offset as i64).wrapping_sub(symbol.value as i64);
            let kind = if is_wide { PC64 } else { DISTANCE32 };
            self.push(raw.block, raw.offset, target, kind, addend.wrapping_add(back));
            return Ok(());
        }
        self.push(raw.block, raw.offset, less, SUBTRAHEND, 0);
        let kind = if is_wide { DIFFERENCE64 } else { DIFFERENCE32 };
        self.push(raw.block, raw.offset, target, kind, addend);
        Ok(())
    }

    fn push(&mut self, block: BlockId, offset: u64, target: SymbolId, kind: EdgeKind, addend: i64) {
        // Both an object's sections and what lies in them are shorter than 4 GiB.
        let edge = raw::edge(self.graph, offset as usize, target, kind, addend);
        self.found.push((block, edge));
    }

    /// Gives the blocks of a section their edges.
    fn enter(&mut self) -> Result<(), LinkError> {
        let place = |(block, edge): &(BlockId, Edge)| (*block, edge.offset);
        // Assemblers write them backwards.
        if !self.found.is_sorted_by_key(place) {
            self.found.reverse();
        }
        if !self.found.is_sorted_by_key(place) {
            self.found.sort_by_key(place);
        }
        if u32::try_from(self.graph.edges.len() + self.found.len()).is_err() {
            return Err(LinkError::TooLarge { file: self.graph.input.name().to_string() });
        }
        for edges in self.found.chunk_by(|one, next| one.0 == next.0) {
            let start = self.graph.edges.len() as u32;
            self.graph.edges.extend(edges.iter().map(|(_, edge)| *edge));
            self.graph.blocks[edges[0].0.0 as usize].edges = start..self.graph.edges.len() as u32;
        }
        self.found.clear();
        Ok(())
    }
}

/// The number that a field of four or eight bytes, or one, holds.
fn signed(bytes: &[u8]) -> i64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let unused = 64 - 8 * bytes.len() as u32;
    i64::from_le_bytes(word) << unused >> unused
}
