//! What is compared for each target: its compilers, and templates of instructions and data with relocations.

use crate::emulated::Emulation;
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
    /// A symbol that the source defines.
    Defined,
    /// A symbol at a multiple of 16.
    Aligned,
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
    /// Loads from slots become loads of addresses.
    pub relax: bool,
    /// How many random sources are made.
    pub rounds: u64,
    /// How programs are run, where they can be.
    pub emulation: Option<Emulation>,
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

use Operand::{Aligned, Any, Defined, Difference, Label, Short, Symbol, Thread};

/// The other linker rewrites what asks for another object's variables in a more general way.
const LOCAL_EXEC: &str = "-ftls-model=local-exec";

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
        relax: false,
        rounds: 6,
        emulation: Some(Emulation { driver: "riscv64-linux-gnu-gcc", emulator: "qemu-riscv64", header: (243, 5) }),
    },
    Machine {
        name: "riscv32",
        triple: "riscv32-linux-gnu",
        assembler: &["-mattr=+m,+a,+c,+relax"],
        base: 0x1000_0000,
        compilers: &[],
        templates: &[RISCV, RISCV32],
        prepare: |graph| relax::align(graph).unwrap(),
        relax: false,
        rounds: 6,
        emulation: None,
    },
    Machine {
        name: "aarch64",
        triple: "aarch64-linux-gnu",
        assembler: &[],
        base: 0x1000_0000,
        compilers: &[
            Compiler {
                name: "gcc",
                c: &["aarch64-linux-gnu-gcc", "-O1", "-w", LOCAL_EXEC],
                cxx: &["aarch64-linux-gnu-g++", "-O1", "-w", LOCAL_EXEC],
            },
            Compiler {
                name: "clang",
                c: &["clang-22", "--target=aarch64-linux-gnu", "-O1", "-w", LOCAL_EXEC],
                cxx: &["clang++-22", "--target=aarch64-linux-gnu", "-O1", "-w", LOCAL_EXEC],
            },
        ],
        templates: &[AARCH64],
        prepare: |_| (),
        relax: false,
        rounds: 6,
        emulation: None,
    },
    // Its programs are executed, which says more.
    Machine {
        name: "x86-64",
        triple: "x86_64-linux-gnu",
        assembler: &[],
        base: 0x1000_0000,
        compilers: &[],
        templates: &[X86_64],
        prepare: |_| (),
        relax: true,
        rounds: 6,
        emulation: None,
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

/// Instructions that the assembler would relocate itself carry an explicit relocation.
#[rustfmt::skip]
const AARCH64: &[Template] = &[
    template("bl {}",                                                         Aligned),
    template("b {}",                                                          Aligned),
    template(".reloc ., R_AARCH64_CONDBR19, {}\n .inst 0x54000001",           Label(2000)),
    template(".reloc ., R_AARCH64_TSTBR14, {}\n .inst 0x36000003",            Label(500)),
    template(".reloc ., R_AARCH64_ADR_PREL_LO21, {}\n .inst 0x10000002",      Label(2000)),
    template(".reloc ., R_AARCH64_LD_PREL_LO19, {}\n .inst 0x58000002",       Label(2000)),
    template("adrp x0, {}\n add x0, x0, :lo12:{}\n ldrb w1, [x0, :lo12:{}]",  Any),
    template("adrp x1, :pg_hi21_nc:{}\n strb w2, [x1, :lo12:{}]",             Any),
    template("ldrh w1, [x0, :lo12:{}]\n str w1, [x0, :lo12:{}]",              Aligned),
    template("ldr x1, [x0, :lo12:{}]\n str q1, [x0, :lo12:{}]",               Aligned),
    template("ldr s1, [x0, :lo12:{}]\n ldr d1, [x0, :lo12:{}]",               Aligned),
    template("movz x0, #:abs_g3:{}\n movk x0, #:abs_g2_nc:{}\n movk x0, #:abs_g1_nc:{}\n movk x0, #:abs_g0_nc:{}", Any),
    template("movz x0, #:abs_g1:{}\n movz x0, #:abs_g2:{}",                   Any),
    template("movz x0, #:abs_g1_s:{}\n movn x0, #:abs_g2_s:{}",               Any),
    template("movz x0, #:prel_g3:{}\n movk x0, #:prel_g2_nc:{}\n movk x0, #:prel_g1_nc:{}\n movk x0, #:prel_g0_nc:{}", Any),
    template("movz x0, #:prel_g1:{}\n movn x0, #:prel_g2:{}",                 Any),
    template("adrp x0, :got:{}\n ldr x0, [x0, :got_lo12:{}]",                 Symbol),
    template("adrp x0, :got:{}\n ldr x1, [x0, :gotpage_lo15:{}]",             Symbol),
    template("ldr x0, :got:{}",                                               Symbol),
    template("add x0, x0, :tprel_hi12:{}\n add x0, x0, :tprel_lo12_nc:{}", Thread),
    template("ldrb w1, [x0, :tprel_lo12_nc:{}]\n ldr x1, [x0, :tprel_lo12_nc:{}]", Thread),
    template("movz x0, #:tprel_g1:{}\n movk x0, #:tprel_g0_nc:{}\n movz x0, #:tprel_g0:{}", Thread),
    template("adrp x0, :gottprel:{}\n ldr x0, [x0, :gottprel_lo12:{}]",       Thread),
    template(".word {}",                                                      Any),
    template(".xword {}",                                                     Any),
    template(".word {} - .",                                                  Any),
    template(".xword {} - .",                                                 Any),
    template(".reloc ., R_AARCH64_PLT32, {}\n .word 0",                       Symbol),
    template(".reloc ., R_AARCH64_GOTPCREL32, {}\n .word 0",                  Symbol),
    template(".reloc ., R_AARCH64_PREL16, {}\n .hword 0, 0",                  Label(500)),
];

#[rustfmt::skip]
const X86_64: &[Template] = &[
    template("call {}",                                                       Symbol),
    template("jne {}",                                                        Symbol),
    template("leaq {}(%rip), %rax",                                           Any),
    template("cmpb $1, {}(%rip)",                                             Any),
    template("movabsq ${}, %rax",                                             Any),
    template("movl ${}, %eax",                                                Any),
    template("movq ${}, %rax",                                                Any),
    template("movq {}@GOTPCREL(%rip), %rax",                                  Defined),
    template("call *{}@GOTPCREL(%rip)",                                       Defined),
    template("leaq {}@TPOFF(%rax), %rax",                                     Thread),
    template(".quad {}@TPOFF",                                                Thread),
    template(".long {}",                                                      Any),
    template(".quad {}",                                                      Any),
    template(".long {} - .",                                                  Any),
    template(".quad {} - .",                                                  Any),
    template(".reloc ., R_X86_64_PC16, {}\n .short 0",                        Label(1000)),
    template(".reloc ., R_X86_64_PC8, {}\n .byte 0",                          Label(4)),
];
