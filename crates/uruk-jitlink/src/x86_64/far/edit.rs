//! Changes to blocks of code: other bytes, other edges.

pub use crate::edit::raw::{add_block, add_symbol, edge};

use crate::edit::raw::give;
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
