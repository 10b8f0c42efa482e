//! Starting code on x86-64, and what a static link adds: psABI §4.4.1 (relocation types).

use std::ffi::c_int;

use super::{Template, TemplateFixup};

/// `e_machine`: `EM_X86_64`.
pub(crate) const MACHINE: u8 = 62;
/// `e_flags`.
pub(crate) const FLAGS: u32 = 0;

const PC32: u32 = 2; // R_X86_64_PC32: S + A - P
const PLT32: u32 = 4; // R_X86_64_PLT32: L + A - P

/// Calls a function with up to three arguments, as the outermost frame of its thread: the unwinder takes a frame without a
/// return address for that one. What a program does not catch ends it there, as under the C library's own start code, and
/// never reaches the frames of this process.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn outermost_frame(_function: u64, _first: u64, _second: u64, _third: u64) -> c_int {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        "mov rbp, rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        // Functions of Windows objects may write to these 32 bytes above their return address; they take no arguments.
        "sub rsp, 32",
        ".cfi_adjust_cfa_offset 32",
        "call rax",
        "add rsp, 32",
        ".cfi_adjust_cfa_offset -32",
        "pop rbp",
        ".cfi_adjust_cfa_offset -8",
        "ret",
        ".cfi_endproc",
    )
}

/// Variables of the C library that members of its static archives refer to and its shared ones ask the loader for: what it
/// knows of the processor.
pub(crate) fn private_variable(name: &[u8]) -> Option<u64> {
    if name != b"_dl_x86_cpu_features" {
        return None;
    }
    let getter = crate::libraries::find(b"_dl_x86_get_cpu_features")?.address;
    // SAFETY: the loader's private function of this name takes a number and returns an address (glibc 2.33 and later,
    // sysdeps/x86/dl-get-cpu-features.c).
    unsafe {
        let getter: unsafe extern "C" fn(u32) -> u64 = std::mem::transmute(getter as *const ());
        Some(getter(0))
    }
}

const fn handle(offset: usize) -> TemplateFixup {
    TemplateFixup { offset, symbol: "__dso_handle", relocation: PC32, addend: -4 }
}

const fn jump(offset: usize, symbol: &'static str) -> TemplateFixup {
    TemplateFixup { offset, symbol, relocation: PLT32, addend: -4 }
}

const AT_FORK: &[u8] = b"\xf3\x0f\x1e\xfa\x48\x8d\x0d\0\0\0\0\xe9\0\0\0\0";
const AT_FORK_FIXUPS: &[TemplateFixup] = &[handle(7), jump(12, "__register_atfork")];

/// What `libc_nonshared.a` of glibc 2.34 and later defines; older ones have `stat` and its kin too,
/// which libc.so exports since 2.33. All jump to their end, so none is ever on the stack and none
/// needs unwind information. Each begins with `endbr64`.
#[rustfmt::skip]
pub const TEMPLATES: &[Template] = &[
    // lea __dso_handle(%rip), %rdx; xor %esi, %esi; jmp __cxa_atexit
    // The function is then called with an argument that it does not look at.
    Template { name: "atexit", code: b"\xf3\x0f\x1e\xfa\x48\x8d\x15\0\0\0\0\x31\xf6\xe9\0\0\0\0", fixups: &[handle(7), jump(14, "__cxa_atexit")] },
    // lea __dso_handle(%rip), %rsi; jmp __cxa_at_quick_exit
    Template { name: "at_quick_exit", code: b"\xf3\x0f\x1e\xfa\x48\x8d\x35\0\0\0\0\xe9\0\0\0\0", fixups: &[handle(7), jump(12, "__cxa_at_quick_exit")] },
    // lea __dso_handle(%rip), %rcx; jmp __register_atfork
    Template { name: "pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    Template { name: "__pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    // jmp __stack_chk_fail, which does not return
    Template { name: "__stack_chk_fail_local", code: b"\xf3\x0f\x1e\xfa\xe9\0\0\0\0", fixups: &[jump(5, "__stack_chk_fail")] },
];
