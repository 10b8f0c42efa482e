//! The debug sections of an object (`__DWARF,…`), with what their relocations refer to.
//!
//! Offsets from one of them into another have no relocations: they count from where the object's own part begins.
//! Source: `mach-o/reloc.h` of cctools; the names that LLVM cuts to 16 bytes.

use super::blocks;
use super::headers::{Headers, RawSection};
use super::machine::Does;
use super::read::Reader;
use super::symbols::{Entry, entry};
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use object::LittleEndian as LE;
use object::macho::Relocation;

/// A debug section.
pub struct Section {
    /// Its name, as it is called in ELF.
    pub name: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What changes in them.
    pub fields: Vec<Field>,
}

/// A field that holds an address, or a distance.
pub struct Field {
    /// Where it is.
    pub offset: usize,
    /// Its size in bytes.
    pub size: usize,
    /// What it refers to.
    pub target: Place,
    /// What the distance is from, if it is one.
    pub less: Option<Place>,
}

/// What a field refers to: a symbol, by its id in the graph, with its definition, and what is added.
pub struct Place {
    /// The symbol, if it has one.
    pub symbol: Option<SymbolId>,
    /// Where it lies, if the object has it.
    pub block: Option<BlockId>,
    /// What is added to the symbol's address where it lies elsewhere.
    pub addend: u64,
    /// What is added to the block's address.
    pub offset: u64,
}

/// Names that are too long for their field.
const CUT: &[(&[u8], &[u8])] = &[(b"__debug_str_offs", b".debug_str_offsets")];

/// Reads an object's debug sections.
pub fn sections(input: &Input) -> Result<Vec<Section>, LinkError> {
    let headers = Headers::parse(input)?;
    let entries = headers.symbols.iter().enumerate().map(|(index, raw)| entry(&headers, index, raw));
    let entries: Vec<Option<Entry>> = entries.collect::<Result<_, _>>()?;
    let mut graph = LinkGraph::of(input.clone(), headers.machine.format);
    let parts = blocks::read(&headers, &entries, &mut graph)?;
    let reader = Reader::new(headers, parts, &entries, &mut graph)?;
    // A small file could otherwise have an image of any size, by naming the same bytes often.
    let mut left = input.len() as u64;
    let mut found = Vec::new();
    for section in reader.headers.sections.iter().filter(|section| section.segment() == b"__DWARF") {
        let Some(name) = name(section.name()) else { continue };
        let taken = section.size().checked_add(u64::from(section.header.nreloc.get(LE)) * 8);
        left = taken
            .and_then(|taken| left.checked_sub(taken))
            .ok_or_else(|| reader.headers.malformed(section.at, "a debug section that overlaps others"))?;
        let at = u64::from(section.header.offset.get(LE));
        let past_end = "a section that lies past the end of the file";
        let bytes: &[u8] = reader.headers.array(at, section.size(), past_end)?;
        found.push(Section { name, fields: fields(&reader, &graph, *section, bytes)?, bytes: bytes.to_vec() });
    }
    Ok(found)
}

/// What a section is called in ELF. Indices are left out, which debuggers make themselves, and Apple's own.
fn name(name: &[u8]) -> Option<Vec<u8>> {
    const LEFT_OUT: [&[u8]; 4] = [b"__debug_names", b"__debug_pub", b"__debug_gnu_pub", b"__debug_frame"];
    let rest = name.strip_prefix(b"__debug_").filter(|_| !LEFT_OUT.iter().any(|prefix| name.starts_with(prefix)))?;
    let whole = CUT.iter().find(|(cut, _)| *cut == name);
    Some(whole.map_or_else(|| [b".debug_", rest].concat(), |(_, whole)| whole.to_vec()))
}

fn fields(
    reader: &Reader<'_>,
    graph: &LinkGraph,
    section: RawSection<'_>,
    bytes: &[u8],
) -> Result<Vec<Field>, LinkError> {
    let headers = &reader.headers;
    let at = u64::from(section.header.reloff.get(LE));
    let raws: &[Relocation<LE>] =
        headers.array(at, section.header.nreloc.get(LE).into(), "relocations that lie past the end of the file")?;
    let mut fields = Vec::with_capacity(raws.len());
    let mut less = None;
    for (number, raw) in (0u64..).zip(raws) {
        let info = raw.info(LE);
        let damaged = |what| headers.malformed(at + number * size_of::<Relocation<LE>>() as u64, what);
        let (offset, size) = (info.r_address as usize, 1usize << info.r_length);
        let field = bytes.get(offset..).and_then(|bytes| bytes.get(..size));
        let field = field.ok_or_else(|| damaged("a relocation that lies outside its section"))?;
        let mut held = [0; 8];
        held[..size].copy_from_slice(field);
        let held = u64::from_le_bytes(held);
        match headers.machine.reloc(info.r_type.0, info.r_length, info.r_pcrel).map(|reloc| reloc.does) {
            Some(Does::Subtract) => less = Some(place(reader, graph, &info, 0)),
            Some(Does::Refer(_)) if info.r_type.0 == 0 => {
                fields.push(Field { offset, size, target: place(reader, graph, &info, held), less: less.take() });
            }
            _ => return Err(damaged("a relocation of debug information that is no address")),
        }
    }
    Ok(fields)
}

/// What a relocation refers to whose field holds this.
fn place(reader: &Reader<'_>, graph: &LinkGraph, info: &object::macho::RelocationInfo, held: u64) -> Place {
    let nowhere = Place { symbol: None, block: None, addend: held, offset: 0 };
    if info.r_extern {
        let symbol = reader.symbol(info.r_symbolnum);
        return match symbol.map(|symbol| graph.symbol(symbol)) {
            Some(Symbol { definition: Definition::Block(block), value, .. }) => {
                Place { symbol, block: Some(*block), offset: value.wrapping_add(held), ..nowhere }
            }
            _ => Place { symbol, ..nowhere },
        };
    }
    let part = reader.headers.section(info.r_symbolnum, 0).ok().and_then(|section| reader.parts[section].as_ref());
    match part.and_then(|part| part.find(held)) {
        Some((block, offset)) => Place { block: Some(block), offset, ..nowhere },
        None => nowhere,
    }
}
