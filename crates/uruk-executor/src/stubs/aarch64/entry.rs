//! Saves what a call may pass on AArch64, asks for the body, goes there.
//!
//! Data flow: a block's head jumps here with two words on the stack (the address of the called stub's word, the head's)
//! and all other registers as the caller left them → the pool is asked on the caller's stack → all registers are
//! restored and the body, or the failure handler, is entered as if it had been called in the first place.
//! Invariants: every general register but x16 and x17, and the 128 bits of every vector register, reach the body
//! unchanged, so one entry serves the base and the vector convention, static chains and conventions of a compiler's own.
//! Meanwhile the floating-point environment is the default one: whoever compiles the body is not to round as its caller
//! wishes.
//! Limit: what scalable vector registers have above 128 bits is lost, as on the loader's own way to a function that is
//! bound late; so functions with the scalable vector convention must not be lazy.
//! `unsafe` is here for the processor's instructions.
//! Sources: AAPCS64 §6.1; "Vector Function ABI Specification for AArch64" §2.2; Arm ARM (FPCR, FPSR).

use super::super::entry::missing;
use super::headed::answer;
use once_cell::race::OnceBox;

/// The ways in that this processor can take. The first saves everything.
pub(in super::super) fn addresses() -> &'static [u64] {
    static ADDRESSES: OnceBox<[u64; 1]> = OnceBox::new();
    ADDRESSES.get_or_init(|| Box::new([enter as *const () as u64]))
}

/// Its frame, from the stack pointer up: x29 and x30; x0 to x15; x18; FPCR and FPSR; what the head has pushed, of which the
/// first word becomes the target's. Below are the vectors.
#[unsafe(naked)]
extern "C" fn enter() {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa_offset 16",
        "stp x29, x30, [sp, #-176]!",
        ".cfi_def_cfa_offset 192",
        ".cfi_offset x29, -192",
        ".cfi_offset x30, -184",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "stp x0, x1, [x29, #16]",
        "stp x2, x3, [x29, #32]",
        "stp x4, x5, [x29, #48]",
        "stp x6, x7, [x29, #64]",
        "stp x8, x9, [x29, #80]",
        "stp x10, x11, [x29, #96]",
        "stp x12, x13, [x29, #112]",
        "stp x14, x15, [x29, #128]",
        "mrs x0, fpcr",
        "stp x18, x0, [x29, #144]",
        "mrs x0, fpsr",
        "str x0, [x29, #160]",
        "sub sp, sp, #512",
        "stp q0, q1, [sp]",
        "stp q2, q3, [sp, #32]",
        "stp q4, q5, [sp, #64]",
        "stp q6, q7, [sp, #96]",
        "stp q8, q9, [sp, #128]",
        "stp q10, q11, [sp, #160]",
        "stp q12, q13, [sp, #192]",
        "stp q14, q15, [sp, #224]",
        "stp q16, q17, [sp, #256]",
        "stp q18, q19, [sp, #288]",
        "stp q20, q21, [sp, #320]",
        "stp q22, q23, [sp, #352]",
        "stp q24, q25, [sp, #384]",
        "stp q26, q27, [sp, #416]",
        "stp q28, q29, [sp, #448]",
        "stp q30, q31, [sp, #480]",
        "msr fpcr, xzr",
        "ldp x1, x0, [x29, #176]",
        "bl {answer}",
        "str x0, [x29, #176]",
        "ldp q0, q1, [sp]",
        "ldp q2, q3, [sp, #32]",
        "ldp q4, q5, [sp, #64]",
        "ldp q6, q7, [sp, #96]",
        "ldp q8, q9, [sp, #128]",
        "ldp q10, q11, [sp, #160]",
        "ldp q12, q13, [sp, #192]",
        "ldp q14, q15, [sp, #224]",
        "ldp q16, q17, [sp, #256]",
        "ldp q18, q19, [sp, #288]",
        "ldp q20, q21, [sp, #320]",
        "ldp q22, q23, [sp, #352]",
        "ldp q24, q25, [sp, #384]",
        "ldp q26, q27, [sp, #416]",
        "ldp q28, q29, [sp, #448]",
        "ldp q30, q31, [sp, #480]",
        "ldr x0, [x29, #160]",
        "msr fpsr, x0",
        "ldp x18, x0, [x29, #144]",
        "msr fpcr, x0",
        "ldp x14, x15, [x29, #128]",
        "ldp x12, x13, [x29, #112]",
        "ldp x10, x11, [x29, #96]",
        "ldp x8, x9, [x29, #80]",
        "ldp x6, x7, [x29, #64]",
        "ldp x4, x5, [x29, #48]",
        "ldp x2, x3, [x29, #32]",
        "ldp x0, x1, [x29, #16]",
        "ldr x16, [x29, #176]",
        "mov sp, x29",
        ".cfi_def_cfa_register sp",
        "ldp x29, x30, [sp], #192",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "br x16",
        ".cfi_endproc",
        answer = sym answer,
    )
}

/// The failure handler of pools that were given none.
pub(in super::super) fn default_failure() -> u64 {
    fail as *const () as u64
}

#[unsafe(naked)]
extern "C" fn fail() {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "mov x0, x30",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        "bl {missing}",
        "brk #1",
        ".cfi_endproc",
        missing = sym missing,
    )
}
