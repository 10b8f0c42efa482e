//! Relaxation: code that can be shorter is made so, and what aligns code is cut to what that needs.
//!
//! Data flow: the edges of code blocks → what is to be cut out, in one pass and in order → blocks with fewer bytes, whose
//! edges and symbols have moved; everything else follows, since it refers to symbols. A jump becomes shorter only where
//! its target is in reach however layout decides: cutting only brings closer what lies in one block, no run of padding
//! grows beyond what the assembler has left room for, and the code blocks of an object follow each other. Two instructions
//! that load an address from a slot compute it instead where the symbol is sure to be in reach.
//!
//! What linkers of whole programs do besides needs what is not known before layout: a global pointer, which is the
//! process's own here, and offsets from the thread pointer, which are the C library's to choose.
//!
//! Invariants: one look at each edge, whatever is cut; where nothing is to be done the graph stays untouched.
//! Source: RISC-V ELF psABI 1.0, "Linker Relaxation".

use super::*;
use crate::edit::raw;
use crate::error::LinkError;
use crate::graph::*;
use crate::resolve::{Target, Targets};
use crate::tables::in_reach;
use crate::wishes;
use std::ops::Range;

mod cut;
mod loads;

use cut::Cuts;

/// Relaxes and aligns. To be called once, when blocks have been dropped for good; `span` is where the graph's memory will
/// lie.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>) -> Result<(), LinkError> {
    jumps::rewrite(graph, targets);
    if !graph.edges.iter().any(|edge| matches!(edge.kind, RELAX | ALIGN)) {
        return Ok(());
    }
    if loads::rewrite(graph, targets, span) {
        wishes::gather(graph);
    }
    let calls = Calls { targets, ends: ends(graph) };
    shorten(graph, |graph, id, edge| calls.shorter(graph, id, edge))
}

/// Aligns only, as linkers do that are told not to relax.
pub fn align(graph: &mut LinkGraph) -> Result<(), LinkError> {
    shorten(graph, |_, _, _| None)
}

/// A shorter instruction in the place of a call's two.
struct Shorter {
    bytes: [u8; 4],
    size: u32,
    kind: EdgeKind,
}

fn shorten(
    graph: &mut LinkGraph,
    shorter: impl Fn(&LinkGraph, BlockId, &Edge) -> Option<Shorter>,
) -> Result<(), LinkError> {
    let mut cuts = vec![Cuts::default(); graph.blocks.len()];
    let mut changed = Vec::new();
    for id in (0..graph.blocks.len() as u32).map(BlockId) {
        let block = graph.block(id);
        if !block.live || graph.section(block.section).kind != SectionKind::Code {
            continue;
        }
        let edges = graph.edges(block);
        let mut found = Cuts::default();
        for (index, edge) in edges.iter().enumerate() {
            let relaxed = || edges.get(index + 1).is_some_and(|next| (next.kind, next.offset) == (RELAX, edge.offset));
            let done = match edge.kind {
                ALIGN => found.align(block, edge.offset, graph.addend(edge)),
                CALL if relaxed() => match shorter(graph, id, edge) {
                    Some(shorter) => found.replace(index, edge.offset, shorter),
                    None => Some(()),
                },
                _ => Some(()),
            };
            done.ok_or_else(|| malformed(graph, block, edge.offset))?;
        }
        if !found.is_empty() {
            cuts[id.0 as usize] = found;
            changed.push(id);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    for id in changed {
        cut::apply(graph, id, &mut cuts[id.0 as usize])?;
    }
    cut::move_symbols(graph, &mut cuts);
    Ok(())
}

fn malformed(graph: &LinkGraph, block: &Block, offset: u32) -> LinkError {
    LinkError::Malformed {
        file: graph.place(block, offset.into()),
        offset: offset.into(),
        what: "a relocation that asks for bytes to be taken out which are not there",
    }
}

/// Where the code blocks of a graph end at most, as offsets in one run, by block. Blocks that layout may put elsewhere
/// have no place there.
fn ends(graph: &LinkGraph) -> Vec<Option<u64>> {
    let mut end = 0;
    let place = |block: &Block| {
        let section = graph.section(block.section);
        let name = graph.section_name(block.section);
        // A section whose bounds can be asked for has a name that C can pronounce.
        let gathered = !name.iter().any(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
        let in_run = block.live && section.kind == SectionKind::Code && !section.large && !graph.scattered && !gathered;
        in_run.then(|| {
            end += (1u64 << block.align_log2) - 1 + block.size;
            end
        })
    };
    graph.blocks.iter().map(place).collect()
}

struct Calls<'a> {
    targets: &'a Targets,
    ends: Vec<Option<u64>>,
}

impl Calls<'_> {
    /// What can be done with a call, as far as is known before layout.
    fn shorter(&self, graph: &LinkGraph, id: BlockId, edge: &Edge) -> Option<Shorter> {
        const RA: u32 = 1;
        let distance = self.distance(graph, id, edge)?;
        let code = graph.content(graph.block(id)).get(edge.offset as usize + 4..)?.first_chunk()?;
        let result = u32::from_le_bytes(*code) >> 7 & 0x1f;
        let compressed = match result {
            0 => Some(0xa001u32),
            RA if graph.arch().slot_size == 4 => Some(0x2001),
            _ => None,
        };
        match compressed {
            Some(code) if graph.compressed && distance < 1 << 11 => {
                Some(Shorter { bytes: code.to_le_bytes(), size: 2, kind: RVC_JUMP })
            }
            _ => {
                (distance < 1 << 20).then(|| Shorter { bytes: (0x6f | result << 7).to_le_bytes(), size: 4, kind: JAL })
            }
        }
    }

    /// How far away the target of a call can be at most; `None` where it may be anywhere.
    fn distance(&self, graph: &LinkGraph, id: BlockId, edge: &Edge) -> Option<u64> {
        let symbol = graph.symbol(edge.target);
        let (Target::Own, Definition::Block(other)) = (self.targets.get(edge.target), symbol.definition) else {
            return None;
        };
        let (from, to) = (u64::from(edge.offset), symbol.value.checked_add_signed(graph.addend(edge))?);
        if symbol.kind == SymbolKind::Indirect || graph.block(other).size < to {
            return None;
        }
        if other == id {
            return Some(from.abs_diff(to));
        }
        // From the earlier place to its block's end, from there to the end of the later block, and back.
        let ((first, at), (last, to)) = if id < other { ((id, from), (other, to)) } else { ((other, to), (id, from)) };
        let [end, last_end] = [first, last].map(|block| self.ends[block.0 as usize]);
        let (first, last) = (graph.block(first), graph.block(last));
        Some((first.size - at) + (last_end? - end?) - (last.size - to))
    }
}

#[cfg(test)]
mod tests;
