//! A minimal ELF file that names code: what symbolizers and debuggers open to learn of functions and lines.
//!
//! Sources: System V gABI, "Object Files"; the section contents are the caller's.

use std::ops::Range;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const SECTION_HEADER_BYTES: usize = 64;

/// Section numbers from 0xff00 have other meanings; what is beyond is left out.
const MAX_RANGES: usize = 0xfe00;

/// A function, at an absolute address.
#[derive(Clone, Copy, Debug)]
pub struct ImageSymbol<'a> {
    /// As the object file has it, mangled.
    pub name: &'a str,
    /// Where it lies in this process.
    pub address: usize,
    /// Its length; symbolizers ignore functions without one.
    pub size: usize,
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

/// An ELF shared object (type `ET_DYN`) with one section without contents for each range of `code`, a symbol table,
/// and `debug` sections (name and bytes) as they are. Addresses in the file are those in memory less `base`, and those
/// in the debug sections must be so, too; with a base of 0 the same image serves gdb.
/// Symbols outside `code` are left out.
pub fn debug_image(
    base: usize,
    code: &[Range<usize>],
    symbols: &[ImageSymbol<'_>],
    debug: &[(&str, &[u8])],
) -> Vec<u8> {
    let code = &code[..code.len().min(MAX_RANGES)];
    let relative = |address: usize| address.wrapping_sub(base) as u64;
    let mut out = vec![0; HEADER_BYTES];
    for range in code {
        let address = relative(range.start);
        out.extend([1u32, 5].map(u32::to_le_bytes).concat()); // PT_LOAD, readable and executable
        out.extend([0, address, address, 0, range.len() as u64, 1].map(u64::to_le_bytes).concat());
    }

    let mut names = vec![0];
    let mut sections = vec![section(0, 0, 0, 0, 0)];
    let text = intern(&mut names, ".text");
    for range in code {
        let end = out.len();
        let header = section(text, 8, end, range.len(), 16); // SHT_NOBITS
        sections.push(SectionHeader { flags: 6, address: relative(range.start), ..header }); // allocated, executable
    }

    let (mut strings, mut table) = (vec![0], vec![0; 24]);
    for symbol in symbols {
        let Some(index) = code.iter().position(|range| range.contains(&symbol.address)) else { continue };
        table.extend(intern(&mut strings, symbol.name).to_le_bytes());
        table.extend([0x12, 0]); // global function, default visibility
        table.extend((index as u16 + 1).to_le_bytes());
        table.extend(relative(symbol.address).to_le_bytes());
        table.extend((symbol.size as u64).to_le_bytes());
    }
    let header = section(intern(&mut names, ".symtab"), 2, append(&mut out, &table), table.len(), 8); // SHT_SYMTAB
    sections.push(SectionHeader { link: sections.len() as u32 + 1, info: 1, entry_bytes: 24, ..header });
    sections.push(section(intern(&mut names, ".strtab"), 3, append(&mut out, &strings), strings.len(), 1));
    for (name, bytes) in debug {
        sections.push(section(intern(&mut names, name), 1, append(&mut out, bytes), bytes.len(), 1)); // SHT_PROGBITS
    }
    let name = intern(&mut names, ".shstrtab");
    sections.push(section(name, 3, append(&mut out, &names), names.len(), 1)); // SHT_STRTAB

    let headers_at = append(&mut out, &[]);
    for section in &sections {
        out.extend([section.name, section.kind].map(u32::to_le_bytes).concat());
        let numbers = [section.flags, section.address, section.offset, section.size];
        out.extend(numbers.map(u64::to_le_bytes).concat());
        out.extend([section.link, section.info].map(u32::to_le_bytes).concat());
        out.extend([section.align, section.entry_bytes].map(u64::to_le_bytes).concat());
    }

    let machine: u16 = match std::env::consts::ARCH {
        "aarch64" => 183,
        "riscv64" => 243,
        _ => 62,
    };
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(); // 64 bits, little-endian
    header.extend([3, machine].map(u16::to_le_bytes).concat()); // ET_DYN
    header.extend(1u32.to_le_bytes());
    header.extend([0, HEADER_BYTES as u64, headers_at as u64].map(u64::to_le_bytes).concat());
    header.extend(0u32.to_le_bytes());
    let counts =
        [HEADER_BYTES, PROGRAM_HEADER_BYTES, code.len(), SECTION_HEADER_BYTES, sections.len(), sections.len() - 1];
    header.extend(counts.map(|count| (count as u16).to_le_bytes()).concat());
    out[..HEADER_BYTES].copy_from_slice(&header);
    out
}

fn section(name: u32, kind: u32, offset: usize, size: usize, align: u64) -> SectionHeader {
    let (offset, size) = (offset as u64, size as u64);
    SectionHeader { name, kind, flags: 0, address: 0, offset, size, link: 0, info: 0, align, entry_bytes: 0 }
}

fn intern(strings: &mut Vec<u8>, text: &str) -> u32 {
    let at = strings.len() as u32;
    strings.extend(text.bytes().chain([0]));
    at
}

/// Appends at a multiple of eight, and says where.
fn append(out: &mut Vec<u8>, bytes: &[u8]) -> usize {
    out.resize(out.len().next_multiple_of(8), 0);
    let at = out.len();
    out.extend(bytes);
    at
}
