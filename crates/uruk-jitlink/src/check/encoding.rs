//! Instruction sets of fixed fields, as tables: which bits tell an instruction, and where its operands are.
//!
//! For `decode_operand` only immediates matter, and in the order of LLVM's operands, which no disassembler has: results
//! first, the base once more where it is changed, registers that are read and written twice. So a row of a table says
//! less than a mapping of a disassembler's operands would.

use super::{Instruction, Operand};

/// Where an operand comes from.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// A register, wherever it is encoded.
    Register,
    /// An unsigned field: its lowest bit and its width.
    Unsigned(u8, u8),
    /// A signed field.
    Signed(u8, u8),
    /// Put together from several fields.
    Made(fn(u32) -> i64),
}

/// Instructions with the same operands: those whose bits of `mask` are those of `value`.
pub(super) struct Row {
    pub mask: u32,
    pub value: u32,
    pub operands: &'static [Part],
}

/// The operands of the first row that fits.
pub(super) fn decode(rows: &[Row], word: u32, length: u64) -> Instruction {
    let row = rows.iter().find(|row| word & row.mask == row.value);
    Instruction { length, operands: row.map(|row| row.operands.iter().map(|part| part.of(word)).collect()) }
}

impl Part {
    fn of(self, word: u32) -> Operand {
        match self {
            Part::Register => Operand::Other,
            Part::Unsigned(low, width) => Operand::Immediate(i64::from(bits(word, low, width))),
            Part::Signed(low, width) => Operand::Immediate(signed(bits(word, low, width), width)),
            Part::Made(make) => Operand::Immediate(make(word)),
        }
    }
}

/// A field of a word.
pub(super) fn bits(word: u32, low: u8, width: u8) -> u32 {
    (word >> low) & ((1 << width) - 1)
}

/// A field's value if its highest bit is a sign.
pub(super) fn signed(field: u32, width: u8) -> i64 {
    let unused = 64 - u32::from(width);
    (i64::from(field) << unused) >> unused
}
