//! The architectures that ELF objects are read for, and what the readers have to know of each.

pub use super::class::Class;
use super::{aarch64, riscv32, riscv64, x86_64};
use crate::arch::Architecture;
use crate::format::Format;
use crate::graph::EdgeKind;
use crate::wishes;

/// ELF for an architecture.
pub struct Machine {
    /// Its number in the file header (`e_machine`).
    pub number: u16,
    /// The width of its addresses (`EI_CLASS`).
    pub class: Class,
    /// What an object is whose flags (`e_flags`) say that it cannot be linked, and what to do.
    pub refuse: fn(flags: u32) -> Option<(&'static str, &'static str)>,
    /// How functions pass numbers, by the flags, where objects that differ in it cannot be linked with each other.
    pub abi: fn(flags: u32) -> Option<&'static str>,
    /// The flag that says that code may use compressed instructions.
    pub compressed: u32,
    /// The format and architecture of its graphs.
    pub format: &'static Format,
    /// Its relocation types.
    pub relocs: &'static [Reloc],
    /// What the reader has to know of each relocation type, by its number.
    pub rules: &'static [Option<Rule>],
}

/// All of them.
pub static MACHINES: &[&Machine] = &[&x86_64::MACHINE, &aarch64::MACHINE, &riscv64::MACHINE, &riscv32::MACHINE];

impl Machine {
    /// The machine of a number and a width.
    pub fn of(number: u16, class: Class) -> Option<&'static Machine> {
        MACHINES.iter().copied().find(|machine| machine.number == number && machine.class == class)
    }

    /// How the functions of an object of this machine pass numbers, where that matters.
    pub fn abi_of(&self, object: &[u8]) -> Option<&'static str> {
        let flags = object.get(self.class.flags_at()..).and_then(|bytes| bytes.first_chunk())?;
        (self.abi)(u32::from_le_bytes(*flags))
    }

    /// The machine of an architecture.
    pub fn of_arch(arch: &Architecture) -> Option<&'static Machine> {
        MACHINES.iter().copied().find(|machine| machine.format.arch == arch)
    }

    /// The edge kind of a relocation type.
    pub fn kind(&self, number: u32) -> Option<EdgeKind> {
        self.rules.get(number as usize).copied().flatten().map(|rule| rule.kind)
    }
}

/// What the reader has to know of a relocation type; the same facts as the architecture's table, in one load.
#[derive(Clone, Copy)]
pub struct Rule {
    pub(super) kind: EdgeKind,
    pub(super) field_size: u8,
    /// The bit of its table entry, without relaxation, or 0.
    pub(super) want: u16,
    /// It loads from a slot in an instruction that may be rewritten.
    pub(super) got_load: bool,
    pub(super) demands: u8,
    /// It may stand in a call or jump although it is not marked as one.
    pub(super) may_branch: bool,
}

// What a relocation demands of the whole object.
pub(super) const NEEDS_LOW: u8 = 1;
pub(super) const NEEDS_STATIC_TLS: u8 = 2;
pub(super) const IS_TLS_FIELD: u8 = 4;

/// The rule of relocations of a kind.
pub(super) const fn rule(arch: &Architecture, kind: EdgeKind) -> Rule {
    let info = &arch.kinds[kind.0 as usize];
    Rule {
        kind,
        field_size: info.field.size() as u8,
        want: match info.entry {
            Some(entry) => wishes::bit(entry),
            None => 0,
        },
        got_load: info.value.is_load(),
        demands: (info.low as u8 * NEEDS_LOW)
            | (info.needs_static_threads() as u8 * NEEDS_STATIC_TLS)
            | (info.is_thread_field() as u8 * IS_TLS_FIELD),
        may_branch: false,
    }
}

/// A relocation type: its number, the psABI's name, and the kind it stands for.
pub type Reloc = (u32, &'static str, EdgeKind);

/// The rules of all types, by number. `COUNT` is past the largest.
pub(super) const fn rules<const COUNT: usize>(arch: &Architecture, relocs: &[Reloc]) -> [Option<Rule>; COUNT] {
    let mut rules = [None; COUNT];
    let mut at = 0;
    while at < relocs.len() {
        rules[relocs[at].0 as usize] = Some(rule(arch, relocs[at].2));
        at += 1;
    }
    rules
}

/// The psABI's name of a kind, for messages.
pub(super) fn name(relocs: &[Reloc], kind: EdgeKind) -> &'static str {
    relocs.iter().find(|(_, _, row)| *row == kind).map_or("relocation", |(_, name, _)| name)
}
