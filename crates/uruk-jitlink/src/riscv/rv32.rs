//! RISC-V with addresses of 32 bits: two instructions reach all of them.

use super::*;
use crate::arch::{Architecture, Kind, Value};

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    name: "riscv32",
    kinds: &anywhere::<{ KINDS.len() }>(),
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

/// The kinds of all RISC-V; none of them needs low memory, since no memory is out of its reach.
const fn anywhere<const COUNT: usize>() -> [Kind; COUNT] {
    let mut kinds = [const { Kind::new(Value::Nothing, Field::None, None) }; COUNT];
    let mut at = 0;
    while at < COUNT {
        let Kind { value, field, entry, .. } = KINDS[at];
        kinds[at] = Kind { value, field, entry, low: false };
        at += 1;
    }
    kinds
}

fn upper(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fields::upper(value, bytes);
    Ok(())
}

fn call(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fields::call(value, bytes);
    Ok(())
}
