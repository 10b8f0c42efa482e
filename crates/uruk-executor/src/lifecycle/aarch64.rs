//! Starting code on AArch64, and what a static link adds: AAELF64 §5.7 (relocation types).

use std::ffi::c_int;

use super::{Template, TemplateFixup};

/// `e_machine`: `EM_AARCH64`.
pub(crate) const MACHINE: u8 = 183;
/// `e_flags`.
pub(crate) const FLAGS: u32 = 0;

const PAGE: u32 = 275; // R_AARCH64_ADR_PREL_PG_HI21: Page(S + A) - Page(P)
const LOW_12: u32 = 277; // R_AARCH64_ADD_ABS_LO12_NC: S + A
const JUMP_26: u32 = 282; // R_AARCH64_JUMP26: S + A - P

/// Calls a function with up to three arguments, as the outermost frame of its thread: the unwinder takes a frame without a
/// return address for that one. What a program does not catch ends it there, as under the C library's own start code, and
/// never reaches the frames of this process.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn outermost_frame(_function: u64, _first: u64, _second: u64, _third: u64) -> c_int {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined x30",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_adjust_cfa_offset 16",
        "mov x29, sp",
        "mov x9, x0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "blr x9",
        "ldp x29, x30, [sp], #16",
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
    let symbol = "__dso_handle";
    [
        TemplateFixup { offset: 0, symbol, relocation: PAGE, addend: 0 },
        TemplateFixup { offset: 4, symbol, relocation: LOW_12, addend: 0 },
        jump,
    ]
}

const fn jump(offset: usize, symbol: &'static str) -> TemplateFixup {
    TemplateFixup { offset, symbol, relocation: JUMP_26, addend: 0 }
}

const AT_FORK: &[u8] = b"\x03\0\0\x90\x63\0\0\x91\0\0\0\x14";
const AT_FORK_FIXUPS: &[TemplateFixup] = &to_handle(jump(8, "__register_atfork"));

/// What `libc_nonshared.a` of glibc 2.34 and later defines; older ones have `stat` and its kin too,
/// which libc.so exports since 2.33. All jump to their end, so none is ever on the stack and none
/// needs unwind information.
#[rustfmt::skip]
pub const TEMPLATES: &[Template] = &[
    // adrp x2, __dso_handle; add x2, x2, :lo12:__dso_handle; mov x1, xzr; b __cxa_atexit
    // The function is then called with an argument that it does not look at.
    Template { name: "atexit", code: b"\x02\0\0\x90\x42\0\0\x91\xe1\x03\x1f\xaa\0\0\0\x14", fixups: &to_handle(jump(12, "__cxa_atexit")) },
    // adrp x1, __dso_handle; add x1, x1, :lo12:__dso_handle; b __cxa_at_quick_exit
    Template { name: "at_quick_exit", code: b"\x01\0\0\x90\x21\0\0\x91\0\0\0\x14", fixups: &to_handle(jump(8, "__cxa_at_quick_exit")) },
    // The same with x3; b __register_atfork
    Template { name: "pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    Template { name: "__pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    // b __stack_chk_fail, which does not return
    Template { name: "__stack_chk_fail_local", code: b"\0\0\0\x14", fixups: &[jump(0, "__stack_chk_fail")] },
];
