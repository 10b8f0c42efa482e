//! COFF: fixtures for both architectures, and the limits of each relocation type.

use super::support::{Limit, SLAB, Target, minus, range};

#[test]
fn every_relocation_type_of_x86_64_is_linked() {
    let target = Target {
        triple: "x86_64-pc-windows-msvc",
        format: "COFF x86-64",
        options: &[],
        limits: Some(X86_64),
        // None is less than the field holds.
        unlimited: &["IMAGE_REL_AMD64_SECREL"],
    };
    target.check();
}

#[test]
fn every_relocation_type_of_arm64_is_linked() {
    let target = Target {
        triple: "aarch64-pc-windows-msvc",
        format: "COFF arm64",
        options: &[],
        limits: Some(ARM64),
        // None is less than the field holds.
        unlimited: &["IMAGE_REL_ARM64_SECREL", "IMAGE_REL_ARM64_SECREL_HIGH12A"],
    };
    target.check();
}

/// Read-only data at [`SLAB`].
macro_rules! data {
    ($data:literal) => {
        concat!(".section .rdata,\"dr\"\n.globl main\nmain: ", $data, "\n")
    };
}

/// The same with a relocation of another type than the one that assemblers write.
macro_rules! typed {
    ($number:literal, $data:literal) => {
        concat!("# type: ", $number, "\n", data!($data))
    };
}

/// Code at [`SLAB`].
macro_rules! code {
    ($code:literal) => {
        concat!(".globl main\nmain: ", $code, "\n")
    };
}

/// What refers to a variable sixteen bytes behind the start of all that threads have.
macro_rules! threads {
    ($reference:literal) => {
        threads!($reference, 16)
    };
    ($reference:literal, $bytes:literal) => {
        concat!(
            ".section .rdata,\"dr\"\n.globl main\nmain: ",
            $reference,
            "\n.section .tls$,\"dw\"\n.space ",
            $bytes,
            "\n.globl variable\nvariable: .long 5\n"
        )
    };
}

/// A distance from the end of an instruction, or so many bytes behind it.
macro_rules! distance {
    ($type:literal, $number:literal, $more:literal) => {
        range!($type, typed!($number, "leaq ext(%rip), %rax"), 1,
               SLAB - 0x8000_0000 + 7 + $more => "*{4}(main + 3) = 0x80000000",
               SLAB + 0x7fff_ffff + 7 + $more => "*{4}(main + 3) = 0x7fffffff", "IMAGE_REL_AMD64_REL32")
    };
}

/// The greatest value that fits.
macro_rules! greatest {
    ($type:literal, $source:expr, $fits:expr => $rule:literal) => {
        Limit {
            name: $type,
            source: $source,
            fits: &[($fits, $rule)],
            misses: &[$fits + 1],
            message: concat!($type, " to `"),
        }
    };
}

#[rustfmt::skip]
const X86_64: &[Limit] = &[
    Limit {
        name: "IMAGE_REL_AMD64_ABSOLUTE",
        source: typed!(0, ".long ext"),
        fits: &[(5, "*{4}main = 0")],
        misses: &[],
        message: "",
    },
    range!("IMAGE_REL_AMD64_ADDR32", data!(".long ext"), 1, 0 => "*{4}main = 0", 0xffff_ffff => "*{4}main = 0xffffffff"),
    // The image begins 0x3c000000 bytes before.
    range!("IMAGE_REL_AMD64_ADDR32NB", data!(".long main@IMGREL + by"), 1,
           minus(0x3c00_0000) => "*{4}main = 0", 0x43ff_ffff => "*{4}main = 0x7fffffff"),
    distance!("IMAGE_REL_AMD64_REL32",   4, 0),
    distance!("IMAGE_REL_AMD64_REL32_1", 5, 1),
    distance!("IMAGE_REL_AMD64_REL32_2", 6, 2),
    distance!("IMAGE_REL_AMD64_REL32_3", 7, 3),
    distance!("IMAGE_REL_AMD64_REL32_4", 8, 4),
    distance!("IMAGE_REL_AMD64_REL32_5", 9, 5),
    greatest!("IMAGE_REL_AMD64_SECREL", threads!(".secrel32 variable+by"), 0x7fff_ffef => "*{4}main = 0x7fffffff"),
];

#[rustfmt::skip]
const ARM64: &[Limit] = &[
    Limit {
        name: "IMAGE_REL_ARM64_ABSOLUTE",
        source: typed!(0, ".word ext"),
        fits: &[(5, "*{4}main = 0")],
        misses: &[],
        message: "",
    },
    range!("IMAGE_REL_ARM64_ADDR32", data!(".word ext"), 1,
           minus(0x8000_0000) => "*{4}main = 0x80000000", 0xffff_ffff => "*{4}main = 0xffffffff"),
    range!("IMAGE_REL_ARM64_ADDR32NB", data!(".word main@IMGREL + by"), 1,
           minus(0x3c00_0000) => "*{4}main = 0", 0x43ff_ffff => "*{4}main = 0x7fffffff"),
    range!("IMAGE_REL_ARM64_REL32", data!(".word ext - ."), 1,
           SLAB - 0x8000_0000 => "*{4}main = 0x80000000", SLAB + 0x7fff_ffff => "*{4}main = 0x7fffffff"),
    Limit {
        name: "IMAGE_REL_ARM64_BRANCH26",
        source: code!("bl ext"),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x7f0_0000, "decode_operand(main, 0) = 0x1fc0000"),
            (SLAB + 0x800_0000, "decode_operand(main, 0) = stub_addr(limit.o, ext) - main >> 2"),
        ],
        misses: &[SLAB + 2],
        message: "IMAGE_REL_ARM64_BRANCH26 to `ext`",
    },
    range!("IMAGE_REL_ARM64_BRANCH19", code!("b.ne ext"), 4,
           SLAB - 0x10_0000 => "*{4}main = 0x54800001", SLAB + 0xf_fffc => "*{4}main = 0x547fffe1"),
    range!("IMAGE_REL_ARM64_BRANCH14", code!("tbz x0, #3, ext"), 4,
           SLAB - 0x8000 => "*{4}main = 0x361c0000", SLAB + 0x7ffc => "*{4}main = 0x361bffe0"),
    range!("IMAGE_REL_ARM64_REL21", code!("adr x0, ext"), 1,
           SLAB - 0x10_0000 => "*{4}main = 0x10800000", SLAB + 0xf_ffff => "*{4}main = 0x707fffe0"),
    range!("IMAGE_REL_ARM64_PAGEBASE_REL21", code!("adrp x0, ext"), 1,
           0 => "*{4}main = 0x90800000", SLAB + 0xffff_ffff => "*{4}main = 0xf07fffe0"),
    greatest!("IMAGE_REL_ARM64_SECREL", threads!(".secrel32 variable+by"), 0x7fff_ffef => "*{4}main = 0x7fffffff"),
    // Sixteen MiB less one are before the variable, or sixteen MiB.
    greatest!("IMAGE_REL_ARM64_SECREL_HIGH12A", threads!("add x0, x0, :secrel_hi12:variable", "0xffffff+by"),
              0 => "*{4}main = 0x917ffc00"),
];
