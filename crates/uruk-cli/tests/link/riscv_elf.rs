//! ELF riscv64 and riscv32: fixtures, and the limits of relocation types.

use super::support::{Limit, SLAB, Target, assemble, link, link_at_slab, minus, range, text};

const WIDE: &str = "riscv64-linux-gnu";
const NARROW: &str = "riscv32-linux-gnu";

#[test]
fn every_relocation_type_of_riscv64_is_linked() {
    let target =
        Target { triple: WIDE, format: "ELF riscv64", options: &["-mattr=+c"], limits: Some(LIMITS), unlimited: &[] };
    target.check();
}

#[test]
fn every_relocation_type_of_riscv32_is_linked() {
    // Its fields are those of riscv64.
    Target { triple: NARROW, format: "ELF riscv32", options: &[], limits: None, unlimited: &[] }.check();
}

#[test]
fn addresses_of_32_bits_are_given_out_where_they_fit() {
    let folder = tempfile::tempdir().unwrap();
    assemble(folder.path(), NARROW, &[], "main", ".globl main\nmain: .word main\n");
    let output = link(folder.path(), &["-noexec", "main.o"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn objects_that_pass_numbers_differently_are_not_linked() {
    let folder = tempfile::tempdir().unwrap();
    for (name, abi) in [("main", "lp64d"), ("soft", "lp64")] {
        let option = format!("-target-abi={abi}");
        assemble(folder.path(), WIDE, &["-mattr=+d", &option], name, &format!(".globl {name}\n{name}: ret\n"));
    }
    assert!(link_at_slab(folder.path(), &["main.o"]).status.success());
    let output = link_at_slab(folder.path(), &["main.o", "soft.o"]);
    let said = "soft.o: ELF riscv64 code for the soft-float ABI, while main.o is for the double-float ABI; \
                compile both with the same -mabi";
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
}

/// Something at [`SLAB`] with a relocation of a type. The GOT is a page further; the variable is all that threads have.
macro_rules! typed {
    ($type:literal, $symbol:literal, $content:literal) => {
        concat!(
            ".globl main\n.reloc main, ",
            $type,
            ", ",
            $symbol,
            "\nmain: ",
            $content,
            "\n",
            ".section .tdata,\"awT\",@progbits\n.balign 8\n.type variable,@object\nvariable: .quad 0\n"
        )
    };
}

/// The upper part of what is `$base` with an addend of 0.
macro_rules! upper {
    ($type:literal, $symbol:literal, $base:literal) => {
        range!($type, typed!($type, $symbol, "auipc a0, 0"), 1,
               minus(0x8000_0800 + $base) => "*{4}main = 0x80000517", 0x7fff_f7ff - $base => "*{4}main = 0x7ffff517")
    };
}

#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit {
        name: "R_RISCV_BRANCH",
        source: ".option exact\n.globl main\nmain: beq zero, zero, ext\n",
        fits: &[(SLAB + 4094, "*{4}main = 0x7e000fe3"), (SLAB - 4096, "*{4}main = 0x80000063")],
        misses: &[SLAB + 4096, SLAB - 4098, SLAB + 1, SLAB - 1],
        message: "R_RISCV_BRANCH to `ext`",
    },
    Limit {
        name: "R_RISCV_JAL",
        source: ".option exact\n.globl main\nmain: jal ra, ext\n",
        fits: &[(SLAB + 0xf_fffe, "*{4}main = 0x7ffff0ef"), (SLAB - 0x10_0000, "*{4}main = 0x800000ef")],
        misses: &[SLAB + 0x10_0000, SLAB - 0x10_0002, SLAB + 3],
        message: "R_RISCV_JAL to `ext`",
    },
    Limit {
        name: "R_RISCV_RVC_BRANCH",
        source: ".option exact\n.globl main\nmain: c.beqz a0, ext\n",
        fits: &[(SLAB + 254, "*{2}main = 0xcd7d"), (SLAB - 256, "*{2}main = 0xd101")],
        misses: &[SLAB + 256, SLAB - 258, SLAB + 1],
        message: "R_RISCV_RVC_BRANCH to `ext`",
    },
    Limit {
        name: "R_RISCV_RVC_JUMP",
        source: ".option exact\n.globl main\nmain: c.j ext\n",
        fits: &[(SLAB + 2046, "*{2}main = 0xaffd"), (SLAB - 2048, "*{2}main = 0xb001")],
        misses: &[SLAB + 2048, SLAB - 2050, SLAB - 1],
        message: "R_RISCV_RVC_JUMP to `ext`",
    },
    Limit {
        name: "R_RISCV_PCREL_HI20",
        source: ".globl main\nmain: auipc a0, %pcrel_hi(ext)\n",
        fits: &[(SLAB + 0x7fff_f7ff, "*{4}main = 0x7ffff517"), (SLAB - 0x8000_0800, "*{4}main = 0x80000517")],
        misses: &[SLAB + 0x7fff_f800, SLAB - 0x8000_0801],
        message: "R_RISCV_PCREL_HI20 to `ext`",
    },
    upper!("R_RISCV_GOT_HI20",     "ext+by",      0x1000),
    upper!("R_RISCV_TLS_GOT_HI20", "variable+by", 0x1000),
    upper!("R_RISCV_TLS_GD_HI20",  "variable+by", 0x1000),
    upper!("R_RISCV_TLSDESC_HI20", "variable+by", 0x1000),
    upper!("R_RISCV_TPREL_HI20",   "variable+by", 0),
    upper!("R_RISCV_HI20",         "ext",         0),
    range!("R_RISCV_32", typed!("R_RISCV_32", "ext", ".word 0"), 1,
           minus(0x8000_0000) => "*{4}main = 0x80000000", 0xffff_ffff => "*{4}main = 0xffffffff"),
    range!("R_RISCV_32_PCREL", typed!("R_RISCV_32_PCREL", "ext", ".word 0"), 1,
           SLAB - 0x8000_0000 => "*{4}main = 0x80000000", SLAB + 0x7fff_ffff => "*{4}main = 0x7fffffff"),
    range!("R_RISCV_GOT32_PCREL", typed!("R_RISCV_GOT32_PCREL", "ext+by", ".word 0"), 1,
           minus(0x8000_1000) => "*{4}main = 0x80000000", 0x7fff_efff => "*{4}main = 0x7fffffff"),
    range!("R_RISCV_TLS_DTPREL32", typed!("R_RISCV_TLS_DTPREL32", "variable+by", ".word 0"), 1,
           minus(0x7fff_f800) => "*{4}main = 0x80000000", 0x8000_07ff => "*{4}main = 0x7fffffff"),
    range!("R_RISCV_SET8", typed!("R_RISCV_SET8", "ext", ".byte 0"), 1,
           minus(0x80) => "*{1}main = 0x80", 0xff => "*{1}main = 0xff"),
    range!("R_RISCV_SET16", typed!("R_RISCV_SET16", "ext", ".half 0"), 1,
           minus(0x8000) => "*{2}main = 0x8000", 0xffff => "*{2}main = 0xffff"),
    range!("R_RISCV_SET32", typed!("R_RISCV_SET32", "ext", ".word 0"), 1,
           minus(0x8000_0000) => "*{4}main = 0x80000000", 0xffff_ffff => "*{4}main = 0xffffffff"),
    range!("R_RISCV_SET6", typed!("R_RISCV_SET6", "ext", ".byte 0xc0"), 1, 0 => "*{1}main = 0xc0", 63 => "*{1}main = 0xff"),
    range!("R_RISCV_SET_ULEB128", typed!("R_RISCV_SET_ULEB128", "ext", ".byte 0"), 1,
           0 => "*{1}main = 0", 127 => "*{1}main = 0x7f"),
    range!("R_RISCV_ADD8", typed!("R_RISCV_ADD8", "ext", ".byte 1"), 1,
           minus(0x81) => "*{1}main = 0x80", 0xfe => "*{1}main = 0xff"),
    range!("R_RISCV_ADD16", typed!("R_RISCV_ADD16", "ext", ".half 1"), 1,
           minus(0x8001) => "*{2}main = 0x8000", 0xfffe => "*{2}main = 0xffff"),
    range!("R_RISCV_ADD32", typed!("R_RISCV_ADD32", "ext", ".word 1"), 1,
           minus(0x8000_0001) => "*{4}main = 0x80000000", 0xffff_fffe => "*{4}main = 0xffffffff"),
    range!("R_RISCV_SUB6", typed!("R_RISCV_SUB6", "ext", ".byte 0xc1"), 1,
           minus(62) => "*{1}main = 0xff", 1 => "*{1}main = 0xc0"),
    range!("R_RISCV_SUB_ULEB128", typed!("R_RISCV_SUB_ULEB128", "ext", ".byte 1"), 1,
           minus(126) => "*{1}main = 0x7f", 1 => "*{1}main = 0"),
    range!("R_RISCV_SUB8", typed!("R_RISCV_SUB8", "ext", ".byte 1"), 1,
           minus(0xfe) => "*{1}main = 0xff", 0x81 => "*{1}main = 0x80"),
    range!("R_RISCV_SUB16", typed!("R_RISCV_SUB16", "ext", ".half 1"), 1,
           minus(0xfffe) => "*{2}main = 0xffff", 0x8001 => "*{2}main = 0x8000"),
    range!("R_RISCV_SUB32", typed!("R_RISCV_SUB32", "ext", ".word 1"), 1,
           minus(0xffff_fffe) => "*{4}main = 0xffffffff", 0x8000_0001 => "*{4}main = 0x80000000"),
    Limit {
        name: "R_RISCV_CALL",
        source: typed!("R_RISCV_CALL", "ext", ".option exact\nauipc ra, 0\njalr ra, 0(ra)"),
        // What is out of reach goes through a stub.
        fits: &[
            (SLAB + 0x7f00_0000, "*{4}main = 0x7f000097"),
            (SLAB + 0x8000_0000, "(*{4}main)[31:12] = (stub_addr(limit.o, ext) - main + 0x800)[31:12]"),
        ],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_RISCV_CALL_PLT",
        source: typed!("R_RISCV_CALL_PLT", "ext", ".option exact\nauipc ra, 0\njalr ra, 0(ra)"),
        fits: &[
            (SLAB - 0x7f00_0000, "*{4}main = 0x81000097"),
            (SLAB - 0x8000_1000, "(*{4}main)[31:12] = (stub_addr(limit.o, ext) - main + 0x800)[31:12]"),
        ],
        misses: &[],
        message: "",
    },
    Limit {
        name: "R_RISCV_PLT32",
        source: typed!("R_RISCV_PLT32", "ext", ".word 0"),
        fits: &[
            (SLAB + 0x7f00_0000, "*{4}main = 0x7f000000"),
            (SLAB + 0x8000_0000, "(*{4}main)[31:0] = (stub_addr(limit.o, ext) - main)[31:0]"),
        ],
        misses: &[],
        message: "",
    },
];
