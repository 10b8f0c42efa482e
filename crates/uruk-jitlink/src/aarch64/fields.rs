//! The fields of AArch64 instructions: where in the word their bits are, and which values they hold.
//!
//! Source: Arm ARM, A64 base instructions; for the ranges AAELF64 §5.7.

use crate::arch::{Field, Misfit, Store};

/// The instruction at the start of a slice.
fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Replaces `bits` bits from `low` on.
fn put(bytes: &mut [u8], low: u32, bits: u32, value: i64) {
    let mask = ((1u32 << bits) - 1) << low;
    let word = (word(bytes) & !mask) | (((value as u32) << low) & mask);
    bytes[..4].copy_from_slice(&word.to_le_bytes());
}

fn check(value: i64, min: i64, end: i64) -> Result<(), Misfit> {
    if (min..end).contains(&value) { Ok(()) } else { Err(Misfit::Range(min, end - 1)) }
}

fn check_aligned(value: i64, align: i64) -> Result<(), Misfit> {
    if value & (align - 1) == 0 { Ok(()) } else { Err(Misfit::Alignment(align)) }
}

/// A distance in words: `BITS` bits from `LOW` on.
fn words<const LOW: u32, const BITS: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let end = 1i64 << (BITS + 1);
    check(value, -end, end)?;
    check_aligned(value, 4)?;
    put(bytes, LOW, BITS, value >> 2);
    Ok(())
}

/// The two parts of the immediate of `adr` and `adrp`.
fn put_adr(bytes: &mut [u8], immediate: i64) {
    put(bytes, 29, 2, immediate);
    put(bytes, 5, 19, immediate >> 2);
}

fn adr(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, -(1 << 20), 1 << 20)?;
    put_adr(bytes, value);
    Ok(())
}

fn adrp(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, -(1 << 32), 1 << 32)?;
    adrp_nc(value, bytes)
}

fn adrp_nc(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    put_adr(bytes, value >> 12);
    Ok(())
}

/// The low 12 bits, for an access of `1 << SCALE` bytes.
fn low12<const SCALE: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check_aligned(value, 1 << SCALE)?;
    put(bytes, 10, 12, (value & 0xfff) >> SCALE);
    Ok(())
}

/// The same for an offset that has no other bits.
fn whole12<const SCALE: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, 0, 1 << 12)?;
    low12::<SCALE>(value, bytes)
}

fn high12(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, 0, 1 << 24)?;
    put(bytes, 10, 12, value >> 12);
    Ok(())
}

/// How the immediate of a load or store at an unsigned offset is scaled; that of an `add` is not.
pub(crate) fn scale(word: u32) -> u32 {
    if word & 0x3b00_0000 != 0x3900_0000 {
        return 0;
    }
    let is_vector = word & 0x0480_0000 == 0x0480_0000;
    if is_vector && word >> 30 == 0 { 4 } else { word >> 30 }
}

/// The low 12 bits, scaled as the instruction's access is.
fn pageoff12(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let scale = scale(word(bytes));
    check_aligned(value, 1 << scale)?;
    put(bytes, 10, 12, (value & 0xfff) >> scale);
    Ok(())
}

fn low15(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, 0, 1 << 15)?;
    check_aligned(value, 8)?;
    put(bytes, 10, 12, value >> 3);
    Ok(())
}

fn movw_nc<const GROUP: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    put(bytes, 5, 16, value >> (16 * GROUP));
    Ok(())
}

fn umovw<const GROUP: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    check(value, 0, 1 << (16 * (GROUP + 1)))?;
    movw_nc::<GROUP>(value, bytes)
}

/// `movz` of a number, or `movn` of its complement if it is negative.
fn smovw<const GROUP: u32>(value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
    let end = 1 << (16 * (GROUP + 1));
    check(value, -end, end)?;
    let negative = value < 0;
    put(bytes, 30, 1, i64::from(!negative));
    movw_nc::<GROUP>(if negative { !value } else { value }, bytes)
}

/// How each field is stored, by its number.
#[rustfmt::skip]
pub const STORES: &[Store] = &[
    words::<0, 26>, words::<5, 19>, words::<5, 14>,
    adr, adrp, adrp_nc, high12, low15, pageoff12,
    low12::<0>, low12::<1>, low12::<2>, low12::<3>, low12::<4>,
    whole12::<0>, whole12::<1>, whole12::<2>, whole12::<3>, whole12::<4>,
    movw_nc::<0>, movw_nc::<1>, movw_nc::<2>, movw_nc::<3>,
    umovw::<0>, umovw::<1>, umovw::<2>,
    smovw::<0>, smovw::<1>, smovw::<2>,
];

const fn field(number: u8) -> Field {
    Field::Code { size: 4, number }
}

const fn fields<const COUNT: usize>(first: u8) -> [Field; COUNT] {
    let mut fields = [Field::None; COUNT];
    let mut at = 0;
    while at < COUNT {
        fields[at] = field(first + at as u8);
        at += 1;
    }
    fields
}

pub const BRANCH26_FIELD: Field = field(0);
pub const WORD19: Field = field(1);
pub const WORD14: Field = field(2);
pub const ADR: Field = field(3);
pub const ADRP_FIELD: Field = field(4);
pub const ADRP_NC_FIELD: Field = field(5);
pub const ADD_HI12: Field = field(6);
pub const LO15: Field = field(7);
pub const PAGEOFF12_FIELD: Field = field(8);
/// By the logarithm of the access's size.
pub const LDST12_NC: [Field; 5] = fields(9);
pub const LDST12: [Field; 5] = fields(14);
pub const ADD12_NC: Field = LDST12_NC[0];
pub const ADD12: Field = LDST12[0];
/// By group of 16 bits.
pub const MOVW_NC: [Field; 4] = fields(19);
pub const UMOVW: [Field; 3] = fields(23);
pub const SMOVW: [Field; 3] = fields(26);
