//! Saves what a call may pass on RISC-V, asks for the body, goes there.
//!
//! Data flow: a block's head jumps here with two words on the stack (the address of the called stub's word, the head's)
//! and all other registers as the caller left them → the pool is asked on the caller's stack → all registers are
//! restored and the body, or the failure handler, is entered as if it had been called in the first place.
//! Invariants: every general register but t1 and t3, and every floating-point register, reach the body unchanged.
//! Meanwhile the floating-point environment is the default one: whoever compiles the body is not to round as its caller
//! wishes.
//! Limit: vector registers are lost, as on the loader's own way to a function that is bound late; so functions with the
//! vector convention must not be lazy.
//! `unsafe` is here for the processor's instructions.
//! Sources: RISC-V psABI, "Register Convention"; RISC-V unprivileged ISA, "D" extension (`fcsr`).

use super::super::entry::missing;
use super::headed::answer;
use once_cell::race::OnceBox;

/// The ways in that this processor can take. The first saves everything.
pub(in super::super) fn addresses() -> &'static [u64] {
    static ADDRESSES: OnceBox<[u64; 1]> = OnceBox::new();
    ADDRESSES.get_or_init(|| Box::new([enter as *const () as u64]))
}

/// Its frame, from the stack pointer up: a0 to a7; t0, t2, t4 to t6; fcsr; fa0 to fa7 and ft0 to ft11; a free word; s0 and ra;
/// what the head has pushed, of which the first word becomes the target's.
#[unsafe(naked)]
extern "C" fn enter() {
    std::arch::naked_asm!(
        // The assembler is not told of the target's own extensions here.
        ".option push",
        ".option arch, +d",
        ".cfi_startproc",
        ".cfi_def_cfa_offset 16",
        "addi sp, sp, -304",
        ".cfi_def_cfa_offset 320",
        "sd ra, 296(sp)",
        ".cfi_offset ra, -24",
        "sd s0, 288(sp)",
        ".cfi_offset s0, -32",
        "addi s0, sp, 304",
        ".cfi_def_cfa s0, 16",
        "sd a0, 0(sp)",
        "sd a1, 8(sp)",
        "sd a2, 16(sp)",
        "sd a3, 24(sp)",
        "sd a4, 32(sp)",
        "sd a5, 40(sp)",
        "sd a6, 48(sp)",
        "sd a7, 56(sp)",
        "sd t0, 64(sp)",
        "sd t2, 72(sp)",
        "sd t4, 80(sp)",
        "sd t5, 88(sp)",
        "sd t6, 96(sp)",
        "frcsr t0",
        "sd t0, 104(sp)",
        "fsd fa0, 112(sp)",
        "fsd fa1, 120(sp)",
        "fsd fa2, 128(sp)",
        "fsd fa3, 136(sp)",
        "fsd fa4, 144(sp)",
        "fsd fa5, 152(sp)",
        "fsd fa6, 160(sp)",
        "fsd fa7, 168(sp)",
        "fsd ft0, 176(sp)",
        "fsd ft1, 184(sp)",
        "fsd ft2, 192(sp)",
        "fsd ft3, 200(sp)",
        "fsd ft4, 208(sp)",
        "fsd ft5, 216(sp)",
        "fsd ft6, 224(sp)",
        "fsd ft7, 232(sp)",
        "fsd ft8, 240(sp)",
        "fsd ft9, 248(sp)",
        "fsd ft10, 256(sp)",
        "fsd ft11, 264(sp)",
        "fscsr zero",
        "ld a0, 8(s0)",
        "ld a1, 0(s0)",
        "call {answer}",
        "sd a0, 0(s0)",
        "ld t0, 104(sp)",
        "fscsr t0",
        "fld fa0, 112(sp)",
        "fld fa1, 120(sp)",
        "fld fa2, 128(sp)",
        "fld fa3, 136(sp)",
        "fld fa4, 144(sp)",
        "fld fa5, 152(sp)",
        "fld fa6, 160(sp)",
        "fld fa7, 168(sp)",
        "fld ft0, 176(sp)",
        "fld ft1, 184(sp)",
        "fld ft2, 192(sp)",
        "fld ft3, 200(sp)",
        "fld ft4, 208(sp)",
        "fld ft5, 216(sp)",
        "fld ft6, 224(sp)",
        "fld ft7, 232(sp)",
        "fld ft8, 240(sp)",
        "fld ft9, 248(sp)",
        "fld ft10, 256(sp)",
        "fld ft11, 264(sp)",
        "ld a0, 0(sp)",
        "ld a1, 8(sp)",
        "ld a2, 16(sp)",
        "ld a3, 24(sp)",
        "ld a4, 32(sp)",
        "ld a5, 40(sp)",
        "ld a6, 48(sp)",
        "ld a7, 56(sp)",
        "ld t0, 64(sp)",
        "ld t2, 72(sp)",
        "ld t4, 80(sp)",
        "ld t5, 88(sp)",
        "ld t6, 96(sp)",
        "ld t3, 304(sp)",
        ".cfi_def_cfa sp, 320",
        "ld ra, 296(sp)",
        ".cfi_restore ra",
        "ld s0, 288(sp)",
        ".cfi_restore s0",
        "addi sp, sp, 320",
        ".cfi_def_cfa_offset 0",
        "jr t3",
        ".cfi_endproc",
        ".option pop",
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
        "mv a0, ra",
        "addi sp, sp, -16",
        ".cfi_def_cfa_offset 16",
        "sd ra, 8(sp)",
        ".cfi_offset ra, -8",
        "call {missing}",
        "ebreak",
        ".cfi_endproc",
        missing = sym missing,
    )
}
