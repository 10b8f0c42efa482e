//! Mach-O relocatable objects.
//!
//! Sources: `mach-o/loader.h`, `mach-o/nlist.h` and `mach-o/reloc.h` of cctools, and the files for each architecture beside the last, whose
//! comments show what stands in the fields.
//!
//! Linkers take sections apart at symbols (`MH_SUBSECTIONS_VIA_SYMBOLS`), so a symbol stands at the start of each block, and all others
//! of a block are alternative entries. Every relocation names a symbol. The file says that it is for macOS 11 or later. Sections that
//! are not loaded are left out: debuggers look for debug information of Mach-O in the objects that a program was linked of, by their names.

mod relocations;

use super::sections::{Output, Spot, holds_addresses};
use super::symbols::{Symbol, Where};
use super::{Merged, Numbers};
use crate::error::Error;
use crate::link::text;
use ::object::Endianness;
use ::object::macho::{
    self, CPU_SUBTYPE_ARM64_ALL, CPU_SUBTYPE_X86_64_ALL, CPU_TYPE_ARM64, CPU_TYPE_X86_64, RelocationInfo,
};
use ::object::write::StringTable;
use ::object::write::macho::*;
use foldhash::HashMap;
use relocations::counts_from_start;
use std::borrow::Cow;
use uruk_jitlink::aarch64;
use uruk_jitlink::graph::*;

// Section types and attributes.
const S_ZEROFILL: u32 = 1;
const S_CSTRING_LITERALS: u32 = 2;
const S_4BYTE_LITERALS: u32 = 3;
const S_8BYTE_LITERALS: u32 = 4;
const S_MOD_INIT_FUNC_POINTERS: u32 = 9;
const S_MOD_TERM_FUNC_POINTERS: u32 = 10;
const S_16BYTE_LITERALS: u32 = 14;
const S_THREAD_LOCAL_REGULAR: u32 = 0x11;
const S_THREAD_LOCAL_ZEROFILL: u32 = 0x12;
const S_THREAD_LOCAL_VARIABLES: u32 = 0x13;
/// Instructions, and nothing else.
const INSTRUCTIONS: u32 = 0x8000_0400;
/// Coalesced records without a table of contents, whose static symbols may go, and which live with what they are about.
const UNWIND_RECORDS: u32 = 0x6800_000b;

// Symbols.
const N_EXT: u8 = 0x01;
const N_ABS: u8 = 0x02;
const N_SECT: u8 = 0x0e;
const N_PEXT: u8 = 0x10;
const N_NO_DEAD_STRIP: u16 = 0x20;
const N_WEAK_REF: u16 = 0x40;
const N_WEAK_DEF: u16 = 0x80;
const N_SYMBOL_RESOLVER: u16 = 0x100;
const N_ALT_ENTRY: u16 = 0x200;

/// `MH_SUBSECTIONS_VIA_SYMBOLS`
const SUBSECTIONS: u32 = 0x2000;
/// A symbol says in one byte which section it is of.
const MAX_SECTIONS: usize = 255;
/// Bits of a symbol's number in a relocation.
const MAX_SYMBOLS: usize = 1 << 24;
/// 32768 bytes: what tools take for a section, though its field has room for more.
const MAX_ALIGN_LOG2: u8 = 15;
/// Bytes of a name's field.
const NAME: usize = 16;
const ALL_ACCESS: u32 = 7;
/// Where tables begin in the file.
const TABLE_ALIGN: u64 = 8;

/// What a block's section is called here, and what it is for.
pub fn section<'a>(graph: &'a LinkGraph, block: &Block) -> Option<(Cow<'a, [u8]>, SectionKind)> {
    let kind = graph.section(block.section).kind;
    let name = graph.section_name(block.section);
    let usual: &[u8] = match kind {
        SectionKind::Unloaded => return None,
        _ if name.contains(&b',') => name,
        SectionKind::Code => b"__TEXT,__text",
        SectionKind::ReadOnly if holds_addresses(graph, block) => b"__DATA,__const",
        SectionKind::ReadOnly | SectionKind::Pdata | SectionKind::Scratch => b"__TEXT,__const",
        SectionKind::Data => b"__DATA,__data",
        SectionKind::Zero => b"__DATA,__bss",
        SectionKind::TlsData => b"__DATA,__thread_data",
        SectionKind::TlsZero => b"__DATA,__thread_bss",
        SectionKind::EhFrame => b"__TEXT,__eh_frame",
        SectionKind::Functions(FunctionTable::Fini, _) => b"__DATA,__mod_term_func",
        SectionKind::Functions(..) => b"__DATA,__mod_init_func",
    };
    Some((usual.into(), kind))
}

/// Writes a relocatable file.
pub fn write(merged: &Merged<'_>) -> Result<Vec<u8>, Error> {
    File::new(merged)?.write()
}

/// A file being made.
struct File<'a> {
    merged: &'a Merged<'a>,
    /// Sections in the order in which they are written: those without bytes come last.
    order: Vec<usize>,
    /// Their addresses, by their positions before that.
    addresses: Vec<u64>,
    end: u64,
    /// Symbols in the order in which they are written: local, defined, undefined ones.
    symbols: Vec<Cow<'a, Symbol<'a>>>,
    locals: usize,
    defined: usize,
    /// The new number of each symbol.
    numbers: Vec<u32>,
    /// Local symbols that stand where blocks begin, by their new numbers.
    starts: HashMap<Spot, u32>,
    is_arm: bool,
    kinds: Numbers,
}

impl<'a> File<'a> {
    fn new(merged: &'a Merged<'a>) -> Result<File<'a>, Error> {
        let sections = &merged.sections.list;
        let mut order: Vec<usize> = (0..sections.len()).collect();
        order.sort_by_key(|section| sections[*section].kind.is_zero_fill());
        let mut addresses = vec![0; sections.len()];
        let mut end = 0;
        for section in &order {
            addresses[*section] = align_up(end, sections[*section].align_log2);
            end = addresses[*section] + sections[*section].size;
        }
        let is_arm = *merged.format.arch == aarch64::ARCHITECTURE;
        let (symbols, numbers, starts) = (Vec::new(), Vec::new(), HashMap::default());
        let kinds = Numbers::new(merged.format);
        let mut file =
            File { merged, order, addresses, end, symbols, locals: 0, defined: 0, numbers, starts, is_arm, kinds };
        file.number_symbols();
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), Error> {
        let format = self.merged.format.name;
        let too_many = |what, found, most| match found <= most {
            true => Ok(()),
            false => Err(Error::TooMany { what, found, most, format }),
        };
        too_many("sections", self.order.len(), MAX_SECTIONS)?;
        too_many("symbols", self.symbols.len(), MAX_SYMBOLS)?;
        for section in &self.merged.sections.list {
            self.merged.check_align(section, MAX_ALIGN_LOG2)?;
            let (segment, name) = names(&section.name);
            if NAME < segment.len() || NAME < name.len() {
                let what = format!("`{}` has longer names than a section can have", text(&section.name));
                return Err(self.merged.refuse_section(section, what));
            }
        }
        Ok(())
    }

    /// Orders symbols and adds those that mark where blocks begin.
    fn number_symbols(&mut self) {
        let list = &self.merged.symbols.list;
        let mut any: HashMap<Spot, bool> = HashMap::default();
        for symbol in list {
            if let Where::At(spot) = symbol.place {
                *any.entry(spot).or_default() |= symbol.binding == Binding::Local;
            }
        }
        self.numbers = vec![0; list.len()];
        for (position, symbol) in list.iter().enumerate().take(self.merged.symbols.locals) {
            if let Where::At(spot) = symbol.place {
                self.starts.entry(spot).or_insert(position as u32);
            }
            self.numbers[position] = position as u32;
            self.symbols.push(Cow::Borrowed(symbol));
        }
        for (number, section) in self.merged.sections.list.iter().enumerate() {
            for piece in section.pieces.iter().filter(|piece| piece.size != 0) {
                let spot = Spot { section: number as u32, offset: piece.offset };
                let graph = self.merged.graphs[piece.graph];
                let local = graph
                    .edges(graph.block(piece.block))
                    .iter()
                    .any(|edge| counts_from_start(graph, edge, section.kind));
                let known = any.get(&spot);
                if known == Some(&true) || !local && (known.is_some() || !is_split(section.kind)) {
                    continue;
                }
                let name = format!("luruk.start.{}", self.symbols.len()).into_bytes().into();
                let (binding, visibility, kind) = (Binding::Local, Visibility::Default, SymbolKind::None);
                let place = Where::At(spot);
                self.starts.insert(spot, self.symbols.len() as u32);
                self.symbols.push(Cow::Owned(Symbol {
                    name,
                    place,
                    size: 0,
                    binding,
                    visibility,
                    kind,
                    graph: piece.graph,
                }));
            }
        }
        self.locals = self.symbols.len();
        let is_defined = |symbol: &Symbol<'_>| matches!(symbol.place, Where::At(_) | Where::Absolute(_));
        for defined in [true, false] {
            for (position, symbol) in list.iter().enumerate().skip(self.merged.symbols.locals) {
                if is_defined(symbol) == defined {
                    self.numbers[position] = self.symbols.len() as u32;
                    self.symbols.push(Cow::Borrowed(symbol));
                }
            }
            if defined {
                self.defined = self.symbols.len() - self.locals;
            }
        }
    }

    fn write(&self) -> Result<Vec<u8>, Error> {
        let encoder = Encoder::new(Endianness::Little, true);
        let mut contents = Vec::with_capacity(self.order.len());
        let mut relocations = Vec::with_capacity(self.order.len());
        for section in &self.order {
            let mut bytes = self.merged.content(*section);
            relocations.push(self.relocations(*section, &mut bytes)?);
            contents.push(bytes);
        }
        let mut strings = StringTable::new();
        let names: Vec<_> = self.symbols.iter().map(|symbol| strings.add(&symbol.name)).collect();
        let mut table = Vec::new();
        encoder.strtab(&mut table, &mut strings).map_err(|_| Error::Large)?;
        let mut bytes = Vec::new();
        let start = self.write_commands(&mut bytes, encoder, &relocations, table.len())?;
        // The bytes lie in the file as they do in memory.
        for (section, content) in self.order.iter().zip(&contents).filter(|(_, content)| !content.is_empty()) {
            bytes.resize((start + self.addresses[*section]) as usize, 0);
            bytes.extend_from_slice(content);
        }
        bytes.resize(bytes.len().next_multiple_of(TABLE_ALIGN as usize), 0);
        for relocation in relocations.iter().flatten() {
            encoder.relocation(&mut bytes, relocation);
        }
        let mut places = vec![0; self.order.len()];
        for (place, section) in (1..=u8::MAX).zip(&self.order) {
            places[*section] = place;
        }
        for (symbol, name) in self.symbols.iter().zip(&names) {
            encoder.nlist(&mut bytes, &self.entry(symbol, strings.get_offset(*name), &places));
        }
        bytes.extend_from_slice(&table);
        Ok(bytes)
    }

    /// Writes the header and all load commands for a string table of so many bytes; returns where the sections' bytes begin.
    fn write_commands(
        &self,
        out: &mut Vec<u8>,
        encoder: Encoder<Endianness>,
        relocations: &[Vec<RelocationInfo>],
        strings: usize,
    ) -> Result<u64, Error> {
        let commands = [
            encoder.segment_command_size(self.order.len() as u32),
            encoder.build_version_command_size(0),
            encoder.symtab_command_size(),
            encoder.dysymtab_command_size(),
        ];
        let size: u64 = commands.iter().sum();
        let start = encoder.mach_header_size() + size;
        let sections =
            || self.order.iter().map(|section| (&self.merged.sections.list[*section], self.addresses[*section]));
        let filled = sections().filter(|(section, _)| !section.kind.is_zero_fill() && section.size != 0);
        let data_size = filled.map(|(section, address)| address + section.size).max().unwrap_or(0);
        let relocations_at = (start + data_size).next_multiple_of(TABLE_ALIGN);
        let count: usize = relocations.iter().map(Vec::len).sum();
        let symbols_at = relocations_at + count as u64 * encoder.relocation_size();
        let strings_at = symbols_at + self.symbols.len() as u64 * encoder.nlist_size();
        // With that, everything before is known to fit too.
        let fits = u32::try_from(strings_at + strings as u64).is_ok() && u32::try_from(self.end).is_ok();
        if !fits {
            return Err(Error::Large);
        }
        let (cputype, cpusubtype) = match self.is_arm {
            true => (CPU_TYPE_ARM64, CPU_SUBTYPE_ARM64_ALL.into()),
            false => (CPU_TYPE_X86_64, CPU_SUBTYPE_X86_64_ALL.into()),
        };
        let (filetype, flags) = (macho::MH_OBJECT, macho::FileFlags(SUBSECTIONS));
        let (ncmds, sizeofcmds) = (commands.len() as u32, size as u32);
        encoder.mach_header(out, &MachHeader { cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags });
        let segment = SegmentCommand {
            segname: [0; NAME],
            vmaddr: 0,
            vmsize: self.end,
            fileoff: start,
            filesize: data_size,
            maxprot: macho::VmProt(ALL_ACCESS),
            initprot: macho::VmProt(ALL_ACCESS),
            nsects: self.order.len() as u32,
            flags: macho::SegmentFlags(0),
        };
        encoder.segment_command(out, &segment);
        let mut next = relocations_at;
        for ((section, address), relocations) in sections().zip(relocations) {
            let (segment, name) = names(&section.name);
            let header = SectionHeader {
                sectname: padded(name),
                segname: padded(segment),
                addr: address,
                size: section.size,
                offset: if section.kind.is_zero_fill() { 0 } else { (start + address) as u32 },
                align: section.align_log2.into(),
                reloff: if relocations.is_empty() { 0 } else { next as u32 },
                nreloc: relocations.len() as u32,
                flags: macho::SectionFlags(self.flags(section)),
                reserved1: 0,
                reserved2: 0,
                reserved3: 0,
            };
            encoder.section_header(out, &header);
            next += relocations.len() as u64 * encoder.relocation_size();
        }
        let minos = macho::Version::new(11, 0, 0);
        let version = BuildVersionCommand { platform: macho::PLATFORM_MACOS, minos, sdk: minos, ntools: 0 };
        encoder.build_version_command(out, &version);
        let (nsyms, locals, defined) = (self.symbols.len() as u32, self.locals as u32, self.defined as u32);
        let (symoff, stroff, strsize) = (symbols_at as u32, strings_at as u32, strings as u32);
        encoder.symtab_command(out, &SymtabCommand { symoff, nsyms, stroff, strsize });
        let table = DysymtabCommand {
            nlocalsym: locals,
            iextdefsym: locals,
            nextdefsym: defined,
            iundefsym: locals + defined,
            nundefsym: nsyms - locals - defined,
            ..DysymtabCommand::default()
        };
        encoder.dysymtab_command(out, &table);
        Ok(start)
    }

    /// The type and the attributes of a section.
    fn flags(&self, section: &Output<'_>) -> u32 {
        let (_, name) = names(&section.name);
        let even = |bytes: u64| section.pieces.iter().all(|piece| piece.size % bytes == 0 && piece.offset % bytes == 0);
        let ends = || {
            section.pieces.iter().all(|piece| {
                let graph = self.merged.graphs[piece.graph];
                graph.content(graph.block(piece.block)).last().is_none_or(|last| *last == 0)
            })
        };
        match (section.kind, name) {
            (SectionKind::Code, _) => INSTRUCTIONS,
            (SectionKind::Zero, _) => S_ZEROFILL,
            (SectionKind::TlsData, _) => S_THREAD_LOCAL_REGULAR,
            (SectionKind::TlsZero, _) => S_THREAD_LOCAL_ZEROFILL,
            (SectionKind::EhFrame, _) => UNWIND_RECORDS,
            (SectionKind::Functions(FunctionTable::Fini, _), _) => S_MOD_TERM_FUNC_POINTERS,
            (SectionKind::Functions(..), _) => S_MOD_INIT_FUNC_POINTERS,
            (_, b"__thread_vars") => S_THREAD_LOCAL_VARIABLES,
            (SectionKind::ReadOnly, b"__cstring") if ends() => S_CSTRING_LITERALS,
            (SectionKind::ReadOnly, b"__literal4") if even(4) => S_4BYTE_LITERALS,
            (SectionKind::ReadOnly, b"__literal8") if even(8) => S_8BYTE_LITERALS,
            (SectionKind::ReadOnly, b"__literal16") if even(16) => S_16BYTE_LITERALS,
            _ => 0,
        }
    }

    fn entry(&self, symbol: &Symbol<'_>, name: u32, places: &[u8]) -> Nlist {
        let (kind, section, value) = match symbol.place {
            Where::Undefined => (0, 0, 0),
            Where::Absolute(value) => (N_ABS, 0, value),
            Where::Common(_) => (0, 0, symbol.size),
            Where::At(spot) => {
                (N_SECT, places[spot.section as usize], self.addresses[spot.section as usize] + spot.offset)
            }
        };
        let external = if symbol.binding == Binding::Local { 0 } else { N_EXT };
        let hidden = if external != 0 && symbol.visibility == Visibility::Hidden { N_PEXT } else { 0 };
        let weak = matches!(symbol.binding, Binding::Weak | Binding::Unique);
        let mut description = match symbol.place {
            Where::Undefined if weak => N_WEAK_REF,
            Where::Common(align) => (align.trailing_zeros() as u16 & 15) << 8,
            Where::At(_) if weak => N_WEAK_DEF,
            _ => 0,
        };
        if let Where::At(spot) = symbol.place {
            description |= self.entry_of_block(spot);
            if symbol.kind == SymbolKind::Indirect {
                description |= N_SYMBOL_RESOLVER;
            }
        }
        let n_type = macho::SymbolFlags(kind | external | hidden);
        Nlist { n_strx: name, n_type, n_sect: section, n_desc: macho::SymbolDesc(description), n_value: value }
    }

    /// What a symbol in a section says of the block that it is in.
    fn entry_of_block(&self, spot: Spot) -> u16 {
        let section = &self.merged.sections.list[spot.section as usize];
        let after = section.pieces.partition_point(|piece| piece.offset <= spot.offset);
        let Some(piece) = section.pieces[..after].last() else { return 0 };
        if piece.offset != spot.offset {
            return if is_split(section.kind) { N_ALT_ENTRY } else { 0 };
        }
        let graph = self.merged.graphs[piece.graph];
        let retain = graph.section(graph.block(piece.block).section).retain;
        if retain { N_NO_DEAD_STRIP } else { 0 }
    }
}

/// Whether linkers take a section apart at its symbols.
fn is_split(kind: SectionKind) -> bool {
    !matches!(kind, SectionKind::EhFrame | SectionKind::Functions(..))
}

/// The segment's name and the section's.
fn names(name: &[u8]) -> (&[u8], &[u8]) {
    let comma = name.iter().position(|byte| *byte == b',').unwrap_or(0);
    (&name[..comma], name.get(comma + 1..).unwrap_or_default())
}

fn padded(name: &[u8]) -> [u8; NAME] {
    let mut field = [0; NAME];
    field[..name.len()].copy_from_slice(name);
    field
}
