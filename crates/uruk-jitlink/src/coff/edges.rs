//! Relocations to edges.
//!
//! Every edge is checked here once, so that fixing up needs no checks: its type is known, its field lies in its block, its
//! symbol exists.
//! Source: PE Format, "COFF Relocations (Object Only)".

use super::headers::Headers;
use super::sections::LNK_NRELOC_OVFL;
use super::symbols::{Slot, Table};
use crate::arch::NOTHING;
use crate::error::LinkError;
use crate::graph::*;
use object::LittleEndian as LE;
use object::pe::{ImageRelocation, ImageSectionHeader};

/// A count that does not fit its field.
const COUNT_OVERFLOW: u64 = 0xffff;
const PAST_END: &str = "relocations that lie past the end of the file";

/// Reads the edges of a graph whose blocks and symbols are there. `blocks` are those of the sections.
pub fn read(
    headers: &Headers<'_>,
    table: &Table<'_>,
    blocks: &[Option<BlockId>],
    graph: &mut LinkGraph,
) -> Result<(), LinkError> {
    // A small file could otherwise ask for any number of edges by naming the same bytes often.
    let mut left = headers.bytes.len() as u64;
    let (arch, first_global) = (graph.arch(), graph.first_global.0);
    let counts = headers.sections.iter().map(|section| usize::from(section.number_of_relocations.get(LE)));
    // What the headers claim is believed only as far as the file could hold it.
    let most = headers.bytes.len() / size_of::<ImageRelocation>();
    graph.edges.reserve_exact(counts.fold(0, usize::saturating_add).min(most));
    for (section, block) in headers.sections.iter().zip(blocks) {
        let Some(id) = *block else { continue };
        let relocations = relocations(headers, section)?;
        let place = u64::from(section.pointer_to_relocations.get(LE));
        left = left
            .checked_sub(size_of_val(relocations) as u64)
            .ok_or_else(|| headers.malformed(place, "relocations that overlap others"))?;
        let block = graph.block(id).clone();
        let bytes = match block.content {
            Content::Input(at) => &headers.bytes[at as usize..(at + block.size) as usize],
            Content::Made(_) | Content::Zero => &[],
        };
        let is_code = graph.section(block.section).kind == SectionKind::Code;
        let start = graph.edges.len();
        let base = section.virtual_address.get(LE);
        for (at, relocation) in (place..).step_by(size_of::<ImageRelocation>()).zip(relocations) {
            let damaged = |what| headers.malformed(at, what);
            let number = relocation.typ.get(LE).0;
            let offset = relocation.virtual_address.get(LE).checked_sub(base);
            let Some(reloc) = headers.machine.reloc(number) else {
                let place = graph.place(&block, u64::from(offset.unwrap_or(0)));
                return Err(LinkError::UnsupportedRelocation { place, kind: number.into() });
            };
            if reloc.kind == NOTHING {
                continue;
            }
            let size = arch.info(reloc.kind).field.size() as usize;
            let offset = offset.ok_or_else(|| damaged("a relocation that lies outside its section"))?;
            let field = bytes.get(offset as usize..).and_then(|bytes| bytes.get(..size));
            let field = field.ok_or_else(|| damaged("a relocation that lies outside its section"))?;
            let target = match table.slots.get(relocation.symbol_table_index.get(LE) as usize) {
                Some(Slot::Local(number)) => SymbolId(1 + number),
                Some(Slot::Global(number)) => SymbolId(first_global + number),
                _ => return Err(damaged("a relocation to a symbol that does not exist")),
            };
            let addend = (reloc.addend)(field);
            let kind = if is_code { (headers.machine.in_code)(reloc.kind, bytes, offset as usize) } else { reloc.kind };
            let (addend, wide) = match i32::try_from(addend) {
                Ok(addend) => (addend, false),
                Err(_) => {
                    graph.wide_addends.push(addend);
                    (graph.wide_addends.len() as i32 - 1, true)
                }
            };
            graph.edges.push(Edge { offset, target, addend, kind, wide });
        }
        let edges = &mut graph.edges[start..];
        if !edges.is_sorted_by_key(|edge| edge.offset) {
            edges.sort_by_key(|edge| edge.offset);
        }
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(graph.edges.len())) else {
            return Err(LinkError::TooLarge { file: graph.input.name().to_string() });
        };
        graph.blocks[id.0 as usize].edges = start..end;
    }
    Ok(())
}

/// The relocations of a section. If there are too many for their count, the first one holds it, itself counted.
fn relocations<'a>(headers: &Headers<'a>, section: &ImageSectionHeader) -> Result<&'a [ImageRelocation], LinkError> {
    let at = u64::from(section.pointer_to_relocations.get(LE));
    let count = u64::from(section.number_of_relocations.get(LE));
    let overflows = section.characteristics.get(LE).0 & LNK_NRELOC_OVFL != 0;
    if !(overflows && count == COUNT_OVERFLOW) {
        return if count == 0 { Ok(&[]) } else { headers.array(at, count, PAST_END) };
    }
    let first: &[ImageRelocation] = headers.array(at, 1, PAST_END)?;
    let count = u64::from(first[0].virtual_address.get(LE));
    let all: &[ImageRelocation] = headers.array(at, count, PAST_END)?;
    all.get(1..).ok_or_else(|| headers.malformed(at, "a count of relocations that does not count itself"))
}
