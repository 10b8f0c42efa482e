//! ELF AArch64: fixtures, and the limits of each relocation type.

use super::support::{Limit, SLAB, Target, minus, range};

#[test]
fn every_relocation_type_is_linked() {
    let target = Target {
        triple: "aarch64-linux-gnu",
        format: "ELF aarch64",
        options: &[],
        limits: Some(LIMITS),
        unlimited: &[],
    };
    target.check();
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

/// An instruction at [`SLAB`] with a relocation of a type. The GOT is a page further; the variable is all that threads have.
macro_rules! typed {
    ($type:literal, $symbol:literal, $instruction:literal) => {
        concat!(
            ".globl main\nmain: ",
            $instruction,
            "\n.size main, .-main\n.reloc main, ",
            $type,
            ", ",
            $symbol,
            "+by\n",
            ".section .tdata,\"awT\",@progbits\n.balign 16\n.type variable,@object\nvariable: .xword 0\n"
        )
    };
}

/// What is in reach of `adr`, and the bytes of a distance of 4 KiB.
macro_rules! adr {
    ($type:literal, $symbol:literal) => {
        range!($type, typed!($type, $symbol, "adr x0, ."), 1,
               minus(0x10_1000) => "*{4}main = 0x10800000", 0xf_efff => "*{4}main = 0x707fffe0")
    };
}

/// Of `adrp`.
macro_rules! adrp {
    ($type:literal, $symbol:literal) => {
        range!($type, typed!($type, $symbol, "adrp x0, ."), 1,
               minus(0x1_0000_1000) => "*{4}main = 0x90800000", 0xffff_efff => "*{4}main = 0xf07fffe0")
    };
}

/// Of `ldr` from a literal.
macro_rules! literal {
    ($type:literal, $symbol:literal) => {
        range!($type, typed!($type, $symbol, "ldr x0, ."), 4,
               minus(0x10_1000) => "*{4}main = 0x58800000", 0xf_effc => "*{4}main = 0x587fffe0")
    };
}

/// Groups of 16 bits of an offset that is `$base` with an addend of 0, in `movz` or `movn`.
macro_rules! group0 {
    ($type:literal, $symbol:literal, $base:literal) => {
        range!($type, typed!($type, $symbol, "movz x0, #0"), 1,
               minus(0x1_0000 + $base) => "*{4}main = 0x929fffe0", 0xffff - $base => "*{4}main = 0xd29fffe0")
    };
}
macro_rules! group1 {
    ($type:literal, $symbol:literal, $base:literal) => {
        range!($type, typed!($type, $symbol, "movz x0, #0, lsl #16"), 1,
               minus(0x1_0000_0000 + $base) => "*{4}main = 0x92bfffe0", 0xffff_ffff - $base => "*{4}main = 0xd2bfffe0")
    };
}
macro_rules! group2 {
    ($type:literal, $symbol:literal, $base:literal) => {
        range!($type, typed!($type, $symbol, "movz x0, #0, lsl #32"), 1,
               minus(0x1_0000_0000_0000 + $base) => "*{4}main = 0x92dfffe0",
               0xffff_ffff_ffff - $base => "*{4}main = 0xd2dfffe0")
    };
}

/// An offset of twelve bits, `$base` with an addend of 0, that counts in units: what the instruction is at the greatest.
macro_rules! offset {
    ($type:literal, $instruction:literal, $unit:literal, $base:literal, $low:literal, $high:literal) => {
        range!($type, typed!($type, "variable", $instruction), $unit,
               minus($base) => $low, 0x1000 - $base - $unit => $high)
    };
}

/// What holds a part of everything: the bytes of an instruction for an addend.
macro_rules! part {
    ($type:literal, $symbol:literal, $instruction:literal, $by:expr => $rule:literal) => {
        Limit {
            name: $type,
            source: typed!($type, $symbol, $instruction),
            fits: &[($by, $rule)],
            misses: &[],
            message: "",
        }
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
        name: "R_AARCH64_JUMP26",
        source: code!("b ext"),
        fits: &[
            (SLAB + 0x7f0_0000, "decode_operand(main, 0) = 0x1fc0000"),
            (SLAB - 0x800_0000, "decode_operand(main, 0) = stub_addr(limit.o, ext) - main >> 2"),
        ],
        misses: &[SLAB + 1],
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
        fits: &[(0xffff, "decode_operand(main, 1) = 0xffff"), (0, "decode_operand(main, 1) = 0")],
        misses: &[0x1_0000, minus(1)],
        message: "R_AARCH64_MOVW_UABS_G0 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_UABS_G1",
        source: code!("movz x0, #:abs_g1:ext"),
        fits: &[(0xffff_ffff, "decode_operand(main, 1) = 0xffff"), (0, "decode_operand(main, 1) = 0")],
        misses: &[0x1_0000_0000, minus(1)],
        message: "R_AARCH64_MOVW_UABS_G1 to `ext`",
    },
    Limit {
        name: "R_AARCH64_MOVW_UABS_G2",
        source: code!("movz x0, #:abs_g2:ext"),
        fits: &[(0xffff_ffff_ffff, "decode_operand(main, 1) = 0xffff"), (0, "decode_operand(main, 1) = 0")],
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
    range!("R_AARCH64_MOVW_PREL_G1", code!("movz x0, #:prel_g1:ext"), 1,
           SLAB - 0x1_0000_0000 => "*{4}main = 0x92bfffe0", SLAB + 0xffff_ffff => "*{4}main = 0xd2bfffe0"),
    range!("R_AARCH64_MOVW_PREL_G2", code!("movz x0, #:prel_g2:ext"), 1,
           SLAB.wrapping_sub(1 << 48) => "*{4}main = 0x92dfffe0", SLAB + ((1 << 48) - 1) => "*{4}main = 0xd2dfffe0"),
    part!("R_AARCH64_MOVW_PREL_G0_NC", "main", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    part!("R_AARCH64_MOVW_PREL_G1_NC", "main", "movk x0, #0, lsl #16", 0x1_2345_6789_abcd => "*{4}main = 0xf2acf120"),
    part!("R_AARCH64_MOVW_PREL_G2_NC", "main", "movk x0, #0, lsl #32", 0x1_2345_6789_abcd => "*{4}main = 0xf2c468a0"),
    part!("R_AARCH64_MOVW_PREL_G3", "main", "movk x0, #0, lsl #48", 0x1_2345_6789_abcd => "*{4}main = 0xf2e00020"),

    literal!("R_AARCH64_GOT_LD_PREL19", "ext"),
    adrp!("R_AARCH64_ADR_GOT_PAGE", "ext"),
    group0!("R_AARCH64_MOVW_GOTOFF_G0", "ext", 0),
    group1!("R_AARCH64_MOVW_GOTOFF_G1", "ext", 0),
    group2!("R_AARCH64_MOVW_GOTOFF_G2", "ext", 0),
    part!("R_AARCH64_MOVW_GOTOFF_G0_NC", "ext", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    part!("R_AARCH64_MOVW_GOTOFF_G1_NC", "ext", "movk x0, #0, lsl #16", 0x1_2345_6789_abcd => "*{4}main = 0xf2acf120"),
    part!("R_AARCH64_MOVW_GOTOFF_G2_NC", "ext", "movk x0, #0, lsl #32", 0x1_2345_6789_abcd => "*{4}main = 0xf2c468a0"),
    part!("R_AARCH64_MOVW_GOTOFF_G3", "ext", "movk x0, #0, lsl #48", 0x1_2345_6789_abcd => "*{4}main = 0xf2e00020"),
    range!("R_AARCH64_LD64_GOTOFF_LO15", typed!("R_AARCH64_LD64_GOTOFF_LO15", "ext", "ldr x0, [x0]"), 8,
           0 => "*{4}main = 0xf9400000", 0x7ff8 => "*{4}main = 0xf97ffc00"),
    range!("R_AARCH64_LD64_GOTPAGE_LO15", typed!("R_AARCH64_LD64_GOTPAGE_LO15", "ext", "ldr x0, [x0]"), 8,
           0 => "*{4}main = 0xf9400000", 0x7ff8 => "*{4}main = 0xf97ffc00"),
    range!("R_AARCH64_GOTREL32", typed!("R_AARCH64_GOTREL32", "main", ".word 0"), 1,
           minus(0x7fff_f000) => "*{4}main = 0x80000000", 0x1_0000_0fff => "*{4}main = 0xffffffff"),
    part!("R_AARCH64_GOTREL64", "main", ".xword 0", 0x1000 => "*{8}main = 0"),
    range!("R_AARCH64_GOTPCREL32", typed!("R_AARCH64_GOTPCREL32", "ext", ".word 0"), 1,
           minus(0x8000_1000) => "*{4}main = 0x80000000", 0x7fff_efff => "*{4}main = 0x7fffffff"),

    adr!("R_AARCH64_TLSGD_ADR_PREL21", "variable"),
    adrp!("R_AARCH64_TLSGD_ADR_PAGE21", "variable"),
    part!("R_AARCH64_TLSGD_ADD_LO12_NC", "variable", "add x0, x0, #0", 0x123 => "*{4}main = 0x91048c00"),
    group1!("R_AARCH64_TLSGD_MOVW_G1", "variable", 0),
    part!("R_AARCH64_TLSGD_MOVW_G0_NC", "variable", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    adr!("R_AARCH64_TLSLD_ADR_PREL21", "variable"),
    adrp!("R_AARCH64_TLSLD_ADR_PAGE21", "variable"),
    part!("R_AARCH64_TLSLD_ADD_LO12_NC", "variable", "add x0, x0, #0", 0x123 => "*{4}main = 0x91048c00"),
    group1!("R_AARCH64_TLSLD_MOVW_G1", "variable", 0),
    part!("R_AARCH64_TLSLD_MOVW_G0_NC", "variable", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    literal!("R_AARCH64_TLSLD_LD_PREL19", "variable"),
    group1!("R_AARCH64_TLSIE_MOVW_GOTTPREL_G1", "variable", 0),
    part!("R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC", "variable", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    adrp!("R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21", "variable"),
    part!("R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC", "variable", "ldr x0, [x0]", 0x128 => "*{4}main = 0xf9409400"),
    literal!("R_AARCH64_TLSIE_LD_GOTTPREL_PREL19", "variable"),
    literal!("R_AARCH64_TLSDESC_LD_PREL19", "variable"),
    adr!("R_AARCH64_TLSDESC_ADR_PREL21", "variable"),
    adrp!("R_AARCH64_TLSDESC_ADR_PAGE21", "variable"),
    part!("R_AARCH64_TLSDESC_LD64_LO12", "variable", "ldr x0, [x0]", 0x128 => "*{4}main = 0xf9409400"),
    part!("R_AARCH64_TLSDESC_ADD_LO12", "variable", "add x0, x0, #0", 0x123 => "*{4}main = 0x91048c00"),
    group1!("R_AARCH64_TLSDESC_OFF_G1", "variable", 0),
    part!("R_AARCH64_TLSDESC_OFF_G0_NC", "variable", "movk x0, #0", 0x1_2345_6789_abcd => "*{4}main = 0xf29579a0"),
    part!("R_AARCH64_TLSDESC_LDR", "variable", "ldr x1, [x0]", 0 => "*{4}main = 0xf9400001"),
    part!("R_AARCH64_TLSDESC_ADD", "variable", "add x0, x0, #0", 0 => "*{4}main = 0x91000000"),
    part!("R_AARCH64_TLSDESC_CALL", "variable", "blr x1", 0 => "*{4}main = 0xd63f0020"),

    // The variable is at the start of the module's image.
    group0!("R_AARCH64_TLSLD_MOVW_DTPREL_G0", "variable", 0),
    group1!("R_AARCH64_TLSLD_MOVW_DTPREL_G1", "variable", 0),
    group2!("R_AARCH64_TLSLD_MOVW_DTPREL_G2", "variable", 0),
    part!("R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC", "variable", "movk x0, #0", 0x123456789abcd => "*{4}main = 0xf29579a0"),
    part!("R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC", "variable", "movk x0, #0, lsl #16", 0x123456789abcd => "*{4}main = 0xf2acf120"),
    range!("R_AARCH64_TLSLD_ADD_DTPREL_HI12", typed!("R_AARCH64_TLSLD_ADD_DTPREL_HI12", "variable", "add x0, x0, #0, lsl #12"), 1,
           minus(0) => "*{4}main = 0x91400000", 0xffffff => "*{4}main = 0x917ffc00"),
    offset!("R_AARCH64_TLSLD_ADD_DTPREL_LO12", "add x0, x0, #0", 1, 0, "*{4}main = 0x91000000", "*{4}main = 0x913ffc00"),
    part!("R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC", "variable", "add x0, x0, #0", 0x5123 => "*{4}main = 0x91048c00"),
    offset!("R_AARCH64_TLSLD_LDST8_DTPREL_LO12", "ldrb w0, [x0]", 1, 0, "*{4}main = 0x39400000", "*{4}main = 0x397ffc00"),
    part!("R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC", "variable", "ldrb w0, [x0]", 0x5123 => "*{4}main = 0x39448c00"),
    offset!("R_AARCH64_TLSLD_LDST16_DTPREL_LO12", "ldrh w0, [x0]", 2, 0, "*{4}main = 0x79400000", "*{4}main = 0x795ffc00"),
    part!("R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC", "variable", "ldrh w0, [x0]", 0x5124 => "*{4}main = 0x79424800"),
    offset!("R_AARCH64_TLSLD_LDST32_DTPREL_LO12", "ldr w0, [x0]", 4, 0, "*{4}main = 0xb9400000", "*{4}main = 0xb94ffc00"),
    part!("R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC", "variable", "ldr w0, [x0]", 0x5124 => "*{4}main = 0xb9412400"),
    offset!("R_AARCH64_TLSLD_LDST64_DTPREL_LO12", "ldr x0, [x0]", 8, 0, "*{4}main = 0xf9400000", "*{4}main = 0xf947fc00"),
    part!("R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC", "variable", "ldr x0, [x0]", 0x5128 => "*{4}main = 0xf9409400"),
    offset!("R_AARCH64_TLSLD_LDST128_DTPREL_LO12", "ldr q0, [x0]", 16, 0, "*{4}main = 0x3dc00000", "*{4}main = 0x3dc3fc00"),
    part!("R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC", "variable", "ldr q0, [x0]", 0x5130 => "*{4}main = 0x3dc04c00"),

    // And behind the 16 bytes at the thread pointer.
    group0!("R_AARCH64_TLSLE_MOVW_TPREL_G0", "variable", 16),
    group1!("R_AARCH64_TLSLE_MOVW_TPREL_G1", "variable", 16),
    group2!("R_AARCH64_TLSLE_MOVW_TPREL_G2", "variable", 16),
    part!("R_AARCH64_TLSLE_MOVW_TPREL_G0_NC", "variable", "movk x0, #0", 0x123456789abbd => "*{4}main = 0xf29579a0"),
    part!("R_AARCH64_TLSLE_MOVW_TPREL_G1_NC", "variable", "movk x0, #0, lsl #16", 0x123456789abbd => "*{4}main = 0xf2acf120"),
    range!("R_AARCH64_TLSLE_ADD_TPREL_HI12", typed!("R_AARCH64_TLSLE_ADD_TPREL_HI12", "variable", "add x0, x0, #0, lsl #12"), 1,
           minus(16) => "*{4}main = 0x91400000", 0xffffef => "*{4}main = 0x917ffc00"),
    offset!("R_AARCH64_TLSLE_ADD_TPREL_LO12", "add x0, x0, #0", 1, 16, "*{4}main = 0x91000000", "*{4}main = 0x913ffc00"),
    part!("R_AARCH64_TLSLE_ADD_TPREL_LO12_NC", "variable", "add x0, x0, #0", 0x5113 => "*{4}main = 0x91048c00"),
    offset!("R_AARCH64_TLSLE_LDST8_TPREL_LO12", "ldrb w0, [x0]", 1, 16, "*{4}main = 0x39400000", "*{4}main = 0x397ffc00"),
    part!("R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC", "variable", "ldrb w0, [x0]", 0x5113 => "*{4}main = 0x39448c00"),
    offset!("R_AARCH64_TLSLE_LDST16_TPREL_LO12", "ldrh w0, [x0]", 2, 16, "*{4}main = 0x79400000", "*{4}main = 0x795ffc00"),
    part!("R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC", "variable", "ldrh w0, [x0]", 0x5114 => "*{4}main = 0x79424800"),
    offset!("R_AARCH64_TLSLE_LDST32_TPREL_LO12", "ldr w0, [x0]", 4, 16, "*{4}main = 0xb9400000", "*{4}main = 0xb94ffc00"),
    part!("R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC", "variable", "ldr w0, [x0]", 0x5114 => "*{4}main = 0xb9412400"),
    offset!("R_AARCH64_TLSLE_LDST64_TPREL_LO12", "ldr x0, [x0]", 8, 16, "*{4}main = 0xf9400000", "*{4}main = 0xf947fc00"),
    part!("R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC", "variable", "ldr x0, [x0]", 0x5118 => "*{4}main = 0xf9409400"),
    offset!("R_AARCH64_TLSLE_LDST128_TPREL_LO12", "ldr q0, [x0]", 16, 16, "*{4}main = 0x3dc00000", "*{4}main = 0x3dc3fc00"),
    part!("R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC", "variable", "ldr q0, [x0]", 0x5120 => "*{4}main = 0x3dc04c00"),

    part!("R_AARCH64_NONE", "variable", "nop", 0 => "*{4}main = 0xd503201f"),
    Limit {
        // The number that it had before.
        name: "R_AARCH64_NONE",
        source: concat!("# type: 256\n", typed!("R_AARCH64_NONE", "variable", "nop")),
        fits: &[(0, "*{4}main = 0xd503201f")],
        misses: &[],
        message: "",
    },
];
