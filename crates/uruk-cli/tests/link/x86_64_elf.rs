//! ELF x86-64: fixtures, and the limits of each relocation type.

use super::support::{Limit, SLAB, fixtures, limits};

const TRIPLE: &str = "x86_64-linux-gnu";

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

const LIMITS: &[Limit] = &[
    Limit {
        name: "R_X86_64_8",
        source: ".globl main\nmain: .byte ext\n",
        fits: &[(255, "*{1}main = 255"), (0, "*{1}main = 0"), (minus(128), "*{1}main = 0x80")],
        misses: &[256, minus(129)],
        message: "R_X86_64_8 to `ext`",
    },
    Limit {
        name: "R_X86_64_16",
        source: ".globl main\nmain: .short ext\n",
        fits: &[(0xffff, "*{2}main = 0xffff"), (minus(0x8000), "*{2}main = 0x8000")],
        misses: &[0x1_0000, minus(0x8001)],
        message: "R_X86_64_16 to `ext`",
    },
    Limit {
        name: "R_X86_64_32",
        source: ".globl main\nmain: .long ext\n",
        fits: &[(0xffff_ffff, "*{4}main = 0xffffffff"), (0, "*{4}main = 0")],
        misses: &[0x1_0000_0000, minus(1)],
        message: "R_X86_64_32 to `ext`",
    },
    Limit {
        name: "R_X86_64_32S",
        source: ".globl main\n.section .rodata\n.reloc main, R_X86_64_32S, ext\nmain: .long 0\n",
        fits: &[(0x7fff_ffff, "*{4}main = 0x7fffffff"), (minus(0x8000_0000), "*{4}main = 0x80000000")],
        misses: &[0x8000_0000, minus(0x8000_0001)],
        message: "R_X86_64_32S to `ext`",
    },
    Limit {
        name: "R_X86_64_32S in an instruction",
        source: ".globl main\nmain: movq $ext, %rax\n.size main, .-main\n",
        // What is out of reach goes through a thunk, to which the instruction becomes a jump.
        fits: &[
            (0x7fff_ffff, "decode_operand(main, 1) = 0x7fffffff"),
            (minus(0x8000_0000), "decode_operand(main, 1) = 0xffffffff80000000"),
            (0x8000_0000, "*{1}main = 0xe9"),
        ],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_X86_64_PC8",
        source: ".globl main\nmain: .byte ext - .\n",
        fits: &[(SLAB + 127, "*{1}main = 127"), (SLAB - 128, "*{1}main = 0x80")],
        misses: &[SLAB + 256, SLAB - 129],
        message: "R_X86_64_PC8 to `ext`",
    },
    Limit {
        name: "R_X86_64_PC16",
        source: ".globl main\nmain: .short ext - .\n",
        fits: &[(SLAB + 0x7fff, "*{2}main = 0x7fff"), (SLAB - 0x8000, "*{2}main = 0x8000")],
        misses: &[SLAB + 0x1_0000, SLAB - 0x8001],
        message: "R_X86_64_PC16 to `ext`",
    },
    Limit {
        name: "R_X86_64_PC32",
        // There is no code, so that read-only data comes first.
        source: ".globl main\n.section .rodata\nmain: .long ext - .\n",
        fits: &[(SLAB + 0x7fff_ffff, "*{4}main = 0x7fffffff"), (SLAB - 0x8000_0000, "*{4}main = 0x80000000")],
        misses: &[SLAB + 0x8000_0000, SLAB - 0x8000_0001],
        message: "R_X86_64_PC32 to `ext`",
    },
    Limit {
        name: "R_X86_64_PLT32",
        source: ".globl main\nmain: jmp ext@PLT\n.size main, .-main\n",
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x1000_0000, "decode_operand(main, 0) = ext - next_pc(main)"),
            (SLAB + 0x9000_0000, "decode_operand(main, 0) = stub_addr(limit.o, ext) - next_pc(main)"),
            (1, "decode_operand(main, 0) = stub_addr(limit.o, ext) - next_pc(main)"),
        ],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_X86_64_64",
        source: ".globl main\nmain: .quad ext\n",
        fits: &[(u64::MAX, "*{8}main = ext"), (0x7fff_ffff_ffff_ffff, "*{8}main = 0x7fffffffffffffff")],
        misses: &[],
        message: "",
    },
];
