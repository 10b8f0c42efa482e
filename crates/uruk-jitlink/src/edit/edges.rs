//! Edges: added, pointed elsewhere, dropped.
//!
//! Edges are added where there is room behind their block's others, as there is at the end of the list; where there is
//! none, all of them move there with as much room again, so that adding many in order costs a constant for each,
//! however they alternate between blocks.

use super::{EditError, Editor, raw};
use crate::arch::NOTHING;
use crate::graph::*;

impl Editor<'_> {
    /// Adds an edge: the field of `kind` at an offset of a block depends on `target` and an addend, which is that of
    /// ELF (relative to the field, not to the next instruction).
    pub fn add_edge(
        &mut self,
        block: BlockId,
        offset: u32,
        kind: EdgeKind,
        target: SymbolId,
        addend: i64,
    ) -> Result<(), EditError> {
        self.check_filled(block)?;
        self.check_symbol(target)?;
        if self.graph.arch().kinds.len() <= usize::from(kind.0) {
            return Err(EditError::Kind { kind: kind.0, arch: self.graph.arch().name });
        }
        self.check_field(block, offset, kind, self.graph.block(block).size)?;
        self.make_room(block)?;
        let edge = raw::edge(self.graph, offset as usize, target, kind, addend);
        let range = self.graph.block(block).edges.clone();
        let (start, end) = (range.start as usize, range.end as usize);
        let known = &self.graph.edges[start..end];
        // Most who add many go on behind the last.
        let is_last = known.last().is_none_or(|last| last.offset <= offset);
        let at = if is_last { end } else { start + known.partition_point(|other| other.offset <= offset) };
        self.graph.edges.copy_within(at..end, at + 1);
        self.graph.edges[at] = edge;
        self.graph.blocks[block.0 as usize].edges.end += 1;
        self.changed = true;
        Ok(())
    }

    /// Points an edge, by its position among its block's, at another symbol.
    pub fn retarget(&mut self, block: BlockId, position: usize, target: SymbolId) -> Result<(), EditError> {
        self.check_block(block)?;
        self.check_symbol(target)?;
        let range = self.graph.block(block).edges.clone();
        if range.len() <= position {
            let (id, count) = (position as u64, range.len() as u64);
            return Err(EditError::Unknown { what: "edge", id, count });
        }
        self.graph.edges[range.start as usize + position].target = target;
        self.changed = true;
        Ok(())
    }

    /// Points all edges to one symbol at another, but for those of unwind records, which go on describing what they
    /// did. Returns how many they were.
    pub fn redirect(&mut self, from: SymbolId, to: SymbolId) -> Result<usize, EditError> {
        self.check_symbol(from)?;
        self.check_symbol(to)?;
        let mut count = 0;
        let LinkGraph { blocks, edges, sections, .. } = &mut *self.graph;
        let kind = |block: &Block| sections[block.section.0 as usize].kind;
        for block in blocks.iter().filter(|block| block.live && !kind(block).is_unwind_records()) {
            for edge in &mut edges[block.edges.start as usize..block.edges.end as usize] {
                if edge.target == from {
                    edge.target = to;
                    count += 1;
                }
            }
        }
        self.changed |= count != 0;
        Ok(count)
    }

    /// Drops the edges of a block for which `keep` is false; their fields keep the bytes that the block has there.
    pub fn retain_edges(&mut self, block: BlockId, mut keep: impl FnMut(&Edge) -> bool) -> Result<(), EditError> {
        self.check_block(block)?;
        let range = self.graph.block(block).edges.clone();
        let mut end = range.start;
        for index in range.start..range.end {
            let edge = self.graph.edges[index as usize];
            if keep(&edge) {
                self.graph.edges[end as usize] = edge;
                end += 1;
            }
        }
        self.graph.blocks[block.0 as usize].edges.end = end;
        self.changed |= end != range.end;
        Ok(())
    }

    /// Errors unless the field of an edge lies in a block of so many bytes.
    pub(super) fn check_field(&self, block: BlockId, offset: u32, kind: EdgeKind, limit: u64) -> Result<(), EditError> {
        let (offset, size) = (u64::from(offset), self.graph.arch().info(kind).field.size());
        if limit < offset + size {
            return Err(EditError::Outside { block, offset, size, limit });
        }
        Ok(())
    }

    /// Makes sure that there is room for one more edge behind those of a block.
    fn make_room(&mut self, id: BlockId) -> Result<(), EditError> {
        let range = self.graph.block(id).edges.clone();
        let count = range.end - range.start;
        if self.room.get(&id).is_some_and(|room| count < *room) {
            return Ok(());
        }
        let end = self.graph.edges.len();
        let grows = count == 0 || range.end as usize == end;
        let (start, room) = if grows { (end - count as usize, count as usize + 1) } else { (end, 2 * count as usize) };
        if u32::try_from(start + room).is_err() {
            return Err(EditError::Full("edges"));
        }
        if !grows {
            self.graph.edges.extend_from_within(range.start as usize..range.end as usize);
            self.room.insert(id, room as u32);
        }
        let unused = Edge { offset: 0, target: SymbolId(0), addend: 0, kind: NOTHING, wide: false };
        self.graph.edges.resize(start + room, unused);
        self.graph.blocks[id.0 as usize].edges = start as u32..start as u32 + count;
        Ok(())
    }

    /// Lets unwind records that name moved symbols name what was there before.
    pub(super) fn leave_unwind_records(&mut self) {
        if self.moved.is_empty() {
            return;
        }
        let moved = std::mem::take(&mut self.moved);
        for index in 0..self.graph.blocks.len() {
            let block = &self.graph.blocks[index];
            if !self.graph.section(block.section).kind.is_unwind_records() {
                continue;
            }
            for edge in block.edges.clone() {
                if let Some((old, offset)) = moved.get(&self.graph.edges[edge as usize].target) {
                    self.graph.edges[edge as usize].target = raw::add_symbol(self.graph, *old, *offset);
                }
            }
        }
    }
}
