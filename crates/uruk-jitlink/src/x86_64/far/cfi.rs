//! Call frame instructions: those that hold at one place of a function, and what they say of the frame's address.
//!
//! Data flow: a description's instructions → the ones up to a place, without their advances, and the rule for the
//! canonical frame address (CFA) there. What is not understood is refused, not skipped.
//! Source: DWARF 5 §6.4.2; LSB 5.0 "DWARF Extensions".

use crate::ehframe::entry::Reader;

/// DWARF's number of `rsp`.
pub const RSP: u64 = 7;

/// How the canonical frame address is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cfa {
    /// A register's value plus an offset.
    Register(u64, i64),
    /// By an expression.
    Expression,
}

/// What holds at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The frame address.
    pub cfa: Cfa,
    /// An expression there may use `rsp`.
    pub uses_stack: bool,
    /// The description's instructions that lead there.
    pub instructions: Vec<u8>,
}

/// Bytes of the longest description that is read; those of the largest functions have a tenth of it. Each thunk reads
/// its function's description, so without a limit a damaged one would take time in proportion to their product.
const MAX_DESCRIPTION: usize = 1 << 16;
/// Bytes of instructions that lead to one place, which each thunk repeats.
const MAX_INSTRUCTIONS: usize = 1 << 13;

/// What an entry's instructions and then a description's say of the place `offset` bytes into the function.
pub fn row(initial: &[u8], description: &[u8], offset: u64, data_align: i64) -> Option<Row> {
    if MAX_DESCRIPTION < initial.len().max(description.len()) {
        return None;
    }
    let row = Row { cfa: Cfa::Register(0, 0), uses_stack: false, instructions: Vec::new() };
    let mut machine = Machine { row, at: 0, saved: Vec::new(), data_align };
    machine.run(initial, u64::MAX)?;
    machine.row.instructions.clear();
    machine.run(description, offset)?;
    Some(machine.row)
}

struct Machine {
    row: Row,
    at: u64,
    saved: Vec<Cfa>,
    data_align: i64,
}

impl Machine {
    fn run(&mut self, bytes: &[u8], until: u64) -> Option<()> {
        let mut reader = Reader { bytes, at: 0 };
        while reader.at < bytes.len() {
            let start = reader.at;
            let code = reader.byte()?;
            let advance = match (code >> 6, code) {
                (1, _) => Some(u64::from(code & 0x3f)),
                (_, 0x02) => Some(u64::from(reader.byte()?)),
                (_, 0x03) => Some(reader.number(2)?),
                (_, 0x04) => Some(reader.number(4)?),
                _ => None,
            };
            if let Some(advance) = advance {
                self.at = self.at.checked_add(advance)?;
                if until < self.at {
                    break;
                }
                continue;
            }
            self.execute(code, &mut reader)?;
            self.row.instructions.extend_from_slice(&bytes[start..reader.at]);
            if MAX_INSTRUCTIONS < self.row.instructions.len() {
                return None;
            }
        }
        Some(())
    }

    fn execute(&mut self, code: u8, reader: &mut Reader<'_>) -> Option<()> {
        match (code >> 6, code) {
            (2, _) => drop(reader.unsigned()?),           // offset
            (3, _) | (_, 0x00) => {}                      // restore, nop
            (_, 0x06..=0x08) => drop(reader.unsigned()?), // restore_extended, undefined, same_value
            (_, 0x05 | 0x09 | 0x11 | 0x14 | 0x15) => {
                // Two numbers, signed or not: offset_extended, register, offset_extended_sf, val_offset, …_sf
                reader.unsigned()?;
                reader.unsigned()?;
            }
            (_, 0x0a) => self.saved.push(self.row.cfa),
            (_, 0x0b) => self.row.cfa = self.saved.pop()?,
            (_, 0x0c) => self.row.cfa = Cfa::Register(reader.unsigned()?, i64::try_from(reader.unsigned()?).ok()?),
            (_, 0x12) => {
                let register = reader.unsigned()?;
                self.row.cfa = Cfa::Register(register, reader.signed()?.checked_mul(self.data_align)?);
            }
            (_, 0x0d) => match &mut self.row.cfa {
                Cfa::Register(register, _) => *register = reader.unsigned()?,
                Cfa::Expression => return None,
            },
            (_, 0x0e | 0x13) => {
                let offset = match code {
                    0x0e => i64::try_from(reader.unsigned()?).ok()?,
                    _ => reader.signed()?.checked_mul(self.data_align)?,
                };
                match &mut self.row.cfa {
                    Cfa::Register(_, old) => *old = offset,
                    Cfa::Expression => return None,
                }
            }
            (_, 0x0f) => {
                self.row.cfa = Cfa::Expression;
                self.expression(reader)?;
            }
            (_, 0x10 | 0x16) => {
                reader.unsigned()?;
                self.expression(reader)?;
            }
            (_, 0x2e) => drop(reader.unsigned()?), // GNU_args_size
            _ => return None,
        }
        Some(())
    }

    /// An expression: its operands are not told from its operators, so it may seem to use `rsp` when it does not.
    fn expression(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        const REG7: u8 = 0x57;
        const BREG7: u8 = 0x77;
        const REGX: [u8; 2] = [0x90, 0x92];
        let length = usize::try_from(reader.unsigned()?).ok()?;
        let bytes = reader.bytes.get(reader.at..reader.at.checked_add(length)?)?;
        reader.at += length;
        self.row.uses_stack |= bytes.iter().any(|byte| [REG7, BREG7].contains(byte) || REGX.contains(byte));
        Some(())
    }
}

/// Appends an unsigned LEB128 number.
pub fn push_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: &[u8] = &[0x0c, 7, 8, 0x90, 1, 0, 0];

    fn check(description: &[u8], offset: u64, expected: Option<(Cfa, &[u8])>) {
        let row = row(INITIAL, description, offset, -8);
        assert_eq!(row.as_ref().map(|row| (row.cfa, &row.instructions[..])), expected);
    }

    #[test]
    fn rows_hold_from_their_advance_on() {
        let frame = &[0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 0x80, 0x0c, 7, 8];
        check(frame, 0, Some((Cfa::Register(7, 8), &[])));
        check(frame, 1, Some((Cfa::Register(7, 16), &[0x0e, 16, 0x86, 2])));
        check(frame, 0x83, Some((Cfa::Register(6, 16), &[0x0e, 16, 0x86, 2, 0x0d, 6])));
        check(frame, 0x84, Some((Cfa::Register(7, 8), &[0x0e, 16, 0x86, 2, 0x0d, 6, 0x0c, 7, 8])));
        let saved = &[0x0a, 0x0e, 0xa0, 1, 0x41, 0x0b];
        check(saved, 0, Some((Cfa::Register(7, 160), &saved[..4])));
        check(saved, 1, Some((Cfa::Register(7, 8), &[0x0a, 0x0e, 0xa0, 1, 0x0b])));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        check(&[0x01, 0, 0, 0, 0], 0, None); // set_loc
        check(&[0x0b], 0, None); // restores what was never saved
        check(&[0x0f, 9, 0], 0, None); // an expression that ends too late
        check(&[0x0e], 0, None);
        check(&[0; MAX_INSTRUCTIONS + 1], 0, None); // too long to be repeated
        check(&[0x40; MAX_DESCRIPTION + 1], 0, None);
    }

    #[test]
    fn expressions_with_the_stack_pointer_are_noticed() {
        let realigned = row(INITIAL, &[0x0f, 3, 0x76, 0x78, 0x06], 0, -8).unwrap();
        assert_eq!((realigned.cfa, realigned.uses_stack), (Cfa::Expression, false));
        assert!(row(INITIAL, &[0x0f, 3, 0x77, 8, 0x06], 0, -8).unwrap().uses_stack);
    }
}
