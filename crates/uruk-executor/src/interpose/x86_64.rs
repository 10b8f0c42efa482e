//! Relocations of imports on x86-64: psABI §4.4.1.

/// A pointer in data, with an addend.
pub(super) const POINTER: u32 = 1; // R_X86_64_64
/// Entries of the loader's tables, without.
pub(super) const ENTRIES: [u32; 2] = [6, 7]; // R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
