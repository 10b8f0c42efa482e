//! Changes to a graph after it has been read: blocks with other bytes and edges, and blocks that the linker makes.

use crate::graph::*;
use std::ops::Range;

/// Changes to one block, gathered and then applied at once.
#[derive(Default)]
pub struct Edits {
    /// New bytes and their offsets; all edges whose fields begin among them go.
    pub bytes: Vec<(usize, Vec<u8>)>,
    /// New edges.
    pub edges: Vec<Edge>,
}

impl Edits {
    /// Gives the block its new content and edges.
    pub fn apply(self, graph: &mut LinkGraph, id: BlockId) {
        let mut bytes = graph.content(graph.block(id)).to_vec();
        let mut replaced: Vec<Range<usize>> = Vec::with_capacity(self.bytes.len());
        for (at, new) in &self.bytes {
            bytes[*at..*at + new.len()].copy_from_slice(new);
            replaced.push(*at..*at + new.len());
        }
        replaced.sort_unstable_by_key(|range| range.start);
        let gone = |edge: &Edge| {
            let at = edge.offset as usize;
            let before = replaced.partition_point(|range| range.start <= at);
            replaced[..before].last().is_some_and(|range| range.contains(&at))
        };
        let mut edges: Vec<Edge> = graph.edges(graph.block(id)).iter().filter(|edge| !gone(edge)).copied().collect();
        edges.extend(self.edges);
        edges.sort_by_key(|edge| edge.offset);
        give(graph, id, &bytes, edges);
    }
}

/// Adds a block in a nameless section of its own.
pub fn add_block(graph: &mut LinkGraph, kind: SectionKind, align_log2: u8, bytes: &[u8], edges: Vec<Edge>) -> BlockId {
    let section = SectionId(graph.sections.len() as u32);
    graph.sections.push(Section { name: 0..0, kind, large: false, retain: false });
    let id = BlockId(graph.blocks.len() as u32);
    let content = Content::Made(0);
    graph.blocks.push(Block { content, size: 0, address: 0, edges: 0..0, section, align_log2, live: true });
    give(graph, id, bytes, edges);
    id
}

/// Adds a local symbol without a name.
pub fn add_symbol(graph: &mut LinkGraph, block: BlockId, value: u64) -> SymbolId {
    let id = SymbolId(graph.symbols.len() as u32);
    graph.symbols.push(Symbol {
        value,
        size: 0,
        name: 0,
        definition: Definition::Block(block),
        binding: Binding::Local,
        visibility: Visibility::Hidden,
        kind: SymbolKind::None,
    });
    id
}

/// An edge with any addend.
pub fn edge(graph: &mut LinkGraph, offset: usize, target: SymbolId, kind: EdgeKind, addend: i64) -> Edge {
    let (addend, wide) = match i32::try_from(addend) {
        Ok(addend) => (addend, false),
        Err(_) => {
            graph.wide_addends.push(addend);
            (graph.wide_addends.len() as i32 - 1, true)
        }
    };
    Edge { offset: offset as u32, target, addend, kind, wide }
}

fn give(graph: &mut LinkGraph, id: BlockId, bytes: &[u8], edges: Vec<Edge>) {
    let first = graph.edges.len() as u32;
    graph.edges.extend(edges);
    let block = &mut graph.blocks[id.0 as usize];
    block.edges = first..graph.edges.len() as u32;
    block.size = bytes.len() as u64;
    block.content = Content::Made(graph.made.len() as u64);
    graph.made.extend_from_slice(bytes);
}
