//! COFF arm64: relocation types and the edge kinds that they stand for.
//!
//! Addends stand in the instructions' immediates. That of `adrp` counts bytes, not pages, and is 21 bits long.
//! Source: PE Format, "ARM64 Processors"; a type that is absent is unsupported: SECTION, which stands in debug information
//! only, and TOKEN, which no compiler emits.

use super::machine::{Machine, Reloc, Thunk, behind, name, none, reloc, wide};
use crate::aarch64::*;
use crate::arch::{DTPOFF32, IMAGE32, PC32};
use crate::format::{Container, Format};
use crate::graph::EdgeKind;

/// The relocation types, in order of their numbers.
#[rustfmt::skip]
pub static RELOCS: &[Reloc] = &[
    reloc(0x00, "IMAGE_REL_ARM64_ABSOLUTE",       NOTHING,      none),
    reloc(0x01, "IMAGE_REL_ARM64_ADDR32",         WORD32,       behind::<0>),   // S + A
    reloc(0x02, "IMAGE_REL_ARM64_ADDR32NB",       IMAGE32,      behind::<0>),   // L + A - IMAGE
    reloc(0x03, "IMAGE_REL_ARM64_BRANCH26",       BRANCH26,     words::<0, 26>), // L + A - P
    reloc(0x04, "IMAGE_REL_ARM64_PAGEBASE_REL21", ADRP,         adr),           // Page(S + A) - Page(P)
    reloc(0x05, "IMAGE_REL_ARM64_REL21",          ADR21,        adr),           // S + A - P
    reloc(0x06, "IMAGE_REL_ARM64_PAGEOFFSET_12A", PAGEOFF12,    low12),         // S + A, 12 bits
    reloc(0x07, "IMAGE_REL_ARM64_PAGEOFFSET_12L", PAGEOFF12,    low12),         // S + A, 12 bits, scaled
    reloc(0x08, "IMAGE_REL_ARM64_SECREL",         DTPOFF32,     behind::<0>),
    reloc(0x09, "IMAGE_REL_ARM64_SECREL_LOW12A",  DTP_LO12_NC,  low12),
    reloc(0x0a, "IMAGE_REL_ARM64_SECREL_HIGH12A", DTP_HI12,     none),
    reloc(0x0b, "IMAGE_REL_ARM64_SECREL_LOW12L",  DTP_LDST8_NC, low12),
    reloc(0x0e, "IMAGE_REL_ARM64_ADDR64",         ABS64,        wide),          // S + A
    reloc(0x0f, "IMAGE_REL_ARM64_BRANCH19",       BRANCH19,     words::<5, 19>), // S + A - P
    reloc(0x10, "IMAGE_REL_ARM64_BRANCH14",       BRANCH14,     words::<5, 14>), // S + A - P
    reloc(0x11, "IMAGE_REL_ARM64_REL32",          PC32,         behind::<4>),   // S + A - (P + 4)
];

/// The format and architecture.
pub static FORMAT: Format = Format {
    container: Container::Coff,
    arch: &ARCHITECTURE,
    name: "COFF arm64",
    relocation: |kind| match SCALED.contains(&kind) {
        true => "IMAGE_REL_ARM64_SECREL_LOW12L",
        false => name(RELOCS, kind),
    },
};

/// The machine.
pub static MACHINE: Machine = Machine {
    number: 0xaa64,
    format: &FORMAT,
    relocs: RELOCS,
    in_code: |kind, bytes, offset| {
        let scale = bytes.get(offset..).map_or(0, |bytes| scale(word(bytes)));
        if kind == DTP_LDST8_NC { SCALED[scale as usize] } else { kind }
    },
    // adrp x16, pointer; ldr x16, [x16, :lo12:pointer]; br x16
    thunk: Thunk {
        code: &[0x10, 0, 0, 0x90, 0x10, 0x02, 0x40, 0xf9, 0, 0x02, 0x1f, 0xd6],
        fields: &[(0, ADRP, 0), (4, PAGEOFF12, 0)],
    },
};

/// Loads and stores of thread-local variables, by scale.
const SCALED: [EdgeKind; 5] = [DTP_LDST8_NC, DTP_LDST16_NC, DTP_LDST32_NC, DTP_LDST64_NC, DTP_LDST128_NC];

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The lower bits of a word, as many as said, as a signed number.
fn signed(word: u32, bits: u32) -> i64 {
    i64::from((word << (32 - bits)) as i32 >> (32 - bits))
}

/// A distance in words: `BITS` bits from `LOW` on.
fn words<const LOW: u32, const BITS: u32>(bytes: &[u8]) -> i64 {
    signed(word(bytes) >> LOW, BITS) * 4
}

/// The two parts of the immediate of `adr` and `adrp`.
fn adr(bytes: &[u8]) -> i64 {
    let word = word(bytes);
    signed((word >> 29 & 3) | (word >> 3 & 0x1f_fffc), 21)
}

/// Twelve bits, scaled as the instruction's access is.
fn low12(bytes: &[u8]) -> i64 {
    let word = word(bytes);
    i64::from(word >> 10 & 0xfff) << scale(word)
}
