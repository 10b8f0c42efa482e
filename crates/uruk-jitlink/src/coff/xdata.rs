//! `.xdata` taken apart: a block for what each function's record refers to, so that it goes with the function.
//!
//! Compilers put the unwind information of functions that lie in sections of their own into one section all the same. Each
//! begins where a record says; what lies between its end and the next one (the handler's tables, or nothing) is kept with
//! it, which keeps rather too much. A section is left whole where all its functions live and die together, or where a
//! reference to it is not understood.
//! Source: "x64 exception handling", `UNWIND_INFO`; "ARM64 exception handling", `.xdata` records.

use crate::arch::{ABS64, IMAGE32};
use crate::edit::raw;
use crate::graph::*;
use crate::pdata;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

/// Descriptions of how to unwind begin at multiples of four bytes.
const ALIGN_LOG2: u8 = 2;

/// Takes the sections apart that are known to be shared.
pub(super) fn split(graph: &mut LinkGraph) {
    let mut shared = shared(graph);
    if shared.is_empty() {
        return;
    }
    let references = references(graph, &mut shared);
    let mut marks = insert_locals(graph, shared.values().map(|starts| starts.len() as u32).sum());
    for (id, starts) in shared {
        let split = Split::new(graph, id, starts, &mut marks);
        split.apply(graph, references.get(&id).map_or(&[], Vec::as_slice));
    }
}

/// Adds so many symbols behind the local ones.
fn insert_locals(graph: &mut LinkGraph, count: u32) -> Range<u32> {
    let first = graph.first_global;
    let symbol = Symbol {
        value: 0,
        size: 0,
        name: 0,
        definition: Definition::Undefined,
        binding: Binding::Local,
        visibility: Visibility::Default,
        kind: SymbolKind::Section,
    };
    let at = first.0 as usize;
    graph.symbols.splice(at..at, std::iter::repeat_n(symbol, count as usize));
    for edge in graph.edges.iter_mut().filter(|edge| first <= edge.target) {
        edge.target.0 += count;
    }
    graph.first_global.0 += count;
    first.0..graph.first_global.0
}

/// Where what functions' records refer to begins, in blocks that several of them share.
fn shared(graph: &LinkGraph) -> BTreeMap<BlockId, BTreeSet<u64>> {
    let mut found: HashMap<BlockId, (BTreeSet<u64>, HashSet<BlockId>)> = HashMap::new();
    for block in graph.blocks.iter().filter(|block| graph.section(block.section).kind == SectionKind::Pdata) {
        for record in pdata::records(graph, block).unwrap_or_default() {
            let (Some(function), Some((info, at))) = (pdata::function(graph, &record), info(graph, &record)) else {
                continue;
            };
            let (starts, functions) = found.entry(info).or_default();
            starts.insert(at);
            functions.insert(function);
        }
    }
    found.retain(|_, (starts, functions)| 1 < starts.len() && 1 < functions.len());
    let grouped: HashSet<BlockId> = graph.groups.iter().flat_map(|group| &group.blocks).copied().collect();
    let found = found.into_iter().filter(|(block, _)| !grouped.contains(block));
    found.map(|(block, (starts, _))| (block, starts)).collect()
}

/// Where the description lies that a record's last word leads to.
fn info(graph: &LinkGraph, record: &pdata::Record) -> Option<(BlockId, u64)> {
    let last = graph.edges[record.edges.start as usize..record.edges.end as usize].last()?;
    if last.offset as usize + size_of::<u32>() != record.range.end {
        return None;
    }
    let (block, at) = leads_to(graph, last)?;
    (at < graph.block(block).size && at.is_multiple_of(1 << ALIGN_LOG2)).then_some((block, at))
}

/// The place that an edge leads to, where it is an address.
fn leads_to(graph: &LinkGraph, edge: &Edge) -> Option<(BlockId, u64)> {
    let symbol = graph.symbol(edge.target);
    match symbol.definition {
        Definition::Block(block) if matches!(edge.kind, IMAGE32 | ABS64) => {
            Some((block, symbol.value.checked_add_signed(graph.addend(edge))?))
        }
        _ => None,
    }
}

/// The edges that lead into shared blocks. Forgets the blocks that cannot be taken apart: others may see what lies in them,
/// or something refers to them in another way, or across a start.
fn references(graph: &LinkGraph, shared: &mut BTreeMap<BlockId, BTreeSet<u64>>) -> HashMap<BlockId, Vec<(u32, u64)>> {
    for (_, symbol) in graph.globals() {
        if let Definition::Block(block) = symbol.definition {
            shared.remove(&block);
        }
    }
    let mut references: HashMap<BlockId, Vec<(u32, u64)>> = HashMap::new();
    for (index, edge) in (0..).zip(&graph.edges) {
        let Definition::Block(block) = graph.symbol(edge.target).definition else { continue };
        if !shared.contains_key(&block) {
            continue;
        }
        match leads_to(graph, edge) {
            Some((_, at)) if at <= graph.block(block).size => references.entry(block).or_default().push((index, at)),
            _ => drop(shared.remove(&block)),
        }
    }
    shared.retain(|id, starts| {
        let block = graph.block(*id);
        let cuts = |edge: &Edge| {
            let (start, end) =
                (u64::from(edge.offset), u64::from(edge.offset) + graph.arch().info(edge.kind).field.size());
            starts.range(start + 1..end).next().is_some()
        };
        !graph.edges(block).iter().any(cuts)
    });
    references
}

/// A block about to be taken apart.
struct Split {
    /// Where the parts begin.
    starts: Vec<u64>,
    blocks: Vec<BlockId>,
    /// A symbol at each part's start.
    marks: Vec<SymbolId>,
}

impl Split {
    /// The first part is the block itself, with what lies before the first description; the others are new.
    fn new(graph: &mut LinkGraph, id: BlockId, starts: BTreeSet<u64>, marks: &mut Range<u32>) -> Split {
        let starts: Vec<u64> = [0].into_iter().chain(starts.into_iter().skip(1)).collect();
        let whole = graph.block(id).clone();
        let mut edges = whole.edges.start;
        let mut split = Split { blocks: Vec::new(), marks: Vec::new(), starts };
        for (number, start) in split.starts.iter().copied().enumerate() {
            let end = split.starts.get(number + 1).copied().unwrap_or(whole.size);
            let part = Block {
                content: match whole.content {
                    Content::Input(at) => Content::Input(at + start),
                    Content::Made(at) => Content::Made(at + start),
                    Content::Zero => Content::Zero,
                },
                size: end - start,
                edges: rebase(graph, &mut edges, whole.edges.end, start..end),
                align_log2: if number == 0 { whole.align_log2 } else { ALIGN_LOG2 },
                ..whole.clone()
            };
            let block = match number {
                0 => id,
                _ => BlockId(graph.blocks.len() as u32),
            };
            match number {
                0 => graph.blocks[id.0 as usize] = part,
                _ => graph.blocks.push(part),
            }
            split.blocks.push(block);
            split.marks.extend(marks.next().map(SymbolId));
        }
        graph.scattered = true;
        split
    }

    /// The part that a place lies in, and where there.
    fn find(&self, at: u64) -> (usize, u64) {
        let part = self.starts.partition_point(|start| *start <= at) - 1;
        (part, at - self.starts[part])
    }

    /// Moves symbols and references, given by edge and the place that it leads to, to the parts.
    fn apply(self, graph: &mut LinkGraph, references: &[(u32, u64)]) {
        let whole = Definition::Block(self.blocks[0]);
        for index in 0..graph.symbols.len() {
            if graph.symbols[index].definition == whole {
                let (part, value) = self.find(graph.symbols[index].value);
                graph.symbols[index].value = value;
                graph.symbols[index].definition = Definition::Block(self.blocks[part]);
            }
        }
        for (mark, block) in self.marks.iter().zip(&self.blocks) {
            graph.symbols[mark.0 as usize].definition = Definition::Block(*block);
        }
        for (edge, at) in references {
            let (part, offset) = self.find(*at);
            let Edge { offset: place, kind, .. } = graph.edges[*edge as usize];
            graph.edges[*edge as usize] = raw::edge(graph, place as usize, self.marks[part], kind, offset as i64);
        }
    }
}

/// The edges of a part, whose offsets count from its start from now on.
fn rebase(graph: &mut LinkGraph, next: &mut u32, end: u32, part: Range<u64>) -> Range<u32> {
    let first = *next;
    while let Some(edge) = graph.edges[..end as usize].get_mut(*next as usize)
        && u64::from(edge.offset) < part.end
    {
        edge.offset -= part.start as u32;
        *next += 1;
    }
    first..*next
}
