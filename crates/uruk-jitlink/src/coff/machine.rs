//! The architectures that COFF objects are read for, and what the readers have to know of each.

use super::{arm64, x86_64};
use crate::format::Format;
use crate::graph::EdgeKind;

/// COFF for an architecture.
pub struct Machine {
    /// Its number in the file header.
    pub number: u16,
    /// The format and architecture of its graphs.
    pub format: &'static Format,
    /// Its relocation types, in order of their numbers.
    pub relocs: &'static [Reloc],
    /// What a relocation in code stands for instead, where the instruction says more than its type.
    pub in_code: fn(kind: EdgeKind, bytes: &[u8], offset: usize) -> EdgeKind,
    /// The code that jumps to where a pointer leads, with the kinds and offsets of its references to the pointer.
    pub thunk: Thunk,
}

/// A jump through a pointer.
pub struct Thunk {
    /// Its instructions.
    pub code: &'static [u8],
    /// Their fields: offset, kind and addend.
    pub fields: &'static [(u32, EdgeKind, i32)],
}

/// All of them.
pub static MACHINES: &[&Machine] = &[&x86_64::MACHINE, &arm64::MACHINE];

impl Machine {
    /// The machine of a number.
    pub fn of(number: u16) -> Option<&'static Machine> {
        MACHINES.iter().copied().find(|machine| machine.number == number)
    }

    /// The machine whose graphs have a format.
    pub fn of_format(format: &Format) -> Option<&'static Machine> {
        MACHINES.iter().copied().find(|machine| machine.format == format)
    }

    /// The relocation type of a number.
    pub fn reloc(&self, number: u16) -> Option<&'static Reloc> {
        let found = self.relocs.binary_search_by_key(&number, |reloc| reloc.number);
        found.ok().map(|at| &self.relocs[at])
    }
}

/// A relocation type.
pub struct Reloc {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// The kind that it stands for.
    pub kind: EdgeKind,
    /// The addend, from the bytes at the field, of which there are as many as the kind's field has.
    pub addend: fn(&[u8]) -> i64,
}

/// A row of a table.
pub(super) const fn reloc(number: u16, name: &'static str, kind: EdgeKind, addend: fn(&[u8]) -> i64) -> Reloc {
    Reloc { number, name, kind, addend }
}

/// The name of a kind, for messages.
pub(super) fn name(relocs: &[Reloc], kind: EdgeKind) -> &'static str {
    relocs.iter().find(|reloc| reloc.kind == kind).map_or("relocation", |reloc| reloc.name)
}

/// There is none.
pub(super) fn none(_: &[u8]) -> i64 {
    0
}

/// Eight bytes.
pub(super) fn wide(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes))
}

/// Four bytes that are relative to the address so many bytes behind the field's.
pub(super) fn behind<const BYTES: i64>(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(0, |bytes| i64::from(i32::from_le_bytes(*bytes))) - BYTES
}
