//! The image as an ELF file: program headers, sections at their final addresses, symbols, debug sections.
//!
//! Source: gABI 4.3. The type is `ET_EXEC`, as its addresses are final and there is nothing left to relocate.

use super::sections::Outputs;
use object::LittleEndian as LE;
use object::elf::Sym64;
use std::ops::Range;

/// What a run of memory holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Use {
    Code,
    ReadOnly,
    Data,
    Zero,
}

/// A run of memory: one section and one program header.
#[derive(Clone, Debug)]
pub struct Run {
    pub range: Range<u64>,
    pub what: Use,
}

/// Beyond this many runs, more than any program has, section numbers would need another encoding.
const MAX_RUNS: usize = 60_000;
/// Objects' shares of a lane begin at a multiple of this, so less lies between neighbours.
const MAX_GAP: u64 = 64;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;

impl Use {
    fn name(self) -> &'static str {
        match self {
            Use::Code => ".text",
            Use::ReadOnly => ".rodata",
            Use::Data => ".data",
            Use::Zero => ".bss",
        }
    }

    fn section_flags(self) -> u64 {
        match self {
            Use::Code => SHF_ALLOC | SHF_EXECINSTR,
            Use::ReadOnly => SHF_ALLOC,
            Use::Data | Use::Zero => SHF_ALLOC | SHF_WRITE,
        }
    }
}

/// Sorts runs by address, and joins neighbours of one use.
pub fn merge(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by_key(|run| (run.range.start, run.range.end));
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last) if last.what == run.what && run.range.start < last.range.end.saturating_add(MAX_GAP) => {
                last.range.end = last.range.end.max(run.range.end);
            }
            _ => merged.push(run),
        }
    }
    merged.truncate(MAX_RUNS);
    merged
}

/// A symbol table and its strings.
pub struct Symbols<'a> {
    runs: &'a [Run],
    table: Vec<u8>,
    strings: Vec<u8>,
    locals: u32,
}

impl<'a> Symbols<'a> {
    /// One with the null symbol only.
    pub fn new(runs: &'a [Run]) -> Self {
        Symbols { runs, table: vec![0; size_of::<Sym64<LE>>()], strings: vec![0], locals: 1 }
    }

    /// Adds a symbol with these attributes (`st_info`, `st_other`), if its address is in one of the runs. Local ones come
    /// first.
    pub fn add(&mut self, name: &[u8], address: u64, (info, other): (u8, u8), size: u64) {
        let after = self.runs.partition_point(|run| run.range.start <= address);
        let Some(index) = after.checked_sub(1) else { return };
        // A label may stand at the end.
        if self.runs[index].range.end < address {
            return;
        }
        let Ok(string) = u32::try_from(self.strings.len()) else { return };
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        self.table.extend(string.to_le_bytes());
        self.table.extend([info, other]);
        self.table.extend((index as u16 + 1).to_le_bytes());
        self.table.extend(address.to_le_bytes());
        self.table.extend(size.to_le_bytes());
        self.locals += u32::from(info >> 4 == 0);
    }
}

struct SectionHeader {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_bytes: u64,
}

/// A file being written.
struct File {
    bytes: Vec<u8>,
    sections: Vec<SectionHeader>,
    names: Vec<u8>,
}

impl File {
    fn section(&mut self, name: &[u8], kind: u32, offset: u64, size: usize) -> &mut SectionHeader {
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.names.push(0);
        let header = SectionHeader {
            name: at,
            kind,
            flags: 0,
            address: 0,
            offset,
            size: size as u64,
            link: 0,
            info: 0,
            align: 1,
            entry_bytes: 0,
        };
        self.sections.push(header);
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    fn append(&mut self, name: &[u8], kind: u32, bytes: &[u8]) -> &mut SectionHeader {
        self.align();
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        self.section(name, kind, offset, bytes.len())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }
}

/// The file of these runs, symbols and sections, for a machine (`e_machine`).
pub fn file(machine: u16, runs: &[Run], symbols: Symbols<'_>, outputs: &Outputs) -> Vec<u8> {
    let content: usize = outputs.sections.iter().map(|section| section.bytes.len() + 8).sum();
    let tables = symbols.table.len() + symbols.strings.len() + 64 * (runs.len() + outputs.sections.len());
    let mut file = File { bytes: Vec::with_capacity(content + tables + 4096), sections: Vec::new(), names: vec![0] };
    file.bytes.resize(HEADER_BYTES, 0);
    let loaded = outputs.sections.iter().filter(|section| section.address != 0).count();
    file.bytes.resize(HEADER_BYTES + PROGRAM_HEADER_BYTES * (runs.len() + loaded), 0);
    file.section(b"", 0, 0, 0).align = 0;
    file.names.truncate(1);
    for run in runs {
        let end = file.bytes.len() as u64;
        let header = file.section(run.what.name().as_bytes(), SHT_NOBITS, end, 0);
        header.size = run.range.end - run.range.start;
        (header.flags, header.address) = (run.what.section_flags(), run.range.start);
    }
    for section in &outputs.sections {
        let header = file.append(&section.name, SHT_PROGBITS, &section.bytes);
        if section.address != 0 {
            (header.flags, header.address) = (SHF_ALLOC, section.address);
        }
    }
    let strings = file.sections.len() as u32 + 1;
    let header = file.append(b".symtab", SHT_SYMTAB, &symbols.table);
    (header.link, header.info, header.align) = (strings, symbols.locals, 8);
    header.entry_bytes = size_of::<Sym64<LE>>() as u64;
    file.append(b".strtab", SHT_STRTAB, &symbols.strings);
    finish(machine, file)
}

/// Writes the program headers: one for each section that has an address.
fn program_headers(file: &mut File) -> usize {
    const PT_LOAD: u32 = 1;
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    const READ: u32 = 4;
    let mut headers = Vec::new();
    for section in file.sections.iter().filter(|section| section.flags & SHF_ALLOC != 0) {
        let has = |flag: u64| section.flags & flag != 0;
        let flags = READ | if has(SHF_WRITE) { WRITE } else { 0 } | if has(SHF_EXECINSTR) { EXECUTE } else { 0 };
        let file_bytes = if section.kind == SHT_NOBITS { 0 } else { section.size };
        headers.extend([PT_LOAD, flags].map(u32::to_le_bytes).concat());
        let places = [section.offset, section.address, section.address];
        headers.extend(places.map(u64::to_le_bytes).concat());
        headers.extend([file_bytes, section.size, 1].map(u64::to_le_bytes).concat());
    }
    file.bytes[HEADER_BYTES..HEADER_BYTES + headers.len()].copy_from_slice(&headers);
    headers.len() / PROGRAM_HEADER_BYTES
}

/// Adds the section names and both headers.
fn finish(machine: u16, mut file: File) -> Vec<u8> {
    const SECTION_HEADER_BYTES: usize = 64;
    let program_headers = program_headers(&mut file);
    file.align();
    let offset = file.bytes.len() as u64;
    file.section(b".shstrtab", SHT_STRTAB, offset, 0).size = 0;
    let size = file.names.len() as u64;
    if let Some(last) = file.sections.last_mut() {
        last.size = size;
    }
    file.bytes.extend_from_slice(&file.names);
    file.align();
    let table = file.bytes.len() as u64;
    for section in &file.sections {
        file.bytes.extend([section.name, section.kind].map(u32::to_le_bytes).concat());
        let numbers = [section.flags, section.address, section.offset, section.size];
        file.bytes.extend(numbers.map(u64::to_le_bytes).concat());
        file.bytes.extend([section.link, section.info].map(u32::to_le_bytes).concat());
        file.bytes.extend([section.align, section.entry_bytes].map(u64::to_le_bytes).concat());
    }
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(); // 64 bits, little-endian
    header.extend([2u16, machine].map(u16::to_le_bytes).concat()); // ET_EXEC
    header.extend(1u32.to_le_bytes());
    header.extend([0, HEADER_BYTES as u64, table].map(u64::to_le_bytes).concat());
    header.extend(0u32.to_le_bytes());
    let sections = file.sections.len();
    let counts = [HEADER_BYTES, PROGRAM_HEADER_BYTES, program_headers, SECTION_HEADER_BYTES, sections, sections - 1];
    header.extend(counts.map(|count| (count as u16).to_le_bytes()).concat());
    file.bytes[..HEADER_BYTES].copy_from_slice(&header);
    file.bytes
}
