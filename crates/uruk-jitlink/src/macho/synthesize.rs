//! Records of `__eh_frame` for functions that have compact ones only, which no unwinder but Darwin's reads.
//!
//! Data flow: `__compact_unwind` and its relocations → entries (function, encoding, personality, language-specific data) →
//! for those without a record of the other kind a description, and an entry for each personality, in a block of their own.
//! An encoding that says to look into `__eh_frame`, or nothing, makes none.
//! Sources: `mach-o/compact_unwind_encoding.h` of Apple's libunwind; LSB 5.0, "Exception Frames".

use super::compact::{Frame, Unwind};
use super::read::Reader;
use crate::arch::{GOTPCREL, PC64};
use crate::edit::raw;
use crate::ehframe;
use crate::error::LinkError;
use crate::graph::*;
use object::LittleEndian as LE;
use object::macho::Relocation;
use std::collections::HashSet;

/// Bytes of a compact record: function, length, encoding, personality, language-specific data.
const RECORD: u64 = 32;
const LENGTH_AT: usize = 8;
const ENCODING_AT: usize = 12;
const PERSONALITY_AT: u64 = 16;
const DATA_AT: u64 = 24;
/// An address in a record has eight bytes.
const ADDRESS_LOG2: u8 = 3;

/// A place in the object.
type Place = (BlockId, u64);

/// A compact record.
#[derive(Clone, Copy, Default)]
struct Compact {
    function: Option<Place>,
    length: u32,
    encoding: u32,
    personality: Option<SymbolId>,
    data: Option<Place>,
}

/// Adds records for functions that have none in the graph's `__eh_frame`.
pub(super) fn add_missing(reader: &Reader<'_>, graph: &mut LinkGraph) -> Result<(), LinkError> {
    let mut compact = Vec::new();
    for index in 0..reader.headers.sections.len() {
        let section = reader.headers.sections[index];
        if section.segment() == b"__LD" && section.name() == b"__compact_unwind" {
            read(reader, graph, index, &mut compact)?;
        }
    }
    if compact.is_empty() {
        return Ok(());
    }
    let described = described(graph);
    let unwind = reader.headers.machine.unwind;
    let mut records = Records { unwind, bytes: Vec::new(), edges: Vec::new(), entries: Vec::new() };
    for record in &compact {
        let Some(function) = record.function.filter(|function| !described.contains(function)) else { continue };
        let code = graph.content(graph.block(function.0)).get(function.1 as usize..).unwrap_or_default();
        if let Some(frame) = (unwind.frame)(record.encoding, code) {
            records.add(reader, graph, function, record, &frame);
        }
    }
    records.enter(graph);
    Ok(())
}

/// The records of a section.
fn read(reader: &Reader<'_>, graph: &LinkGraph, index: usize, compact: &mut Vec<Compact>) -> Result<(), LinkError> {
    let headers = &reader.headers;
    let section = headers.sections[index];
    let (start, size) = (section.header.offset.get(LE), section.size());
    let bytes: &[u8] = headers.array(start.into(), size, "a section that lies past the end of the file")?;
    let first = compact.len();
    compact.extend(bytes.chunks_exact(RECORD as usize).map(|record| {
        let word = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        Compact { length: word(LENGTH_AT), encoding: word(ENCODING_AT), ..Compact::default() }
    }));
    let (at, count) = (section.header.reloff.get(LE), section.header.nreloc.get(LE));
    let raws: &[Relocation<LE>] =
        headers.array(at.into(), count.into(), "relocations that lie past the end of the file")?;
    for (number, raw) in (0u64..).zip(raws) {
        let info = raw.info(LE);
        let damaged = |what| headers.malformed(u64::from(at) + number * size_of::<Relocation<LE>>() as u64, what);
        let offset = u64::from(info.r_address);
        let field = bytes.get(offset as usize..offset as usize + 8);
        let record = compact.get_mut(first + (offset / RECORD) as usize);
        let (Some(field), Some(record)) = (field, record) else {
            return Err(damaged("a relocation that lies outside its section"));
        };
        if (info.r_type.0, info.r_length, info.r_pcrel) != (0, ADDRESS_LOG2, false) {
            return Err(damaged("a relocation of an unwind record that is no address"));
        }
        let held = u64::from_le_bytes(field.try_into().unwrap_or_default());
        let symbol = reader.symbol(info.r_symbolnum).filter(|_| info.r_extern);
        let section = headers.section(info.r_symbolnum, 0).ok().filter(|_| !info.r_extern);
        let place = match (symbol, section) {
            (Some(symbol), _) => match graph.symbol(symbol) {
                Symbol { definition: Definition::Block(block), value, .. } => Some((*block, value.wrapping_add(held))),
                _ => None,
            },
            (_, Some(section)) => reader.parts[section].as_ref().and_then(|part| part.find(held)),
            _ => return Err(damaged("a relocation to a symbol that does not exist")),
        };
        match offset % RECORD {
            0 => record.function = place,
            PERSONALITY_AT => {
                let own = place.filter(|(_, offset)| *offset == 0).map(|(block, _)| reader.starts[block.0 as usize]);
                record.personality = symbol.or(own);
            }
            DATA_AT => record.data = place,
            _ => return Err(damaged("a relocation of an unwind record that is no address")),
        }
    }
    Ok(())
}

/// The functions that have records in `__eh_frame`.
fn described(graph: &LinkGraph) -> HashSet<Place> {
    let mut found = HashSet::new();
    for block in &graph.blocks {
        if graph.section(block.section).kind != SectionKind::EhFrame {
            continue;
        }
        let Ok(records) = ehframe::records(graph.content(block)) else { continue };
        for (record, edges) in ehframe::split_edges(&records, graph.edges(block)) {
            let edge = edges.iter().find(|edge| record.entry.is_some() && edge.offset as usize == record.id + 4);
            if let Some(edge) = edge
                && let Symbol { definition: Definition::Block(block), value, .. } = graph.symbol(edge.target)
            {
                found.insert((*block, value.wrapping_add_signed(graph.addend(edge))));
            }
        }
    }
    found
}

/// Records being made.
struct Records {
    unwind: &'static Unwind,
    bytes: Vec<u8>,
    edges: Vec<Edge>,
    /// Where the entry for each personality begins.
    entries: Vec<(Option<SymbolId>, usize)>,
}

impl Records {
    fn add(&mut self, reader: &Reader<'_>, graph: &mut LinkGraph, function: Place, record: &Compact, frame: &Frame) {
        let entry = self.entry(graph, record.personality);
        let start = self.begin();
        let distance = (self.bytes.len() - entry) as u32;
        self.bytes.extend(distance.to_le_bytes());
        self.point(reader, graph, Some(function));
        self.bytes.extend(u64::from(record.length).to_le_bytes());
        self.bytes.push(8);
        self.point(reader, graph, record.data);
        self.bytes.extend(frame.instructions());
        self.end(start);
    }

    /// The entry for a personality. Its pointers are distances in eight bytes, but for that to the personality's slot.
    fn entry(&mut self, graph: &mut LinkGraph, personality: Option<SymbolId>) -> usize {
        if let Some((_, start)) = self.entries.iter().find(|(known, _)| *known == personality) {
            return *start;
        }
        let start = self.begin();
        self.bytes.extend([0, 0, 0, 0, 1]);
        self.bytes.extend_from_slice(if personality.is_some() { b"zPLR\0" } else { b"zLR\0" });
        // Advances count bytes, offsets words downwards.
        self.bytes.extend([1, 0x78, self.unwind.return_register]);
        match personality {
            Some(personality) => {
                self.bytes.extend([7, 0x9b]);
                self.refer(graph, personality, GOTPCREL, 0);
                self.bytes.extend([0; 4]);
            }
            None => self.bytes.push(2),
        }
        self.bytes.extend([0x10, 0x10]);
        self.bytes.extend(self.unwind.entry);
        self.end(start);
        self.entries.push((personality, start));
        start
    }

    /// Appends the distance to a place, or 0.
    fn point(&mut self, reader: &Reader<'_>, graph: &mut LinkGraph, place: Option<Place>) {
        if let Some((block, offset)) = place {
            self.refer(graph, reader.starts[block.0 as usize], PC64, offset as i64);
        }
        self.bytes.extend([0; 8]);
    }

    fn refer(&mut self, graph: &mut LinkGraph, target: SymbolId, kind: EdgeKind, addend: i64) {
        let edge = raw::edge(graph, self.bytes.len(), target, kind, addend);
        self.edges.push(edge);
    }

    fn begin(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        start
    }

    /// Fills up with instructions that do nothing, and enters the length.
    fn end(&mut self, start: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let length = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Gives the graph a block of the records. It is not aligned: zero bytes before it would end the records.
    fn enter(self, graph: &mut LinkGraph) {
        if self.bytes.is_empty() {
            return;
        }
        let section = SectionId(graph.sections.len() as u32);
        graph.sections.push(Section { name: 0..0, kind: SectionKind::EhFrame, large: false, retain: false });
        let id = BlockId(graph.blocks.len() as u32);
        let (content, edges) = (Content::Made(0), 0..0);
        graph.blocks.push(Block { content, size: 0, address: 0, edges, section, align_log2: 0, live: true });
        raw::give(graph, id, &self.bytes, self.edges);
    }
}
