//! Unwind records: what `__eh_frame` refers to without relocations.
//!
//! Assemblers write the distances from descriptions to their functions and language-specific data as numbers, since the
//! object has both; here they become edges, as these may go or move apart. What is not known from there is known from
//! compact records ([`synthesize`]).
//! Source: LSB 5.0, "Exception Frames".

use super::read::Reader;
use super::synthesize;
use crate::arch::{PC32, PC64};
use crate::edit::raw;
use crate::ehframe::entry::{CommonEntry, Reader as Bytes, pointer_size};
use crate::ehframe::{self, Record};
use crate::error::LinkError;
use crate::graph::*;

/// A pointer that is relative to itself, its other bits aside.
const RELATIVE: u8 = 0x10;
const APPLICATION: u8 = 0x70;
/// A pointer to a pointer.
const INDIRECT: u8 = 0x80;

/// Completes the unwind records of a graph whose other edges are there.
pub(super) fn read(reader: &Reader<'_>, graph: &mut LinkGraph) -> Result<(), LinkError> {
    let places = Places::new(reader);
    for (part, section) in reader.parts.iter().zip(&reader.headers.sections) {
        if let Some(part) = part
            && part.section.kind == SectionKind::EhFrame
        {
            let (id, _) = part.block(0);
            let frames = Frames { reader, places: &places, address: part.address, id };
            frames.complete(graph).map_err(|at| LinkError::Malformed {
                file: reader.headers.input.name().to_string(),
                offset: u64::from(section.header.offset.get(object::LittleEndian)) + at as u64,
                what: "an unwind record that makes no sense",
            })?;
        }
    }
    synthesize::add_missing(reader, graph)
}

/// The loaded sections that have bytes, by address.
struct Places {
    sections: Vec<(u64, usize)>,
}

impl Places {
    fn new(reader: &Reader<'_>) -> Places {
        let parts = reader.parts.iter().enumerate();
        let parts = parts.filter_map(|(index, part)| Some((index, part.as_ref()?)));
        let mut sections: Vec<_> =
            parts.filter(|(_, part)| part.size != 0).map(|(index, part)| (part.address, index)).collect();
        sections.sort_unstable();
        Places { sections }
    }

    /// The mark of the block that an address lies in, and the distance from there.
    fn find(&self, reader: &Reader<'_>, address: u64) -> Option<(SymbolId, u64)> {
        let after = self.sections.partition_point(|(start, _)| *start <= address);
        let (_, index) = self.sections[..after].last()?;
        let (block, offset) = reader.parts[*index].as_ref()?.find(address)?;
        Some((reader.starts[block.0 as usize], offset))
    }
}

/// A block of unwind records.
struct Frames<'a, 'b> {
    reader: &'a Reader<'b>,
    places: &'a Places,
    /// Its address in the object.
    address: u64,
    id: BlockId,
}

impl Frames<'_, '_> {
    /// Adds the edges that have no relocations. Errors with the offset of a record that makes no sense.
    fn complete(&self, graph: &mut LinkGraph) -> Result<(), usize> {
        let bytes = graph.content(graph.block(self.id)).to_vec();
        let records = ehframe::records(&bytes)?;
        let mut entries: Vec<(usize, CommonEntry)> = Vec::new();
        let mut added = Vec::new();
        for record in &records {
            let at = record.range.start;
            let own = &bytes[..record.range.end];
            match record.entry {
                None => {
                    let entry = CommonEntry::read(own, record.id + 4).ok_or(at)?;
                    if let Some((place, encoding)) = entry.personality {
                        self.add(graph, own, place + 1, encoding, &mut added).ok_or(at)?;
                    }
                    entries.push((at, entry));
                }
                Some(entry) => {
                    let entry = entries.binary_search_by_key(&entry, |(start, _)| *start).map_err(|_| at)?;
                    self.add_description(graph, own, record, &entries[entry].1, &mut added).ok_or(at)?;
                }
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        let mut edges = graph.edges(graph.block(self.id)).to_vec();
        edges.extend(added);
        edges.sort_by_key(|edge| edge.offset);
        let start = graph.edges.len() as u32;
        graph.edges.extend(edges);
        graph.blocks[self.id.0 as usize].edges = start..graph.edges.len() as u32;
        Ok(())
    }

    fn add_description(
        &self,
        graph: &mut LinkGraph,
        bytes: &[u8],
        record: &Record,
        entry: &CommonEntry,
        added: &mut Vec<Edge>,
    ) -> Option<()> {
        let start = record.id + 4;
        self.add(graph, bytes, start, entry.code_encoding, added)?;
        let Some((_, encoding)) = entry.lsda.filter(|_| entry.has_length) else { return Some(()) };
        let mut reader = Bytes { bytes, at: start + 2 * pointer_size(entry.code_encoding)? };
        reader.unsigned()?;
        let at = reader.at;
        let is_null = reader.number(pointer_size(encoding)?)? == 0;
        if is_null && !has_edge(graph, self.id, at) {
            return Some(());
        }
        self.add(graph, bytes, at, encoding, added)
    }

    /// Adds the edge of a pointer, unless a relocation has made one.
    fn add(&self, graph: &mut LinkGraph, bytes: &[u8], at: usize, encoding: u8, added: &mut Vec<Edge>) -> Option<()> {
        let size = pointer_size(encoding)?;
        let field = Bytes { bytes, at }.number(size)?;
        if has_edge(graph, self.id, at) {
            return Some(());
        }
        let kind = match size {
            8 => PC64,
            4 => PC32,
            _ => return None,
        };
        if encoding & APPLICATION != RELATIVE || encoding & INDIRECT != 0 {
            return None;
        }
        let unused = 64 - 8 * size as u32;
        let distance = (field << unused) as i64 >> unused;
        let address = self.address.checked_add(at as u64)?.checked_add_signed(distance)?;
        let (target, offset) = self.places.find(self.reader, address)?;
        added.push(raw::edge(graph, at, target, kind, offset as i64));
        Some(())
    }
}

/// Whether an edge begins at an offset of a block.
fn has_edge(graph: &LinkGraph, block: BlockId, at: usize) -> bool {
    graph.edges(graph.block(block)).binary_search_by_key(&at, |edge| edge.offset as usize).is_ok()
}
