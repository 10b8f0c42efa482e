//! Exception tables that refer to far symbols: personality routines and type descriptions, 32 bits wide in code
//! that is not position-independent.
//!
//! Both kinds of pointer carry an encoding, so each becomes an indirect one: the distance to a slot that holds the
//! 64-bit address. The fields keep their size. A type table has one encoding, so all of its entries get slots; an
//! entry of 0, which stands for "any type" and has no edge, stays 0. A pointer to an object's own tables, absolute
//! where code was meant to lie low, becomes a distance.
//! Sources: LSB 5.0 "Exception Frames"; Itanium C++ ABI, exception handling tables.

use super::edit::{self, Edits};
use super::frames::Frames;
use super::is_far;
use crate::ehframe::entry::{Reader, pointer_size};
use crate::graph::*;
use crate::resolve::Targets;
use crate::x86_64::{ABS32, ABS32S, ABS64, PC32};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// `DW_EH_PE_pcrel | DW_EH_PE_sdata4`
const RELATIVE: u8 = 0x1b;
/// `DW_EH_PE_indirect | DW_EH_PE_pcrel | DW_EH_PE_sdata4`
const INDIRECT: u8 = 0x9b;
const OMIT: u8 = 0xff;

/// Gives far personalities and types their slots.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>, frames: &Frames) {
    let mut slots = Slots::default();
    let mut edits: BTreeMap<BlockId, Edits> = BTreeMap::new();
    for entry in &frames.entries {
        if let Some(at) = entry.personality {
            let fields = at + 1..at + 2;
            slots.redirect(graph, targets, span, entry.block, at, fields, edits.entry(entry.block).or_default());
        }
    }
    make_relative(graph, targets, span, frames, &mut edits);
    let lsda = frames.frames.iter().filter_map(|frame| frame.lsda);
    let mut tables: Vec<(BlockId, u64)> = lsda.map(|(_, block, at)| (block, at)).collect();
    tables.sort_unstable();
    tables.dedup();
    for (number, &(block, at)) in tables.iter().enumerate() {
        let bytes = graph.content(graph.block(block));
        if let Some((encoding, mut fields)) = usize::try_from(at).ok().and_then(|at| types(bytes, at)) {
            // A table ends before the next one; a lying one would otherwise take its fields too.
            if let Some((_, next)) = tables.get(number + 1).filter(|(next, _)| *next == block) {
                fields.end = fields.end.min(*next as usize).max(fields.start);
            }
            slots.redirect(graph, targets, span, block, encoding, fields, edits.entry(block).or_default());
        }
    }
    for (block, edits) in edits {
        if !edits.edges.is_empty() {
            edits.apply(graph, block);
        }
    }
    slots.add_to(graph);
}

/// Makes distances of the descriptions' pointers to language-specific data, for entries where one is out of reach.
fn make_relative(
    graph: &LinkGraph,
    targets: &Targets,
    span: &Range<u64>,
    frames: &Frames,
    edits: &mut BTreeMap<BlockId, Edits>,
) {
    let fields = frames.frames.iter().filter_map(|frame| {
        let (block, at) = (frames.entries[frame.entry].block, frame.lsda?.0);
        let edges = graph.edges(graph.block(block));
        let edge = edges.get(edges.partition_point(|edge| (edge.offset as usize) < at))?;
        let encoding = graph.content(graph.block(block))[frames.entries[frame.entry].lsda?];
        (is_direct(encoding) && is_word(edge)).then_some((frame.entry, *edge))
    });
    let fields: Vec<(usize, Edge)> = fields.collect();
    let mut far: Vec<usize> =
        fields.iter().filter(|(_, edge)| is_far(graph, targets, span, edge)).map(|(entry, _)| *entry).collect();
    far.sort_unstable();
    far.dedup();
    for entry in &far {
        let entry = &frames.entries[*entry];
        if let Some(encoding) = entry.lsda {
            edits.entry(entry.block).or_default().bytes.push((encoding, vec![RELATIVE]));
        }
    }
    for (entry, edge) in fields {
        if far.binary_search(&entry).is_ok() {
            let edits = edits.entry(frames.entries[entry].block).or_default();
            edits.bytes.push((edge.offset as usize, vec![0; 4]));
            edits.edges.push(Edge { kind: PC32, ..edge });
        }
    }
}

/// Whether an encoding is absolute or PC-relative, of four bytes, and not indirect.
fn is_direct(encoding: u8) -> bool {
    matches!(encoding, 0x03 | 0x0b | 0x13 | 0x1b)
}

/// Whether an edge fills a field of four bytes with an address or a distance.
fn is_word(edge: &Edge) -> bool {
    matches!(edge.kind, ABS32 | ABS32S | PC32)
}

/// Offsets of a type table's encoding and of where its fields may lie.
fn types(bytes: &[u8], at: usize) -> Option<(usize, Range<usize>)> {
    let mut reader = Reader { bytes, at };
    let start = reader.byte()?;
    if start != OMIT {
        reader.number(pointer_size(start)?)?;
    }
    let encoding = reader.at;
    if reader.byte()? == OMIT {
        return None;
    }
    let distance = usize::try_from(reader.unsigned()?).ok()?;
    let end = reader.at.checked_add(distance).filter(|end| *end <= bytes.len())?;
    Some((encoding, reader.at..end))
}

/// Words with addresses, one for each symbol and addend.
#[derive(Default)]
struct Slots {
    numbers: HashMap<(SymbolId, i64), usize>,
    symbols: Vec<SymbolId>,
    edges: Vec<Edge>,
}

impl Slots {
    /// Makes all pointers in `fields`, which have the encoding at `encoding`, indirect, if one of them is far.
    #[allow(clippy::too_many_arguments)]
    fn redirect(
        &mut self,
        graph: &mut LinkGraph,
        targets: &Targets,
        span: &Range<u64>,
        block: BlockId,
        encoding: usize,
        fields: Range<usize>,
        edits: &mut Edits,
    ) {
        let edges = graph.edges(graph.block(block));
        let first = edges.partition_point(|edge| (edge.offset as usize) < fields.start);
        let after = edges.partition_point(|edge| (edge.offset as usize) < fields.end);
        let edges = edges[first..after].to_vec();
        let direct = graph.content(graph.block(block))[encoding];
        if !is_direct(direct)
            || !edges.iter().all(is_word)
            || !edges.iter().any(|edge| is_far(graph, targets, span, edge))
        {
            return;
        }
        edits.bytes.push((encoding, vec![INDIRECT]));
        for edge in edges {
            let at = edge.offset as usize;
            let slot = self.slot(graph, edge.target, graph.addend(&edge));
            edits.bytes.push((at, vec![0; 4]));
            edits.edges.push(Edge { offset: edge.offset, target: slot, addend: 0, kind: PC32, wide: false });
        }
    }

    fn slot(&mut self, graph: &mut LinkGraph, target: SymbolId, addend: i64) -> SymbolId {
        let next = self.symbols.len();
        let number = *self.numbers.entry((target, addend)).or_insert(next);
        if number == next {
            // Its block follows once all are known.
            self.symbols.push(edit::add_symbol(graph, BlockId(0), 8 * next as u64));
            let edge = edit::edge(graph, 8 * next, target, ABS64, addend);
            self.edges.push(edge);
        }
        self.symbols[number]
    }

    fn add_to(self, graph: &mut LinkGraph) {
        if self.edges.is_empty() {
            return;
        }
        let bytes = vec![0; 8 * self.edges.len()];
        let block = edit::add_block(graph, SectionKind::ReadOnly, 3, &bytes, self.edges);
        for symbol in self.symbols {
            graph.symbols[symbol.0 as usize].definition = Definition::Block(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::types;

    #[test]
    fn type_tables_are_found() {
        assert_eq!(types(&[0xff, 0x03, 5, 1, 0, 0, 0, 0, 0], 0), Some((1, 3..8)));
        assert_eq!(types(&[0x1b, 0, 0, 0, 0, 0x9b, 1, 0], 0), Some((5, 7..8)));
        assert_eq!(types(&[0xff, 0xff, 1], 0), None); // without types
        assert_eq!(types(&[0xff, 0x03, 9, 0], 0), None); // ends too late
        assert_eq!(types(&[0xff], 0), None);
    }
}
