//! The headers of a COFF object, checked once: sections, symbol table, string table.
//!
//! Data flow: bytes → raw structures, borrowed in place. Everything that later code indexes with has been checked against
//! the file's length here, or is checked where it is used.
//! Source: PE Format, "COFF File Header", "Section Table", "COFF Symbol Table", "COFF String Table".

use super::machine::Machine;
use crate::elf::strings::until_zero;
use crate::error::LinkError;
use crate::input::Input;
use object::LittleEndian as LE;
use object::pe::{
    AnonObjectHeaderBigobj, IMAGE_FILE_EXECUTABLE_IMAGE, ImageFileHeader, ImageSectionHeader, ImageSymbol,
    ImageSymbolEx,
};
use object::pod;
use std::cell::Cell;
use std::ops::Range;

/// What tells big objects from other files with their first four bytes.
const BIGOBJ_CLASS: [u8; 16] =
    [0xc7, 0xa1, 0xba, 0xd1, 0xee, 0xba, 0xa9, 0x4b, 0xaf, 0x20, 0xfa, 0xf6, 0x6a, 0xa4, 0xdc, 0xb8];
/// Section numbers from here on mean something else where they have 16 bits.
const RESERVED_SECTIONS: u16 = 0xff00;
/// Names may share their ends, but not so often that they are many times as long as the file.
const MAX_NAMES_PER_BYTE: u64 = 16;

/// A checked object.
pub struct Headers<'a> {
    /// The object.
    pub input: &'a Input,
    /// What it is for.
    pub machine: &'static Machine,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// All section headers.
    pub sections: &'a [ImageSectionHeader],
    /// Where they begin.
    pub sections_at: u64,
    /// Where the symbol table begins.
    pub symbols_at: u64,
    /// Number of its records, auxiliary ones among them.
    pub symbol_count: u32,
    /// The string table with its length field, which offsets into it count.
    pub strings: Range<usize>,
    /// Size of a record of the symbol table.
    record: usize,
    /// Bytes of all names that were asked for.
    names_read: Cell<u64>,
}

/// A record of the symbol table.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    pub name: [u8; 8],
    pub value: u32,
    /// From 1 on; 0, -1 and -2 mean something else.
    pub section: i32,
    pub kind: u16,
    pub class: u8,
    /// How many auxiliary records follow.
    pub aux: u8,
}

impl<'a> Headers<'a> {
    /// Checks an object's headers.
    pub fn parse(input: &'a Input) -> Result<Self, LinkError> {
        // Ranges of the file and offsets in sections are kept in 32 bits.
        if u32::try_from(input.len()).is_err() {
            return Err(wrong_file(input, "an object of 4 GiB or more"));
        }
        let bytes: &[u8] = input;
        let truncated = |()| wrong_file(input, "a truncated COFF file");
        let big = bytes.starts_with(&[0, 0, 0xff, 0xff]);
        let (machine, sections, sections_at, symbols, symbol_count);
        if big {
            let (header, _) = pod::from_bytes::<AnonObjectHeaderBigobj>(bytes).map_err(truncated)?;
            if header.version.get(LE) < 2 || bytes[12..28] != BIGOBJ_CLASS {
                return Err(wrong_file(input, "a file of the linker's or compiler's own, such as `cl /GL` makes"));
            }
            machine = header.machine.get(LE).0;
            sections = u64::from(header.number_of_sections.get(LE));
            sections_at = size_of::<AnonObjectHeaderBigobj>() as u64;
            symbols = header.pointer_to_symbol_table.get(LE);
            symbol_count = header.number_of_symbols.get(LE);
        } else {
            let (header, _) = pod::from_bytes::<ImageFileHeader>(bytes).map_err(truncated)?;
            if header.characteristics.get(LE).0 & IMAGE_FILE_EXECUTABLE_IMAGE.0 != 0 {
                return Err(wrong_file(input, "an executable, not an object"));
            }
            machine = header.machine.get(LE).0;
            sections = u64::from(header.number_of_sections.get(LE));
            sections_at = size_of::<ImageFileHeader>() as u64 + u64::from(header.size_of_optional_header.get(LE));
            symbols = header.pointer_to_symbol_table.get(LE);
            symbol_count = header.number_of_symbols.get(LE);
        }
        let Some(machine) = Machine::of(machine) else {
            return Err(wrong_file(input, "a COFF object for another architecture"));
        };
        let mut headers = Headers {
            input,
            machine,
            bytes,
            sections: &[],
            sections_at,
            symbols_at: u64::from(symbols),
            symbol_count,
            strings: 0..0,
            record: if big { size_of::<ImageSymbolEx>() } else { size_of::<ImageSymbol>() },
            names_read: Cell::new(0),
        };
        headers.sections =
            headers.array(sections_at, sections, "a section table that lies past the end of the file")?;
        headers.find_strings()?;
        Ok(headers)
    }

    /// The string table follows the symbol table.
    fn find_strings(&mut self) -> Result<(), LinkError> {
        if self.symbols_at == 0 {
            self.symbol_count = 0;
            return Ok(());
        }
        let size = u64::from(self.symbol_count) * self.record as u64;
        let at = self.symbols_at + size;
        let past_end = "a symbol table that lies past the end of the file";
        let rest = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..));
        let rest = rest.ok_or_else(|| self.malformed(self.symbols_at, past_end))?;
        // Some writers leave out a table without strings.
        let Some(length) = rest.get(..4) else { return Ok(()) };
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if rest.len() < length {
            return Err(self.malformed(at, "a string table that lies past the end of the file"));
        }
        self.strings = at as usize..at as usize + length;
        Ok(())
    }

    /// The raw structures at an offset of the file.
    pub fn array<T: pod::Pod>(&self, at: u64, count: u64, past_end: &'static str) -> Result<&'a [T], LinkError> {
        let bytes = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..));
        let array = bytes.zip(usize::try_from(count).ok());
        let array = array.and_then(|(bytes, count)| pod::slice_from_bytes(bytes, count).ok());
        array.map(|(array, _)| array).ok_or_else(|| self.malformed(at, past_end))
    }

    /// Whether section numbers have 32 bits.
    pub fn is_big(&self) -> bool {
        self.record == size_of::<ImageSymbolEx>()
    }

    /// The bytes of a record of the symbol table, which exists.
    pub fn record(&self, index: u32) -> &'a [u8] {
        let at = self.symbols_at as usize + index as usize * self.record;
        &self.bytes[at..at + self.record]
    }

    /// The symbols, without auxiliary records, with their indices.
    pub fn symbols(&self) -> impl Iterator<Item = Result<(u32, Raw), LinkError>> + '_ {
        let mut next = 0u32;
        std::iter::from_fn(move || {
            let index = next;
            if self.symbol_count <= index {
                return None;
            }
            let raw = self.raw(index);
            next = index.saturating_add(1 + u32::from(raw.aux));
            if self.symbol_count < next {
                next = self.symbol_count;
                return Some(Err(self
                    .malformed(self.symbol_at(index), "auxiliary records that lie past the end of the symbol table")));
            }
            Some(Ok((index, raw)))
        })
    }

    /// A symbol of an index that exists.
    pub fn raw(&self, index: u32) -> Raw {
        let record = self.record(index);
        let (head, tail) = record.split_at(self.record - 4);
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let half = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
        let section = match head.get(12..16) {
            Some(_) => word(12) as i32,
            None => match half(&head[12..]) {
                reserved if RESERVED_SECTIONS <= reserved => i32::from(reserved as i16),
                number => i32::from(number),
            },
        };
        let name = record[..8].try_into().unwrap_or_default();
        Raw { name, value: word(8), section, kind: half(tail), class: tail[2], aux: tail[3] }
    }

    /// Where a symbol stands in the file.
    pub fn symbol_at(&self, index: u32) -> u64 {
        self.symbols_at + u64::from(index) * self.record as u64
    }

    /// Where a section's header stands in the file.
    pub fn section_at(&self, index: usize) -> u64 {
        self.sections_at + (index * size_of::<ImageSectionHeader>()) as u64
    }

    /// The name of a symbol, as a range of the file.
    pub fn symbol_name(&self, index: u32, raw: &Raw) -> Result<Range<usize>, LinkError> {
        let at = self.symbol_at(index);
        match raw.name {
            [0, 0, 0, 0, a, b, c, d] => self.string(u32::from_le_bytes([a, b, c, d]), at),
            name => Ok(short(&name, at as usize)),
        }
    }

    /// The name of a section, as a range of the file: `/` and a decimal offset, or `//` and one of base 64, where it is long.
    pub fn section_name(&self, index: usize) -> Result<Range<usize>, LinkError> {
        let name = &self.sections[index].name;
        let at = self.section_at(index);
        let range = short(name, at as usize);
        let offset = match &self.bytes[range.clone()] {
            [b'/', b'/', digits @ ..] => base64(digits),
            [b'/', digits @ ..] => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
            _ => return Ok(range),
        };
        match offset {
            Some(offset) => self.string(offset, at),
            None => Err(self.malformed(at, "a section whose long name has no place")),
        }
    }

    /// The string at an offset of the string table, as a range of the file.
    fn string(&self, offset: u32, at: u64) -> Result<Range<usize>, LinkError> {
        let start = self.strings.start + offset as usize;
        let bytes = self.bytes.get(start..self.strings.end).filter(|_| 4 <= offset).unwrap_or_default();
        let Some(string) = until_zero(bytes) else {
            return Err(self.malformed(at, "a name that lies outside the string table"));
        };
        self.names_read.set(self.names_read.get() + string.len() as u64);
        if MAX_NAMES_PER_BYTE * (self.bytes.len() as u64) < self.names_read.get() {
            return Err(self.malformed(at, "one more long name that many others share"));
        }
        Ok(start..start + string.len())
    }

    /// The bytes of a section, as a range of the file; empty where it has none there.
    pub fn content(&self, section: &ImageSectionHeader) -> Result<Range<usize>, LinkError> {
        let at = u64::from(section.pointer_to_raw_data.get(LE));
        if at == 0 {
            return Ok(0..0);
        }
        let end = at + u64::from(section.size_of_raw_data.get(LE));
        match end <= self.bytes.len() as u64 {
            true => Ok(at as usize..end as usize),
            false => Err(self.malformed(at, "a section that lies past the end of the file")),
        }
    }

    /// An error about this object's bytes.
    pub fn malformed(&self, offset: u64, what: &'static str) -> LinkError {
        LinkError::Malformed { file: self.input.name().to_string(), offset, what }
    }
}

/// A name of up to eight bytes that stands at a place of the file.
fn short(name: &[u8; 8], at: usize) -> Range<usize> {
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    at..at + length
}

/// A number of digits `A`–`Z`, `a`–`z`, `0`–`9`, `+`, `/`.
fn base64(digits: &[u8]) -> Option<u32> {
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(value * 64 + u64::from(digit))
    });
    value.and_then(|value| u32::try_from(value).ok())
}

/// An error about a file that is no object for this linker.
pub fn wrong_file(input: &Input, found: &str) -> LinkError {
    let hint =
        "a COFF object for x86-64 or arm64 is expected here, as `clang --target=x86_64-pc-windows-msvc -c` makes it";
    LinkError::WrongFile { file: input.name().to_string(), found: found.into(), hint }
}
