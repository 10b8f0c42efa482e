//! What is compared for each target: its compilers, and templates of instructions and data with relocations.

use crate::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::riscv::relax;

/// A compiler for C and C++.
pub struct Compiler {
    pub name: &'static str,
    pub c: &'static [&'static str],
    pub cxx: &'static [&'static str],
}

/// What stands in a template for `{}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// Any symbol with any small addend.
    Any,
    /// Any symbol.
    Symbol,
    /// A label at most so many templates away.
    Label(usize),
    /// A thread-local variable.
    Thread,
    /// A difference of two labels, the later one first.
    Difference,
    /// Such a difference of labels at most so many templates apart.
    Short(usize),
}

/// Assembly with one relocation or more.
pub struct Template {
    pub text: &'static str,
    pub operand: Operand,
}

/// A target.
pub struct Machine {
    pub name: &'static str,
    triple: &'static str,
    /// Arguments of the assembler.
    assembler: &'static [&'static str],
    /// Where the first byte lies.
    pub base: u64,
    pub compilers: &'static [Compiler],
    pub templates: &'static [&'static [Template]],
    /// What `ld.lld` does to code without relaxation.
    pub prepare: fn(&mut LinkGraph),
    /// How many random sources are made.
    pub rounds: u64,
}

impl Machine {
    /// Assembles a source.
    pub fn assemble(&self, source: &str, folder: &Path) -> PathBuf {
        let (input, output) = (folder.join("source.s"), folder.join("source.o"));
        fs::write(&input, source).unwrap();
        let mut command = Command::new("llvm-mc-22");
        command.args(["-filetype=obj", "-triple", self.triple]).args(self.assembler);
        run(command.arg(&input).arg("-o").arg(&output));
        output
    }
}

const fn template(text: &'static str, operand: Operand) -> Template {
    Template { text, operand }
}

use Operand::{Any, Difference, Label, Short, Symbol, Thread};

pub const MACHINES: &[Machine] = &[
    Machine {
        name: "riscv64",
        triple: "riscv64-linux-gnu",
        assembler: &["-mattr=+m,+a,+f,+d,+c,+relax"],
        base: 0x1000_0000,
        compilers: &[
            Compiler {
                name: "gcc",
                c: &["riscv64-linux-gnu-gcc", "-O1", "-w"],
                cxx: &["riscv64-linux-gnu-g++", "-O1", "-w"],
            },
            Compiler {
                name: "clang",
                c: &["clang-22", "--target=riscv64-linux-gnu", "-O1", "-w"],
                cxx: &["clang++-22", "--target=riscv64-linux-gnu", "-O1", "-w"],
            },
        ],
        templates: &[RISCV, RISCV64],
        prepare: |graph| relax::align(graph).unwrap(),
        rounds: 6,
    },
    Machine {
        name: "riscv32",
        triple: "riscv32-linux-gnu",
        assembler: &["-mattr=+m,+a,+c,+relax"],
        base: 0x1000_0000,
        compilers: &[],
        templates: &[RISCV, RISCV32],
        prepare: |graph| relax::align(graph).unwrap(),
        rounds: 6,
    },
];

#[rustfmt::skip]
const RISCV: &[Template] = &[
    template("call {}",                                                       Symbol),
    template("tail {}",                                                       Symbol),
    template("1: auipc a0, %pcrel_hi({})\n addi a1, a0, %pcrel_lo(1b)",       Any),
    template("1: auipc a0, %pcrel_hi({})\n nop\n sw a1, %pcrel_lo(1b)(a0)",   Any),
    template("1: auipc a0, %pcrel_hi({})\n lbu a1, %pcrel_lo(1b)(a0)\n sb a1, %pcrel_lo(1b)(a0)", Any),
    template("lui a0, %hi({})\n addi a1, a0, %lo({})\n sw a2, %lo({})(a0)",   Any),
    template("1: auipc a0, %tls_gd_pcrel_hi({})\n addi a0, a0, %pcrel_lo(1b)", Thread),
    template("lui a0, %tprel_hi({})\n add a0, a0, tp, %tprel_add({})\n lw a1, %tprel_lo({})(a0)\n sw a1, %tprel_lo({})(a0)", Thread),
    template("beq a0, a1, {}",                                                Label(200)),
    template("bgeu a0, a1, {}",                                               Label(200)),
    template("jal ra, {}",                                                    Label(2000)),
    template(".option push\n .option exact\n c.j {}\n .option pop",           Label(80)),
    template(".option push\n .option exact\n c.bnez a3, {}\n .option pop",    Label(9)),
    template(".balign 16\n nop",                                                    Symbol),
    template(".balign 8\n call {}\n .balign 4\n call {}",                     Symbol),
    template(".word {}",                                                      Any),
    template(".reloc ., R_RISCV_32_PCREL, {}\n .word 0",                      Any),
    template(".reloc ., R_RISCV_PLT32, {}\n .word 0",                         Any),
    template(".half {}",                                                      Short(200)),
    template(".byte {}",                                                      Short(5)),
    template(".word {}",                                                      Difference),
    template(".uleb128 {}",                                                   Difference),
];

#[rustfmt::skip]
const RISCV64: &[Template] = &[
    template("1: auipc a0, %got_pcrel_hi({})\n ld a0, %pcrel_lo(1b)(a0)",     Any),
    template("1: auipc a0, %tls_ie_pcrel_hi({})\n ld a0, %pcrel_lo(1b)(a0)",  Thread),
    template("1: auipc a0, %pcrel_hi({})\n fsd fa0, %pcrel_lo(1b)(a0)",       Any),
    template(".quad {}",                                                      Any),
    template(".quad {}",                                                      Difference),
];

#[rustfmt::skip]
const RISCV32: &[Template] = &[
    template("1: auipc a0, %got_pcrel_hi({})\n lw a0, %pcrel_lo(1b)(a0)",     Any),
    template("1: auipc a0, %tls_ie_pcrel_hi({})\n lw a0, %pcrel_lo(1b)(a0)",  Thread),
    template(".option push\n .option exact\n c.jal {}\n .option pop",         Label(80)),
];
