//! What a mappable image says of itself, beside its bytes.
//!
//! Places are offsets from the image's first byte. Invariant once [`check`](Contents::check) has passed: places lie where they may, so
//! that whoever loads the image need not look again; only the packed places of own pointers are checked as they are written.

use super::error::Problem;
use crate::link::{Dynamic, What};
use crate::types::MAX_ALIGN;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::graph::SymbolKind;

/// Who an image is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// What its client says: the version of a runtime.
    pub client: String,
    /// What its client's types look like ([`World::layout`](crate::World::layout)).
    pub layout: Option<[u8; 32]>,
    /// Libraries that have to be the very builds that it was made with, each with its build ID.
    pub builds: Vec<(String, Vec<u8>)>,
}

/// What a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Not said.
    Unknown,
    /// A function, perhaps one that is chosen when it is looked for.
    Function,
    /// A variable.
    Object,
    /// A thread-local variable.
    ThreadLocal,
    /// A number.
    Absolute,
}

impl Kind {
    /// What symbols of graphs call it.
    pub(super) fn symbol_kind(self) -> SymbolKind {
        match self {
            Kind::Unknown | Kind::Absolute => SymbolKind::None,
            Kind::Function => SymbolKind::Function,
            Kind::Object => SymbolKind::Object,
            Kind::ThreadLocal => SymbolKind::ThreadLocal,
        }
    }
}

/// A symbol that somebody else defines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// Its version, if the library that had it has versions.
    pub version: Option<String>,
    /// The number of the library that had it; `None` if nobody did.
    pub library: Option<u32>,
    /// What it was.
    pub kind: Kind,
    /// Bytes of it; 0 if the library does not say.
    pub size: u64,
    /// It may be absent.
    pub weak: bool,
}

/// A symbol that others may use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// Where it is; of a thread-local variable, in the image of those; of a number that has a name, that.
    pub place: u64,
    /// Bytes of it.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
}

impl Exported {
    /// Whether it is nowhere in the image.
    pub(super) fn has_no_place(&self) -> bool {
        matches!(self.kind, Kind::ThreadLocal | Kind::Absolute)
    }
}

/// A library that the image was made with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Needed {
    /// The name that loaders find it by.
    pub name: String,
    /// The process has to load it if it has not.
    pub load: bool,
    /// It is no library but the image that this one builds on.
    pub base: bool,
}

/// Thread-local variables.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Threads {
    /// Their initial values.
    pub image: Range<u64>,
    /// Bytes of them in all.
    pub size: u64,
    /// A power of two.
    pub align: u64,
}

/// Bytes that take the place of some in the image that this one builds on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Where they go in that image.
    pub base: u64,
    /// Where they are in this one.
    pub own: u64,
    /// How many.
    pub size: u64,
}

/// Everything that is said of an image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contents {
    pub stamp: Stamp,
    /// The digest of the image that this one builds on.
    pub base: Option<[u8; 32]>,
    /// The address at which its own pointers are right as they are.
    pub address: u64,
    /// What the image's address is a multiple of.
    pub align: u64,
    /// Code, what is read only once it has been relocated, and variables without those that are zero.
    pub parts: [Range<u64>; 3],
    /// Where the variables that are zero end, and with them the image.
    pub end: u64,
    pub threads: Option<Threads>,
    pub entry: Option<u64>,
    pub libraries: Vec<Needed>,
    /// Where those are looked for that are to be loaded, before they are anywhere else.
    pub folders: Vec<String>,
    pub imports: Vec<Imported>,
    /// In order of their names.
    pub exports: Vec<Exported>,
    /// Its own pointers, packed.
    pub own: Vec<u64>,
    /// Its other words that are filled when it is loaded.
    pub words: Vec<Dynamic>,
    /// Runs of code, each with its unwind records.
    pub unwind: Vec<(Range<u64>, Range<u64>)>,
    /// Addresses of functions that run before the others, before the image is used, and when it goes.
    pub functions: [Range<u64>; 3],
    /// What it changes there.
    pub changes: Vec<Change>,
    /// Where the file has an ELF file for debuggers and symbolizers, whose addresses are those at the image's own.
    pub debug: Range<u64>,
    /// How much each root keeps.
    pub shares: Vec<(String, u64, u64)>,
}

impl Contents {
    /// The end of the bytes that come from the file.
    pub fn mapped(&self) -> u64 {
        self.parts[2].end
    }

    /// Errors unless all places lie where they may, in pages of this size.
    pub fn check(&self, page: u64, arch: &Architecture) -> Result<(), Problem> {
        let malformed = |what: &str| Err(Problem::Malformed(what.into()));
        // The first page is the header's.
        let first = page;
        let [code, read_only, data] = &self.parts;
        let ends = [first, code.start, code.end, read_only.start, read_only.end, data.start, data.end, self.end];
        if !ends.is_sorted() || 1 << 46 < self.end {
            return malformed("its parts are not in order");
        }
        if !self.parts.iter().all(|part| part.start.is_multiple_of(page)) || !self.address.is_multiple_of(page) {
            return malformed("a part of it does not begin with a page");
        }
        if !self.align.is_power_of_two() || !(page..=MAX_ALIGN).contains(&self.align) {
            return malformed("its alignment is none");
        }
        let within = |inner: &Range<u64>, outer: &Range<u64>| {
            inner.start <= inner.end && outer.start <= inner.start && inner.end <= outer.end
        };
        let whole = first..self.mapped();
        if let Some(threads) = &self.threads {
            let fits = within(&threads.image, &whole) && threads.image.end - threads.image.start <= threads.size;
            if !fits || !threads.align.is_power_of_two() {
                return malformed("its thread-local variables have no room");
            }
        }
        if self.entry.is_some_and(|entry| !code.contains(&entry)) {
            return malformed("it begins outside of its code");
        }
        if !self.unwind.iter().all(|(of, records)| within(of, code) && within(records, read_only)) {
            return malformed("an unwind record lies outside of it");
        }
        if !self.functions.iter().all(|table| within(table, &whole) && (table.end - table.start).is_multiple_of(8)) {
            return malformed("a table of functions lies outside of it");
        }
        let exported = |export: &Exported| export.has_no_place() || export.place <= self.end;
        if !self.exports.iter().all(exported) {
            return malformed("a symbol lies outside of it");
        }
        let known = |number: Option<u32>, of: usize| number.is_none_or(|number| (number as usize) < of);
        let imports = |import: &Imported| known(import.library, self.libraries.len());
        if !self.imports.iter().all(imports) {
            return malformed("a symbol is of a library that there is not");
        }
        for Dynamic { place, what } in &self.words {
            let size = match what {
                What::Descriptor(..) => 16,
                What::ThreadField(kind, _) => match arch.kinds.get(usize::from(*kind)) {
                    Some(kind) => kind.field.size(),
                    None => return malformed("a field of code is of no known kind"),
                },
                _ => 8,
            };
            let end = place.checked_add(size);
            if !known(what.import(), self.imports.len()) || !end.is_some_and(|end| within(&(*place..end), &whole)) {
                return malformed("a word that is filled lies outside of it");
            }
        }
        let own = |change: &Change| {
            change.own.checked_add(change.size).is_some_and(|end| within(&(change.own..end), &whole))
                && change.base.checked_add(change.size).is_some()
        };
        if !self.changes.iter().all(own) || (!self.changes.is_empty() && self.base.is_none()) {
            return malformed("bytes that change another image lie outside of it");
        }
        Ok(())
    }
}
