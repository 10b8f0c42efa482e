//! Thread-local storage on x86-64: psABI §4.4.1 (relocation types); "ELF Handling For Thread-Local Storage" §3.4.6, variant II.

use super::TlsSlotKind;

/// `e_machine`: `EM_X86_64`.
pub(super) const MACHINE: u16 = 62;
/// `e_flags`.
pub(super) const FLAGS: u32 = 0;

/// What static blocks are aligned to at least: glibc's data of each thread lies beside them.
pub(super) const STATIC_ALIGN: u64 = 64;

/// The dynamic relocations of a slot: place in the slot and type.
pub(super) fn relocations(kind: TlsSlotKind) -> &'static [(usize, u64)] {
    match kind {
        TlsSlotKind::ModuleAndOffset => &[(0, 16), (8, 17)], // R_X86_64_DTPMOD64, R_X86_64_DTPOFF64
        TlsSlotKind::ThreadOffset => &[(0, 18)],             // R_X86_64_TPOFF64
        TlsSlotKind::Descriptor => &[(0, 36)],               // R_X86_64_TLSDESC
    }
}

/// What the code gets for a slot: what glibc has put there.
pub(super) fn value(_kind: TlsSlotKind, slot: &[u64; 2]) -> [u64; 2] {
    *slot
}

/// Where the executable's block lies, as an offset from the thread pointer.
pub(crate) fn executable_block(header: &libc::Elf64_Phdr) -> u64 {
    // As glibc does it for an image that begins in the middle of an alignment unit.
    let align = header.p_align.max(1);
    let skew = header.p_vaddr.wrapping_neg() & (align - 1);
    let below = header.p_memsz.saturating_sub(skew).next_multiple_of(align) + skew;
    below.wrapping_neg()
}
