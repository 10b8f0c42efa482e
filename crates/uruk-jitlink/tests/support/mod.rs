//! Objects made byte by byte, and the places of their fields.

use uruk_jitlink::elf;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};

/// A field: offset in the file and length in bytes.
pub type At = (u64, usize);
/// A field of a structure: offset in it and length in bytes.
type Field = (u64, usize);

pub const CLASS: At = (4, 1);
pub const ENDIANNESS: At = (5, 1);
pub const TYPE: At = (16, 2);
pub const MACHINE: At = (18, 2);
pub const SHOFF: At = (40, 8);
pub const SHENTSIZE: At = (58, 2);
pub const SHNUM: At = (60, 2);
pub const SHSTRNDX: At = (62, 2);

pub const NAME: Field = (0, 4);
pub const KIND: Field = (4, 4);
pub const FLAGS: Field = (8, 8);
pub const OFFSET: Field = (24, 8);
pub const SIZE: Field = (32, 8);
pub const LINK: Field = (40, 4);
pub const INFO: Field = (44, 4);
pub const ALIGN: Field = (48, 8);
pub const ENTRY_SIZE: Field = (56, 8);

pub const SYMBOL_NAME: Field = (0, 4);
pub const SYMBOL_SECTION: Field = (6, 2);
pub const SYMBOL_VALUE: Field = (8, 8);

pub const RELOCATION_OFFSET: Field = (0, 8);
pub const RELOCATION_KIND: Field = (8, 4);
pub const RELOCATION_SYMBOL: Field = (12, 4);

/// Sections of [`good`].
pub const GROUP: usize = 1;
pub const TEXT: usize = 2;
pub const TEXT_RELOCATIONS: usize = 3;
pub const DATA: usize = 4;
pub const ZERO: usize = 5;
pub const DATA_RELOCATIONS: usize = 6;
pub const SYMBOLS: usize = 7;
pub const STRINGS: usize = 8;
pub const SECTION_NAMES: usize = 9;

/// Symbols of [`good`].
pub const SECTION_SYMBOL: usize = 1;
pub const FUNCTION: usize = 2;
const EXTERNAL: usize = 3;
pub const COMMON: usize = 4;

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
const NOBITS: u32 = 8;
const SHT_GROUP: u32 = 17;
const ALLOC: u64 = 2;
const HEADER_SIZE: u64 = 64;

/// A section to be: the numbers are those of its header.
#[derive(Clone, Default)]
pub struct Section {
    name: &'static [u8],
    kind: u32,
    flags: u64,
    link: usize,
    info: usize,
    align: u64,
    entry_size: u64,
    content: Vec<u8>,
    /// Where the content lies, if it is not to be written but to be found in another section.
    shared: Option<(u64, u64)>,
}

fn place(sections: &[Section], index: usize) -> u64 {
    HEADER_SIZE + sections[..index].iter().map(|section| section.content.len().next_multiple_of(8) as u64).sum::<u64>()
}

/// Writes an object whose last section holds the names of sections.
fn build(mut sections: Vec<Section>) -> Vec<u8> {
    let mut names = vec![0];
    let mut offsets = Vec::new();
    for section in &sections {
        offsets.push(names.len() as u32);
        names.extend_from_slice(section.name);
        names.push(0);
    }
    let last = sections.len() - 1;
    sections[last].content = names;
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(HEADER_SIZE as usize, 0);
    let headers = place(&sections, sections.len());
    let count = sections.len() as u64;
    let fields =
        [(TYPE, 1), (MACHINE, 62), ((20, 4), 1), (SHOFF, headers), ((52, 2), 64), (SHENTSIZE, 64), (SHNUM, count)];
    for (at, value) in fields.into_iter().chain([(SHSTRNDX, last as u64)]) {
        put(&mut bytes, at, value);
    }
    let mut places = Vec::new();
    for section in &sections {
        places.push(bytes.len() as u64);
        bytes.extend_from_slice(&section.content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    for ((section, name), offset) in sections.iter().zip(offsets).zip(places) {
        let header = bytes.len() as u64;
        bytes.resize(bytes.len() + 64, 0);
        let (offset, size) = section.shared.unwrap_or((offset, section.content.len() as u64));
        let fields = [
            (NAME, u64::from(name)),
            (KIND, u64::from(section.kind)),
            (FLAGS, section.flags),
            (OFFSET, offset),
            (SIZE, size),
            (LINK, section.link as u64),
            (INFO, section.info as u64),
            (ALIGN, section.align),
            (ENTRY_SIZE, section.entry_size),
        ];
        for ((at, size), value) in fields {
            put(&mut bytes, (header + at, size), value);
        }
    }
    bytes
}

/// Stores a value, cut to the field's length.
pub fn put(bytes: &mut [u8], (at, size): At, value: u64) {
    bytes[at as usize..at as usize + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

fn symbol_entry(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut entry = name.to_le_bytes().to_vec();
    entry.extend([info, 0]);
    entry.extend(section.to_le_bytes());
    entry.extend(value.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry
}

fn relocation_entry(offset: u64, kind: u32, symbol: usize, addend: i64) -> Vec<u8> {
    let mut entry = offset.to_le_bytes().to_vec();
    entry.extend(kind.to_le_bytes());
    entry.extend((symbol as u32).to_le_bytes());
    entry.extend(addend.to_le_bytes());
    entry
}

fn words(words: &[usize]) -> Vec<u8> {
    words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect()
}

fn strings(content: &[u8]) -> Section {
    Section { name: b".strtab", kind: STRTAB, content: content.to_vec(), ..Section::default() }
}

fn symbols(first_global: usize, content: Vec<u8>, strings: usize) -> Section {
    let (link, info) = (strings, first_global);
    Section { name: b".symtab", kind: SYMTAB, link, info, entry_size: 24, content, ..Section::default() }
}

fn relocations(of: usize, symbols: usize, content: Vec<u8>) -> Section {
    Section { name: b".rela", kind: RELA, link: symbols, info: of, entry_size: 24, content, ..Section::default() }
}

fn loaded(name: &'static [u8], flags: u64, content: Vec<u8>) -> Section {
    Section { name, kind: PROGBITS, flags: ALLOC | flags, align: 8, content, ..Section::default() }
}

fn good_sections() -> Vec<Section> {
    let group = words(&[1, TEXT, TEXT_RELOCATIONS]);
    let text = [relocation_entry(4, 4, EXTERNAL, -4), relocation_entry(10, 2, SECTION_SYMBOL, -4)].concat();
    let table = [
        symbol_entry(0, 0, 0, 0, 0),
        symbol_entry(0, 3, DATA as u16, 0, 0),
        symbol_entry(1, 0x12, TEXT as u16, 0, 16),
        symbol_entry(3, 0x10, 0, 0, 0),
        symbol_entry(7, 0x11, 0xfff2, 16, 40),
    ];
    vec![
        Section::default(),
        Section {
            name: b".group",
            kind: SHT_GROUP,
            link: SYMBOLS,
            info: FUNCTION,
            content: group,
            ..Section::default()
        },
        loaded(b".text", 4, vec![0x90; 16]),
        relocations(TEXT, SYMBOLS, text),
        loaded(b".data", 1, vec![0; 8]),
        Section { kind: NOBITS, shared: Some((64, 32)), ..loaded(b".bss", 1, Vec::new()) },
        relocations(DATA, SYMBOLS, relocation_entry(0, 1, FUNCTION, 0)),
        symbols(2, table.concat(), STRINGS),
        strings(b"\0f\0ext\0c\0"),
        strings(b""),
    ]
}

/// An object with one of everything: a function in a group, a variable, zero-fill, a common symbol, relocations.
pub fn good() -> Vec<u8> {
    build(good_sections())
}

/// Where the content of a section lies.
pub fn content_at(index: usize) -> u64 {
    place(&good_sections(), index)
}

/// Where the section headers lie.
pub fn headers_at() -> u64 {
    let bytes = good();
    (bytes.len() - 64 * good_sections().len()) as u64
}

/// Where a section's header lies.
pub fn section_at(index: usize) -> u64 {
    headers_at() + 64 * index as u64
}

/// Where a symbol lies.
pub fn symbol_at(index: usize) -> u64 {
    content_at(SYMBOLS) + 24 * index as u64
}

/// A field of a section header.
pub fn section(index: usize, (at, size): Field) -> At {
    (section_at(index) + at, size)
}

/// A field of a symbol.
pub fn symbol(index: usize, (at, size): Field) -> At {
    (symbol_at(index) + at, size)
}

/// A field of a relocation of the text.
pub fn relocation(index: u64, (at, size): Field) -> At {
    (content_at(TEXT_RELOCATIONS) + 24 * index + at, size)
}

/// Bytes of a section's content.
pub fn content(index: usize, at: u64, size: usize) -> At {
    (content_at(index) + at, size)
}

/// Global symbols that all have the same long name, or its ends.
pub fn many_symbols_of_one_name(name: &[u8], count: u32) -> Vec<u8> {
    let null = symbol_entry(0, 0, 0, 0, 0);
    let entries = (0..count).flat_map(|number| symbol_entry(1 + number, 0x10, 0, 0, 0));
    let table = null.into_iter().chain(entries).collect();
    build(vec![Section::default(), symbols(1, table, 2), strings(&[b"\0", name, b"\0"].concat()), strings(b"")])
}

/// Loaded sections that all hold the same bytes of the file.
pub fn many_sections_of_one_content(content: &[u8], count: usize) -> Vec<u8> {
    let first = loaded(b".data", 1, content.to_vec());
    let other = Section { shared: Some((HEADER_SIZE, content.len() as u64)), ..loaded(b".data", 1, Vec::new()) };
    let others = std::iter::repeat_n(other, count);
    let ends = [Section::default(), first].into_iter().chain(others);
    build(ends.chain([strings(b"")]).collect())
}

/// Groups that all have the same members.
pub fn many_groups_of_the_same_sections(count: usize) -> Vec<u8> {
    let members: Vec<usize> = std::iter::once(1).chain(4..4 + count).collect();
    let content = words(&members);
    let shared = Some((HEADER_SIZE, content.len() as u64));
    let group = Section { name: b".group", kind: SHT_GROUP, link: 2, ..Section::default() };
    let data = loaded(b".data", 1, Vec::new());
    let table = symbol_entry(0, 0, 0, 0, 0);
    let mut sections = vec![
        Section { content, ..group.clone() },
        Section { kind: 0, ..group.clone() },
        symbols(1, table, 3),
        strings(b"\0"),
    ];
    sections.extend(std::iter::repeat_n(data, count));
    sections.extend(std::iter::repeat_n(Section { shared, ..group }, count));
    sections.push(strings(b""));
    build(sections)
}

/// Relocation sections, each of its own section, that all hold the same relocations.
pub fn many_relocation_sections_of_one_content(count: usize) -> Vec<u8> {
    let entries: Vec<u8> = (0..40_000).flat_map(|_| relocation_entry(0, 1, 0, 0)).collect();
    let shared = Some((HEADER_SIZE, entries.len() as u64));
    let table = symbol_entry(0, 0, 0, 0, 0);
    let mut sections = vec![Section::default(), relocations(4, 2, entries), symbols(1, table, 3), strings(b"\0")];
    sections.extend(std::iter::repeat_n(loaded(b".data", 1, vec![0; 8]), count));
    for index in 1..count {
        sections.push(Section { shared, ..relocations(4 + index, 2, Vec::new()) });
    }
    sections.push(strings(b""));
    build(sections)
}

/// Symbols of [`unwind`]: one whose group goes, and a number.
pub const GOES: usize = 1;
pub const STAYS: usize = 2;

/// A function in a group, and unwind records of 12 bytes each: an entry and two descriptions, the second of which says
/// that its entry lies `distance` bytes before it. Relocations are an offset in the records, a type and a symbol.
pub fn unwind(distance: u64, entries: &[(u64, u32, usize)]) -> Vec<u8> {
    let mut records = words(&[8, 0, 0, 8, 16, 0, 8, 0, 0]);
    put(&mut records, (28, 4), distance);
    let entries: Vec<u8> =
        entries.iter().flat_map(|(offset, kind, symbol)| relocation_entry(*offset, *kind, *symbol, 0)).collect();
    let table = [symbol_entry(0, 0, 0, 0, 0), symbol_entry(1, 0x12, 2, 0, 1), symbol_entry(3, 0x11, 0xfff1, 5, 0)];
    build(vec![
        Section::default(),
        Section { name: b".group", kind: SHT_GROUP, link: 5, info: 1, content: words(&[1, 2]), ..Section::default() },
        loaded(b".text", 4, vec![0xc3; 8]),
        loaded(b".eh_frame", 0, records),
        relocations(3, 5, entries),
        symbols(1, table.concat(), 6),
        strings(b"\0f\0n\0"),
        strings(b""),
    ])
}

fn member_header(name: &str, size: usize) -> String {
    format!("{name:16}{:12}{:6}{:6}{:8}{size:<10}`\n", 0, 0, 0, 644)
}

/// An archive whose index gives the same long name many times.
pub fn index_of_one_name(length: usize, count: usize) -> Vec<u8> {
    let table = 8 * count;
    let size = 4 + table + 4 + length;
    let mut bytes = format!("!<arch>\n{}", member_header("__.SYMDEF", size)).into_bytes();
    let first = bytes.len() + size;
    bytes.extend((table as u32).to_le_bytes());
    for _ in 0..count {
        bytes.extend(0u32.to_le_bytes());
        bytes.extend((first as u32).to_le_bytes());
    }
    bytes.extend((length as u32).to_le_bytes());
    bytes.resize(bytes.len() + length - 1, b'x');
    bytes.push(0);
    bytes.extend(member_header("a.o/", 0).into_bytes());
    bytes
}

/// An archive whose members all have the same long name.
pub fn members_of_one_name(length: usize, count: usize) -> Vec<u8> {
    let mut bytes = format!("!<arch>\n{}", member_header("//", length)).into_bytes();
    bytes.resize(bytes.len() + length - 2, b'x');
    bytes.extend(b"/\n");
    for _ in 0..count {
        bytes.extend(member_header("/0", 0).into_bytes());
    }
    bytes
}

/// Reads an object and drops its groups, as if another object had brought them.
pub fn link_without_group(bytes: &[u8]) -> Result<(), LinkError> {
    let names = Names::default();
    let input = Input::from_bytes("a.o", bytes.to_vec());
    let mut graph = elf::read(&input, &names)?;
    let mut targets = Targets::new(&graph);
    for id in graph.globals().map(|(id, _)| id).collect::<Vec<_>>() {
        targets.set(id, Target::Near);
    }
    prune::drop_groups(&mut graph, &targets, |_| false);
    prune::drop_unwind_records(&mut graph)
}
