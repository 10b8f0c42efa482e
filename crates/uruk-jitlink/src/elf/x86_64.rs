//! ELF x86-64: relocation types and the edge kinds that they stand for.
//!
//! Source: x86-64 psABI 1.0, §4.4.1 "Relocation Types"; a type that is absent is unsupported, among them those that
//! only linkers make for the loader.

use super::machine::{Class, Machine, Reloc, Rule, name, rule, rules};
use crate::format::{Container, Format};
use crate::x86_64::*;

/// Every relocation type of relocatable objects: number, name, kind.
#[rustfmt::skip]
pub const RELOCS: &[Reloc] = &[
    //                                                        psABI formula
    (0,  "R_X86_64_NONE",                 NOTHING),
    (1,  "R_X86_64_64",                   ABS64),            // S + A
    (2,  "R_X86_64_PC32",                 PC32),             // S + A - P
    (3,  "R_X86_64_GOT32",                GOT32),            // G + A
    (4,  "R_X86_64_PLT32",                BRANCH32),         // L + A - P
    (9,  "R_X86_64_GOTPCREL",             GOTPCREL),         // G + GOT + A - P
    (10, "R_X86_64_32",                   ABS32),            // S + A
    (11, "R_X86_64_32S",                  ABS32S),           // S + A
    (12, "R_X86_64_16",                   ABS16),            // S + A
    (13, "R_X86_64_PC16",                 PC16),             // S + A - P
    (14, "R_X86_64_8",                    ABS8),             // S + A
    (15, "R_X86_64_PC8",                  PC8),              // S + A - P
    (17, "R_X86_64_DTPOFF64",             DTPOFF64),
    (18, "R_X86_64_TPOFF64",              TPOFF64),
    (19, "R_X86_64_TLSGD",                TLSGD),
    (20, "R_X86_64_TLSLD",                TLSLD),
    (21, "R_X86_64_DTPOFF32",             DTPOFF32),
    (22, "R_X86_64_GOTTPOFF",             GOTTPOFF),
    (23, "R_X86_64_TPOFF32",              TPOFF32),
    (24, "R_X86_64_PC64",                 PC64),             // S + A - P
    (25, "R_X86_64_GOTOFF64",             GOTOFF64),         // S + A - GOT
    (26, "R_X86_64_GOTPC32",              GOTPC32),          // GOT + A - P
    (27, "R_X86_64_GOT64",                GOT64),            // G + A
    (28, "R_X86_64_GOTPCREL64",           GOTPCREL64),       // G + GOT - P + A
    (29, "R_X86_64_GOTPC64",              GOTPC64),          // GOT - P + A
    (30, "R_X86_64_GOTPLT64",             GOT64),            // G + A
    (31, "R_X86_64_PLTOFF64",             PLTOFF64),         // L - GOT + A
    (32, "R_X86_64_SIZE32",               SIZE32),           // Z + A
    (33, "R_X86_64_SIZE64",               SIZE64),           // Z + A
    (34, "R_X86_64_GOTPC32_TLSDESC",      TLSDESC),
    (35, "R_X86_64_TLSDESC_CALL",         TLSDESC_CALL),
    (41, "R_X86_64_GOTPCRELX",            GOTPCRELX),        // G + GOT + A - P
    (42, "R_X86_64_REX_GOTPCRELX",        REX_GOTPCRELX),    // G + GOT + A - P
    (43, "R_X86_64_CODE_4_GOTPCRELX",     CODE_4_GOTPCRELX), // G + GOT + A - P
    (44, "R_X86_64_CODE_4_GOTTPOFF",      CODE_4_GOTTPOFF),
    (45, "R_X86_64_CODE_4_GOTPC32_TLSDESC", CODE_4_TLSDESC),
    (46, "R_X86_64_CODE_5_GOTPCRELX",     CODE_5_GOTPCRELX), // G + GOT + A - P
    (47, "R_X86_64_CODE_5_GOTTPOFF",      CODE_5_GOTTPOFF),
    (48, "R_X86_64_CODE_5_GOTPC32_TLSDESC", CODE_5_TLSDESC),
    (49, "R_X86_64_CODE_6_GOTPCRELX",     CODE_6_GOTPCRELX), // G + GOT + A - P
    (50, "R_X86_64_CODE_6_GOTTPOFF",      CODE_6_GOTTPOFF),
    (51, "R_X86_64_CODE_6_GOTPC32_TLSDESC", CODE_6_TLSDESC),
    (250, "R_X86_64_GNU_VTINHERIT",       NOTHING),
    (251, "R_X86_64_GNU_VTENTRY",         NOTHING),
];

/// Past the largest type.
const TYPES: usize = 252;

/// The format and architecture.
pub static FORMAT: Format = Format {
    container: Container::Elf,
    arch: &ARCHITECTURE,
    name: "ELF x86-64",
    relocation: |kind| name(RELOCS, kind),
};

static RULES: [Option<Rule>; TYPES] = {
    let mut rules = rules::<TYPES>(&ARCHITECTURE, RELOCS);
    // Older assemblers mark calls and jumps like data.
    let mut branch = rule(&ARCHITECTURE, PC32);
    branch.may_branch = true;
    rules[2] = Some(branch);
    rules
};

/// The machine.
pub static MACHINE: Machine = Machine {
    number: 62,
    class: Class::Wide,
    refuse: |_| None,
    abi: |_| None,
    compressed: 0,
    format: &FORMAT,
    relocs: RELOCS,
    rules: &RULES,
};
