//! Unwind records: `.eh_frame` taken apart into common information entries and frame descriptions.
//!
//! A description goes when the function that it describes has gone, and an entry when all that shared it have. What is
//! kept is written anew, so pointers from a description to its entry, which are distances, are recomputed.
//! Source: LSB 5.0, "Exception Frames"; DWARF 5 §6.4.1.

pub mod entry;

use crate::error::LinkError;
use crate::graph::*;
use std::ops::Range;

/// A record of an `.eh_frame` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// All its bytes, length field included, as offsets in the section.
    pub range: Range<usize>,
    /// Offset in the section of the field that tells entries (0) from descriptions (distance back to the entry).
    pub id: usize,
    /// Offset of the common information entry, for a description.
    pub entry: Option<usize>,
}

/// Takes a section apart, up to its end or a terminator; `Err` is the offset of a record that makes no sense.
pub fn records(bytes: &[u8]) -> Result<Vec<Record>, usize> {
    let word = |at: usize| bytes.get(at..at + 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = word(at).ok_or(at)?;
        if length == 0 {
            break;
        }
        let (id, length) = match length {
            0xffff_ffff => {
                let wide = bytes.get(at + 4..at + 12).ok_or(at)?;
                (at + 12, u64::from_le_bytes(wide.try_into().map_err(|_| at)?))
            }
            length => (at + 4, u64::from(length)),
        };
        let end = usize::try_from(length).ok().and_then(|length| id.checked_add(length));
        let end = end.filter(|end| *end <= bytes.len() && id + 4 <= *end).ok_or(at)?;
        let entry = match word(id).ok_or(at)? {
            0 => None,
            distance => Some(id.checked_sub(distance as usize).ok_or(at)?),
        };
        records.push(Record { range: at..end, id, entry });
        at = end;
    }
    Ok(records)
}

/// The records of a section, each with its edges.
pub fn split_edges<'a>(records: &'a [Record], edges: &'a [Edge]) -> Vec<(&'a Record, &'a [Edge])> {
    let mut rest = edges;
    let with_edges = records.iter().map(|record| {
        let (own, later) = rest.split_at(rest.partition_point(|edge| (edge.offset as usize) < record.range.end));
        rest = later;
        (record, own)
    });
    with_edges.collect()
}

/// The symbol of the function that a description is about.
pub fn function(record: &Record, edges: &[Edge]) -> Option<SymbolId> {
    edges.iter().find(|edge| edge.offset as usize == record.id + 4).map(|edge| edge.target)
}

/// Rewrites a block of unwind records without those of dropped functions.
pub fn drop_dead_records(graph: &mut LinkGraph, id: BlockId) -> Result<(), LinkError> {
    let block = graph.block(id).clone();
    let bytes = graph.content(&block).to_vec();
    let records = records(&bytes).map_err(|at| LinkError::Malformed {
        file: graph.place(&block, at as u64),
        offset: at as u64,
        what: "an unwind record that makes no sense",
    })?;
    let edges = graph.edges(&block).to_vec();
    let by_record = split_edges(&records, &edges);
    let dead = |(record, own): &(&Record, &[Edge])| {
        record.entry.is_some() && function(record, own).is_some_and(|function| is_dead(graph, function))
    };
    let kept = || by_record.iter().copied().filter(|record| !dead(record));
    let mut used: Vec<usize> = kept().filter_map(|(record, _)| record.entry).collect();
    used.sort_unstable();
    let mut kept_edges = Vec::with_capacity(edges.len());
    let mut made = Vec::with_capacity(bytes.len());
    // Old and new offset of each entry; entries come before the descriptions that use them.
    let mut entries: Vec<(usize, usize)> = Vec::new();
    for (record, own) in kept() {
        if record.entry.is_none() && used.binary_search(&record.range.start).is_err() {
            continue;
        }
        let start = made.len();
        made.extend_from_slice(&bytes[record.range.clone()]);
        match record.entry {
            None => entries.push((record.range.start, start)),
            Some(entry) => {
                let Ok(position) = entries.binary_search_by_key(&entry, |(old, _)| *old) else {
                    return Err(LinkError::Malformed {
                        file: graph.place(&block, record.range.start as u64),
                        offset: record.range.start as u64,
                        what: "an unwind record that belongs to no common information entry",
                    });
                };
                let field = start + record.id - record.range.start;
                let distance = (field - entries[position].1) as u32;
                made[field..field + 4].copy_from_slice(&distance.to_le_bytes());
            }
        }
        for edge in own {
            // What follows may go, and the field must not end where nothing is.
            if record.range.end < edge.offset as usize + graph.arch().info(edge.kind).field.size() as usize {
                return Err(LinkError::Malformed {
                    file: graph.place(&block, u64::from(edge.offset)),
                    offset: u64::from(edge.offset),
                    what: "a relocation that lies across the end of an unwind record",
                });
            }
            let offset = edge.offset as usize - record.range.start + start;
            kept_edges.push(Edge { offset: offset as u32, ..*edge });
        }
    }
    let first = graph.edges.len() as u32;
    graph.edges.extend(kept_edges);
    let block = &mut graph.blocks[id.0 as usize];
    block.edges = first..graph.edges.len() as u32;
    block.size = made.len() as u64;
    block.content = Content::Made(graph.made.len() as u64);
    graph.made.extend(made);
    Ok(())
}

/// Whether a symbol lies in a block of this object that has been dropped.
fn is_dead(graph: &LinkGraph, id: SymbolId) -> bool {
    matches!(graph.symbol(id).definition, Definition::Block(block) if !graph.block(block).live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_taken_apart() {
        let mut bytes = vec![8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]; // an entry of 12 bytes
        bytes.extend([8, 0, 0, 0, 16, 0, 0, 0, 9, 9, 9, 9]); // a description, 16 bytes from its field to the entry
        bytes.extend([0; 4]);
        let found = records(&bytes).unwrap();
        assert_eq!(found[0], Record { range: 0..12, id: 4, entry: None });
        assert_eq!(found[1], Record { range: 12..24, id: 16, entry: Some(0) });
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        assert_eq!(records(&[8, 0, 0]), Err(0));
        assert_eq!(records(&[9, 0, 0, 0, 0, 0, 0, 0]), Err(0));
        assert_eq!(records(&[4, 0, 0, 0, 0xff, 0, 0, 0]), Err(0));
        assert_eq!(records(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(0));
    }
}
