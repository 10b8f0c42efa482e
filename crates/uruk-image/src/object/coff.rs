//! COFF objects.
//!
//! Source: PE Format, "COFF File Header", "Section Table", "COFF Relocations (Object Only)", "COFF Symbol Table", "COMDAT Sections",
//! "Auxiliary Format 3: Weak Externals"; for the alignment of common symbols GNU's directive `-aligncomm`.
//!
//! A COMDAT group stays one, led by its first symbol, as a linker drops what others have too together with its unwind records; of two
//! graphs' groups of one symbol the first is written. Weak symbols elsewhere are weak externals whose default is the
//! definition, or 0. Pointers `__imp_X` that the reader has made are left out, as import libraries have them; sections that are
//! not loaded are left out as well.

use super::sections::Output;
use super::symbols::{Symbol, Where};
use super::{Merged, Numbers, Reference};
use crate::error::Error;
use ::object::pe::{self, ComdatSelection, SymbolClass, SymbolSection, SymbolType, WeakExternSearch};
use ::object::write::coff::{AuxSymbolSection, AuxSymbolWeak, FileHeader, Name, Relocation, SectionHeader, Writer};
use foldhash::HashMap;
use std::borrow::Cow;
use uruk_jitlink::arch::{BRANCH32, Field, Value};
use uruk_jitlink::graph::*;
use uruk_jitlink::{aarch64, coff, x86_64};

// Section flags.
const CNT_CODE: u32 = 0x20;
const CNT_DATA: u32 = 0x40;
const CNT_ZERO: u32 = 0x80;
const LNK_INFO: u32 = 0x200;
const LNK_REMOVE: u32 = 0x800;
const LNK_COMDAT: u32 = 0x1000;
const LNK_NRELOC_OVFL: u32 = 0x100_0000;
const MEM_EXECUTE: u32 = 0x2000_0000;
const MEM_READ: u32 = 0x4000_0000;
const MEM_WRITE: u32 = 0x8000_0000;
const ALIGN_SHIFT: u32 = 20;
/// 8192 bytes.
const MAX_ALIGN_LOG2: u8 = 13;
/// A section's number has 16 bits, of which the highest values mean something else.
const MAX_SECTIONS: usize = 0xfeff;
/// So many relocations, or more, are counted by a record before the first of them.
const MANY_RELOCATIONS: usize = 0xffff;

// Symbols.
const CLASS_EXTERNAL: u8 = 2;
const CLASS_STATIC: u8 = 3;
const CLASS_WEAK: u8 = 105;
const FUNCTION: u16 = 0x20;
const ABSOLUTE: i32 = -1;
const SELECT_ONE: u8 = 1;
const SELECT_ANY: u8 = 2;
const SELECT_ASSOCIATIVE: u8 = 5;
/// Weak symbols are looked for nowhere but in objects, or stand for their default.
const SEARCH_NO_LIBRARY: u32 = 1;
const SEARCH_ALIAS: u32 = 3;
/// The strictest alignment that a common symbol has by its size alone.
const MAX_COMMON_ALIGN: u64 = 32;

/// Relocation types that the instruction decides between, or that stand for more than the kind that the reader makes of them.
const AMD64_REL32: u16 = 4;
const ARM64_PAGEOFFSET_12A: u16 = 6;
const ARM64_PAGEOFFSET_12L: u16 = 7;
const ARM64_SECREL_LOW12L: u16 = 0xb;
/// `add` and `sub` of AArch64.
const ADD_MASK: u32 = 0x1f00_0000;
const ADD: u32 = 0x1100_0000;

/// What a block's section is called here, and what it is for.
pub fn section<'a>(graph: &'a LinkGraph, block: &Block) -> Option<(Cow<'a, [u8]>, SectionKind)> {
    let kind = graph.section(block.section).kind;
    let name = graph.section_name(block.section);
    let usual: &[u8] = match kind {
        SectionKind::Unloaded => return None,
        _ if is_import(graph, block) => return None,
        _ if !name.is_empty() => name,
        SectionKind::Code => b".text",
        SectionKind::ReadOnly | SectionKind::Scratch => b".rdata",
        SectionKind::Data => b".data",
        SectionKind::Zero => b".bss",
        SectionKind::TlsData | SectionKind::TlsZero => b".tls$",
        SectionKind::EhFrame => b".eh_frame",
        SectionKind::Pdata => b".pdata",
        SectionKind::Functions(FunctionTable::Fini, _) => b".CRT$XPU",
        SectionKind::Functions(..) => b".CRT$XCU",
    };
    Some((usual.into(), kind))
}

/// Whether a block is a pointer that the reader has made for `__imp_X`.
fn is_import(graph: &LinkGraph, block: &Block) -> bool {
    graph.section_name(block.section) == b".idata$5" && matches!(block.content, Content::Made(_))
}

/// How a section of a group is chosen.
#[derive(Clone, Copy)]
enum Choice {
    /// By this symbol, given by its position.
    Leader(u32),
    /// With another section.
    With(usize),
}

/// A record of the symbol table.
struct Record<'a> {
    name: Cow<'a, [u8]>,
    value: u32,
    section: i32,
    function: bool,
    class: u8,
    aux: Aux,
}

/// What follows a record.
enum Aux {
    None,
    /// The section of this position.
    Section(usize),
    /// The record that a weak external stands for, and how it is looked for.
    Weak(u32, u32),
}

/// Writes an object.
pub fn write(merged: &Merged<'_>) -> Result<Vec<u8>, Error> {
    let sections = &merged.sections.list;
    let choices = choices(merged);
    let directives = directives(merged);
    let count = sections.len() + usize::from(!directives.is_empty());
    if MAX_SECTIONS < count {
        let format = merged.format.name;
        return Err(Error::TooMany { what: "sections", found: count, most: MAX_SECTIONS, format });
    }
    let (records, indices) = records(merged, &choices)?;
    let mut contents = Vec::with_capacity(sections.len());
    let mut relocations = Vec::with_capacity(sections.len());
    let kinds = Numbers::new(merged.format);
    for section in 0..sections.len() {
        let mut bytes = merged.content(section);
        relocations.push(relocations_of(merged, &kinds, &indices, section, &mut bytes)?);
        contents.push(bytes);
    }

    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.reserve_file_header();
    writer.reserve_section_headers(count as u16);
    let mut headers = Vec::with_capacity(count);
    for (((section, content), relocations), choice) in sections.iter().zip(&contents).zip(&relocations).zip(&choices) {
        let characteristics = characteristics(merged, section, choice.is_some(), relocations.len())?;
        let pointer_to_raw_data = writer.reserve_section(content.len());
        let pointer_to_relocations = writer.reserve_relocations(relocations.len());
        if is_counted_here(relocations) {
            writer.reserve_relocations(1);
        }
        headers.push(SectionHeader {
            name: writer.add_name(&section.name),
            size_of_raw_data: u32::try_from(section.size).map_err(|_| Error::Large)?,
            pointer_to_raw_data,
            pointer_to_relocations,
            number_of_relocations: relocations.len() as u32,
            characteristics: pe::SectionFlags(characteristics),
            ..SectionHeader::default()
        });
    }
    if !directives.is_empty() {
        headers.push(SectionHeader {
            name: writer.add_name(b".drectve"),
            size_of_raw_data: directives.len() as u32,
            pointer_to_raw_data: writer.reserve_section(directives.len()),
            characteristics: pe::SectionFlags(LNK_INFO | LNK_REMOVE | 1 << ALIGN_SHIFT),
            ..SectionHeader::default()
        });
    }
    let names: Vec<Name> = records.iter().map(|record| writer.add_name(&record.name)).collect();
    writer.reserve_symbol_indices(records.iter().map(Record::size).sum());
    writer.reserve_symtab_strtab().map_err(|_| Error::Large)?;
    if u32::try_from(writer.reserved_len()).is_err() {
        return Err(Error::Large);
    }

    let machine = coff::Machine::of_format(merged.format).map_or(0, |machine| machine.number);
    let header = FileHeader { machine: pe::Machine(machine), ..FileHeader::default() };
    writer.write_file_header(header).map_err(|_| Error::Large)?;
    headers.iter().for_each(|header| writer.write_section_header(header.clone()));
    for (content, relocations) in contents.iter().zip(relocations) {
        writer.write_section(content);
        writer.write_relocations_count(relocations.len());
        if is_counted_here(&relocations) {
            let (virtual_address, typ) = (relocations.len() as u32 + 1, pe::RelocationType(0));
            writer.write_relocation(Relocation { virtual_address, symbol: 0, typ });
        }
        relocations.into_iter().for_each(|relocation| writer.write_relocation(relocation));
    }
    writer.write_section(&directives);
    for (record, name) in records.iter().zip(names) {
        write_record(&mut writer, record, name, |section| auxiliary(merged, &choices, &headers, section));
    }
    writer.write_strtab();
    Ok(bytes)
}

/// Whether the record that counts relocations is written here. The writer does so for more of them.
fn is_counted_here(relocations: &[Relocation]) -> bool {
    relocations.len() == MANY_RELOCATIONS
}

/// Writes a record and what follows it.
fn write_record(
    writer: &mut Writer<'_>,
    record: &Record<'_>,
    name: Name,
    auxiliary: impl Fn(usize) -> AuxSymbolSection,
) {
    writer.write_symbol(::object::write::coff::Symbol {
        name,
        value: record.value,
        section_number: SymbolSection(record.section),
        typ: SymbolType(if record.function { FUNCTION } else { 0 }),
        storage_class: SymbolClass(record.class),
        number_of_aux_symbols: (record.size() - 1) as u8,
    });
    match record.aux {
        Aux::None => {}
        Aux::Section(section) => writer.write_aux_section(auxiliary(section)),
        Aux::Weak(default, search) => writer.write_aux_weak_external(AuxSymbolWeak {
            weak_default_sym_index: default,
            weak_search_type: WeakExternSearch(search),
        }),
    }
}

/// What a section's symbol says of it.
fn auxiliary(
    merged: &Merged<'_>,
    choices: &[Option<Choice>],
    headers: &[SectionHeader],
    section: usize,
) -> AuxSymbolSection {
    let (number, selection) = match choices[section] {
        Some(Choice::Leader(leader)) => match merged.symbols.list[leader as usize].binding {
            Binding::Weak => (0, SELECT_ANY),
            // Of functions that stand alone there must be no other.
            _ => (0, SELECT_ONE),
        },
        Some(Choice::With(leader)) => (leader as u32 + 1, SELECT_ASSOCIATIVE),
        None => (0, 0),
    };
    AuxSymbolSection {
        length: headers[section].size_of_raw_data,
        number_of_relocations: headers[section].number_of_relocations,
        number_of_linenumbers: 0,
        check_sum: 0,
        number,
        selection: ComdatSelection(selection),
    }
}

impl Record<'_> {
    /// How many entries of the table it takes.
    fn size(&self) -> u32 {
        match self.aux {
            Aux::None => 1,
            Aux::Section(_) | Aux::Weak(..) => 2,
        }
    }
}

/// How each section is chosen, if it is one of a group that has a symbol for others to see.
fn choices(merged: &Merged<'_>) -> Vec<Option<Choice>> {
    let sections = &merged.sections.list;
    // The first symbol of each group, with the section that it is in.
    let mut leaders: HashMap<(usize, usize), (u32, usize)> = HashMap::default();
    for (position, symbol) in (0..).zip(&merged.symbols.list).skip(merged.symbols.locals) {
        if let Where::At(spot) = symbol.place
            && let Some(group) = sections[spot.section as usize].group
        {
            leaders.entry(group).or_insert((position, spot.section as usize));
        }
    }
    let choice = |(number, section): (usize, &Output<'_>)| {
        let (leader, of) = leaders.get(&section.group?)?;
        Some(if *of == number { Choice::Leader(*leader) } else { Choice::With(*of) })
    };
    sections.iter().enumerate().map(choice).collect()
}

fn characteristics(merged: &Merged<'_>, section: &Output<'_>, comdat: bool, relocations: usize) -> Result<u32, Error> {
    merged.check_align(section, MAX_ALIGN_LOG2)?;
    let flags = match section.kind {
        SectionKind::Code => CNT_CODE | MEM_EXECUTE | MEM_READ,
        SectionKind::Zero | SectionKind::TlsZero => CNT_ZERO | MEM_READ | MEM_WRITE,
        SectionKind::Data | SectionKind::TlsData => CNT_DATA | MEM_READ | MEM_WRITE,
        SectionKind::Functions(..) if !section.name.starts_with(b".CRT") => CNT_DATA | MEM_READ | MEM_WRITE,
        _ => CNT_DATA | MEM_READ,
    };
    let comdat = if comdat { LNK_COMDAT } else { 0 };
    let many = if MANY_RELOCATIONS <= relocations { LNK_NRELOC_OVFL } else { 0 };
    Ok(flags | comdat | many | (u32::from(section.align_log2) + 1) << ALIGN_SHIFT)
}

/// Alignments of common symbols that do not follow from their sizes.
fn directives(merged: &Merged<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for symbol in &merged.symbols.list {
        let natural =
            symbol.size.checked_next_power_of_two().map_or(MAX_COMMON_ALIGN, |size| size.min(MAX_COMMON_ALIGN));
        if let Where::Common(align) = symbol.place
            && natural < align
        {
            text.extend_from_slice(b" -aligncomm:\"");
            text.extend_from_slice(&symbol.name);
            text.extend_from_slice(format!("\",{}", align.trailing_zeros()).as_bytes());
        }
    }
    text
}

/// The symbol table, and the entry of each symbol in it. Behind those of sections come the leaders of groups.
fn records<'a>(merged: &'a Merged<'_>, choices: &[Option<Choice>]) -> Result<(Vec<Record<'a>>, Vec<u32>), Error> {
    let (sections, symbols) = (&merged.sections.list, &merged.symbols.list);
    let mut records = Vec::with_capacity(sections.len() + symbols.len());
    for (number, section) in sections.iter().enumerate() {
        records.push(Record {
            name: Cow::Borrowed(&*section.name),
            value: 0,
            section: number as i32 + 1,
            function: false,
            class: CLASS_STATIC,
            aux: Aux::Section(number),
        });
    }
    let mut next: u32 = records.iter().map(Record::size).sum();
    let is_strong = |symbol: &&Symbol<'_>| matches!((symbol.place, symbol.binding), (Where::At(_), Binding::Global));
    // Defaults of weak symbols are seen by other objects, and have to have names of their own.
    let own = symbols.iter().find(is_strong).map_or(&b"uruk"[..], |symbol| &symbol.name);
    let mut indices: Vec<Option<u32>> = vec![None; symbols.len()];
    let leaders = choices.iter().filter_map(|choice| match choice {
        Some(Choice::Leader(leader)) => Some(*leader as usize),
        _ => None,
    });
    for position in leaders.chain(0..symbols.len()) {
        if indices[position].is_some() {
            continue;
        }
        let symbol = &symbols[position];
        let mut record = record(symbol)?;
        let in_group = |section: u32| choices[section as usize].is_some();
        let weak = symbol.binding == Binding::Weak
            && match symbol.place {
                Where::At(spot) => !in_group(spot.section),
                Where::Undefined | Where::Absolute(_) => true,
                Where::Common(_) => false,
            };
        if weak {
            let name = [b".weak.", &*symbol.name, b".default.", own].concat().into();
            let defined = symbol.place != Where::Undefined;
            let section = if defined { record.section } else { ABSOLUTE };
            let default = Record { name, section, class: CLASS_EXTERNAL, aux: Aux::None, ..record };
            let search = if defined { SEARCH_ALIAS } else { SEARCH_NO_LIBRARY };
            let (name, aux, class) = (Cow::Borrowed(&*symbol.name), Aux::Weak(next, search), CLASS_WEAK);
            record = Record { name, value: 0, section: 0, class, aux, ..default };
            next += default.size();
            records.push(default);
        }
        indices[position] = Some(next);
        next += record.size();
        records.push(record);
    }
    Ok((records, indices.into_iter().map(|index| index.unwrap_or(0)).collect()))
}

fn record<'a>(symbol: &'a Symbol<'_>) -> Result<Record<'a>, Error> {
    let (section, value) = match symbol.place {
        Where::Undefined => (0, 0),
        Where::Absolute(value) => (ABSOLUTE, value),
        Where::Common(_) => (0, symbol.size),
        Where::At(spot) => (spot.section as i32 + 1, spot.offset),
    };
    Ok(Record {
        name: Cow::Borrowed(&*symbol.name),
        value: u32::try_from(value).map_err(|_| Error::Large)?,
        section,
        function: symbol.kind == SymbolKind::Function,
        class: if symbol.binding == Binding::Local { CLASS_STATIC } else { CLASS_EXTERNAL },
        aux: Aux::None,
    })
}

/// The relocations of a section; addends go where they stand.
fn relocations_of(
    merged: &Merged<'_>,
    kinds: &Numbers,
    indices: &[u32],
    section: usize,
    bytes: &mut [u8],
) -> Result<Vec<Relocation>, Error> {
    let mut relocations = Vec::new();
    for reference in merged.edges(section) {
        let refuse = |reason: &str| merged.refuse(&reference, reason);
        let Some(symbol) = merged.symbols.position(reference.number, reference.edge.target) else {
            return Err(refuse("let it name a symbol"));
        };
        let number = number(kinds, &reference).ok_or_else(|| refuse("let the compiler write it in another way"))?;
        let kind = reference.graph.arch().info(reference.edge.kind);
        let (at, addend, size) = (reference.at() as usize, reference.addend(), kind.field.size() as usize);
        if matches!(kind.field, Field::Code { .. }) {
            // The reader has taken it from there.
            if addend != 0 && matches!(reference.block.content, Content::Made(_)) {
                return Err(refuse("let nothing be added to the symbol's address"));
            }
        } else {
            // Distances count from the end of their field.
            let relative = matches!(kind.value, Value::Relative | Value::Branch);
            let held = if relative { addend.wrapping_add(size as i64) } else { addend };
            bytes[at..at + size].copy_from_slice(&held.to_le_bytes()[..size]);
        }
        relocations.push(Relocation {
            virtual_address: u32::try_from(at).map_err(|_| Error::Large)?,
            symbol: indices[symbol as usize],
            typ: pe::RelocationType(number),
        });
    }
    Ok(relocations)
}

/// The relocation type of an edge.
fn number(kinds: &Numbers, reference: &Reference<'_>) -> Option<u16> {
    let kind = reference.edge.kind;
    let arch = reference.graph.arch();
    if *arch == x86_64::ARCHITECTURE {
        return if kind == BRANCH32 { Some(AMD64_REL32) } else { kinds.of(kind).map(|number| number as u16) };
    }
    let word = reference.graph.content(reference.block).get(reference.edge.offset as usize..);
    let word = word.and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word));
    use aarch64::*;
    match kind {
        PAGEOFF12 if word & ADD_MASK == self::ADD => Some(ARM64_PAGEOFFSET_12A),
        PAGEOFF12 => Some(ARM64_PAGEOFFSET_12L),
        DTP_LDST8_NC | DTP_LDST16_NC | DTP_LDST32_NC | DTP_LDST64_NC | DTP_LDST128_NC => Some(ARM64_SECREL_LOW12L),
        kind => kinds.of(kind).map(|number| number as u16),
    }
}
