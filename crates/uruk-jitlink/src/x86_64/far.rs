//! References to data out of 32-bit reach: each such instruction becomes a jump to a thunk with a 64-bit address.
//!
//! Code below 2 GiB refers to data of shared libraries, code near these to data of the program, with fields that
//! cannot hold the distance or the address. Data flow: the graph's 32-bit edges whose targets are out of reach → the
//! instructions that they lie in → thunks → the graph with one more block of code for all thunks, one of unwind
//! records for them, and one of slots for exception tables; everything else of the link goes on as if the compiler
//! had written it so. What cannot be rewritten is left as it was, so that fix-up reports it: data, and the forms
//! that `forms` names.
//! Invariants: every instruction with a 32-bit field has at least the five bytes that a jump needs, so no neighbour
//! is ever moved; a graph without far targets costs one look at its globals.

mod cfi;
mod code;
mod edit;
mod exceptions;
mod forms;
mod frames;
mod thunk;

use super::{ARCHITECTURE, PC32};
use crate::arch::{Field, Value};
use crate::graph::*;
use crate::resolve::{Target, Targets, may_be_null};
use crate::tables::in_reach;
use code::Found;
use edit::Edits;
use frames::{Frames, Records};
use std::ops::Range;
use thunk::{Reference, Thunk, Way};

/// Bytes of a jump or call with a 32-bit distance.
const JUMP_SIZE: usize = 5;

/// Rewrites what refers to targets out of reach of `span`, where the graph's memory will lie. To be called once, when
/// blocks have been dropped for good.
pub fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>) {
    if !may_be_far(graph, targets, span) {
        return;
    }
    let code = far_fields(graph, targets, span, &[SectionKind::Code]);
    let tables = !far_fields(graph, targets, span, &[SectionKind::ReadOnly, SectionKind::EhFrame]).is_empty();
    if code.is_empty() && !tables {
        return;
    }
    let frames = Frames::read(graph);
    if tables {
        exceptions::rewrite(graph, targets, span, &frames);
    }
    let mut rewriter = Rewriter { targets, span, frames, code: Vec::new(), edges: Vec::new(), made: Vec::new() };
    let starts = starts(graph, &code);
    let mut edited = Vec::new();
    for (id, fields) in code {
        let from = starts.partition_point(|(block, _)| *block < id);
        let to = starts.partition_point(|(block, _)| *block <= id);
        let starts: Vec<u64> = starts[from..to].iter().map(|(_, value)| *value).collect();
        edited.push((id, rewriter.block(graph, id, &starts, &fields)));
    }
    rewriter.finish(graph, edited);
}

/// Whether any symbol is out of reach for some kind of edge.
fn may_be_far(graph: &LinkGraph, targets: &Targets, span: &Range<u64>) -> bool {
    (graph.needs_low && !is_low(span))
        || targets.iter().zip(graph.globals()).any(|((id, target), (_, symbol))| match target {
            Target::Own => symbol.definition == Definition::Absolute && !in_reach(span, symbol.value),
            Target::Known(address) => !in_reach(span, address),
            Target::Far => true,
            Target::Bound => may_be_null(graph, id) && !is_low(span),
            Target::Near | Target::ThreadLocal(_) | Target::ThreadImage => false,
        })
}

/// Whether all addresses of a range can be stored in 31 bits.
fn is_low(span: &Range<u64>) -> bool {
    span.end <= 1 << 31
}

/// Whether an edge has a 32-bit field that cannot hold what it asks for, as far as is known before layout.
fn is_far(graph: &LinkGraph, targets: &Targets, span: &Range<u64>, edge: &Edge) -> bool {
    let info = ARCHITECTURE.info(edge.kind);
    let (absolute, max) = match (info.value, info.field) {
        (Value::Relative, Field::Signed32) => (false, 0),
        (Value::Absolute, Field::Signed32) => (true, i64::from(i32::MAX)),
        (Value::Absolute, Field::Unsigned32) => (true, i64::from(u32::MAX)),
        _ => return false,
    };
    let min = if info.field == Field::Signed32 { i64::from(i32::MIN) } else { 0 };
    match targets.of(graph, edge.target) {
        Target::Own | Target::Near => absolute && !is_low(span),
        // The bounds of a section that nobody has are null.
        Target::Bound => (absolute || may_be_null(graph, edge.target)) && !is_low(span),
        Target::Far => true,
        Target::ThreadLocal(_) | Target::ThreadImage => false,
        Target::Known(address) => {
            let sum = address.wrapping_add_signed(graph.addend(edge));
            if absolute { !(min..=max).contains(&(sum as i64)) } else { !in_reach(span, sum) }
        }
    }
}

/// Blocks of some kinds of section with the offsets of their far fields.
fn far_fields(
    graph: &LinkGraph,
    targets: &Targets,
    span: &Range<u64>,
    kinds: &[SectionKind],
) -> Vec<(BlockId, Vec<usize>)> {
    let mut found = Vec::new();
    for (id, block) in (0..).zip(&graph.blocks) {
        if !block.live || !kinds.contains(&graph.section(block.section).kind) {
            continue;
        }
        let far = graph.edges(block).iter().filter(|edge| is_far(graph, targets, span, edge));
        let fields: Vec<usize> = far.map(|edge| edge.offset as usize).collect();
        if !fields.is_empty() {
            found.push((BlockId(id), fields));
        }
    }
    found
}

/// Where symbols lie in the given blocks, in order.
fn starts(graph: &LinkGraph, code: &[(BlockId, Vec<usize>)]) -> Vec<(BlockId, u64)> {
    let wanted = |block: &BlockId| code.binary_search_by_key(block, |(id, _)| *id).is_ok();
    let symbols = graph.symbols.iter().filter_map(|symbol| match symbol.definition {
        Definition::Block(block) if wanted(&block) => Some((block, symbol.value)),
        _ => None,
    });
    let mut starts: Vec<_> = symbols.collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// A thunk that has been made.
struct Made {
    thunk: Thunk,
    /// Offset in the block of thunks.
    at: usize,
    site: Option<frames::Site>,
}

struct Rewriter<'a> {
    targets: &'a Targets,
    span: &'a Range<u64>,
    frames: Frames,
    /// All thunks.
    code: Vec<u8>,
    edges: Vec<Edge>,
    made: Vec<Made>,
}

/// A jump from a block to a thunk: where its field lies, and which thunk.
struct Jump {
    field: usize,
    thunk: usize,
}

impl Rewriter<'_> {
    /// Makes thunks for a block's far fields; what is to change in the block is returned.
    fn block(&mut self, graph: &mut LinkGraph, id: BlockId, starts: &[u64], fields: &[usize]) -> (Edits, Vec<Jump>) {
        let mut edits = Edits::default();
        let mut jumps = Vec::new();
        let mut anchor = None;
        for found in code::find(graph.content(graph.block(id)), starts, fields) {
            let Some(made) = self.thunk(graph, id, &found) else { continue };
            let range = found.range();
            // A call returns to what follows it, anything else comes back behind the instruction.
            let (opcode, filler) = if made.way == Way::Called { (0xe8, 0x90) } else { (0xe9, 0xcc) };
            let mut bytes = vec![filler; range.len()];
            bytes[..JUMP_SIZE].copy_from_slice(&[opcode, 0, 0, 0, 0]);
            edits.bytes.push((range.start, bytes));
            jumps.push(Jump { field: range.start + 1, thunk: self.made.len() });
            let at = self.code.len();
            self.code.extend_from_slice(&made.code);
            if let Way::There(field) = made.way {
                let anchor = *anchor.get_or_insert_with(|| edit::add_symbol(graph, id, 0));
                self.edges.push(edit::edge(graph, at + field, anchor, PC32, range.end as i64 - 4));
            }
            let site = self.frames.site(graph, id, range.start as u64).flatten();
            self.made.push(Made { thunk: made, at, site });
        }
        (edits, jumps)
    }

    /// The thunk of an instruction; its edges are added.
    fn thunk(&mut self, graph: &mut LinkGraph, id: BlockId, found: &Found) -> Option<Thunk> {
        let range = found.range();
        let edges = graph.edges(graph.block(id));
        let first = edges.partition_point(|edge| (edge.offset as usize) < range.start);
        let after = edges.partition_point(|edge| (edge.offset as usize) < range.end);
        let edges = edges[first..after].to_vec();
        let references: Vec<Reference> = edges
            .iter()
            .map(|edge| {
                let value = ARCHITECTURE.info(edge.kind).value;
                let movable = matches!(value, Value::Absolute | Value::Relative | Value::ThreadOffset | Value::Size);
                movable.then_some(Reference {
                    at: edge.offset as usize - range.start,
                    kind: edge.kind,
                    relative: value == Value::Relative,
                    far: is_far(graph, self.targets, self.span, edge),
                })
            })
            .collect::<Option<_>>()?;
        // Where records exist but say nothing that can be carried on, a thunk would break unwinding.
        let site = match self.frames.site(graph, id, range.start as u64) {
            None => None,
            Some(understood) => Some(understood?),
        };
        let kept = site.as_ref().and_then(|site| site.kept());
        let thunk = thunk::thunk(&found.instruction, &found.offsets, &references, kept)?;
        let moves = thunk.way != Way::Called && !thunk.steps.is_empty();
        if range.len() < JUMP_SIZE || moves && site.is_some_and(|site| !site.allows_moves()) {
            return None;
        }
        for field in &thunk.fields {
            let old = &edges[field.reference];
            // Addends are as in addresses: they wrap around.
            let addend = graph.addend(old).wrapping_add(field.more);
            let new = edit::edge(graph, self.code.len() + field.at, old.target, field.kind, addend);
            self.edges.push(new);
        }
        Some(thunk)
    }

    /// Adds the thunks and their unwind records to the graph, and changes the blocks that jump to them.
    fn finish(self, graph: &mut LinkGraph, edited: Vec<(BlockId, (Edits, Vec<Jump>))>) {
        if self.made.is_empty() {
            return;
        }
        let mut edges = self.edges;
        edges.sort_by_key(|edge| edge.offset);
        let block = edit::add_block(graph, SectionKind::Code, 4, &self.code, edges);
        let thunks = edit::add_symbol(graph, block, 0);
        for (id, (mut edits, jumps)) in edited {
            for Jump { field, thunk } in jumps {
                let addend = self.made[thunk].at as i64 - 4;
                edits.edges.push(edit::edge(graph, field, thunks, PC32, addend));
            }
            edits.apply(graph, id);
        }
        let mut records = Records::default();
        for Made { thunk, at, site } in &self.made {
            if let Some(site) = site {
                records.add(&self.frames, site, thunk, thunks, *at as u32);
            }
        }
        if !records.bytes.is_empty() {
            edit::add_block(graph, SectionKind::EhFrame, 0, &records.bytes, records.edges);
        }
    }
}

#[cfg(test)]
mod tests;
