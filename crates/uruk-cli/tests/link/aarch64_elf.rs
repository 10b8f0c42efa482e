//! ELF AArch64: fixtures, and the limits of each relocation type.

use super::support::{Limit, SLAB, fixtures, limits};

const TRIPLE: &str = "aarch64-linux-gnu";

#[test]
fn rules_of_fixtures_hold() {
    fixtures(TRIPLE);
}

#[test]
fn values_fit_or_are_errors() {
    limits(TRIPLE, &[], LIMITS);
}

/// Minus a number.
const fn minus(value: u64) -> u64 {
    value.wrapping_neg()
}

/// An instruction at [`SLAB`].
macro_rules! code {
    ($instruction:literal) => {
        concat!(".globl main\nmain: ", $instruction, "\n.size main, .-main\n")
    };
}

/// Data at [`SLAB`]: there is no code before.
macro_rules! data {
    ($data:literal) => {
        concat!(".globl main\n.section .rodata\nmain: ", $data, "\n")
    };
}

#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit {
        name: "R_AARCH64_ABS64",
        source: data!(".xword ext"),
        fits: &[(u64::MAX, "*{8}main = ext"), (1 << 63, "*{8}main = 0x8000000000000000")],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_AARCH64_ABS32",
        source: data!(".word ext"),
        fits: &[(0xffff_ffff, "*{4}main = 0xffffffff"), (minus(0x8000_0000), "*{4}main = 0x80000000")],
        misses: &[0x1_0000_0000, minus(0x8000_0001)],
        message: "R_AARCH64_ABS32 to `ext`",
    },
    Limit {
        name: "R_AARCH64_ABS16",
        source: data!(".hword ext"),
        fits: &[(0xffff, "*{2}main = 0xffff"), (minus(0x8000), "*{2}main = 0x8000")],
        misses: &[0x1_0000, minus(0x8001)],
        message: "R_AARCH64_ABS16 to `ext`",
    },
    Limit {
        name: "R_AARCH64_PREL64",
        source: data!(".xword ext - ."),
        fits: &[(SLAB - 1, "*{8}main = 0xffffffffffffffff"), (SLAB + (1 << 40), "*{8}main = 0x10000000000")],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_AARCH64_PREL32",
        source: data!(".word ext - ."),
        fits: &[(SLAB + 0xffff_ffff, "*{4}main = 0xffffffff"), (SLAB - 0x8000_0000, "*{4}main = 0x80000000")],
        misses: &[SLAB + 0x1_0000_0000, SLAB - 0x8000_0001],
        message: "R_AARCH64_PREL32 to `ext`",
    },
    Limit {
        name: "R_AARCH64_PREL16",
        source: data!(".hword ext - ."),
        fits: &[(SLAB + 0xffff, "*{2}main = 0xffff"), (SLAB - 0x8000, "*{2}main = 0x8000")],
        misses: &[SLAB + 0x1_0000, SLAB - 0x8001],
        message: "R_AARCH64_PREL16 to `ext`",
    },
    Limit {
        name: "R_AARCH64_CALL26",
        source: code!("bl ext"),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x7f0_0000, "decode_operand(main, 0) = 0x1fc0000"),
            (SLAB - 0x7f0_0000, "decode_operand(main, 0) = 0xfffffffffe040000"),
            (SLAB + 0x800_0000, "decode_operand(main, 0) = stub_addr(limit.o, ext) - main >> 2"),
        ],
        misses: &[SLAB + 2],
        message: "R_AARCH64_JUMP26 to `ext`",
    },
    Limit {
        name: "R_AARCH64_CONDBR19",
        source: code!("b.ne ext"),
        fits: &[(SLAB + 0xf_fffc, "decode_operand(main, 1) = 0x3ffff"), (SLAB - 0x10_0000, "decode_operand(main, 1) = 0xfffffffffffc0000")],
        misses: &[SLAB + 0x10_0000, SLAB - 0x10_0004, SLAB + 1],
        message: "R_AARCH64_CONDBR19 to `ext`",
    },
    Limit {
        name: "R_AARCH64_TSTBR14",
        source: code!("tbz w0, #3, ext"),
        fits: &[(SLAB + 0x7ffc, "decode_operand(main, 2) = 0x1fff"), (SLAB - 0x8000, "decode_operand(main, 2) = 0xffffffffffffe000")],
        misses: &[SLAB + 0x8000, SLAB - 0x8004, SLAB + 2],
        message: "R_AARCH64_TSTBR14 to `ext`",
    },
    Limit {
        name: "R_AARCH64_LD_PREL_LO19",
        source: code!("ldr x0, ext"),
        fits: &[(SLAB + 0xf_fffc, "decode_operand(main, 1) = 0x3ffff"), (SLAB - 0x10_0000, "decode_operand(main, 1) = 0xfffffffffffc0000")],
        misses: &[SLAB + 0x10_0000, SLAB - 0x10_0004, SLAB + 2],
        message: "R_AARCH64_LD_PREL_LO19 to `ext`",
    },
    Limit {
        name: "R_AARCH64_ADR_PREL_LO21",
        source: code!("adr x0, ext"),
        fits: &[(SLAB + 0xf_ffff, "decode_operand(main, 1) = 0xfffff"), (SLAB - 0x10_0000, "decode_operand(main, 1) = 0xfffffffffff00000")],
        misses: &[SLAB + 0x10_0000, SLAB - 0x10_0001],
        message: "R_AARCH64_ADR_PREL_LO21 to `ext`",
    },
    Limit {
        name: "R_AARCH64_ADR_PREL_PG_HI21",
        source: code!("adrp x0, ext"),
        fits: &[(SLAB + 0xffff_ffff, "decode_operand(main, 1) = 0xfffff"), (0, "decode_operand(main, 1) = 0xfffffffffff00000")],
        misses: &[SLAB + 0x1_0000_0000, minus(1)],
        message: "R_AARCH64_ADR_PREL_PG_HI21 to `ext`",
    },
    Limit {
        name: "R_AARCH64_ADR_PREL_PG_HI21_NC",
        source: code!("adrp x0, :pg_hi21_nc:ext"),
        fits: &[(SLAB + 0x1_0000_0000, "decode_operand(main, 1) = 0xfffffffffff00000")],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_AARCH64_MOVW_UABS_G0",
        source: code!("movz x0, #:abs_g0:ext"),
        fits: &[(0xffff, "decode_operand(main, 1) = 0xffff")],
        misses: &[0x1_0000, minus(1)],
        message: "R_AARCH64_MOVW_UABS_G0 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_UABS_G1",
        source: code!("movz x0, #:abs_g1:ext"),
        fits: &[(0xffff_1234, "decode_operand(main, 1) = 0xffff")],
        misses: &[0x1_0000_0000, minus(1)],
        message: "R_AARCH64_MOVW_UABS_G1 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_UABS_G2",
        source: code!("movz x0, #:abs_g2:ext"),
        fits: &[(0xffff_1234_5678, "decode_operand(main, 1) = 0xffff")],
        misses: &[1 << 48, minus(1)],
        message: "R_AARCH64_MOVW_UABS_G2 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_SABS_G0",
        source: code!("movz x0, #:abs_g0_s:ext"),
        fits: &[(0xffff, "*{4}main = 0xd29fffe0"), (minus(0x1_0000), "*{4}main = 0x929fffe0")],
        misses: &[0x1_0000, minus(0x1_0001)],
        message: "R_AARCH64_MOVW_SABS_G0 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_SABS_G1",
        source: code!("movz x0, #:abs_g1_s:ext"),
        fits: &[(0xffff_ffff, "*{4}main = 0xd2bfffe0"), (minus(0x1_0000_0000), "*{4}main = 0x92bfffe0")],
        misses: &[0x1_0000_0000, minus(0x1_0000_0001)],
        message: "R_AARCH64_MOVW_SABS_G1 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_SABS_G2",
        source: code!("movz x0, #:abs_g2_s:ext"),
        fits: &[((1 << 48) - 1, "*{4}main = 0xd2dfffe0"), (minus(1 << 48), "*{4}main = 0x92dfffe0")],
        misses: &[1 << 48, minus((1 << 48) + 1)],
        message: "R_AARCH64_MOVW_SABS_G2 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_PREL_G0",
        source: code!("movz x0, #:prel_g0:ext"),
        fits: &[(SLAB + 0xffff, "*{4}main = 0xd29fffe0"), (SLAB - 0x1_0000, "*{4}main = 0x929fffe0")],
        misses: &[SLAB + 0x1_0000, SLAB - 0x1_0001],
        message: "R_AARCH64_MOVW_PREL_G0 to `ext`",
    },
    Limit {
        name: "R_AARCH64_PLT32",
        source: data!(".word ext@PLT - ."),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x700_0000, "*{4}main = (ext - main)[31:0]"),
            (SLAB + 0x8000_0000, "*{4}main = (stub_addr(limit.o, ext) - main)[31:0]"),
            (SLAB - 0x8000_0001, "*{4}main = (stub_addr(limit.o, ext) - main)[31:0]"),
        ],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_AARCH64_GOT_LD_PREL19",
        source: code!("ldr x0, :got:ext"),
        fits: &[(u64::MAX, "decode_operand(main, 1) = got_addr(limit.o, ext) - main >> 2")],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_AARCH64_LD64_GOTPAGE_LO15",
        source: code!("ldr x0, [x0, :gotpage_lo15:ext]"),
        fits: &[(u64::MAX, "decode_operand(main, 2) = got_addr(limit.o, ext)[11:3]")],
        misses: &[],
        message: "",
    },
];
