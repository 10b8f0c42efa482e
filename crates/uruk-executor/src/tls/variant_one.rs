//! Where glibc puts blocks on architectures with variant I of "ELF Handling For Thread-Local Storage", §3: above the thread
//! pointer.

/// Where the executable's block lies, as an offset from the thread pointer, behind what the C library has there. The image
/// may begin in the middle of an alignment unit.
pub(super) fn executable_block(control_bytes: u64, header: &libc::Elf64_Phdr) -> u64 {
    let align = header.p_align.max(1);
    let skew = header.p_vaddr.wrapping_neg() & (align - 1);
    (control_bytes + skew).next_multiple_of(align) - skew
}
