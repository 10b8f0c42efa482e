//! Reading and re-encoding `.eh_frame` records.
//!
//! Data flow: the bytes of a section and the address they lie at → records with absolute code ranges. Pure: a
//! section is a byte slice, so nothing outside it can be read, whatever its lengths and pointers claim.
//! Invariants: an ill-formed record is stepped over where its length allows it and ends the section where it does
//! not; iteration always advances. What is called null here is what libgcc calls null: a raw pointer value of 0,
//! before its base is added.
//! Sources: Linux Standard Base Core 5.0 §10.5 (pointer encodings) and §10.6 (`.eh_frame`); DWARF 5 §6.4.1.

use std::ops::Range;

/// Pointer formats, the low half of an encoding.
const ABSPTR: u8 = 0x00;
const ULEB128: u8 = 0x01;
const UDATA2: u8 = 0x02;
const UDATA4: u8 = 0x03;
const UDATA8: u8 = 0x04;
const SLEB128: u8 = 0x09;
const SDATA2: u8 = 0x0a;
const SDATA4: u8 = 0x0b;
const SDATA8: u8 = 0x0c;
/// What the value is relative to, bits 4 to 6.
const BASE_MASK: u8 = 0x70;
const PCREL: u8 = 0x10;
const INDIRECT: u8 = 0x80;
const OMIT: u8 = 0xff;

/// The initial length that announces a 64-bit one.
const LONG_LENGTH: u32 = 0xffff_ffff;

/// A section of unwind records and where it lies.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    pub bytes: &'a [u8],
    pub address: usize,
}

/// A frame description: how to unwind one range of code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fde {
    /// Where the record starts, as an offset in the section.
    pub offset: usize,
    /// The code it describes.
    pub code: Range<usize>,
    /// Offset of its CIE.
    cie: usize,
    /// Offset of what follows the code range.
    rest: usize,
    /// Offset of the first byte after the record.
    end: usize,
}

/// The parts of a CIE that decide how its FDEs are read and copied.
#[derive(Clone, Debug)]
struct Cie {
    /// Offset of the length field.
    offset: usize,
    version: u8,
    /// The augmentation string, without its zero.
    augmentation: Range<usize>,
    /// From after the string to the augmentation data's length: address size, alignment factors, return register.
    header: Range<usize>,
    /// How code addresses are written.
    code_encoding: u8,
    lsda_encoding: u8,
    /// The personality's encoding and absolute value.
    personality: Option<(u8, usize)>,
    signal_frame: bool,
    /// The initial instructions.
    instructions: Range<usize>,
}

impl<'a> Section<'a> {
    /// The FDEs in the order of the section.
    pub fn fdes(self) -> Fdes<'a> {
        Fdes { section: self, at: 0, cie: None }
    }

    /// The FDE that starts at `offset`, if one does.
    pub fn fde_at(self, offset: usize) -> Option<Fde> {
        Fdes { section: self, at: offset, cie: None }.next().filter(|fde| fde.offset == offset)
    }

    /// Appends the records with every pointer written absolutely, so that they mean the same wherever they lie, to
    /// `out`. Records that cannot be moved (that is, that this module cannot read) are left out; there is no
    /// terminator.
    pub fn append_absolute(self, out: &mut Vec<u8>) {
        let mut written: Option<(usize, usize)> = None;
        for fde in self.fdes() {
            let Some(cie) = self.cie(fde.cie) else { continue };
            let cie_at = match written {
                Some((offset, at)) if offset == cie.offset => at,
                _ => {
                    let at = self.append_cie(&cie, out);
                    written = Some((cie.offset, at));
                    at
                }
            };
            self.append_fde(&fde, &cie, cie_at, out);
        }
    }

    fn append_cie(self, cie: &Cie, out: &mut Vec<u8>) -> usize {
        let start = begin_record(out);
        out.extend_from_slice(&0u32.to_le_bytes());
        out.push(cie.version);
        out.push(b'z');
        out.extend(cie.personality.map(|_| b'P'));
        out.extend((cie.lsda_encoding != OMIT).then_some(b'L'));
        out.push(b'R');
        out.extend(cie.signal_frame.then_some(b'S'));
        out.push(0);
        out.extend_from_slice(&self.bytes[cie.header.clone()]);
        let length_at = out.len();
        out.push(0); // At most 12 bytes follow, so one byte holds their count.
        if let Some((encoding, value)) = cie.personality {
            out.push(ABSPTR | (encoding & INDIRECT));
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend((cie.lsda_encoding != OMIT).then_some(ABSPTR | (cie.lsda_encoding & INDIRECT)));
        out.push(ABSPTR);
        out[length_at] = (out.len() - length_at - 1) as u8;
        out.extend_from_slice(&self.bytes[cie.instructions.clone()]);
        end_record(start, out);
        start
    }

    /// Appends nothing if the record cannot be read.
    fn append_fde(self, fde: &Fde, cie: &Cie, cie_at: usize, out: &mut Vec<u8>) {
        let mut reader = Reader { section: self, at: fde.rest, end: fde.end };
        let mut lsda = None;
        if !cie.augmentation.is_empty() {
            let Some(length) = reader.uleb128() else { return };
            let after = reader.at.saturating_add(length as usize);
            if cie.lsda_encoding != OMIT {
                let Some(value) = reader.pointer(cie.lsda_encoding) else { return };
                lsda = Some(value);
            }
            if fde.end < after || after < reader.at {
                return;
            }
            reader.at = after;
        }
        let start = begin_record(out);
        out.extend_from_slice(&((start + 4 - cie_at) as u32).to_le_bytes());
        out.extend_from_slice(&fde.code.start.to_le_bytes());
        out.extend_from_slice(&(fde.code.end - fde.code.start).to_le_bytes());
        out.push(if lsda.is_some() { 8 } else { 0 });
        out.extend(lsda.into_iter().flat_map(usize::to_le_bytes));
        out.extend_from_slice(&self.bytes[reader.at..fde.end]);
        end_record(start, out);
    }

    fn cie(self, offset: usize) -> Option<Cie> {
        let (mut reader, id) = Reader::record(self, offset)?;
        if id != 0 {
            return None;
        }
        let version = reader.byte()?;
        if !matches!(version, 1 | 3 | 4) {
            return None;
        }
        let string = reader.at;
        while reader.byte()? != 0 {}
        let augmentation = string..reader.at - 1;
        let letters = &self.bytes[augmentation.clone()];
        let header = reader.at;
        if version == 4 {
            let (address_bytes, segment_bytes) = (reader.byte()?, reader.byte()?);
            if address_bytes != 8 || segment_bytes != 0 {
                return None;
            }
        }
        reader.uleb128()?; // code alignment factor
        reader.uleb128()?; // data alignment factor, signed, but only its length matters
        if version == 1 {
            reader.byte()?;
        } else {
            reader.uleb128()?; // return address register
        }
        let mut cie = Cie {
            offset,
            version,
            augmentation,
            header: header..reader.at,
            code_encoding: ABSPTR,
            lsda_encoding: OMIT,
            personality: None,
            signal_frame: false,
            instructions: reader.at..reader.end,
        };
        let Some((&first, letters)) = letters.split_first() else { return Some(cie) };
        if first != b'z' {
            return None; // Without a length, an unknown augmentation cannot be skipped.
        }
        let length = usize::try_from(reader.uleb128()?).ok()?;
        let data_end = reader.at.checked_add(length).filter(|&end| end <= reader.end)?;
        cie.instructions = data_end..reader.end;
        reader.end = data_end;
        for letter in letters {
            match letter {
                b'R' => cie.code_encoding = reader.byte()?,
                b'L' => cie.lsda_encoding = reader.byte()?,
                b'P' => {
                    let encoding = reader.byte()?;
                    cie.personality = Some((encoding, reader.pointer(encoding)?));
                }
                b'S' => cie.signal_frame = true,
                b'B' => {}
                _ => return None,
            }
        }
        Some(cie)
    }
}

fn begin_record(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    start
}

/// Pads the record to eight bytes (0 is `DW_CFA_nop`) and fills in its length.
fn end_record(start: usize, out: &mut Vec<u8>) {
    while !(out.len() - start).is_multiple_of(8) {
        out.push(0);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// See [`Section::fdes`].
pub struct Fdes<'a> {
    section: Section<'a>,
    at: usize,
    /// The CIE of the record before and how it writes code addresses: mostly that of the next one, too.
    cie: Option<(usize, Option<u8>)>,
}

impl Iterator for Fdes<'_> {
    type Item = Fde;

    fn next(&mut self) -> Option<Fde> {
        loop {
            let start = self.at;
            let (end, long) = record_end(self.section, start)?;
            self.at = end;
            // libgcc knows no 64-bit records and would misread one, so they are as good as absent.
            if let Some(fde) = (!long).then(|| self.read(start)).flatten() {
                return Some(fde);
            }
        }
    }
}

impl Fdes<'_> {
    fn read(&mut self, offset: usize) -> Option<Fde> {
        let (mut reader, id) = Reader::record(self.section, offset)?;
        let cie = (offset + 4).checked_sub(id as usize).filter(|_| id != 0)?;
        let encoding = match self.cie {
            Some((known, encoding)) if known == cie => encoding,
            _ => {
                let encoding = self.section.cie(cie).map(|cie| cie.code_encoding);
                self.cie = Some((cie, encoding));
                encoding
            }
        }?;
        if encoding & INDIRECT != 0 {
            return None;
        }
        let start = reader.pointer(encoding).filter(|&start| start != 0)?;
        let length = reader.value(encoding & !BASE_MASK)?;
        let code = start..start.checked_add(length)?;
        Some(Fde { offset, code, cie, rest: reader.at, end: reader.end })
    }
}

/// Where the record at `offset` ends, and whether its length is a 64-bit one. None at the terminator, and where the
/// length leaves the section.
fn record_end(section: Section<'_>, offset: usize) -> Option<(usize, bool)> {
    let mut reader = Reader { section, at: offset, end: section.bytes.len() };
    let short = u32::from_le_bytes(reader.take()?);
    let long = short == LONG_LENGTH;
    let length = if long { u64::from_le_bytes(reader.take()?) } else { u64::from(short) };
    let end = reader.at.checked_add(usize::try_from(length).ok()?)?;
    (length != 0 && end <= section.bytes.len()).then_some((end, long))
}

/// Reads forward within one record.
struct Reader<'a> {
    section: Section<'a>,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// The record at `offset`, read up to and with its CIE id or pointer.
    fn record(section: Section<'a>, offset: usize) -> Option<(Reader<'a>, u32)> {
        let (end, long) = record_end(section, offset)?;
        let mut reader = Reader { section, at: offset + if long { 12 } else { 4 }, end };
        let id = u32::from_le_bytes(reader.take()?);
        Some((reader, id))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N).filter(|&end| end <= self.end)?;
        let bytes = self.section.bytes.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    /// Bits above the 64th are dropped.
    fn uleb128(&mut self) -> Option<u64> {
        self.leb128().map(|(value, _, _)| value)
    }

    fn sleb128(&mut self) -> Option<i64> {
        let (value, bits, last) = self.leb128()?;
        let negative = last & 0x40 != 0 && bits < 64;
        Some(if negative { value | (u64::MAX << bits) } else { value } as i64)
    }

    /// Value, how many bits were given, and the last byte.
    fn leb128(&mut self) -> Option<(u64, u32, u8)> {
        let (mut value, mut bits) = (0, 0);
        loop {
            let byte = self.byte()?;
            if bits < 64 {
                value |= u64::from(byte & 0x7f) << bits;
            }
            bits += 7;
            if byte & 0x80 == 0 {
                return Some((value, bits, byte));
            }
        }
    }

    /// A pointer field's value before its base is added.
    fn value(&mut self, encoding: u8) -> Option<usize> {
        Some(match encoding & 0x0f {
            ABSPTR | UDATA8 | SDATA8 => u64::from_le_bytes(self.take()?) as usize,
            UDATA2 => u16::from_le_bytes(self.take()?) as usize,
            UDATA4 => u32::from_le_bytes(self.take()?) as usize,
            SDATA2 => i16::from_le_bytes(self.take()?) as usize,
            SDATA4 => i32::from_le_bytes(self.take()?) as usize,
            ULEB128 => self.uleb128()? as usize,
            SLEB128 => self.sleb128()? as usize,
            _ => return None,
        })
    }

    /// A pointer field as an address (of the pointer's slot, if the encoding is indirect). None for bases that linked
    /// code does not have: text, data and function.
    fn pointer(&mut self, encoding: u8) -> Option<usize> {
        let place = self.section.address.wrapping_add(self.at);
        let base = match encoding & BASE_MASK {
            0 => 0,
            PCREL => place,
            _ => return None,
        };
        let value = self.value(encoding)?;
        Some(if value == 0 { 0 } else { base.wrapping_add(value) })
    }
}
