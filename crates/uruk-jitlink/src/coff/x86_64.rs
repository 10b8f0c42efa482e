//! COFF x86-64: relocation types and the edge kinds that they stand for.
//!
//! Addends stand in the fields. `REL32_N` is relative to the address N bytes behind the field's end; the addend of the kind
//! that it stands for is relative to the field itself.
//! Source: PE Format, "x64 Processors"; a type that is absent is unsupported: those that stand in debug information only
//! (SECTION), and those that no compiler emits (SECREL7, TOKEN, SREL32, PAIR, SSPAN32).

use super::machine::{Machine, Reloc, Thunk, behind, name, none, reloc, wide};
use crate::format::{Container, Format};
use crate::x86_64::*;

/// The relocation types, in order of their numbers.
#[rustfmt::skip]
pub static RELOCS: &[Reloc] = &[
    reloc(0x00, "IMAGE_REL_AMD64_ABSOLUTE", NOTHING,  none),
    reloc(0x01, "IMAGE_REL_AMD64_ADDR64",   ABS64,    wide),         // S + A
    reloc(0x02, "IMAGE_REL_AMD64_ADDR32",   ABS32,    behind::<0>),  // S + A
    reloc(0x03, "IMAGE_REL_AMD64_ADDR32NB", IMAGE32,  behind::<0>),  // L + A - IMAGE
    reloc(0x04, "IMAGE_REL_AMD64_REL32",    PC32,     behind::<4>),  // L + A - (P + 4)
    reloc(0x05, "IMAGE_REL_AMD64_REL32_1",  PC32,     behind::<5>),  // L + A - (P + 5)
    reloc(0x06, "IMAGE_REL_AMD64_REL32_2",  PC32,     behind::<6>),
    reloc(0x07, "IMAGE_REL_AMD64_REL32_3",  PC32,     behind::<7>),
    reloc(0x08, "IMAGE_REL_AMD64_REL32_4",  PC32,     behind::<8>),
    reloc(0x09, "IMAGE_REL_AMD64_REL32_5",  PC32,     behind::<9>),
    reloc(0x0b, "IMAGE_REL_AMD64_SECREL",   DTPOFF32, behind::<0>),
];

/// The format and architecture.
pub static FORMAT: Format = Format {
    container: Container::Coff,
    arch: &ARCHITECTURE,
    name: "COFF x86-64",
    relocation: |kind| if kind == BRANCH32 { "IMAGE_REL_AMD64_REL32" } else { name(RELOCS, kind) },
};

/// The machine.
pub static MACHINE: Machine = Machine {
    number: 0x8664,
    format: &FORMAT,
    relocs: RELOCS,
    in_code: |kind, bytes, offset| if kind == PC32 && is_branch(bytes, offset) { BRANCH32 } else { kind },
    // jmp *pointer(%rip)
    thunk: Thunk { code: &[0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc], fields: &[(2, PC32, -4)] },
};
