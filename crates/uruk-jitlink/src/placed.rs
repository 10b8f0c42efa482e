//! A graph whose memory is known, as passes see it: addresses of symbols, blocks and sections, and working bytes.

use crate::fixup::{DROPPED, Window};
use crate::graph::*;
use crate::layout::lane;
use std::ops::{Deref, Range};

/// A graph with the addresses of its symbols; its blocks have theirs.
#[derive(Clone, Copy)]
pub struct Placed<'a> {
    graph: &'a LinkGraph,
    addresses: &'a [u64],
    complete: bool,
}

impl Deref for Placed<'_> {
    type Target = LinkGraph;

    fn deref(&self) -> &LinkGraph {
        self.graph
    }
}

impl<'a> Placed<'a> {
    /// A laid-out graph, and the addresses of its symbols in the order of their ids; `complete` says whether those of
    /// symbols that are defined elsewhere are among them.
    pub fn new(graph: &'a LinkGraph, addresses: &'a [u64], complete: bool) -> Self {
        Placed { graph, addresses, complete }
    }

    /// The address of a symbol: 0 for a weak one that nobody defines, an offset in the thread-local image of the
    /// object's batch for a thread-local one. `None` where it was dropped or is not known yet, as for what other objects
    /// define before fix-up.
    pub fn address(&self, symbol: SymbolId) -> Option<u64> {
        let address = *self.addresses.get(symbol.0 as usize)?;
        (address != DROPPED && (address != 0 || self.complete)).then_some(address)
    }

    /// The addresses that a block takes. `None` where it was dropped or is thread-local.
    pub fn block_range(&self, id: BlockId) -> Option<Range<u64>> {
        let block = self.graph.blocks.get(id.0 as usize)?;
        let loaded = block.live && lane(self.graph.section(block.section).kind).is_some();
        loaded.then(|| block.address..block.address + block.size)
    }

    /// The addresses from the first block of a section to the end of its last; nothing else of the object lies
    /// between them. `None` where all were dropped or are thread-local.
    pub fn section_range(&self, id: SectionId) -> Option<Range<u64>> {
        let blocks = self.graph.blocks_of(id).filter_map(|(block, _)| self.block_range(block));
        blocks.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))
    }
}

/// The bytes of an object in working memory, which is writable whatever their protection will be.
pub struct Working<'w, 'b> {
    graph: &'w LinkGraph,
    lanes: &'w mut [Window<'b>; 3],
}

impl<'w, 'b> Working<'w, 'b> {
    /// The bytes of a graph's blocks in windows of the lanes that they lie in.
    pub fn new(graph: &'w LinkGraph, lanes: &'w mut [Window<'b>; 3]) -> Self {
        Working { graph, lanes }
    }

    /// The fixed-up bytes of a block, which may be changed: they are what will be at its target address. `None` where
    /// it was dropped, starts as zero, or is thread-local.
    pub fn block(&mut self, id: BlockId) -> Option<&mut [u8]> {
        let block = self.graph.blocks.get(id.0 as usize).filter(|block| block.live)?;
        let lane = lane(self.graph.section(block.section).kind)?;
        self.lanes[lane as usize].at(block.address, block.size)
    }
}
