//! RISC-V with addresses of 32 bits: two instructions reach all of them.

use super::*;
use crate::arch::Architecture;

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    name: "riscv32",
    kinds: KINDS,
    code_fields: &fields::stores(upper, call),
    slot_size: 4,
    stub_size: STUB_SIZE,
    branch_reach: 1 << 31,
    stub: |address, slot, code| stub(address, slot, 2, call, code),
    can_relax,
    relax,
    rewrite: Some(relax::rewrite),
    threads: THREADS,
};

fn upper(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fields::upper(value, bytes);
    Ok(())
}

fn call(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fields::call(value, bytes);
    Ok(())
}
