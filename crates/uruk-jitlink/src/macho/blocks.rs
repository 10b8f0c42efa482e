//! Sections to blocks: what each section is taken apart into, and which block an address of the object lies in.
//!
//! Where the object allows it (`MH_SUBSECTIONS_VIA_SYMBOLS`), each symbol begins something that is kept or dropped by
//! itself, but for alternative entries and the labels of assemblers. Literals are taken apart by what they are.
//! Invariant: the blocks of a section follow each other and cover it.

use super::headers::{Headers, RawSection};
use super::sections::{Split, Use, classify};
use super::symbols::{Entry, Place};
use crate::error::LinkError;
use crate::graph::*;
use object::LittleEndian as LE;
use std::ops::Range;

/// Alignments above this are damage, not wishes.
const MAX_ALIGN_LOG2: u32 = 32;
/// The words of descriptors of thread-local variables are read at once.
const DESCRIPTOR_ALIGN_LOG2: u8 = 3;

/// A section that has been taken apart.
pub struct Part {
    /// Its address in the object.
    pub address: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its use.
    pub section: Use,
    /// Its first block.
    first: u32,
    /// Where each block begins, as an offset in the section; the first at 0.
    starts: Vec<u64>,
}

impl Part {
    /// The number of the last block that begins at an offset or before.
    pub fn position(&self, offset: u64) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// The same, to be found at once if it is `hint` or the one before: relocations mostly follow each other backwards.
    pub fn position_near(&self, offset: u64, hint: usize) -> usize {
        let begins = |position: usize| self.starts.get(position).is_some_and(|start| *start <= offset);
        let near =
            [hint, hint.saturating_sub(1)].into_iter().find(|position| begins(*position) && !begins(position + 1));
        near.unwrap_or_else(|| self.position(offset))
    }

    /// The block of a number, with the offset in the section that it begins at.
    pub fn block(&self, position: usize) -> (BlockId, u64) {
        (BlockId(self.first + position as u32), self.starts[position])
    }

    /// The block that an address of the object lies in, and the offset there; the last one for its end.
    pub fn find(&self, address: u64) -> Option<(BlockId, u64)> {
        let offset = address.checked_sub(self.address).filter(|offset| *offset <= self.size)?;
        let (block, start) = self.block(self.position(offset));
        Some((block, offset - start))
    }
}

/// The loaded sections, by index.
pub type Parts = Vec<Option<Part>>;

/// Takes all sections apart.
pub fn read(headers: &Headers<'_>, symbols: &[Option<Entry>], graph: &mut LinkGraph) -> Result<Parts, LinkError> {
    let mut cuts = cuts(headers, symbols)?;
    let mut left = headers.bytes.len() as u64;
    let mut parts = Vec::with_capacity(headers.sections.len());
    for (section, cuts) in headers.sections.iter().zip(&mut cuts) {
        let part = match classify(headers, *section)? {
            Some(section_use) => Some(take_apart(headers, *section, section_use, cuts, &mut left, graph)?),
            None => None,
        };
        parts.push(part);
    }
    Ok(parts)
}

/// A symbol in a section: its offset there, whether something begins at it, and whether that is kept.
#[derive(Clone, Copy)]
struct Cut {
    offset: u64,
    begins: bool,
    retain: bool,
}

/// The symbols of each section.
fn cuts(headers: &Headers<'_>, symbols: &[Option<Entry>]) -> Result<Vec<Vec<Cut>>, LinkError> {
    let mut cuts = vec![Vec::new(); headers.sections.len()];
    for (index, (raw, symbol)) in headers.symbols.iter().zip(symbols).enumerate() {
        let Some(symbol) = symbol else { continue };
        let Place::Section(section) = symbol.place else { continue };
        let header = headers.sections[section];
        let offset = raw.n_value.get(LE).checked_sub(header.address());
        let Some(offset) = offset.filter(|offset| *offset <= header.size()) else {
            return Err(headers.malformed(headers.symbol_at(index), "a symbol that lies outside its section"));
        };
        let label = !symbol.external && headers.symbol_name(raw)?.starts_with(b"L");
        cuts[section].push(Cut { offset, begins: !symbol.alternative && !label, retain: symbol.retain });
    }
    Ok(cuts)
}

fn take_apart(
    headers: &Headers<'_>,
    section: RawSection<'_>,
    section_use: Use,
    cuts: &mut [Cut],
    left: &mut u64,
    graph: &mut LinkGraph,
) -> Result<Part, LinkError> {
    let (address, size) = (section.address(), section.size());
    let align = section.header.align.get(LE);
    if MAX_ALIGN_LOG2 < align || address.checked_add(size).is_none() {
        return Err(headers.malformed(section.at, "a section of an address or alignment that makes no sense"));
    }
    let content = content(headers, section, section_use)?;
    // A small file could otherwise ask for any amount of memory by naming the same bytes often.
    *left = left
        .checked_sub(content.as_ref().map_or(0, |range| range.len() as u64))
        .ok_or_else(|| headers.malformed(section.at, "a section that overlaps others"))?;
    cuts.sort_unstable_by_key(|cut| cut.offset);
    let bytes = content.clone().map_or(&[][..], |range| &headers.bytes[range]);
    let starts = starts(section_use.split, headers.subsections, bytes, size, cuts);
    let part = Part { address, size, section: section_use, first: graph.blocks.len() as u32, starts };
    let mut retained = vec![false; part.starts.len()];
    for cut in cuts.iter().filter(|cut| cut.retain) {
        retained[part.position(cut.offset)] = true;
    }
    let id = add_section(headers, graph, section, section_use)?;
    let mut kept = id;
    if !section_use.retain && retained.contains(&true) {
        // What is kept stands in a section of its own of the same name.
        kept = add_section(headers, graph, section, Use { retain: true, ..section_use })?;
        graph.scattered = true;
    }
    let ends = part.starts[1..].iter().copied().chain([size]);
    for ((start, end), retain) in part.starts.iter().copied().zip(ends).zip(retained) {
        let id = if retain { kept } else { id };
        let align = if start == 0 { align } else { align.min(start.trailing_zeros()) };
        let least = if section_use.thread_variables { DESCRIPTOR_ALIGN_LOG2 } else { 0 };
        graph.blocks.push(Block {
            content: content.as_ref().map_or(Content::Zero, |range| Content::Input(range.start as u64 + start)),
            size: end - start,
            address: 0,
            edges: 0..0,
            section: id,
            align_log2: (align as u8).max(least),
            live: true,
        });
    }
    Ok(part)
}

/// The bytes of a section, as a range of the file, unless it has none.
fn content(
    headers: &Headers<'_>,
    section: RawSection<'_>,
    section_use: Use,
) -> Result<Option<Range<usize>>, LinkError> {
    if section_use.kind.is_zero_fill() {
        return Ok(None);
    }
    let start = u64::from(section.header.offset.get(LE));
    let end = start.checked_add(section.size()).filter(|end| *end <= headers.bytes.len() as u64);
    let range = end.map(|end| start as usize..end as usize);
    range.map(Some).ok_or_else(|| headers.malformed(section.at, "a section that lies past the end of the file"))
}

/// Where the blocks of a section begin, in order, the first at 0.
fn starts(split: Split, subsections: bool, bytes: &[u8], size: u64, cuts: &[Cut]) -> Vec<u64> {
    let mut starts = vec![0];
    match split {
        Split::Symbols if subsections => {
            starts.extend(cuts.iter().filter(|cut| cut.begins && cut.offset != 0).map(|cut| cut.offset));
            starts.dedup();
        }
        // A run of zero bytes is one end: empty strings belong to the one before.
        Split::Strings => {
            let ends = bytes.windows(2).enumerate().filter(|(_, pair)| pair[0] == 0 && pair[1] != 0);
            starts.extend(ends.map(|(at, _)| at as u64 + 1));
        }
        Split::Pieces(piece) => starts.extend((1..size.div_ceil(piece)).map(|number| number * piece)),
        Split::Whole | Split::Symbols => {}
    }
    starts
}

fn add_section(
    headers: &Headers<'_>,
    graph: &mut LinkGraph,
    section: RawSection<'_>,
    section_use: Use,
) -> Result<SectionId, LinkError> {
    // The first byte is 0, as in the string tables of objects.
    if graph.added_names.is_empty() {
        graph.added_names.push(0);
    }
    let place = |graph: &LinkGraph| u32::try_from(headers.bytes.len() + graph.added_names.len());
    let too_large = |_| LinkError::TooLarge { file: headers.input.name().to_string() };
    let start = place(graph).map_err(too_large)?;
    graph.added_names.extend(section.full_name());
    let name = start..place(graph).map_err(too_large)?;
    graph.added_names.push(0);
    let id = SectionId(graph.sections.len() as u32);
    graph.sections.push(Section { name, kind: section_use.kind, large: false, retain: section_use.retain });
    Ok(id)
}
