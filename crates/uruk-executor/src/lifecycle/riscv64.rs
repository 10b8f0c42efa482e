//! Starting code on RISC-V, and what a static link adds: psABI, "Relocations".

use std::ffi::c_int;

use super::{TEMPLATE_START, Template, TemplateFixup};

/// `e_machine`: `EM_RISCV`.
pub(crate) const MACHINE: u8 = 243;
/// `e_flags`: `EF_RISCV_FLOAT_ABI_DOUBLE`.
pub(crate) const FLAGS: u32 = 4;

const CALL_PLT: u32 = 19; // R_RISCV_CALL_PLT: S + A - P, in two instructions
const PCREL_HI20: u32 = 23; // R_RISCV_PCREL_HI20: S + A - P
const PCREL_LO12_I: u32 = 24; // R_RISCV_PCREL_LO12_I: the rest of what the instruction at S has

/// Calls a function with up to three arguments, as the outermost frame of its thread: the unwinder takes a frame without a
/// return address for that one. What a program does not catch ends it there, as under the C library's own start code, and
/// never reaches the frames of this process.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn outermost_frame(_function: u64, _first: u64, _second: u64, _third: u64) -> c_int {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined ra",
        "addi sp, sp, -16",
        ".cfi_adjust_cfa_offset 16",
        "sd ra, 8(sp)",
        "mv t0, a0",
        "mv a0, a1",
        "mv a1, a2",
        "mv a2, a3",
        "jalr t0",
        "ld ra, 8(sp)",
        "addi sp, sp, 16",
        ".cfi_adjust_cfa_offset -16",
        "ret",
        ".cfi_endproc",
    )
}

/// Variables of the C library that members of its static archives refer to and its shared ones ask the loader for: none.
pub(crate) fn private_variable(_name: &[u8]) -> Option<u64> {
    None
}

const fn to_handle(jump: TemplateFixup) -> [TemplateFixup; 3] {
    [
        TemplateFixup { offset: 0, symbol: "__dso_handle", relocation: PCREL_HI20, addend: 0 },
        // It refers to the instruction that has the upper part.
        TemplateFixup { offset: 4, symbol: TEMPLATE_START, relocation: PCREL_LO12_I, addend: 0 },
        jump,
    ]
}

const fn jump(offset: usize, symbol: &'static str) -> TemplateFixup {
    TemplateFixup { offset, symbol, relocation: CALL_PLT, addend: 0 }
}

const AT_FORK: &[u8] = b"\x97\x06\0\0\x93\x86\x06\0\x17\x03\0\0\x67\0\x03\0";
const AT_FORK_FIXUPS: &[TemplateFixup] = &to_handle(jump(8, "__register_atfork"));

/// What `libc_nonshared.a` of glibc 2.34 and later defines. All jump to their end, so none is ever on the stack and none
/// needs unwind information.
#[rustfmt::skip]
pub const TEMPLATES: &[Template] = &[
    // lla a2, __dso_handle; li a1, 0; tail __cxa_atexit
    // The function is then called with an argument that it does not look at.
    Template { name: "atexit", code: b"\x17\x06\0\0\x13\x06\x06\0\x93\x05\0\0\x17\x03\0\0\x67\0\x03\0", fixups: &to_handle(jump(12, "__cxa_atexit")) },
    // lla a1, __dso_handle; tail __cxa_at_quick_exit
    Template { name: "at_quick_exit", code: b"\x97\x05\0\0\x93\x85\x05\0\x17\x03\0\0\x67\0\x03\0", fixups: &to_handle(jump(8, "__cxa_at_quick_exit")) },
    // lla a3, __dso_handle; tail __register_atfork
    Template { name: "pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    Template { name: "__pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    // tail __stack_chk_fail, which does not return
    Template { name: "__stack_chk_fail_local", code: b"\x17\x03\0\0\x67\0\x03\0", fixups: &[jump(0, "__stack_chk_fail")] },
];
