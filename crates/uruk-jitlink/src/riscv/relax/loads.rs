//! Loads of addresses from slots, which become computations: `auipc` with `ld` to `auipc` with `addi`.

use super::*;
use std::collections::BTreeMap;

/// Rewrites the loads of symbols that are sure to be in reach. Returns whether there were any.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>) -> bool {
    let found = find(graph, targets, span);
    if !found.values().any(|second| second.is_some()) {
        return false;
    }
    let mut by_block: BTreeMap<BlockId, Vec<u32>> = BTreeMap::new();
    for (first, second) in found {
        let Some(second) = second else { continue };
        graph.edges[first as usize].kind = PCREL_HI20;
        for (block, offset) in second {
            by_block.entry(block).or_default().push(offset);
        }
    }
    for (id, offsets) in by_block {
        let mut bytes = graph.content(graph.block(id)).to_vec();
        for offset in offsets {
            let field = &mut bytes[offset as usize..offset as usize + 4];
            let word = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
            field.copy_from_slice(&(word & !(OPCODE | WIDTH) | ADDI).to_le_bytes());
        }
        raw::give_bytes(graph, id, &bytes);
    }
    true
}

const OPCODE: u32 = 0x7f;
const WIDTH: u32 = 7 << 12;
const LOAD: u32 = 0x03;
const ADDI: u32 = 0x13;

/// The second instructions of a load, by block and offset.
type Seconds = Vec<(BlockId, u32)>;

/// The edges of first instructions that can be rewritten, with the second ones; `None` for those that cannot.
fn find(graph: &LinkGraph, targets: &Targets, span: &Range<u64>) -> BTreeMap<u32, Option<Seconds>> {
    let mut found: BTreeMap<u32, Option<Seconds>> = BTreeMap::new();
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
            let seconds = found.entry(first).or_insert_with(|| Some(Vec::new()));
            match seconds {
                Some(seconds) if can => seconds.push((id, edge.offset)),
                _ => *seconds = None,
            }
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
