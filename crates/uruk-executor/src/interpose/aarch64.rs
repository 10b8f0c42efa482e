//! Relocations of imports on AArch64: AAELF64 §5.7.11.

/// A pointer in data, with an addend.
pub(super) const POINTER: u32 = 257; // R_AARCH64_ABS64
/// Entries of the loader's tables, without.
pub(super) const ENTRIES: [u32; 2] = [1025, 1026]; // R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT
