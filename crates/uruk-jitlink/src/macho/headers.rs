//! The headers of a Mach-O object, checked once: sections, symbol table, strings.
//!
//! Data flow: bytes → slices of raw structures, borrowed in place. Everything that later code indexes with has been
//! checked against the file's length here, or is checked where it is used.
//! Source: "OS X ABI Mach-O File Format Reference"; `mach-o/loader.h` and `mach-o/nlist.h` of cctools.

use super::machine::Machine;
use crate::elf::strings::until_zero;
use crate::error::LinkError;
use crate::input::Input;
use object::LittleEndian as LE;
use object::macho::{LoadCommand, MachHeader64, Nlist64, Section64, SegmentCommand64, SymtabCommand};
use object::pod;
use std::cell::Cell;
use std::ops::Range;

const MH_OBJECT: u32 = 1;
const MH_SUBSECTIONS_VIA_SYMBOLS: u32 = 0x2000;
const LC_SYMTAB: u32 = 2;
const LC_SEGMENT_64: u32 = 0x19;
/// What a processor's subtype says besides the subtype.
const SUBTYPE_CAPABILITIES: u32 = 0xff00_0000;
/// Names may share their ends, but not so often that they are many times as long as the file.
const MAX_NAMES_PER_BYTE: u64 = 16;

/// A section and where its header stands in the file.
#[derive(Clone, Copy)]
pub struct RawSection<'a> {
    pub header: &'a Section64<LE>,
    pub at: u64,
}

impl<'a> RawSection<'a> {
    /// Its address in the object.
    pub fn address(self) -> u64 {
        self.header.addr.get(LE)
    }

    /// Its length in bytes.
    pub fn size(self) -> u64 {
        self.header.size.get(LE)
    }

    /// Its name without its segment's.
    pub fn name(self) -> &'a [u8] {
        padded(&self.header.sectname)
    }

    /// Its segment's name.
    pub fn segment(self) -> &'a [u8] {
        padded(&self.header.segname)
    }

    /// What it is called in messages and graphs: `__TEXT,__text`.
    pub fn full_name(self) -> Vec<u8> {
        [self.segment(), b",", self.name()].concat()
    }
}

/// A name in a field of 16 bytes.
fn padded(name: &[u8; 16]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A checked object: raw structures borrowed from its bytes.
pub struct Headers<'a> {
    /// The object.
    pub input: &'a Input,
    /// What it is for.
    pub machine: &'static Machine,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// All sections, of all segments; symbols count them from 1.
    pub sections: Vec<RawSection<'a>>,
    /// The symbol table, empty where there is none.
    pub symbols: &'a [Nlist64<LE>],
    /// Where it begins.
    pub symbols_at: u64,
    /// The string table.
    pub strings: Range<usize>,
    /// Sections may be taken apart at their symbols.
    pub subsections: bool,
    /// Bytes of all names that were asked for.
    names_read: Cell<u64>,
}

impl<'a> Headers<'a> {
    /// Checks an object's headers.
    pub fn parse(input: &'a Input) -> Result<Self, LinkError> {
        // Ranges of the file and offsets in sections are kept in 32 bits.
        if u32::try_from(input.len()).is_err() {
            return Err(wrong_file(input, "an object of 4 GiB or more"));
        }
        let Ok((header, _)) = pod::from_bytes::<MachHeader64<LE>>(input) else {
            return Err(wrong_file(input, "a truncated Mach-O file"));
        };
        if header.filetype.get(LE).0 != MH_OBJECT {
            return Err(wrong_file(input, "a linked Mach-O file, not an object"));
        }
        let subtype = header.cpusubtype.get(LE).0 & !SUBTYPE_CAPABILITIES;
        let Some(machine) = Machine::of(header.cputype.get(LE).0, subtype) else {
            return Err(wrong_file(input, "a Mach-O object for another architecture"));
        };
        let mut headers = Headers {
            input,
            machine,
            bytes: input,
            sections: Vec::new(),
            symbols: &[],
            symbols_at: 0,
            strings: 0..0,
            subsections: header.flags.get(LE).0 & MH_SUBSECTIONS_VIA_SYMBOLS != 0,
            names_read: Cell::new(0),
        };
        headers.read_commands(header)?;
        Ok(headers)
    }

    fn read_commands(&mut self, header: &MachHeader64<LE>) -> Result<(), LinkError> {
        let mut at = size_of::<MachHeader64<LE>>() as u64;
        let mut left = u64::from(header.sizeofcmds.get(LE));
        for _ in 0..header.ncmds.get(LE) {
            let command: &LoadCommand<LE> = self.one(at, "a load command that lies past the end of the file")?;
            let size = u64::from(command.cmdsize.get(LE));
            if left < size || size < size_of::<LoadCommand<LE>>() as u64 {
                return Err(self.malformed(at, "a load command of a size that makes no sense"));
            }
            match command.cmd.get(LE).0 {
                LC_SEGMENT_64 => self.read_segment(at, size)?,
                LC_SYMTAB => self.read_symbol_table(at)?,
                _ => {}
            }
            left -= size;
            at += size;
        }
        Ok(())
    }

    fn read_segment(&mut self, at: u64, size: u64) -> Result<(), LinkError> {
        let segment: &SegmentCommand64<LE> = self.one(at, "a segment that lies past the end of the file")?;
        let count = u64::from(segment.nsects.get(LE));
        let (head, each) = (size_of::<SegmentCommand64<LE>>() as u64, size_of::<Section64<LE>>() as u64);
        if size < head || (size - head) / each < count {
            return Err(self.malformed(at, "a segment with more sections than it has room for"));
        }
        let headers: &[Section64<LE>] =
            self.array(at + head, count, "section headers that lie past the end of the file")?;
        let places = (at + head..).step_by(each as usize);
        self.sections.extend(headers.iter().zip(places).map(|(header, at)| RawSection { header, at }));
        Ok(())
    }

    fn read_symbol_table(&mut self, at: u64) -> Result<(), LinkError> {
        let table: &SymtabCommand<LE> = self.one(at, "a load command that lies past the end of the file")?;
        self.symbols_at = u64::from(table.symoff.get(LE));
        let count = u64::from(table.nsyms.get(LE));
        self.symbols = self.array(self.symbols_at, count, "a symbol table that lies past the end of the file")?;
        let (start, size) = (table.stroff.get(LE) as usize, table.strsize.get(LE) as usize);
        let Some(end) = start.checked_add(size).filter(|end| *end <= self.bytes.len()) else {
            return Err(self.malformed(start as u64, "a string table that lies past the end of the file"));
        };
        self.strings = start..end;
        Ok(())
    }

    fn one<T: pod::Pod>(&self, at: u64, what: &'static str) -> Result<&'a T, LinkError> {
        Ok(&self.array::<T>(at, 1, what)?[0])
    }

    /// The raw structures at an offset of the file.
    pub fn array<T: pod::Pod>(&self, at: u64, count: u64, what: &'static str) -> Result<&'a [T], LinkError> {
        let bytes = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..));
        let array = bytes.zip(usize::try_from(count).ok());
        let array = array.and_then(|(bytes, count)| pod::slice_from_bytes(bytes, count).ok());
        array.map(|(array, _)| array).ok_or_else(|| self.malformed(at, what))
    }

    /// The section that a symbol or a relocation names; they count from 1.
    pub fn section(&self, number: u32, place: u64) -> Result<usize, LinkError> {
        let index = (number as usize).checked_sub(1).filter(|index| *index < self.sections.len());
        index.ok_or_else(|| self.malformed(place, "a section number past the last section"))
    }

    /// The name of a symbol.
    pub fn symbol_name(&self, symbol: &Nlist64<LE>) -> Result<&'a [u8], LinkError> {
        self.name_at(symbol.n_strx.get(LE))
    }

    /// The name at an offset of the string table.
    pub fn name_at(&self, offset: u32) -> Result<&'a [u8], LinkError> {
        let strings = &self.bytes[self.strings.clone()];
        let place = self.strings.start as u64 + u64::from(offset);
        let name = until_zero(strings.get(offset as usize..).unwrap_or_default());
        let name = match name {
            Some(name) => name,
            None if offset == 0 => &[],
            None => return Err(self.malformed(place, "a name that lies past the end of its string table")),
        };
        self.names_read.set(self.names_read.get() + name.len() as u64);
        if MAX_NAMES_PER_BYTE * (self.bytes.len() as u64) < self.names_read.get() {
            return Err(self.malformed(place, "one more long name that many others share"));
        }
        Ok(name)
    }

    /// Where a symbol stands in the file.
    pub fn symbol_at(&self, index: usize) -> u64 {
        self.symbols_at + (index * size_of::<Nlist64<LE>>()) as u64
    }

    /// An error about this object's bytes.
    pub fn malformed(&self, offset: u64, what: &'static str) -> LinkError {
        LinkError::Malformed { file: self.input.name().to_string(), offset, what }
    }
}

fn wrong_file(input: &Input, found: &str) -> LinkError {
    let hint = "a Mach-O object for x86-64 or arm64 is expected here, as `cc -c` makes it";
    LinkError::WrongFile { file: input.name().to_string(), found: found.into(), hint }
}
