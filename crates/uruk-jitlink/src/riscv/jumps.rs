//! Jumps of one instruction (`jal`) to what other objects define, which reach 1 MiB only: each goes to a call of two
//! instructions behind the object's own code, which goes on from there.
//!
//! Where the others lie is not known before layout, so all such jumps do. Compilers make none; they are written by hand.
//! Source: RISC-V ELF psABI 1.0, "Procedure Linkage Table" (the registers that it may change).

use super::*;
use crate::edit::raw;
use crate::graph::*;
use crate::resolve::{Target, Targets};
use std::collections::HashMap;

/// Sends jumps to other objects' symbols through calls of the object's own.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets) {
    let live = graph.blocks.iter().filter(|block| block.live);
    let edges = live.flat_map(|block| block.edges.clone());
    let is_far = |index: &u32| {
        let edge = &graph.edges[*index as usize];
        edge.kind == JAL && targets.of(graph, edge.target) != Target::Own
    };
    let far: Vec<u32> = edges.filter(is_far).collect();
    let mut calls: HashMap<(SymbolId, i64), SymbolId> = HashMap::new();
    for index in far {
        let edge = graph.edges[index as usize];
        let addend = graph.addend(&edge);
        let call = *calls.entry((edge.target, addend)).or_insert_with(|| add_call(graph, edge.target, addend));
        graph.edges[index as usize] = Edge { target: call, addend: 0, wide: false, ..edge };
    }
    let stubs = calls.keys().map(|(symbol, _)| Want { symbol: *symbol, entry: Entry::Stub, relaxable: false });
    graph.wants.extend(stubs);
    graph.wants.sort_unstable();
    graph.wants.dedup();
}

/// `auipc t3, hi; jalr zero, lo(t3)`, and a symbol for it.
fn add_call(graph: &mut LinkGraph, target: SymbolId, addend: i64) -> SymbolId {
    const ALIGN_LOG2: u8 = 2;
    let code = [0x17 | T3 << 7, 0x67 | T3 << 15].map(u32::to_le_bytes).concat();
    let edge = raw::edge(graph, 0, target, CALL, addend);
    let block = raw::add_block(graph, SectionKind::Code, ALIGN_LOG2, &code, vec![edge]);
    raw::add_symbol(graph, block, 0)
}
