//! The code that a static link adds to every program and shared object: what the kernel starts, and `atexit` and its like, which have
//! to say whose function they register.
//!
//! Sources: psABIs of x86-64 §3.4, AArch64 and RISC-V, "Process Initialization"; LSB 5.0 core, `__libc_start_main`, `__cxa_atexit`,
//! `__cxa_finalize`, `__register_atfork`; glibc's `libc_nonshared.a`. Initialisers are run by the loader and the C library (glibc from 2.34 on, musl).

use uruk_jitlink::arch::{ABS64, BRANCH32, GOTPCREL, PC32};
use uruk_jitlink::edit::{EditError, NewSymbol, Stage};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::{EdgeKind, FunctionTable, LinkGraph, Order, SectionKind, SymbolKind};
use uruk_jitlink::{aarch64, elf, riscv};

/// Where the kernel starts.
pub const ENTRY: &str = "_start";
/// What ends a shared object, from its table of such functions.
const FINISH: &str = "__uruk_finish";

/// A function: its name, its code, and what that refers to.
struct Function {
    name: &'static str,
    code: &'static [u8],
    references: &'static [Reference],
}

/// A field of code: its offset, the kind, the symbol, and the addend.
type Reference = (u32, EdgeKind, &'static str, i64);

/// What [`Reference`]s call the program's own function.
const MAIN: &str = "main";
const HANDLE: &str = "__dso_handle";

/// The functions of an architecture: where a program starts, what ends a shared object, and what registers functions of its own.
struct Functions {
    start: Function,
    finish: Function,
    at_exit: Function,
    at_quick_exit: Function,
    at_fork: Function,
}

#[rustfmt::skip]
const X86_64: Functions = Functions {
    start: Function {
        name: ENTRY,
        // xor %ebp,%ebp; mov %rdx,%r9; pop %rsi; mov %rsp,%rdx; and $-16,%rsp; push %rax; push %rsp; xor %r8d,%r8d; xor %ecx,%ecx;
        // lea main(%rip),%rdi; call *__libc_start_main@GOTPCREL(%rip); hlt
        code: b"\x31\xed\x49\x89\xd1\x5e\x48\x89\xe2\x48\x83\xe4\xf0\x50\x54\x45\x31\xc0\x31\xc9\x48\x8d\x3d\0\0\0\0\xff\x15\0\0\0\0\xf4",
        references: &[(23, PC32, MAIN, -4), (29, GOTPCREL, "__libc_start_main", -4)],
    },
    finish: Function {
        name: FINISH,
        // lea __dso_handle(%rip),%rdi; jmp __cxa_finalize
        code: b"\x48\x8d\x3d\0\0\0\0\xe9\0\0\0\0",
        references: &[(3, PC32, HANDLE, -4), (8, BRANCH32, "__cxa_finalize", -4)],
    },
    at_exit: Function {
        name: "atexit",
        // lea __dso_handle(%rip),%rdx; xor %esi,%esi; jmp __cxa_atexit
        code: b"\x48\x8d\x15\0\0\0\0\x31\xf6\xe9\0\0\0\0",
        references: &[(3, PC32, HANDLE, -4), (10, BRANCH32, "__cxa_atexit", -4)],
    },
    at_quick_exit: Function {
        name: "at_quick_exit",
        // lea __dso_handle(%rip),%rsi; jmp __cxa_at_quick_exit
        code: b"\x48\x8d\x35\0\0\0\0\xe9\0\0\0\0",
        references: &[(3, PC32, HANDLE, -4), (8, BRANCH32, "__cxa_at_quick_exit", -4)],
    },
    at_fork: Function {
        name: "pthread_atfork",
        // lea __dso_handle(%rip),%rcx; jmp __register_atfork
        code: b"\x48\x8d\x0d\0\0\0\0\xe9\0\0\0\0",
        references: &[(3, PC32, HANDLE, -4), (8, BRANCH32, "__register_atfork", -4)],
    },
};

#[rustfmt::skip]
const AARCH64: Functions = Functions {
    start: Function {
        name: ENTRY,
        // mov x29,#0; mov x30,#0; mov x5,x0; ldr x1,[sp]; add x2,sp,#8; mov x6,sp; adrp x0,main; add x0,x0,:lo12:main; mov x3,#0;
        // mov x4,#0; bl __libc_start_main; brk #0
        code: b"\x1d\0\x80\xd2\x1e\0\x80\xd2\xe5\x03\0\xaa\xe1\x03\x40\xf9\xe2\x23\0\x91\xe6\x03\0\x91\0\0\0\x90\0\0\0\x91\x03\0\x80\xd2\x04\0\x80\xd2\0\0\0\x94\0\0\x20\xd4",
        references: &[(24, aarch64::ADRP, MAIN, 0), (28, aarch64::ADD_LO12, MAIN, 0), (40, aarch64::BRANCH26, "__libc_start_main", 0)],
    },
    finish: Function {
        name: FINISH,
        // adrp x0,__dso_handle; add x0,x0,:lo12:__dso_handle; b __cxa_finalize
        code: b"\0\0\0\x90\0\0\0\x91\0\0\0\x14",
        references: &[(0, aarch64::ADRP, HANDLE, 0), (4, aarch64::ADD_LO12, HANDLE, 0), (8, aarch64::BRANCH26, "__cxa_finalize", 0)],
    },
    at_exit: Function {
        name: "atexit",
        // adrp x2,__dso_handle; add x2,x2,:lo12:__dso_handle; mov x1,#0; b __cxa_atexit
        code: b"\x02\0\0\x90\x42\0\0\x91\x01\0\x80\xd2\0\0\0\x14",
        references: &[(0, aarch64::ADRP, HANDLE, 0), (4, aarch64::ADD_LO12, HANDLE, 0), (12, aarch64::BRANCH26, "__cxa_atexit", 0)],
    },
    at_quick_exit: Function {
        name: "at_quick_exit",
        // adrp x1,__dso_handle; add x1,x1,:lo12:__dso_handle; b __cxa_at_quick_exit
        code: b"\x01\0\0\x90\x21\0\0\x91\0\0\0\x14",
        references: &[(0, aarch64::ADRP, HANDLE, 0), (4, aarch64::ADD_LO12, HANDLE, 0), (8, aarch64::BRANCH26, "__cxa_at_quick_exit", 0)],
    },
    at_fork: Function {
        name: "pthread_atfork",
        // adrp x3,__dso_handle; add x3,x3,:lo12:__dso_handle; b __register_atfork
        code: b"\x03\0\0\x90\x63\0\0\x91\0\0\0\x14",
        references: &[(0, aarch64::ADRP, HANDLE, 0), (4, aarch64::ADD_LO12, HANDLE, 0), (8, aarch64::BRANCH26, "__register_atfork", 0)],
    },
};

#[rustfmt::skip]
const RISCV64: Functions = Functions {
    start: Function {
        name: ENTRY,
        // mv a5,a0; lla a0,main; ld a1,0(sp); addi a2,sp,8; andi sp,sp,-16; li a3,0; li a4,0; mv a6,sp; call __libc_start_main; ebreak
        code: b"\x93\x07\x05\0\x17\x05\0\0\x13\x05\x05\0\x83\x35\x01\0\x13\x06\x81\0\x13\x71\x01\xff\x93\x06\0\0\x13\x07\0\0\x13\x08\x01\0\x97\0\0\0\xe7\x80\0\0\x73\0\x10\0",
        references: &[(4, riscv::PCREL_HI20, MAIN, 0), (8, riscv::PCREL_LO12_I, ENTRY, 4), (36, riscv::CALL, "__libc_start_main", 0)],
    },
    finish: Function {
        name: FINISH,
        // lla a0,__dso_handle; tail __cxa_finalize
        code: b"\x17\x05\0\0\x13\x05\x05\0\x17\x03\0\0\x67\0\x03\0",
        references: &[(0, riscv::PCREL_HI20, HANDLE, 0), (4, riscv::PCREL_LO12_I, FINISH, 0), (8, riscv::CALL, "__cxa_finalize", 0)],
    },
    at_exit: Function {
        name: "atexit",
        // lla a2,__dso_handle; li a1,0; tail __cxa_atexit
        code: b"\x17\x06\0\0\x13\x06\x06\0\x93\x05\0\0\x17\x03\0\0\x67\0\x03\0",
        references: &[(0, riscv::PCREL_HI20, HANDLE, 0), (4, riscv::PCREL_LO12_I, "atexit", 0), (12, riscv::CALL, "__cxa_atexit", 0)],
    },
    at_quick_exit: Function {
        name: "at_quick_exit",
        // lla a1,__dso_handle; tail __cxa_at_quick_exit
        code: b"\x97\x05\0\0\x93\x85\x05\0\x17\x03\0\0\x67\0\x03\0",
        references: &[(0, riscv::PCREL_HI20, HANDLE, 0), (4, riscv::PCREL_LO12_I, "at_quick_exit", 0), (8, riscv::CALL, "__cxa_at_quick_exit", 0)],
    },
    at_fork: Function {
        name: "pthread_atfork",
        // lla a3,__dso_handle; tail __register_atfork
        code: b"\x97\x06\0\0\x93\x86\x06\0\x17\x03\0\0\x67\0\x03\0",
        references: &[(0, riscv::PCREL_HI20, HANDLE, 0), (4, riscv::PCREL_LO12_I, "pthread_atfork", 0), (8, riscv::CALL, "__register_atfork", 0)],
    },
};

fn functions(format: &'static Format) -> Option<&'static Functions> {
    match format {
        format if *format == elf::x86_64::FORMAT => Some(&X86_64),
        format if *format == elf::aarch64::FORMAT => Some(&AARCH64),
        format if *format == elf::riscv64::FORMAT => Some(&RISCV64),
        _ => None,
    }
}

/// Whether a graph registers functions that are to run when the image goes, or to go with it.
pub fn uses_exit_functions(graph: &LinkGraph) -> bool {
    const NAMES: [&[u8]; 5] = [b"__cxa_atexit", b"__dso_handle", b"atexit", b"at_quick_exit", b"pthread_atfork"];
    graph.globals().any(|(id, _)| NAMES.contains(&graph.symbol_name(id)))
}

/// The graph of what is added: to a program, whose function `main` is called so, or to a shared object.
pub fn graph(format: &'static Format, main: Option<&str>) -> Option<Result<LinkGraph, EditError>> {
    let functions = functions(format)?;
    let ends = main.map_or(&functions.finish, |_| &functions.start);
    let Functions { at_exit, at_quick_exit, at_fork, .. } = functions;
    Some(make(format, &[ends, at_exit, at_quick_exit, at_fork], main))
}

fn make(format: &'static Format, chosen: &[&Function], main: Option<&str>) -> Result<LinkGraph, EditError> {
    let mut graph = LinkGraph::with_format("what every image begins and ends with", format);
    let mut editor = graph.edit(Stage::BeforePruning);
    for Function { name, code, references } in chosen {
        let section = editor.add_section(&format!(".text.{name}"), SectionKind::Code)?;
        let block = editor.add_block(section, code, 16)?;
        let symbol = NewSymbol::global(name, block, 0).weak().hidden();
        let own = editor.add_symbol(symbol.kind(SymbolKind::Function).size(code.len() as u64))?;
        for (offset, kind, symbol, addend) in *references {
            let target = match *symbol {
                MAIN => editor.external(main.unwrap_or(MAIN))?,
                symbol if symbol == *name => own,
                symbol => editor.external(symbol)?,
            };
            editor.add_edge(block, *offset, *kind, target, *addend)?;
        }
        if *name == FINISH {
            // The first of the table is the last to run.
            let first = SectionKind::Functions(FunctionTable::Fini, Order { priority: 0, backwards: false });
            let section = editor.add_section(".fini_array", first)?;
            let slot = editor.add_block(section, &[0; 8], 8)?;
            editor.add_edge(slot, 0, ABS64, own, 0)?;
        }
    }
    drop(editor);
    Ok(graph)
}
