//! Mach-O: fixtures for both architectures, and the limits of each relocation type.

use super::support::{Limit, SLAB, Target, minus, range};

#[test]
fn every_relocation_type_of_x86_64_is_linked() {
    let target = Target {
        triple: "x86_64-apple-macos13",
        format: "Mach-O x86-64",
        options: &[],
        limits: Some(X86_64),
        // With an addend, assemblers write SIGNED for these, and GOT for GOT_LOAD. Slots lie behind code, too far for the
        // least addend.
        unlimited: &[
            "X86_64_RELOC_SIGNED_1",
            "X86_64_RELOC_SIGNED_2",
            "X86_64_RELOC_SIGNED_4",
            "X86_64_RELOC_GOT_LOAD",
            "X86_64_RELOC_GOT",
            "X86_64_RELOC_TLV",
        ],
    };
    target.check();
}

#[test]
fn every_relocation_type_of_arm64_is_linked() {
    let target = Target {
        triple: "arm64-apple-macos13",
        format: "Mach-O arm64",
        options: &[],
        limits: Some(ARM64),
        // Slots lie beside what refers to them, and their relocations take no addends.
        unlimited: &["ARM64_RELOC_GOT_LOAD_PAGE21", "ARM64_RELOC_TLVP_LOAD_PAGE21", "ARM64_RELOC_POINTER_TO_GOT"],
    };
    target.check();
}

/// Code at [`SLAB`].
macro_rules! code {
    ($code:literal) => {
        concat!(".globl _main\n_main: ", $code, "\n")
    };
}

/// The same sixteen bytes behind something else.
macro_rules! behind {
    ($code:literal) => {
        concat!(".globl _before\n_before: retq\n.p2align 4\n", code!($code))
    };
}

/// Read-only data at [`SLAB`].
macro_rules! data {
    ($data:literal) => {
        concat!(".section __TEXT,__const\n.globl _main\n_main: ", $data, "\n")
    };
}

/// One end of what fits, where the other is reached from elsewhere, since addends are no longer than their fields.
macro_rules! end {
    ($type:literal, $source:expr, $fits:expr => $rule:literal, $misses:expr) => {
        Limit {
            name: $type,
            source: $source,
            fits: &[($fits, $rule)],
            misses: &[$misses],
            message: concat!($type, " to `"),
        }
    };
}
macro_rules! above {
    ($type:literal, $source:expr, $fits:expr => $rule:literal) => {
        end!($type, $source, $fits => $rule, $fits + 1)
    };
}
macro_rules! below {
    ($type:literal, $source:expr, $fits:expr => $rule:literal) => {
        end!($type, $source, $fits => $rule, $fits - 1)
    };
}

#[rustfmt::skip]
const X86_64: &[Limit] = &[
    range!("X86_64_RELOC_UNSIGNED", data!(".long _ext"), 1,
           0 => "*{4}_main = 0", 0xffff_ffff => "*{4}_main = 0xffffffff"),
    above!("X86_64_RELOC_SIGNED", code!("leaq _after+by(%rip), %rax\n.p2align 4\n.globl _after\n_after: retq"),
           0x7fff_fff6 => "*{4}(_main + 3) = 0x7fffffff"),
    below!("X86_64_RELOC_SIGNED", behind!("leaq _before+by(%rip), %rax"),
           minus(0x7fff_ffe9) => "*{4}(_main + 3) = 0x80000000"),
    range!("X86_64_RELOC_BRANCH", data!("loop _ext"), 1,
           SLAB + 2 - 128 => "*{1}(_main + 1) = 0x80", SLAB + 2 + 255 => "*{1}(_main + 1) = 0xff"),
    Limit {
        name: "X86_64_RELOC_BRANCH of four bytes",
        source: code!("jmp _ext"),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x7000_0000, "decode_operand(_main, 0) = _ext - next_pc(_main)"),
            (SLAB + 0x8000_0005, "decode_operand(_main, 0) = stub_addr(limit.o, _ext) - next_pc(_main)"),
        ],
        misses: &[],
        message: "",
    },
    // The GOT lies a page behind the start.
    above!("X86_64_RELOC_GOT", code!("movq _ext@GOTPCREL+by(%rip), %rax"), 0x7fff_f006 => "*{4}(_main + 3) = 0x7fffffff"),
    above!("X86_64_RELOC_TLV", code!("movq _ext@TLVP+by(%rip), %rax"), 0x7fff_f006 => "*{4}(_main + 3) = 0x7fffffff"),
    above!("X86_64_RELOC_SUBTRACTOR", data!(".long _after - _main + by\n.long 0\n.globl _after\n_after: .long 0"),
           0x7fff_fff7 => "*{4}_main = 0x7fffffff"),
    below!("X86_64_RELOC_SUBTRACTOR", data!(".long _main - _after + by\n.long 0\n.globl _after\n_after: .long 0"),
           minus(0x7fff_fff8) => "*{4}_main = 0x80000000"),
];

#[rustfmt::skip]
const ARM64: &[Limit] = &[
    range!("ARM64_RELOC_UNSIGNED", data!(".long _ext"), 1,
           minus(0x8000_0000) => "*{4}_main = 0x80000000", 0xffff_ffff => "*{4}_main = 0xffffffff"),
    range!("ARM64_RELOC_PAGE21", code!("adrp x0, _ext@PAGE"), 1,
           0 => "*{4}_main = 0x90800000", SLAB + 0xffff_ffff => "*{4}_main = 0xf07fffe0"),
    range!("ARM64_RELOC_SUBTRACTOR", data!(".long _ext - _main"), 1,
           SLAB - 0x8000_0000 => "*{4}_main = 0x80000000", SLAB + 0x7fff_ffff => "*{4}_main = 0x7fffffff"),
    Limit {
        name: "ARM64_RELOC_BRANCH26",
        source: code!("bl _ext"),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x7f0_0000, "decode_operand(_main, 0) = 0x1fc0000"),
            (SLAB + 0x800_0000, "decode_operand(_main, 0) = stub_addr(limit.o, _ext) - _main >> 2"),
        ],
        misses: &[SLAB + 2],
        message: "ARM64_RELOC_BRANCH26 to `_ext`",
    },
];
