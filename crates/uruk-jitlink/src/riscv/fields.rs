//! How instructions and data hold values.
//!
//! Source: The RISC-V Instruction Set Manual, volume I, "Immediate Encoding Variants" and "C Extension"; psABI, "Field
//! Symbols". An upper part is rounded so that the lower part, which is signed, completes it.

use crate::arch::{Misfit, Store};

pub use crate::arch::Field;

/// A conditional branch's distance.
pub const B_TYPE: Field = code(0, 4);
/// A jump's distance.
pub const J_TYPE: Field = code(1, 4);
/// A compressed branch's distance.
pub const CB_TYPE: Field = code(2, 2);
/// A compressed jump's distance.
pub const CJ_TYPE: Field = code(3, 2);
/// The upper 20 bits of a value.
pub const U_TYPE: Field = code(4, 4);
/// The upper 20 bits in one instruction and the lower 12 in the next.
pub const AUIPC_JALR: Field = code(5, 8);
/// The lower 12 bits of a value, in one piece.
pub const I_TYPE: Field = code(6, 4);
/// The lower 12 bits of a value, in two pieces.
pub const S_TYPE: Field = code(7, 4);
/// A byte that is added to.
pub const SUM8: Field = code(8, 1);
/// Two bytes that are added to.
pub const SUM16: Field = code(9, 2);
/// Four bytes that are added to.
pub const SUM32: Field = code(10, 4);
/// Eight bytes that are added to.
pub const SUM64: Field = code(11, 8);
/// The lower six bits of a byte.
pub const BITS6: Field = code(12, 1);
/// The lower six bits of a byte, which are added to.
pub const SUM6: Field = code(13, 1);
/// A number in groups of seven bits, of as many bytes as it has.
pub const ULEB128: Field = code(14, 1);
/// Such a number that is added to.
pub const SUM_ULEB128: Field = code(15, 1);

const fn code(number: u8, size: u8) -> Field {
    Field::Code { size, number }
}

/// All of them, by number; those that differ by the width of an address are given.
pub const fn stores(upper: Store, call: Store) -> [Store; 16] {
    [
        branch,
        jump,
        compressed_branch,
        compressed_jump,
        upper,
        call,
        lower,
        lower_of_store,
        sum::<1>,
        sum::<2>,
        sum::<4>,
        sum::<8>,
        bits6,
        sum6,
        uleb128,
        sum_uleb128,
    ]
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Replaces the bits of a mask.
fn fill(bytes: &mut [u8], mask: u32, bits: u32) {
    let word = word(bytes) & !mask | bits;
    bytes[..4].copy_from_slice(&word.to_le_bytes());
}

fn fill_half(bytes: &mut [u8], mask: u16, bits: u16) {
    let half = u16::from_le_bytes([bytes[0], bytes[1]]) & !mask | bits;
    bytes[..2].copy_from_slice(&half.to_le_bytes());
}

/// Bits `from..from + count` of a value, moved to `to`.
fn bits(value: i64, from: u32, count: u32, to: u32) -> u32 {
    ((value >> from) as u32 & ((1 << count) - 1)) << to
}

/// Errors unless a distance is even and fits `bits` signed bits.
fn check_distance(value: i64, bits: u32) -> Result<(), Misfit> {
    let (min, max) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 2);
    match value {
        _ if value < min || max < value => Err(Misfit::Range(min, max)),
        _ if value % 2 != 0 => Err(Misfit::Alignment(2)),
        _ => Ok(()),
    }
}

fn branch(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check_distance(value, 13)?;
    let low = bits(value, 1, 4, 8) | bits(value, 11, 1, 7);
    fill(bytes, 0xfe00_0f80, bits(value, 12, 1, 31) | bits(value, 5, 6, 25) | low);
    Ok(())
}

fn jump(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check_distance(value, 21)?;
    let high = bits(value, 20, 1, 31) | bits(value, 12, 8, 12);
    fill(bytes, 0xffff_f000, high | bits(value, 1, 10, 21) | bits(value, 11, 1, 20));
    Ok(())
}

fn compressed_branch(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check_distance(value, 9)?;
    let high = bits(value, 8, 1, 12) | bits(value, 3, 2, 10);
    let low = bits(value, 6, 2, 5) | bits(value, 1, 2, 3) | bits(value, 5, 1, 2);
    fill_half(bytes, 0x1c7c, (high | low) as u16);
    Ok(())
}

fn compressed_jump(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check_distance(value, 12)?;
    let high = bits(value, 11, 1, 12) | bits(value, 4, 1, 11) | bits(value, 8, 2, 9) | bits(value, 10, 1, 8);
    let low = bits(value, 6, 1, 7) | bits(value, 7, 1, 6) | bits(value, 1, 3, 3) | bits(value, 5, 1, 2);
    fill_half(bytes, 0x1ffc, (high | low) as u16);
    Ok(())
}

/// Errors unless an upper and a lower part hold a value of 64 bits.
pub fn check_upper(value: i64) -> Result<(), Misfit> {
    const MIN: i64 = i32::MIN as i64 - 0x800;
    const MAX: i64 = i32::MAX as i64 - 0x800;
    if (MIN..=MAX).contains(&value) { Ok(()) } else { Err(Misfit::Range(MIN, MAX)) }
}

/// Stores the upper part of a value, whatever lies above 32 bits.
pub fn upper(value: i64, bytes: &mut [u8]) {
    fill(bytes, 0xffff_f000, value.wrapping_add(0x800) as u32 & 0xffff_f000);
}

/// Stores both parts of a value, whatever lies above 32 bits.
pub fn call(value: i64, bytes: &mut [u8]) {
    upper(value, bytes);
    fill(&mut bytes[4..], 0xfff0_0000, bits(value, 0, 12, 20));
}

// The upper part's field has been found to hold the value.

fn lower(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fill(bytes, 0xfff0_0000, bits(value, 0, 12, 20));
    Ok(())
}

fn lower_of_store(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    fill(bytes, 0xfe00_0f80, bits(value, 5, 7, 25) | bits(value, 0, 5, 7));
    Ok(())
}

/// Adds to a number that may be signed or not.
fn sum<const SIZE: usize>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let mut old = [if bytes[SIZE - 1] & 0x80 == 0 { 0 } else { 0xff }; 8];
    old[..SIZE].copy_from_slice(&bytes[..SIZE]);
    let old = i64::from_le_bytes(old);
    let sum = old.wrapping_add(value);
    if SIZE < 8 {
        let (min, max) = (-(1 << (8 * SIZE - 1)), (1 << (8 * SIZE)) - 1);
        if sum < min || max < sum {
            return Err(Misfit::Range(min - old, max - old));
        }
    }
    bytes[..SIZE].copy_from_slice(&sum.to_le_bytes()[..SIZE]);
    Ok(())
}

fn bits6(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    if !(0..64).contains(&value) {
        return Err(Misfit::Range(0, 63));
    }
    bytes[0] = bytes[0] & 0xc0 | value as u8;
    Ok(())
}

fn sum6(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let old = i64::from(bytes[0] & 0x3f);
    bits6(old.wrapping_add(value), bytes).map_err(|_| Misfit::Range(-old, 63 - old))
}

/// The number at the start of the bytes and its length; `None` where it does not end, or is longer than any that fits.
fn number(bytes: &[u8]) -> Option<(i64, usize)> {
    const MAX_BYTES: usize = 9;
    let length = 1 + bytes.iter().take(MAX_BYTES).position(|byte| byte & 0x80 == 0)?;
    let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | i64::from(byte & 0x7f));
    Some((value, length))
}

fn uleb128(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let length = number(bytes).map_or(0, |(_, length)| length);
    let max = ((1u64 << (7 * length)) - 1) as i64;
    if value < 0 || max < value || length == 0 {
        return Err(Misfit::Range(0, max));
    }
    for (index, byte) in bytes[..length].iter_mut().enumerate() {
        *byte = *byte & 0x80 | (value >> (7 * index)) as u8 & 0x7f;
    }
    Ok(())
}

fn sum_uleb128(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let old = number(bytes).map_or(0, |(value, _)| value);
    uleb128(old.wrapping_add(value), bytes).map_err(|misfit| match misfit {
        Misfit::Range(min, max) => Misfit::Range(min - old, max - old),
        other => other,
    })
}

#[cfg(test)]
mod tests;
