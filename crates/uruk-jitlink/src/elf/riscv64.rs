//! ELF riscv64 and what it shares with riscv32: relocation types and the edge kinds that they stand for.
//!
//! Source: RISC-V ELF psABI 1.0, "Relocations", and 1.1 for descriptors; a type that is absent is unsupported, among
//! them those that only linkers make for the loader, and those of vendors (191 and above).

use super::machine::{Class, Machine, Reloc, Rule, name, rules};
use crate::arch::{Architecture, DTPOFF32, DTPOFF64};
use crate::format::{Container, Format};
use crate::riscv::*;

/// Every relocation type of relocatable objects: number, name, kind.
#[rustfmt::skip]
pub const RELOCS: &[Reloc] = &[
    //                                                      psABI formula
    (0,  "R_RISCV_NONE",              NOTHING),
    (1,  "R_RISCV_32",                WORD32),           // S + A
    (2,  "R_RISCV_64",                ABS64),            // S + A
    (8,  "R_RISCV_TLS_DTPREL32",      DTPOFF32),         // S + A - TLS_DTV_OFFSET
    (9,  "R_RISCV_TLS_DTPREL64",      DTPOFF64),         // S + A - TLS_DTV_OFFSET
    (16, "R_RISCV_BRANCH",            BRANCH),           // S + A - P
    (17, "R_RISCV_JAL",               JAL),              // S + A - P
    (18, "R_RISCV_CALL",              CALL),             // S + A - P
    (19, "R_RISCV_CALL_PLT",          CALL),             // S + A - P
    (20, "R_RISCV_GOT_HI20",          GOT_HI20),         // G + GOT + A - P
    (21, "R_RISCV_TLS_GOT_HI20",      TLS_GOT_HI20),
    (22, "R_RISCV_TLS_GD_HI20",       TLS_GD_HI20),
    (23, "R_RISCV_PCREL_HI20",        PCREL_HI20),       // S + A - P
    (24, "R_RISCV_PCREL_LO12_I",      PCREL_LO12_I),     // what the label's relocation computes
    (25, "R_RISCV_PCREL_LO12_S",      PCREL_LO12_S),
    (26, "R_RISCV_HI20",              HI20),             // S + A
    (27, "R_RISCV_LO12_I",            LO12_I),           // S + A
    (28, "R_RISCV_LO12_S",            LO12_S),           // S + A
    (29, "R_RISCV_TPREL_HI20",        TPREL_HI20),
    (30, "R_RISCV_TPREL_LO12_I",      TPREL_LO12_I),
    (31, "R_RISCV_TPREL_LO12_S",      TPREL_LO12_S),
    (32, "R_RISCV_TPREL_ADD",         TPREL_ADD),          // marks the addition of the thread pointer
    (33, "R_RISCV_ADD8",              ADD8),             // V + S + A
    (34, "R_RISCV_ADD16",             ADD16),            // V + S + A
    (35, "R_RISCV_ADD32",             ADD32),            // V + S + A
    (36, "R_RISCV_ADD64",             ADD64),            // V + S + A
    (37, "R_RISCV_SUB8",              SUB8),             // V - S - A
    (38, "R_RISCV_SUB16",             SUB16),            // V - S - A
    (39, "R_RISCV_SUB32",             SUB32),            // V - S - A
    (40, "R_RISCV_SUB64",             SUB64),            // V - S - A
    (41, "R_RISCV_GOT32_PCREL",       GOTPCREL),         // G + GOT + A - P
    (43, "R_RISCV_ALIGN",             ALIGN),
    (44, "R_RISCV_RVC_BRANCH",        RVC_BRANCH),       // S + A - P
    (45, "R_RISCV_RVC_JUMP",          RVC_JUMP),         // S + A - P
    (51, "R_RISCV_RELAX",             RELAX),
    (52, "R_RISCV_SUB6",              SUB6),             // V - S - A
    (53, "R_RISCV_SET6",              SET6),             // S + A
    (54, "R_RISCV_SET8",              SET8),             // S + A
    (55, "R_RISCV_SET16",             SET16),            // S + A
    (56, "R_RISCV_SET32",             SET32),            // S + A
    (57, "R_RISCV_32_PCREL",          PC32),             // S + A - P
    (59, "R_RISCV_PLT32",             BRANCH32),         // S + A - P
    (60, "R_RISCV_SET_ULEB128",       SET_ULEB128),      // S + A
    (61, "R_RISCV_SUB_ULEB128",       SUB_ULEB128),      // V - S - A
    (62, "R_RISCV_TLSDESC_HI20",      TLSDESC_HI20),
    (63, "R_RISCV_TLSDESC_LOAD_LO12", TLSDESC_LOAD_LO12),
    (64, "R_RISCV_TLSDESC_ADD_LO12",  TLSDESC_ADD_LO12),
    (65, "R_RISCV_TLSDESC_CALL",      TLSDESC_CALL),          // marks the call of the descriptor's function
];

/// Past the largest type.
const TYPES: usize = 66;

/// What the reader knows of all types.
pub(super) type Rules = [Option<Rule>; TYPES];

/// The number of the machine, which both widths share.
pub(super) const NUMBER: u16 = 243;

/// The flag of compressed instructions (`EF_RISCV_RVC`).
pub(super) const COMPRESSED: u32 = 1;

/// How floating-point numbers are passed (`EF_RISCV_FLOAT_ABI`), by its number.
const FLOAT_ABIS: [&str; 4] =
    ["the soft-float ABI", "the single-float ABI", "the double-float ABI", "the quad-float ABI"];

/// The format and architecture.
pub static FORMAT: Format = format(&rv64::ARCHITECTURE, "ELF riscv64");

static RULES: Rules = rules(&rv64::ARCHITECTURE, RELOCS);

/// The machine.
pub static MACHINE: Machine = machine(Class::Wide, &FORMAT, &RULES);

pub(super) const fn format(arch: &'static Architecture, full_name: &'static str) -> Format {
    Format { container: Container::Elf, arch, name: full_name, relocation: |kind| name(RELOCS, kind) }
}

pub(super) const fn machine(class: Class, format: &'static Format, rules: &'static Rules) -> Machine {
    Machine {
        number: NUMBER,
        class,
        refuse,
        abi: |flags| Some(FLOAT_ABIS[(flags >> 1 & 3) as usize]),
        compressed: COMPRESSED,
        format,
        relocs: RELOCS,
        rules,
    }
}

/// Objects whose calling convention nothing else has (psABI, "File Header").
fn refuse(flags: u32) -> Option<(&'static str, &'static str)> {
    const RVE: u32 = 8;
    (flags & RVE != 0).then_some((
        "RISC-V code for 16 registers (RVE)",
        "compile with an ABI of 32 registers, as -mabi=ilp32 or -mabi=lp64",
    ))
}
