//! ELF relocatable objects.
//!
//! Sources: gABI 4.3, "Sections", "Symbol Table", "Relocation"; the psABIs that [`uruk_jitlink::elf`] names, for relocation types; the
//! GNU conventions for `.note.GNU-stack`, `SHF_GNU_RETAIN` and `STT_GNU_IFUNC`.
//!
//! A symbol that is called `name@VERSION` and not defined refers to that version: GNU ld and lld take the name apart, as they do what
//! `.symver` makes.

use super::sections::{Output, holds_addresses};
use super::symbols::{Symbol, Where};
use super::{Merged, Numbers, Reference};
use crate::error::Error;
use ::object::Endianness;
use ::object::elf::*;
use ::object::write::StringId;
use ::object::write::elf::{FileHeader, Rel, SectionHeader, SectionIndex, Sym, Writer};
use std::borrow::Cow;
use uruk_jitlink::elf::Machine as Known;
use uruk_jitlink::graph::{Binding, Block, FunctionTable, LinkGraph, Order, SectionKind, SymbolKind, Visibility};
use uruk_jitlink::{aarch64, riscv, x86_64};

/// Where linkers look for constants that hold addresses, which are written to before a program runs.
const RELOCATED: &[u8] = b".data.rel.ro";
const CONSTANT: &[u8] = b".rodata";
/// The medium and large code models' data (x86-64 psABI 1.0, §4.2 "Sections").
const SHF_X86_64_LARGE: u64 = 0x1000_0000;
/// Functions of a table without a number come last.
const NO_PRIORITY: u32 = 65_536;
/// Where the flags stand in a file of 64 bits, and of 32 bits.
const FLAGS_AT: [usize; 2] = [36, 48];
/// `R_X86_64_GOTPCREL`, `R_AARCH64_CALL26` and `R_RISCV_CALL_PLT`.
const GOTPCREL: u32 = 9;
const CALL26: u32 = 283;
const CALL_PLT: u32 = 19;
/// `bl` of AArch64.
const BRANCH_MASK: u32 = 0xfc00_0000;
const BRANCH_AND_LINK: u32 = 0x9400_0000;
/// Alignments above that of a page matter in memory only.
const MAX_FILE_ALIGN_LOG2: u8 = 12;

/// What a block's section is called here, and what it is for.
///
/// Constants with addresses in them have to be writable while these are entered: compilers say so by their section, unless their
/// code is for a fixed address.
pub fn section<'a>(graph: &'a LinkGraph, block: &Block) -> (Cow<'a, [u8]>, SectionKind) {
    let kind = graph.section(block.section).kind;
    let name = graph.section_name(block.section);
    match kind {
        SectionKind::ReadOnly if name.starts_with(RELOCATED) => (name.into(), SectionKind::Data),
        SectionKind::ReadOnly if (name.is_empty() || is_constant(name)) && holds_addresses(graph, block) => {
            let rest = name.strip_prefix(CONSTANT).unwrap_or_default();
            ([RELOCATED, rest].concat().into(), SectionKind::Data)
        }
        _ if name.is_empty() => (usual_name(kind), kind),
        _ => (name.into(), kind),
    }
}

fn is_constant(name: &[u8]) -> bool {
    name.strip_prefix(CONSTANT).is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

/// The name of a section that has none.
fn usual_name(kind: SectionKind) -> Cow<'static, [u8]> {
    let name: &[u8] = match kind {
        SectionKind::Code => b".text",
        SectionKind::ReadOnly | SectionKind::Pdata | SectionKind::Scratch => CONSTANT,
        SectionKind::Data => b".data",
        SectionKind::Zero => b".bss",
        SectionKind::TlsData => b".tdata",
        SectionKind::TlsZero => b".tbss",
        SectionKind::EhFrame => b".eh_frame",
        SectionKind::Unloaded => b".comment",
        SectionKind::Functions(table, Order { priority, backwards }) => {
            let name = match (table, backwards) {
                (FunctionTable::Preinit, _) => ".preinit_array",
                (FunctionTable::Init, false) => ".init_array",
                (FunctionTable::Init, true) => ".ctors",
                (FunctionTable::Fini, false) => ".fini_array",
                (FunctionTable::Fini, true) => ".dtors",
            };
            let number = if backwards { 65_535u32.saturating_sub(priority) } else { priority };
            let number = if priority < NO_PRIORITY { format!(".{number:05}") } else { String::new() };
            return format!("{name}{number}").into_bytes().into();
        }
    };
    name.into()
}

/// A section's part of the file.
struct Laid {
    name: StringId,
    index: SectionIndex,
    offset: u64,
    bytes: Vec<u8>,
    /// The name, and where they begin, if there are any.
    relocations: Option<(StringId, u64)>,
}

/// Writes a relocatable file.
pub fn write(merged: &Merged<'_>) -> Result<Vec<u8>, Error> {
    let sections = &merged.sections.list;
    let relocations = relocations(merged)?;
    let flags = flags(merged)?;
    let relocation_names: Vec<Vec<u8>> = sections.iter().map(|section| [b".rela", &*section.name].concat()).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Endianness::Little, merged.format.arch.slot_size == 8, &mut bytes);
    // Whatever the writer refuses is too large for its field.
    let large = |_| Error::Large;

    writer.reserve_file_header();
    writer.reserve_null_section_index();
    let mut laid = Vec::with_capacity(sections.len());
    for (number, section) in sections.iter().enumerate() {
        let bytes = merged.content(number);
        let offset = match section.kind.is_zero_fill() {
            true => writer.reserved_len(),
            false => writer.reserve(bytes.len() as u64, 1 << section.align_log2.min(MAX_FILE_ALIGN_LOG2)),
        };
        let (name, index) = (writer.add_section_name(&section.name), writer.reserve_section_index());
        laid.push(Laid { name, index, offset, bytes, relocations: None });
    }
    let stack = writer.add_section_name(b".note.GNU-stack");
    writer.reserve_section_index();
    for ((laid, name), relocations) in laid.iter_mut().zip(&relocation_names).zip(&relocations) {
        if !relocations.is_empty() {
            writer.reserve_section_index();
            let offset = writer.reserve_relocations(relocations.len(), true);
            laid.relocations = Some((writer.add_section_name(name), offset));
        }
    }
    writer.reserve_null_symbol_index();
    let symbols = &merged.symbols.list;
    let mut names = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        names.push(writer.add_string(&symbol.name));
        let section = match symbol.place {
            Where::At(spot) => Some(laid[spot.section as usize].index),
            Where::Undefined | Where::Absolute(_) | Where::Common(_) => None,
        };
        writer.reserve_symbol_index(section);
    }
    let symbol_table = writer.reserve_symtab_section_index();
    writer.reserve_symtab();
    if writer.symtab_shndx_needed() {
        writer.reserve_symtab_shndx_section_index();
    }
    writer.reserve_symtab_shndx();
    writer.reserve_strtab_section_index();
    writer.reserve_strtab().map_err(large)?;
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab().map_err(large)?;
    writer.reserve_section_headers();

    let machine = Known::of_arch(merged.format.arch).map_or(0, |machine| machine.number);
    let header = FileHeader {
        os_abi: if needs_gnu(merged) { ELFOSABI_GNU } else { ELFOSABI_NONE },
        abi_version: 0,
        e_type: ET_REL,
        e_machine: Machine(machine),
        e_entry: 0,
        e_flags: FileFlags(flags),
    };
    writer.write_file_header(&header).map_err(large)?;
    for (laid, section) in laid.iter().zip(sections).filter(|(_, section)| !section.kind.is_zero_fill()) {
        writer.pad_until(laid.offset);
        debug_assert_eq!(laid.bytes.len() as u64, section.size);
        writer.write(&laid.bytes);
    }
    for relocations in relocations.iter().filter(|relocations| !relocations.is_empty()) {
        writer.write_align_relocation();
        for relocation in relocations {
            writer.write_relocation(true, relocation);
        }
    }
    writer.write_null_symbol();
    for (symbol, name) in symbols.iter().zip(&names) {
        let name = writer.string_offset(Some(*name));
        writer.write_symbol(&entry(symbol, name, |section| laid[section as usize].index.0));
    }
    writer.write_symtab_shndx();
    writer.write_strtab();
    writer.write_shstrtab();

    write_section_headers(merged, &mut writer, &laid, &relocations, (stack, symbol_table));
    writer.write_symtab_section_header(1 + merged.symbols.locals as u32);
    writer.write_symtab_shndx_section_header();
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(bytes)
}

/// Writes the headers of all sections but tables of symbols and of names, whose own writer knows them: those with content, in their
/// order, one that says that the stack is not executable, and those of relocations.
fn write_section_headers(
    merged: &Merged<'_>,
    writer: &mut Writer<'_>,
    laid: &[Laid],
    relocations: &[Vec<Rel>],
    (stack, symbol_table): (StringId, SectionIndex),
) {
    writer.write_null_section_header();
    for (laid, section) in laid.iter().zip(&merged.sections.list) {
        let (sh_type, sh_flags) = use_of(section);
        writer.write_section_header(&SectionHeader {
            sh_name: writer.section_name_offset(Some(laid.name)),
            sh_type,
            sh_flags: SectionFlags(sh_flags),
            sh_offset: laid.offset,
            sh_size: section.size,
            sh_addralign: 1 << section.align_log2,
            ..SectionHeader::default()
        });
    }
    writer.write_section_header(&SectionHeader {
        sh_name: writer.section_name_offset(Some(stack)),
        sh_type: SHT_PROGBITS,
        sh_addralign: 1,
        ..SectionHeader::default()
    });
    for (laid, relocations) in laid.iter().zip(relocations) {
        if let Some((name, offset)) = laid.relocations {
            let count = relocations.len();
            writer.write_relocation_section_header(name, laid.index, symbol_table, offset, count, true);
        }
    }
}

/// The type and the flags of a section.
fn use_of(section: &Output<'_>) -> (SectionType, u64) {
    let is_note = section.name.starts_with(b".note");
    let (kind, flags) = match section.kind {
        SectionKind::Code => (SHT_PROGBITS, SHF_ALLOC.0 | SHF_EXECINSTR.0),
        SectionKind::ReadOnly if is_note => (SHT_NOTE, SHF_ALLOC.0),
        SectionKind::ReadOnly | SectionKind::EhFrame | SectionKind::Pdata => (SHT_PROGBITS, SHF_ALLOC.0),
        SectionKind::Data => (SHT_PROGBITS, SHF_ALLOC.0 | SHF_WRITE.0),
        SectionKind::Zero => (SHT_NOBITS, SHF_ALLOC.0 | SHF_WRITE.0),
        SectionKind::TlsData => (SHT_PROGBITS, SHF_ALLOC.0 | SHF_WRITE.0 | SHF_TLS.0),
        SectionKind::TlsZero => (SHT_NOBITS, SHF_ALLOC.0 | SHF_WRITE.0 | SHF_TLS.0),
        SectionKind::Functions(table, order) => {
            let kind = match table {
                _ if order.backwards => SHT_PROGBITS,
                FunctionTable::Preinit => SHT_PREINIT_ARRAY,
                FunctionTable::Init => SHT_INIT_ARRAY,
                FunctionTable::Fini => SHT_FINI_ARRAY,
            };
            (kind, SHF_ALLOC.0 | SHF_WRITE.0)
        }
        SectionKind::Unloaded | SectionKind::Scratch => (SHT_PROGBITS, 0),
    };
    let large = if section.large { SHF_X86_64_LARGE } else { 0 };
    let retain = if is_retained(section) { SHF_GNU_RETAIN.0 } else { 0 };
    (kind, flags | large | retain)
}

/// Whether a section has to say that it is kept; linkers keep notes anyway.
fn is_retained(section: &Output<'_>) -> bool {
    section.retain && !section.name.starts_with(b".note")
}

/// Whether something of the file means what GNU's conventions say.
fn needs_gnu(merged: &Merged<'_>) -> bool {
    let symbols = &merged.symbols.list;
    symbols.iter().any(|symbol| symbol.kind == SymbolKind::Indirect || symbol.binding == Binding::Unique)
        || merged.sections.list.iter().any(is_retained)
}

fn entry(symbol: &Symbol<'_>, name: u32, index: impl Fn(u32) -> u32) -> Sym {
    let (section, st_shndx, st_value) = match symbol.place {
        Where::Undefined => (None, SHN_UNDEF, 0),
        Where::Absolute(value) => (None, SHN_ABS, value),
        Where::Common(align) => (None, SHN_COMMON, align),
        Where::At(spot) => (Some(index(spot.section)), SHN_UNDEF, spot.offset),
    };
    let binding = match symbol.binding {
        Binding::Local => STB_LOCAL,
        Binding::Global => STB_GLOBAL,
        Binding::Weak => STB_WEAK,
        Binding::Unique => STB_GNU_UNIQUE,
    };
    let kind = match symbol.kind {
        SymbolKind::None | SymbolKind::Section | SymbolKind::File => STT_NOTYPE,
        SymbolKind::Function => STT_FUNC,
        SymbolKind::Object => STT_OBJECT,
        SymbolKind::ThreadLocal => STT_TLS,
        SymbolKind::Indirect => STT_GNU_IFUNC,
    };
    let visibility = match symbol.visibility {
        Visibility::Default => STV_DEFAULT,
        Visibility::Protected => STV_PROTECTED,
        Visibility::Hidden => STV_HIDDEN,
    };
    let st_info = SymbolInfo::new(binding, kind);
    let st_other = SymbolOther(visibility.0);
    Sym { section, st_name: name, st_info, st_other, st_shndx, st_value, st_size: symbol.size }
}

/// What the file says of its code (`e_flags`). Objects that pass numbers in different ways cannot be in one.
fn flags(merged: &Merged<'_>) -> Result<u32, Error> {
    let format = merged.format;
    let class = usize::from(format.arch.slot_size == 8);
    // RISC-V ELF psABI 1.0, "File Header": compressed code, and numbers in registers of double width.
    const COMPRESSED: u32 = 1;
    const DOUBLE: u32 = 4;
    if !format.arch.name.starts_with("riscv") {
        return Ok(0);
    }
    let mut flags = None;
    let mut first: Option<(&LinkGraph, &str)> = None;
    for graph in merged.graphs {
        let own = graph.input.get(FLAGS_AT[class]..).and_then(|bytes| bytes.first_chunk()).copied();
        if let (Some(own), Some(abi)) = (own, format.abi(&graph.input)) {
            match first {
                Some((known, other)) if other != abi => {
                    let what = format!("it is compiled for {abi}, and {} for {other}", known.input.name());
                    return Err(Error::Object { object: graph.input.name().to_string(), what });
                }
                _ => first = Some((graph, abi)),
            }
            *flags.get_or_insert(0) |= u32::from_le_bytes(own);
        }
    }
    let compressed = merged.graphs.iter().any(|graph| graph.compressed);
    Ok(flags.unwrap_or(DOUBLE) | if compressed { COMPRESSED } else { 0 })
}

/// The relocations of each section, in order of their places.
fn relocations(merged: &Merged<'_>) -> Result<Vec<Vec<Rel>>, Error> {
    let numbers = Numbers::new(merged.format);
    // The null symbol comes before all others.
    let position = |graph, id| merged.symbols.position(graph, id).map_or(0, |position| position + 1);
    let mut all = Vec::with_capacity(merged.sections.list.len());
    for section in 0..merged.sections.list.len() {
        let mut relocations = Vec::new();
        for reference in merged.edges(section) {
            let number = number(&numbers, &reference)
                .ok_or_else(|| merged.refuse(&reference, "let the compiler write it in another way"))?;
            relocations.push(Rel {
                r_offset: reference.at(),
                r_sym: position(reference.number, reference.edge.target),
                r_type: RelocationType(number),
                r_addend: reference.addend(),
            });
        }
        all.push(relocations);
    }
    for (number, graph) in merged.graphs.iter().enumerate() {
        for (block, symbol) in &graph.mentions {
            // References that change nothing are of type 0 on every machine.
            if let (Some(spot), Some(symbol)) =
                (merged.sections.spot(number, *block), merged.symbols.position(number, *symbol))
            {
                let none = Rel { r_offset: spot.offset, r_sym: symbol + 1, r_type: RelocationType(0), r_addend: 0 };
                all[spot.section as usize].push(none);
            }
        }
    }
    Ok(all)
}

/// The relocation type of an edge, which the instruction has a say in where several stand for its kind.
fn number(numbers: &Numbers, reference: &Reference<'_>) -> Option<u32> {
    let number = numbers.of(reference.edge.kind)?;
    let bytes = reference.graph.content(reference.block);
    let at = reference.edge.offset as usize;
    let word = || bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word));
    let arch = reference.graph.arch();
    Some(match reference.edge.kind {
        // Linkers rewrite the instruction by its prefix.
        x86_64::REX_GOTPCRELX if *arch == x86_64::ARCHITECTURE => {
            let rex = at.checked_sub(3).is_some_and(|at| bytes[at] & 0xf0 == 0x40);
            if rex { number } else { GOTPCREL }
        }
        aarch64::BRANCH26 if *arch == aarch64::ARCHITECTURE && word() & BRANCH_MASK == BRANCH_AND_LINK => CALL26,
        riscv::CALL if arch.name.starts_with("riscv") => CALL_PLT,
        _ => number,
    })
}
