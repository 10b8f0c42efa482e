//! The headers of an ELF relocatable object, checked once: sections, symbol table, string tables.
//!
//! Data flow: bytes → slices of raw structures, borrowed in place. Everything that later code indexes with has been
//! checked against the file's length here, or is checked where it is used.
//! Source: gABI 4.3, chapters "ELF Header", "Sections", "Symbol Table".

use super::class::{self, Class};
use super::machine::Machine;
use super::strings::until_zero;
use crate::error::LinkError;
use crate::input::Input;
use object::elf::{SectionHeader64, Sym64};
use object::pod;
use object::{LittleEndian as LE, U32};
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

/// Relocatable objects (`e_type`).
const ET_REL: u16 = 1;
/// Shared objects and position-independent executables.
const ET_DYN: u16 = 3;
/// Executables at fixed addresses.
const ET_EXEC: u16 = 2;
const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
const SHT_SYMTAB_SHNDX: u32 = 18;
const SHN_XINDEX: u16 = 0xffff;
/// Names may share their ends, but not so often that they are many times as long as the file.
const MAX_NAMES_PER_BYTE: u64 = 16;

/// A checked object: raw structures borrowed from its bytes.
pub struct Headers<'a> {
    /// The object.
    pub input: &'a Input,
    /// The width of its addresses.
    pub class: Class,
    /// What it is for.
    pub machine: &'static Machine,
    /// What it says of its code (`e_flags`), in the machine's terms.
    pub flags: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// All section headers, the null one first.
    pub sections: Cow<'a, [SectionHeader64<LE>]>,
    /// Where they begin.
    pub sections_at: u64,
    /// The string table of section names.
    pub section_names: Range<usize>,
    /// The symbol table, empty where there is none.
    pub symbols: Cow<'a, [Sym64<LE>]>,
    /// Where it begins.
    pub symbols_at: u64,
    /// The string table of symbol names.
    pub strings: Range<usize>,
    /// Section indices that do not fit a symbol's field.
    pub extended: &'a [U32<LE>],
    /// Index of the first symbol that is not local.
    pub first_global: usize,
    /// Bytes of all names that were asked for.
    names_read: Cell<u64>,
}

impl<'a> Headers<'a> {
    /// Checks an object's headers.
    pub fn parse(input: &'a Input) -> Result<Self, LinkError> {
        let class = check_identity(input)?;
        // Ranges of the file and offsets in sections are kept in 32 bits.
        if u32::try_from(input.len()).is_err() {
            return Err(wrong_file(input, "an object of 4 GiB or more"));
        }
        let header = class.file_header(input).ok_or_else(|| wrong_file(input, "a truncated ELF file"))?;
        match header.e_type.get(LE).0 {
            ET_REL => {}
            ET_DYN => return Err(wrong_file(input, "a shared library or an executable, not an object")),
            ET_EXEC => return Err(wrong_file(input, "an executable, not an object")),
            _ => return Err(wrong_file(input, "an ELF file that is no relocatable object")),
        }
        let Some(machine) = Machine::of(header.e_machine.get(LE).0, class) else {
            let other = Class::Narrow == class && Machine::of(header.e_machine.get(LE).0, Class::Wide).is_some();
            return Err(wrong_file(
                input,
                if other { "a 32-bit ELF file" } else { "an object for another architecture" },
            ));
        };
        let flags = header.e_flags.get(LE).0;
        if let Some((found, hint)) = (machine.refuse)(flags) {
            let (file, found) = (input.name().to_string(), found.into());
            return Err(LinkError::WrongFile { file, found, hint });
        }
        let mut headers = Headers {
            input,
            class,
            machine,
            flags,
            bytes: input,
            sections: Cow::Borrowed(&[]),
            sections_at: header.e_shoff.get(LE),
            section_names: 0..0,
            symbols: Cow::Borrowed(&[]),
            symbols_at: 0,
            strings: 0..0,
            extended: &[],
            first_global: 0,
            names_read: Cell::new(0),
        };
        let at = header.e_shoff.get(LE);
        if at == 0 {
            return Ok(headers);
        }
        let size_at = class.section_header_size_at();
        if usize::from(header.e_shentsize.get(LE)) != class.section_header_size() {
            return Err(headers.malformed(size_at, "section headers of an unknown size"));
        }
        let first = headers.section_headers(at, 1)?;
        // Counts that do not fit the file header stand in the null section's header.
        let count = match header.e_shnum.get(LE) {
            0 => first[0].sh_size.get(LE),
            count => u64::from(count),
        };
        headers.sections = headers.section_headers(at, count)?;
        let names = match header.e_shstrndx.get(LE).0 {
            SHN_XINDEX => first[0].sh_link.get(LE),
            index => u32::from(index),
        };
        if names != 0 {
            headers.section_names = headers.string_table(names, size_at + 4)?;
        }
        headers.find_symbols()?;
        Ok(headers)
    }

    fn find_symbols(&mut self) -> Result<(), LinkError> {
        let mut tables = (1..).zip(&self.sections[self.sections.len().min(1)..]);
        let Some((index, table)) = tables.find(|(_, section)| section.sh_type.get(LE).0 == SHT_SYMTAB) else {
            return Ok(());
        };
        let table = *table;
        let place = table.sh_offset.get(LE);
        let size = table.sh_size.get(LE);
        let entry = self.class.symbol_size() as u64;
        if table.sh_entsize.get(LE) != entry || !size.is_multiple_of(entry) || size / entry > u64::from(u32::MAX) {
            return Err(self.malformed(place, "a symbol table of an unknown entry size"));
        }
        self.symbols = match self.class {
            Class::Wide => Cow::Borrowed(self.array(place, size / entry, "symbol table")?),
            Class::Narrow => self.array(place, size / entry, "symbol table")?.iter().map(class::symbol).collect(),
        };
        self.symbols_at = place;
        self.strings = self.string_table(table.sh_link.get(LE), self.section_at(index))?;
        self.first_global = table.sh_info.get(LE) as usize;
        if self.symbols.len() < self.first_global {
            return Err(self.malformed(place, "a symbol table whose first global symbol lies past its end"));
        }
        for section in self.sections.iter() {
            if section.sh_type.get(LE).0 == SHT_SYMTAB_SHNDX && section.sh_link.get(LE) == index {
                let count = section.sh_size.get(LE) / 4;
                self.extended = self.array(section.sh_offset.get(LE), count, "extended section index table")?;
            }
        }
        Ok(())
    }

    fn section_headers(&self, at: u64, count: u64) -> Result<Cow<'a, [SectionHeader64<LE>]>, LinkError> {
        const WHAT: &str = "section header table";
        Ok(match self.class {
            Class::Wide => Cow::Borrowed(self.array(at, count, WHAT)?),
            Class::Narrow => self.array(at, count, WHAT)?.iter().map(class::section_header).collect(),
        })
    }

    /// The raw structures at an offset of the file.
    pub fn array<T: pod::Pod>(&self, at: u64, count: u64, what: &'static str) -> Result<&'a [T], LinkError> {
        let bytes = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..));
        let array = bytes.zip(usize::try_from(count).ok());
        let array = array.and_then(|(bytes, count)| pod::slice_from_bytes(bytes, count).ok());
        array.map(|(array, _)| array).ok_or_else(|| self.malformed(at, past_end(what)))
    }

    /// The bytes of a section, as a range of the file; empty where it has none there.
    pub fn range(&self, section: &SectionHeader64<LE>) -> Result<Range<usize>, LinkError> {
        if section.sh_type.get(LE).0 == SHT_NOBITS {
            return Ok(0..0);
        }
        let at = section.sh_offset.get(LE);
        let end = at.checked_add(section.sh_size.get(LE)).filter(|end| *end <= self.bytes.len() as u64);
        end.map(|end| at as usize..end as usize).ok_or_else(|| self.malformed(at, past_end("section")))
    }

    /// The string table of an index that stands at a place of the file.
    fn string_table(&self, index: u32, place: u64) -> Result<Range<usize>, LinkError> {
        let Some(section) = self.sections.get(index as usize) else {
            return Err(self.malformed(place, "a string table whose section does not exist"));
        };
        let range = self.range(section)?;
        if range.end != 0 && self.bytes[range.clone()].last() != Some(&0) {
            return Err(self.malformed(range.start as u64, "a string table that does not end in a zero byte"));
        }
        Ok(range)
    }

    /// The string at an offset of a table, as a range of the file.
    pub fn string(&self, table: &Range<usize>, offset: u32) -> Result<Range<usize>, LinkError> {
        let start = table.start + offset as usize;
        let bytes = self.bytes.get(start..table.end).unwrap_or_default();
        match until_zero(bytes) {
            Some(string) => {
                self.count_name(string.len(), start as u64)?;
                Ok(start..start + string.len())
            }
            None if offset == 0 => Ok(start..start),
            None => Err(self.malformed(start as u64, "a name that lies past the end of its string table")),
        }
    }

    /// Refuses names that are long because they are the same.
    fn count_name(&self, length: usize, place: u64) -> Result<(), LinkError> {
        self.names_read.set(self.names_read.get() + length as u64);
        if MAX_NAMES_PER_BYTE * (self.bytes.len() as u64) < self.names_read.get() {
            return Err(self.malformed(place, "one more long name that many others share"));
        }
        Ok(())
    }

    /// The name of a symbol.
    pub fn symbol_name(&self, symbol: &Sym64<LE>) -> Result<&'a [u8], LinkError> {
        let offset = symbol.st_name.get(LE);
        let table = &self.bytes[self.strings.clone()];
        let name = table.get(offset as usize..).unwrap_or_default();
        match until_zero(name) {
            Some(name) => {
                self.count_name(name.len(), self.strings.start as u64 + u64::from(offset))?;
                Ok(name)
            }
            None => Ok(&self.bytes[self.string(&self.strings, offset)?]),
        }
    }

    /// The index of the section that a symbol is defined in, reserved numbers included.
    pub fn symbol_section(&self, index: usize, symbol: &Sym64<LE>) -> Result<SymbolSection, LinkError> {
        const SHN_ABS: u16 = 0xfff1;
        const SHN_COMMON: u16 = 0xfff2;
        /// Common in the large model (psABI §4.2).
        const SHN_X86_64_LCOMMON: u16 = 0xff02;
        const SHN_LORESERVE: u16 = 0xff00;
        Ok(match symbol.st_shndx.get(LE).0 {
            0 => SymbolSection::Undefined,
            SHN_ABS => SymbolSection::Absolute,
            SHN_COMMON => SymbolSection::Common { large: false },
            SHN_X86_64_LCOMMON => SymbolSection::Common { large: true },
            SHN_XINDEX => match self.extended.get(index) {
                Some(index) => SymbolSection::Index(index.get(LE)),
                None => {
                    return Err(self.malformed(self.symbol_at(index), "a symbol without its extended section index"));
                }
            },
            reserved if SHN_LORESERVE <= reserved => {
                return Err(self.malformed(self.symbol_at(index), "a symbol with a reserved section index"));
            }
            index => SymbolSection::Index(u32::from(index)),
        })
    }

    /// Where a symbol stands in the file.
    pub fn symbol_at(&self, index: usize) -> u64 {
        self.symbols_at + (index * self.class.symbol_size()) as u64
    }

    /// Where a section's header stands in the file.
    fn section_at(&self, index: u32) -> u64 {
        self.sections_at + u64::from(index) * self.class.section_header_size() as u64
    }

    /// An error about this object's bytes.
    pub fn malformed(&self, offset: u64, what: &'static str) -> LinkError {
        LinkError::Malformed { file: self.input.name().to_string(), offset, what }
    }
}

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolSection {
    /// Elsewhere.
    Undefined,
    /// Nowhere: a number.
    Absolute,
    /// In room that the linker makes.
    Common {
        /// Which may lie out of 32-bit reach.
        large: bool,
    },
    /// In the section of this index, not yet checked.
    Index(u32),
}

fn past_end(what: &'static str) -> &'static str {
    match what {
        "section" => "a section that lies past the end of the file",
        "symbol table" => "a symbol table that lies past the end of the file",
        "section header table" => "a section header table that lies past the end of the file",
        "relocations" => "relocations that lie past the end of the file",
        _ => "a table that lies past the end of the file",
    }
}

/// Refuses what is not little-endian ELF, with a word on what it is instead.
fn check_identity(input: &Input) -> Result<Class, LinkError> {
    let bytes: &[u8] = input;
    let found = match bytes {
        [0x7f, b'E', b'L', b'F', 2, 1, 1, ..] => return Ok(Class::Wide),
        [0x7f, b'E', b'L', b'F', 1, 1, 1, ..] => return Ok(Class::Narrow),
        [0x7f, b'E', b'L', b'F', _, 2, ..] => "a big-endian ELF file",
        [b'B', b'C', 0xc0, 0xde, ..] => {
            return Err(LinkError::WrongFile {
                file: input.name().to_string(),
                found: "LLVM bitcode, which holds no machine code".into(),
                hint: "compile without -flto, or with -ffat-lto-objects",
            });
        }
        [0xce, 0xfa, 0xed, 0xfe, ..] => "a 32-bit Mach-O file",
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => "a universal file, of which a slice has to be taken",
        [0x64, 0x86, ..] => "a COFF object",
        [b'!', b'<', b'a', b'r' | b't', ..] => "an archive",
        [] => "an empty file",
        _ => "no object file",
    };
    Err(wrong_file(input, found))
}

fn wrong_file(input: &Input, found: &str) -> LinkError {
    let hint = "an object file is expected here, as `cc -c` makes it";
    LinkError::WrongFile { file: input.name().to_string(), found: found.into(), hint }
}
