//! Loads of addresses from slots, which become computations: `auipc` with `ld` to `auipc` with `addi`.

use super::*;

/// Rewrites the loads of symbols that are sure to be in reach. Returns whether there were any.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>) -> bool {
    let mut found = find(graph, targets, span);
    // All that use one first instruction, next to each other.
    found.sort_unstable_by_key(|second| second.first);
    let mut any = false;
    for seconds in
        found.chunk_by(|one, other| one.first == other.first).filter(|seconds| seconds.iter().all(|second| second.can))
    {
        any = true;
        graph.edges[seconds[0].first as usize].kind = PCREL_HI20;
        for second in seconds {
            let field = &mut raw::bytes_mut(graph, second.block)[second.offset as usize..][..4];
            let word = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
            field.copy_from_slice(&(word & !(OPCODE | WIDTH) | ADDI).to_le_bytes());
        }
    }
    any
}

const OPCODE: u32 = 0x7f;
const WIDTH: u32 = 7 << 12;
const LOAD: u32 = 0x03;
const ADDI: u32 = 0x13;

/// The second instruction of a load from a slot.
struct Second {
    /// The edge of the first one.
    first: u32,
    block: BlockId,
    offset: u32,
    /// Whether it can be rewritten.
    can: bool,
}

/// All loads from slots.
fn find(graph: &LinkGraph, targets: &Targets, span: &Range<u64>) -> Vec<Second> {
    let mut found = Vec::new();
    for (id, block) in (0..).map(BlockId).zip(&graph.blocks).filter(|(_, block)| block.live) {
        for index in block.edges.clone() {
            let edge = &graph.edges[index as usize];
            if !matches!(edge.kind, PCREL_LO12_I | PCREL_LO12_S) {
                continue;
            }
            let Some(first) = first(graph, edge) else { continue };
            let relaxed = graph.edges[..block.edges.end as usize]
                .get(index as usize + 1)
                .is_some_and(|next| (next.kind, next.offset) == (RELAX, edge.offset));
            let can =
                relaxed && is_load(graph, block, edge) && is_near(graph, targets, span, &graph.edges[first as usize]);
            found.push(Second { first, block: id, offset: edge.offset, can });
        }
    }
    found
}

/// The edge of the first instruction of a pair, if it is one of a slot.
fn first(graph: &LinkGraph, edge: &Edge) -> Option<u32> {
    let symbol = graph.symbol(edge.target);
    let Definition::Block(block) = symbol.definition else { return None };
    let (block, offset) = (graph.block(block), symbol.value.checked_add_signed(graph.addend(edge))?);
    let edges = graph.edges(block);
    let at = edges.partition_point(|other| u64::from(other.offset) < offset);
    let is_first = |other: &Edge| u64::from(other.offset) == offset && other.kind == GOT_HI20;
    (edges.get(at).is_some_and(is_first)).then(|| block.edges.start + at as u32)
}

/// Whether a second instruction loads a whole address.
fn is_load(graph: &LinkGraph, block: &Block, edge: &Edge) -> bool {
    let width = if graph.arch().slot_size == 8 { 3 } else { 2 };
    let word = graph.content(block).get(edge.offset as usize..).and_then(|bytes| bytes.first_chunk());
    let word = word.map(|word| u32::from_le_bytes(*word));
    edge.kind == PCREL_LO12_I && word.is_some_and(|word| word & (OPCODE | WIDTH) == LOAD | width << 12)
}

/// Whether what a slot holds is sure to be in reach. An addend would be the slot's.
fn is_near(graph: &LinkGraph, targets: &Targets, span: &Range<u64>, edge: &Edge) -> bool {
    graph.addend(edge) == 0
        && match targets.of(graph, edge.target) {
            Target::Own => matches!(graph.symbol(edge.target).definition, Definition::Block(_)),
            Target::Near => true,
            Target::Known(address) => in_reach(span, address),
            Target::Far | Target::ThreadLocal(_) | Target::ThreadImage | Target::Bound => false,
        }
}
