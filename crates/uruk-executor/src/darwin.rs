//! What code for Darwin takes from the system and other systems do not have.
//!
//! Thread-local variables: such code calls the first word of a variable's descriptor, with the descriptor's address in a
//! register, and gets the variable's. The linker stores in the other two words what glibc says finds the variable, as in a
//! descriptor of ELF; the function here is what Darwin's loader puts into the first. Invariant: it changes no register
//! but the one for the result and the descriptor's, as the linked code expects.
//!
//! Stack protection: the number that functions put before their return address and compare is a variable.
//! Sources: clang's calling convention for `@TLVP`; x86-64 psABI 1.0 §4.4.1, TLS descriptors.

use once_cell::race::OnceBox;
use std::arch::naked_asm;
use std::hash::{BuildHasher, RandomState};

/// What the process has for code for Darwin: a name, as C has it, and an address.
pub fn overrides() -> [(&'static str, usize); 2] {
    let guard: *const u64 = GUARD.get_or_init(|| Box::new(stack_guard()));
    [("_tlv_bootstrap", tlv_bootstrap as *const () as usize), ("__stack_chk_guard", guard as usize)]
}

static GUARD: OnceBox<u64> = OnceBox::new();

/// A number that nobody can guess. Its zero byte ends strings that run over it.
fn stack_guard() -> u64 {
    RandomState::new().hash_one(0) & !0xff
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
