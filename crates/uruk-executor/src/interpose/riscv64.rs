//! Relocations of imports on RISC-V: psABI, "Relocations".

/// A pointer in data, with an addend; in the global offset table, too.
pub(super) const POINTER: u32 = 2; // R_RISCV_64
/// Entries of the loader's tables, without.
pub(super) const ENTRIES: [u32; 1] = [5]; // R_RISCV_JUMP_SLOT
