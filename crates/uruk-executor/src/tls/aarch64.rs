//! Thread-local storage on AArch64: AAELF64 §5.7.11 (relocation types); "ELF Handling For Thread-Local Storage" §3, variant I.

#[path = "variant_one.rs"]
mod variant_one;

use super::TlsSlotKind;

/// `e_machine`: `EM_AARCH64`.
pub(super) const MACHINE: u16 = 183;
/// `e_flags`.
pub(super) const FLAGS: u32 = 0;

/// What static blocks are aligned to at least: glibc's data of each thread lies beside them.
pub(super) const STATIC_ALIGN: u64 = 16;

/// The dynamic relocations of a slot: place in the slot and type.
pub(super) fn relocations(kind: TlsSlotKind) -> &'static [(usize, u64)] {
    match kind {
        TlsSlotKind::ModuleAndOffset => &[(0, 1028), (8, 1029)], // R_AARCH64_TLS_DTPMOD, R_AARCH64_TLS_DTPREL
        TlsSlotKind::ThreadOffset => &[(0, 1030)],               // R_AARCH64_TLS_TPREL
        TlsSlotKind::Descriptor => &[(0, 1031)],                 // R_AARCH64_TLSDESC
    }
}

/// What the code gets for a slot: what glibc has put there.
pub(super) fn value(_kind: TlsSlotKind, slot: &[u64; 2]) -> [u64; 2] {
    *slot
}

/// Where the executable's block lies, as an offset from the thread pointer, which points to two words of the C library's.
pub(crate) fn executable_block(header: &libc::Elf64_Phdr) -> u64 {
    variant_one::executable_block(16, header)
}
