//! Thread-local storage on RISC-V: psABI, "Thread Local Storage"; "ELF Handling For Thread-Local Storage" §3, variant I.
//!
//! Not every glibc has descriptors on this architecture, so they are made here: of a function and the address of what
//! `__tls_get_addr` takes, which the loader fills as for any other slot.

#[path = "variant_one.rs"]
mod variant_one;

use super::TlsSlotKind;

/// `e_machine`: `EM_RISCV`.
pub(super) const MACHINE: u16 = 243;
/// `e_flags`: `EF_RISCV_FLOAT_ABI_DOUBLE`.
pub(super) const FLAGS: u32 = 4;

/// What static blocks are aligned to at least: glibc's data of each thread lies beside them.
pub(super) const STATIC_ALIGN: u64 = 16;

/// The dynamic relocations of a slot: place in the slot and type.
pub(super) fn relocations(kind: TlsSlotKind) -> &'static [(usize, u64)] {
    match kind {
        // R_RISCV_TLS_DTPMOD64, R_RISCV_TLS_DTPREL64
        TlsSlotKind::ModuleAndOffset | TlsSlotKind::Descriptor => &[(0, 7), (8, 9)],
        TlsSlotKind::ThreadOffset => &[(0, 11)], // R_RISCV_TLS_TPREL64
    }
}

/// What the code gets for a slot: what glibc has put there, or a descriptor that refers to it.
pub(super) fn value(kind: TlsSlotKind, slot: &[u64; 2]) -> [u64; 2] {
    match kind {
        TlsSlotKind::ModuleAndOffset | TlsSlotKind::ThreadOffset => *slot,
        TlsSlotKind::Descriptor => [resolve as *const () as u64, slot.as_ptr() as u64],
    }
}

/// Where the executable's block lies, as an offset from the thread pointer.
pub(crate) fn executable_block(header: &libc::Elf64_Phdr) -> u64 {
    variant_one::executable_block(0, header)
}

unsafe extern "C" {
    fn __tls_get_addr(index: *const [u64; 2]) -> *mut u8;
}

/// A descriptor's function: takes the descriptor's address in a0, returns the offset from the thread pointer there, and
/// returns to t0. It changes no other register; vector registers only if the C library does when it makes a thread's block.
#[unsafe(naked)]
extern "C" fn resolve() {
    std::arch::naked_asm!(
        // The assembler is not told of the target's own extensions here.
        ".option push",
        ".option arch, +d",
        ".cfi_startproc",
        ".cfi_return_column t0",
        "addi sp, sp, -288",
        ".cfi_def_cfa_offset 288",
        "sd ra, 0(sp)",
        ".cfi_offset ra, -288",
        "sd t0, 8(sp)",
        ".cfi_offset t0, -280",
        "sd t1, 16(sp)",
        "sd t2, 24(sp)",
        "sd t3, 32(sp)",
        "sd t4, 40(sp)",
        "sd t5, 48(sp)",
        "sd t6, 56(sp)",
        "sd a1, 64(sp)",
        "sd a2, 72(sp)",
        "sd a3, 80(sp)",
        "sd a4, 88(sp)",
        "sd a5, 96(sp)",
        "sd a6, 104(sp)",
        "sd a7, 112(sp)",
        "fsd fa0, 120(sp)",
        "fsd fa1, 128(sp)",
        "fsd fa2, 136(sp)",
        "fsd fa3, 144(sp)",
        "fsd fa4, 152(sp)",
        "fsd fa5, 160(sp)",
        "fsd fa6, 168(sp)",
        "fsd fa7, 176(sp)",
        "fsd ft0, 184(sp)",
        "fsd ft1, 192(sp)",
        "fsd ft2, 200(sp)",
        "fsd ft3, 208(sp)",
        "fsd ft4, 216(sp)",
        "fsd ft5, 224(sp)",
        "fsd ft6, 232(sp)",
        "fsd ft7, 240(sp)",
        "fsd ft8, 248(sp)",
        "fsd ft9, 256(sp)",
        "fsd ft10, 264(sp)",
        "fsd ft11, 272(sp)",
        "ld a0, 8(a0)",
        "call {get}",
        "sub a0, a0, tp",
        "ld ra, 0(sp)",
        "ld t0, 8(sp)",
        "ld t1, 16(sp)",
        "ld t2, 24(sp)",
        "ld t3, 32(sp)",
        "ld t4, 40(sp)",
        "ld t5, 48(sp)",
        "ld t6, 56(sp)",
        "ld a1, 64(sp)",
        "ld a2, 72(sp)",
        "ld a3, 80(sp)",
        "ld a4, 88(sp)",
        "ld a5, 96(sp)",
        "ld a6, 104(sp)",
        "ld a7, 112(sp)",
        "fld fa0, 120(sp)",
        "fld fa1, 128(sp)",
        "fld fa2, 136(sp)",
        "fld fa3, 144(sp)",
        "fld fa4, 152(sp)",
        "fld fa5, 160(sp)",
        "fld fa6, 168(sp)",
        "fld fa7, 176(sp)",
        "fld ft0, 184(sp)",
        "fld ft1, 192(sp)",
        "fld ft2, 200(sp)",
        "fld ft3, 208(sp)",
        "fld ft4, 216(sp)",
        "fld ft5, 224(sp)",
        "fld ft6, 232(sp)",
        "fld ft7, 240(sp)",
        "fld ft8, 248(sp)",
        "fld ft9, 256(sp)",
        "fld ft10, 264(sp)",
        "fld ft11, 272(sp)",
        "addi sp, sp, 288",
        ".cfi_def_cfa_offset 0",
        "jr t0",
        ".cfi_endproc",
        ".option pop",
        get = sym __tls_get_addr,
    )
}
