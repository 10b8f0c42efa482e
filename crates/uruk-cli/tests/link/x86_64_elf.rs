//! ELF x86-64: fixtures, and the limits of each relocation type.

use super::support::{Limit, SLAB, Target, minus, range};

#[test]
fn every_relocation_type_is_linked() {
    let target =
        Target { triple: "x86_64-linux-gnu", format: "ELF x86-64", options: &[], limits: Some(LIMITS), unlimited: &[] };
    target.check();
}

/// Four bytes of read-only data at [`SLAB`], since there is no code, with a relocation of a type. The GOT follows at the next
/// multiple of eight, and a variable of eight bytes is all that threads have.
macro_rules! data {
    // By a number where assemblers know no name.
    ([$number:literal] $type:literal, $symbol:literal) => {
        concat!("# type: ", $number, "\n", data!("R_X86_64_PC32", $symbol))
    };
    ($type:literal, $symbol:literal) => {
        concat!(
            ".globl main\n.section .rodata\n.reloc main, ",
            $type,
            ", ",
            $symbol,
            "+by\nmain: .long 0\n.size main, 4\n",
            ".section .tdata,\"awT\",@progbits\n.balign 8\n.type variable,@object\nvariable: .quad 0\n"
        )
    };
}

/// The limits of 32 signed bits for what is `$base` with an addend of 0.
macro_rules! signed {
    ($type:literal, $symbol:literal, $base:literal) => {
        signed!($type, $symbol, $base, $type)
    };
    ($([$number:literal])? $type:literal, $symbol:literal, $base:literal, $shown:literal) => {
        range!(
            $type, data!($([$number])? $type, $symbol), 1,
            minus(0x8000_0000u64.wrapping_add($base)) => "*{4}main = 0x80000000",
            0x7fff_ffffu64.wrapping_sub($base) => "*{4}main = 0x7fffffff",
            $shown
        )
    };
}

/// What stores nothing.
macro_rules! nothing {
    ($type:literal) => {
        Limit { name: $type, source: data!($type, "variable"), fits: &[(5, "*{4}main = 0")], misses: &[], message: "" }
    };
    ([$number:literal] $type:literal) => {
        Limit { name: $type, source: data!([$number] $type, "main"), fits: &[(5, "*{4}main = 0")], misses: &[], message: "" }
    };
}

#[rustfmt::skip]
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
        fits: &[(SLAB + 255, "*{1}main = 255"), (SLAB - 128, "*{1}main = 0x80")],
        misses: &[SLAB + 256, SLAB - 129],
        message: "R_X86_64_PC8 to `ext`",
    },
    Limit {
        name: "R_X86_64_PC16",
        source: ".globl main\nmain: .short ext - .\n",
        fits: &[(SLAB + 0xffff, "*{2}main = 0xffff"), (SLAB - 0x8000, "*{2}main = 0x8000")],
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
    signed!("R_X86_64_GOT32",                  "ext",      0),
    signed!("R_X86_64_GOTPCREL",               "ext",      8),
    signed!("R_X86_64_GOTPC32",                "ext",      8),
    signed!("R_X86_64_GOTPCRELX",              "ext",      8),
    signed!("R_X86_64_REX_GOTPCRELX",          "ext",      8),
    signed!("R_X86_64_CODE_4_GOTPCRELX",       "ext",      8),
    signed!([46] "R_X86_64_CODE_5_GOTPCRELX",    "ext",      8, "R_X86_64_CODE_5_GOTPCRELX"),
    signed!([49] "R_X86_64_CODE_6_GOTPCRELX",    "ext",      8, "R_X86_64_CODE_6_GOTPCRELX"),
    signed!("R_X86_64_TLSGD",                  "variable", 8),
    signed!("R_X86_64_TLSLD",                  "variable", 8),
    signed!("R_X86_64_DTPOFF32",               "variable", 0),
    signed!("R_X86_64_TPOFF32",                "variable", 0xffff_ffff_ffff_fff8),
    signed!("R_X86_64_GOTTPOFF",               "variable", 8),
    signed!("R_X86_64_CODE_4_GOTTPOFF",        "variable", 8),
    signed!([47] "R_X86_64_CODE_5_GOTTPOFF",       "variable", 8, "R_X86_64_CODE_5_GOTTPOFF"),
    signed!("R_X86_64_CODE_6_GOTTPOFF",        "variable", 8),
    signed!("R_X86_64_GOTPC32_TLSDESC",        "variable", 8),
    signed!("R_X86_64_CODE_4_GOTPC32_TLSDESC", "variable", 8),
    signed!([48] "R_X86_64_CODE_5_GOTPC32_TLSDESC", "variable", 8, "R_X86_64_CODE_5_GOTPC32_TLSDESC"),
    signed!([51] "R_X86_64_CODE_6_GOTPC32_TLSDESC", "variable", 8, "R_X86_64_CODE_6_GOTPC32_TLSDESC"),
    // The symbol is four bytes long.
    range!("R_X86_64_SIZE32", data!("R_X86_64_SIZE32", "main"), 1,
           minus(4) => "*{4}main = 0", 0xffff_fffb => "*{4}main = 0xffffffff"),
    nothing!("R_X86_64_NONE"),
    nothing!("R_X86_64_TLSDESC_CALL"),
    nothing!([250] "R_X86_64_GNU_VTINHERIT"),
    nothing!([251] "R_X86_64_GNU_VTENTRY"),
];
