//! Mach-O x86-64: relocation types and the edge kinds that they stand for.
//!
//! Source: `mach-o/x86_64/reloc.h` of cctools, whose comments show what stands in the fields.

use super::compact;
use super::machine::{Does, Machine, Reloc, name};
use crate::format::{Container, Format};
use crate::x86_64::*;
use Does::*;

const fn reloc(number: u8, name: &'static str, length: u8, relative: bool, does: Does) -> Reloc {
    Reloc { number, name, length, relative, does }
}

/// Every relocation type, with the lengths of its field. The addend is what the field holds.
#[rustfmt::skip]
pub const RELOCS: &[Reloc] = &[
    //        type                        log2  relative
    reloc(0, "X86_64_RELOC_UNSIGNED",      3,   false, Refer(ABS64)),            // S + A
    reloc(0, "X86_64_RELOC_UNSIGNED",      2,   false, Refer(ABS32)),            // S + A
    reloc(1, "X86_64_RELOC_SIGNED",        2,   true,  Refer(PC32)),             // S + A - (P + 4)
    reloc(2, "X86_64_RELOC_BRANCH",        2,   true,  Refer(BRANCH32)),         // L + A - (P + 4)
    reloc(2, "X86_64_RELOC_BRANCH",        0,   true,  Refer(PC8)),              // S + A - (P + 1)
    reloc(3, "X86_64_RELOC_GOT_LOAD",      2,   true,  ReferToSymbol(REX_GOTPCRELX)), // G + A - (P + 4)
    reloc(4, "X86_64_RELOC_GOT",           2,   true,  ReferToSymbol(GOTPCREL)), // G + A - (P + 4)
    reloc(5, "X86_64_RELOC_SUBTRACTOR",    2,   false, Subtract),
    reloc(5, "X86_64_RELOC_SUBTRACTOR",    3,   false, Subtract),
    reloc(6, "X86_64_RELOC_SIGNED_1",      2,   true,  Refer(PC32)),             // the same with one byte
    reloc(7, "X86_64_RELOC_SIGNED_2",      2,   true,  Refer(PC32)),             // with two bytes
    reloc(8, "X86_64_RELOC_SIGNED_4",      2,   true,  Refer(PC32)),             // with four bytes behind the field
    reloc(9, "X86_64_RELOC_TLV",           2,   true,  ReferToSymbol(TLVP)),     // G + A - (P + 4)
];

/// Bytes of an immediate operand behind the field.
fn immediate(number: u8) -> u8 {
    match number {
        6 => 1,
        7 => 2,
        8 => 4,
        _ => 0,
    }
}

/// The format and architecture.
pub static FORMAT: Format = Format {
    container: Container::MachO,
    arch: &ARCHITECTURE,
    name: "Mach-O x86-64",
    relocation: |kind| name(RELOCS, kind),
};

/// The machine: any 64-bit x86, Haswell and later too.
pub static MACHINE: Machine = Machine {
    number: 0x0100_0007,
    variants: &[3, 8],
    format: &FORMAT,
    relocs: RELOCS,
    immediate,
    counts_from_end: true,
    separate_addends: false,
    unwind: &compact::x86_64::UNWIND,
};
