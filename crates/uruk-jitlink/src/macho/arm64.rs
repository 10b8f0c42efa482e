//! Mach-O arm64: relocation types and the edge kinds that they stand for.
//!
//! Source: `mach-o/arm64/reloc.h` of cctools.

use super::compact;
use super::machine::{Does, Machine, Reloc, name};
use crate::aarch64::*;
use crate::format::{Container, Format};
use Does::*;

const fn reloc(number: u8, name: &'static str, length: u8, relative: bool, does: Does) -> Reloc {
    Reloc { number, name, length, relative, does }
}

/// Every relocation type, with the lengths of its field. Addresses hold their addends; those of instructions stand in a
/// relocation before theirs, and what else a field holds counts for nothing.
#[rustfmt::skip]
pub const RELOCS: &[Reloc] = &[
    //         type                                log2  relative
    reloc(0,  "ARM64_RELOC_UNSIGNED",               3,   false, Refer(ABS64)),               // S + A
    reloc(0,  "ARM64_RELOC_UNSIGNED",               2,   false, Refer(WORD32)),              // S + A
    reloc(1,  "ARM64_RELOC_SUBTRACTOR",             2,   false, Subtract),
    reloc(1,  "ARM64_RELOC_SUBTRACTOR",             3,   false, Subtract),
    reloc(2,  "ARM64_RELOC_BRANCH26",               2,   true,  ReferToSymbol(BRANCH26)),    // L + A - P
    reloc(3,  "ARM64_RELOC_PAGE21",                 2,   true,  ReferToSymbol(ADRP)),        // Page(S + A) - Page(P)
    reloc(4,  "ARM64_RELOC_PAGEOFF12",              2,   false, ReferToSymbol(PAGEOFF12)),   // S + A
    reloc(5,  "ARM64_RELOC_GOT_LOAD_PAGE21",        2,   true,  ReferToSymbol(GOT_PAGE)),    // Page(G) - Page(P)
    reloc(6,  "ARM64_RELOC_GOT_LOAD_PAGEOFF12",     2,   false, ReferToSymbol(GOT_LO12)),    // G
    reloc(7,  "ARM64_RELOC_POINTER_TO_GOT",         2,   true,  ReferToSymbol(GOTPCREL32)),  // G - P
    reloc(7,  "ARM64_RELOC_POINTER_TO_GOT",         3,   false, ReferToSymbol(GOTADDRESS64)), // G
    reloc(8,  "ARM64_RELOC_TLVP_LOAD_PAGE21",       2,   true,  ReferToSymbol(TLVP_PAGE)),   // Page(G) - Page(P)
    reloc(9,  "ARM64_RELOC_TLVP_LOAD_PAGEOFF12",    2,   false, ReferToSymbol(TLVP_LO12)),   // G
    reloc(10, "ARM64_RELOC_ADDEND",                 2,   false, Add),
    reloc(11, "ARM64_RELOC_AUTHENTICATED_POINTER",  3,   false,
          Refuse("pointers that the processor signs; compile for arm64 instead of arm64e")),
];

/// The format and architecture.
pub static FORMAT: Format = Format {
    container: Container::MachO,
    arch: &ARCHITECTURE,
    name: "Mach-O arm64",
    relocation: |kind| name(RELOCS, kind),
};

/// The machine. The second variant, arm64e, signs pointers.
pub static MACHINE: Machine = Machine {
    number: 0x0100_000c,
    variants: &[0, 1, 2],
    format: &FORMAT,
    relocs: RELOCS,
    immediate: |_| 0,
    counts_from_end: false,
    separate_addends: true,
    unwind: &compact::arm64::UNWIND,
};
