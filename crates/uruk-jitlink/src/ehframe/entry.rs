//! The head of a common information entry: what it says of the descriptions that share it.
//!
//! Sources: LSB 5.0, "Exception Frames" and "DWARF Exception Header Encoding"; DWARF 5 §7.6.

/// A common information entry; places are offsets in the bytes that it was read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommonEntry {
    /// The place of the personality's encoding, which the pointer follows, and the encoding.
    pub personality: Option<(usize, u8)>,
    /// The place of the encoding of its descriptions' pointers to language-specific data, and the encoding.
    pub lsda: Option<(usize, u8)>,
    /// How descriptions point at their functions.
    pub code_encoding: u8,
    /// Descriptions say how long their own such data are.
    pub has_length: bool,
    /// It is about frames that signals have made.
    pub signal: bool,
    /// What advances are multiples of.
    pub code_align: u64,
    /// What offsets are multiples of.
    pub data_align: i64,
    /// The number of the register with the return address.
    pub return_column: u64,
    /// Where the instructions begin that hold for all descriptions.
    pub instructions: usize,
}

/// A pointer that is not there.
const OMIT: u8 = 0xff;

impl CommonEntry {
    /// Reads an entry, whose version is at `at`, of bytes that end with it. `None` where it is not understood.
    pub fn read(bytes: &[u8], at: usize) -> Option<CommonEntry> {
        let mut reader = Reader { bytes, at };
        let version = reader.byte()?;
        let letters_at = reader.at;
        while reader.byte()? != 0 {}
        let letters = &bytes[letters_at..reader.at - 1];
        let mut entry = CommonEntry {
            code_align: reader.unsigned()?,
            data_align: reader.signed()?,
            return_column: if version == 1 { u64::from(reader.byte()?) } else { reader.unsigned()? },
            ..CommonEntry::default()
        };
        if !matches!(version, 1 | 3) {
            return None;
        }
        let mut rest = letters;
        entry.instructions = reader.at;
        if let Some(letters) = letters.strip_prefix(b"z") {
            entry.has_length = true;
            let length = usize::try_from(reader.unsigned()?).ok()?;
            entry.instructions = reader.at.checked_add(length).filter(|start| *start <= bytes.len())?;
            rest = letters;
        }
        for letter in rest {
            let at = reader.at;
            match letter {
                b'R' => entry.code_encoding = reader.byte()?,
                b'L' => entry.lsda = Some((at, reader.byte()?)).filter(|(_, encoding)| *encoding != OMIT),
                b'S' => entry.signal = true,
                b'P' => {
                    let encoding = reader.byte()?;
                    entry.personality = Some((at, encoding));
                    reader.number(pointer_size(encoding)?)?;
                }
                _ => return None,
            }
        }
        Some(entry)
    }
}

/// The size of an encoded pointer where addresses have eight bytes.
pub fn pointer_size(encoding: u8) -> Option<usize> {
    match encoding & 0x0f {
        0x00 | 0x04 | 0x0c => Some(8),
        0x03 | 0x0b => Some(4),
        0x02 | 0x0a => Some(2),
        _ => None,
    }
}

/// Reads numbers from unwind records.
pub struct Reader<'a> {
    /// All bytes.
    pub bytes: &'a [u8],
    /// Where reading goes on.
    pub at: usize,
}

impl Reader<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A little-endian number of up to eight bytes.
    pub fn number(&mut self, size: usize) -> Option<u64> {
        let mut word = [0; 8];
        word[..size].copy_from_slice(self.bytes.get(self.at..self.at.checked_add(size)?)?);
        self.at += size;
        Some(u64::from_le_bytes(word))
    }

    /// An unsigned LEB128 number.
    pub fn unsigned(&mut self) -> Option<u64> {
        self.leb128().map(|(value, _, _)| value)
    }

    /// A signed LEB128 number.
    pub fn signed(&mut self) -> Option<i64> {
        let (value, shift, last) = self.leb128()?;
        let sign = if shift < 64 && last & 0x40 != 0 { u64::MAX << shift } else { 0 };
        Some((value | sign) as i64)
    }

    fn leb128(&mut self) -> Option<(u64, u32, u8)> {
        let mut value = 0;
        let mut shift = 0u32;
        loop {
            let byte = self.byte()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                return Some((value, shift, byte));
            }
        }
    }
}
