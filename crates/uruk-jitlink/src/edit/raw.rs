//! Additions to a graph that check nothing, for passes of the linker itself and for [`Editor`](super::Editor).

use crate::graph::*;

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

/// Gives a block other bytes and other edges, which are in order of offset.
pub fn give(graph: &mut LinkGraph, id: BlockId, bytes: &[u8], edges: Vec<Edge>) {
    let first = graph.edges.len() as u32;
    graph.edges.extend(edges);
    let block = &mut graph.blocks[id.0 as usize];
    block.edges = first..graph.edges.len() as u32;
    block.size = bytes.len() as u64;
    block.content = Content::Made(graph.made.len() as u64);
    graph.made.extend_from_slice(bytes);
}

/// The bytes of a block, to be changed.
pub fn bytes_mut(graph: &mut LinkGraph, id: BlockId) -> &mut [u8] {
    let block = &mut graph.blocks[id.0 as usize];
    let size = block.size as usize;
    let start = match block.content {
        Content::Made(start) => start as usize,
        Content::Input(at) => {
            let start = graph.made.len();
            graph.made.extend_from_slice(&graph.input[at as usize..at as usize + size]);
            block.content = Content::Made(start as u64);
            start
        }
        Content::Zero => return &mut [],
    };
    &mut graph.made[start..start + size]
}
