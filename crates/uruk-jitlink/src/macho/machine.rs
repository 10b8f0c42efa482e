//! The architectures that Mach-O objects are read for, and what the readers have to know of each.

use super::compact::Unwind;
use super::{arm64, x86_64};
use crate::arch::{
    ABS64, DESCRIPTOR_ARGUMENT, DESCRIPTOR_FUNCTION, DIFFERENCE32, DIFFERENCE64, DISTANCE32, PC64, SUBTRAHEND,
};
use crate::format::Format;
use crate::graph::EdgeKind;

/// Mach-O for an architecture.
pub struct Machine {
    /// Its number in the file header (`cputype`).
    pub number: u32,
    /// Variants that are read (`cpusubtype`).
    pub variants: &'static [u32],
    /// The format and architecture of its graphs.
    pub format: &'static Format,
    /// Its relocation types.
    pub relocs: &'static [Reloc],
    /// Bytes between a field and the next one in instructions that hold a distance from their end, by type.
    pub immediate: fn(u8) -> u8,
    /// Distances count from the end of their field, not from its start.
    pub counts_from_end: bool,
    /// Only addresses hold their addends; others have a relocation of its own before theirs.
    pub separate_addends: bool,
    /// How its compact unwind records are read.
    pub unwind: &'static Unwind,
}

/// All of them.
pub static MACHINES: &[&Machine] = &[&x86_64::MACHINE, &arm64::MACHINE];

impl Machine {
    /// The machine of the file header's numbers.
    pub fn of(number: u32, variant: u32) -> Option<&'static Machine> {
        let mut machines = MACHINES.iter().copied();
        machines.find(|machine| machine.number == number && machine.variants.contains(&variant))
    }

    /// What a relocation's numbers stand for.
    pub fn reloc(&self, number: u8, length: u8, relative: bool) -> Option<&'static Reloc> {
        let mut relocs = self.relocs.iter();
        relocs.find(|reloc| (reloc.number, reloc.length, reloc.relative) == (number, length, relative))
    }
}

/// A relocation type with a length of its field.
pub struct Reloc {
    /// Its number.
    pub number: u8,
    /// Its name, for messages.
    pub name: &'static str,
    /// The base-2 logarithm of the bytes that hold its field.
    pub length: u8,
    /// It says that its field holds a distance.
    pub relative: bool,
    /// What it does.
    pub does: Does,
}

/// What a relocation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Does {
    /// An edge, to a symbol or a place in a section.
    Refer(EdgeKind),
    /// An edge to a symbol.
    ReferToSymbol(EdgeKind),
    /// What the next one refers to, less this symbol.
    Subtract,
    /// The addend of the next one.
    Add,
    /// Something that is refused, with a hint.
    Refuse(&'static str),
}

/// The name of a kind, for messages.
pub(super) fn name(relocs: &[Reloc], kind: EdgeKind) -> &'static str {
    let makes = |reloc: &&Reloc| match kind {
        PC64 | DISTANCE32 | DIFFERENCE32 | DIFFERENCE64 | SUBTRAHEND => reloc.does == Does::Subtract,
        DESCRIPTOR_FUNCTION | DESCRIPTOR_ARGUMENT => reloc.does == Does::Refer(ABS64),
        kind => reloc.does == Does::Refer(kind) || reloc.does == Does::ReferToSymbol(kind),
    };
    relocs.iter().find(makes).map_or("relocation", |reloc| reloc.name)
}
