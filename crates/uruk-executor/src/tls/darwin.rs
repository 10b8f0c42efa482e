//! Access to thread-local variables as code for Darwin does it: it calls the first word of a descriptor, with the
//! descriptor's address in a register, and gets the variable's.
//!
//! Data flow: the linker stores in the other two words what glibc says finds the variable, as in a descriptor of ELF; the
//! function here is what Darwin's loader puts into the first. Invariant: it changes no register but the one for the
//! result and the descriptor's, as the linked code expects.
//! Sources: clang's calling convention for `@TLVP`; x86-64 psABI 1.0 §4.4.1, TLS descriptors.

use std::arch::naked_asm;

/// What the process has for code for Darwin: a name, as C has it, and an address.
pub fn overrides() -> [(&'static str, usize); 1] {
    [("_tlv_bootstrap", tlv_bootstrap as *const () as usize)]
}

/// The address of the calling thread's variable.
#[unsafe(naked)]
unsafe extern "C" fn tlv_bootstrap() {
    naked_asm!(
        ".cfi_startproc",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "lea rax, [rdi + 8]",
        // A descriptor's function takes its address in rax and returns an offset from the thread pointer.
        "call [rax]",
        "add rax, fs:[0]",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "ret",
        ".cfi_endproc",
    )
}
