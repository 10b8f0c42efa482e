//! Windows' function records: `.pdata` taken apart into one record for each function.
//!
//! A record says where a function begins and, in its second and third word or in its second only, where it ends and where the
//! description of how to unwind it lies (`.xdata`), which names the function's handler and what that needs to know. So a
//! record goes with its function, and keeps the description and all that this refers to. Who registers records, as
//! `RtlAddFunctionTable` does, wants those of a range of memory in order of address: [`sort`].
//! Sources: "x64 exception handling", `RUNTIME_FUNCTION`; "ARM64 exception handling", `.pdata` records.

use crate::arch::Architecture;
use crate::error::LinkError;
use crate::graph::*;
use crate::x86_64;
use std::collections::HashSet;
use std::ops::Range;

/// Bytes of a record.
pub fn record_size(arch: &Architecture) -> usize {
    if *arch == x86_64::ARCHITECTURE { 12 } else { 8 }
}

/// A record, by the bytes and the edges that are its own.
pub struct Record {
    /// Its bytes, as offsets in the block.
    pub range: Range<usize>,
    /// Its edges, as positions in the graph.
    pub edges: Range<u32>,
}

/// Takes a block apart; `Err` is the offset of what makes no sense, and says what.
pub fn records(graph: &LinkGraph, block: &Block) -> Result<Vec<Record>, (u64, &'static str)> {
    let size = record_size(graph.arch());
    let whole = usize::try_from(block.size).unwrap_or(usize::MAX);
    if !whole.is_multiple_of(size) {
        return Err(((whole - whole % size) as u64, "a function record that is cut short"));
    }
    let mut at = block.edges.start;
    let mut records = Vec::with_capacity(whole / size);
    for start in (0..whole).step_by(size) {
        let first = at;
        let range = start..start + size;
        while let Some(edge) = graph.edges.get(at as usize).filter(|_| at < block.edges.end) {
            if !range.contains(&(edge.offset as usize)) {
                break;
            }
            // What follows may go, and the field must not end where nothing is.
            if range.end < edge.offset as usize + graph.arch().info(edge.kind).field.size() as usize {
                return Err((u64::from(edge.offset), "a relocation that lies across the end of a function record"));
            }
            at += 1;
        }
        records.push(Record { range, edges: first..at });
    }
    Ok(records)
}

/// The block of the function that a record is about, where the object itself has it.
pub fn function(graph: &LinkGraph, record: &Record) -> Option<BlockId> {
    let first = graph.edges[record.edges.start as usize..record.edges.end as usize].first()?;
    let begins = first.offset as usize == record.range.start;
    match graph.symbol(first.target).definition {
        Definition::Block(block) if begins => Some(block),
        _ => None,
    }
}

/// Rewrites a block of records without those of dropped functions, and drops what only these refer to.
pub fn drop_dead_records(graph: &mut LinkGraph, id: BlockId) -> Result<(), LinkError> {
    let block = graph.block(id).clone();
    let records = records(graph, &block).map_err(|(offset, what)| LinkError::Malformed {
        file: graph.place(&block, offset),
        offset,
        what,
    })?;
    let is_dead = |record: &Record| function(graph, record).is_some_and(|function| !graph.block(function).live);
    if !records.iter().any(is_dead) {
        return Ok(());
    }
    let dead = records.iter().filter(|record| is_dead(record)).flat_map(|record| record.edges.clone());
    let mut unneeded: HashSet<BlockId> = dead.filter_map(|edge| info(graph, edge)).collect();
    let bytes = graph.content(&block);
    let (mut made, mut edges) = (Vec::with_capacity(bytes.len()), Vec::new());
    for record in records.iter().filter(|record| !is_dead(record)) {
        for edge in &graph.edges[record.edges.start as usize..record.edges.end as usize] {
            let offset = edge.offset as usize - record.range.start + made.len();
            edges.push(Edge { offset: offset as u32, ..*edge });
        }
        made.extend_from_slice(&bytes[record.range.clone()]);
    }
    let first = graph.edges.len() as u32;
    graph.edges.extend(edges);
    let block = &mut graph.blocks[id.0 as usize];
    block.edges = first..graph.edges.len() as u32;
    block.size = made.len() as u64;
    block.content = Content::Made(graph.made.len() as u64);
    graph.made.extend(made);
    if unneeded.is_empty() {
        return Ok(());
    }
    let live = graph.blocks.iter().filter(|block| block.live).flat_map(|block| graph.edges(block));
    let seen = graph.globals().map(|(_, symbol)| symbol).filter(|symbol| symbol.binding != Binding::Local);
    let used = live.map(|edge| graph.symbol(edge.target)).chain(seen);
    for symbol in used {
        if let Definition::Block(block) = symbol.definition {
            unneeded.remove(&block);
        }
    }
    unneeded.into_iter().for_each(|block| graph.blocks[block.0 as usize].live = false);
    Ok(())
}

/// The block of constants that an edge of a record leads to.
fn info(graph: &LinkGraph, edge: u32) -> Option<BlockId> {
    match graph.symbol(graph.edges[edge as usize].target).definition {
        Definition::Block(block) if graph.section(graph.block(block).section).kind == SectionKind::ReadOnly => {
            Some(block)
        }
        _ => None,
    }
}

/// Puts final records in order of the addresses of their functions.
pub fn sort(arch: &Architecture, records: &mut [u8]) {
    let begin = |record: &[u8]| u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
    let size = record_size(arch);
    let chunks = || records.chunks_exact(size);
    if chunks().map(begin).is_sorted() {
        return;
    }
    let mut sorted: Vec<&[u8]> = chunks().collect();
    sorted.sort_by_key(|record| begin(record));
    let sorted = sorted.concat();
    records[..sorted.len()].copy_from_slice(&sorted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_records_are_sorted_by_their_first_word() {
        let record = |begin: u32| [begin, begin + 1, 7].map(u32::to_le_bytes).concat();
        let mut records = [record(0x300), record(0x100), record(0x200)].concat();
        sort(&x86_64::ARCHITECTURE, &mut records);
        assert_eq!(records, [record(0x100), record(0x200), record(0x300)].concat());
    }
}
