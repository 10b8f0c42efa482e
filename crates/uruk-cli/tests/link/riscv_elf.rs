//! ELF riscv64 and riscv32: fixtures, and the limits of relocation types.

use super::support::{Limit, SLAB, assemble, fixtures, limits, link_at_slab, text};

const WIDE: &str = "riscv64-linux-gnu";
const NARROW: &str = "riscv32-linux-gnu";

#[test]
fn rules_of_fixtures_hold() {
    fixtures(WIDE);
    fixtures(NARROW);
}

#[test]
fn values_fit_or_are_errors() {
    limits(WIDE, &["-mattr=+c"], LIMITS);
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
    Limit {
        name: "R_RISCV_32_PCREL",
        source: ".globl main\n.section .rodata\n.reloc main, R_RISCV_32_PCREL, ext\nmain: .word 0\n",
        fits: &[(SLAB, "(*{4}main)[31:0] = (ext - main)[31:0]")],
        misses: &[SLAB + 0x9000_0000, SLAB - 0x9000_0000],
        message: "R_RISCV_32_PCREL to `ext`",
    },
];
