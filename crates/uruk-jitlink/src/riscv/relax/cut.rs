//! Bytes that are cut out of a block, and what moves with them.

use super::*;

/// What is cut out of one block and what takes its place, in order.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// Start and end of each run, and the bytes cut before it.
    runs: Vec<(u64, u64, u64)>,
    /// Bytes that are written before the runs are cut.
    bytes: Vec<(usize, Vec<u8>)>,
    /// Edges, by position among the block's, that have another kind.
    kinds: Vec<(usize, EdgeKind)>,
    /// Where the last instructions that were looked at end.
    end: u64,
    /// The least alignment of the block.
    align_log2: u8,
}

impl Cuts {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.bytes.is_empty()
    }

    fn total(&self) -> u64 {
        self.runs.last().map_or(0, |(start, end, before)| before + end - start)
    }

    /// Takes the end of what begins at an offset out; `None` where it does not lie behind the others.
    fn cut(&mut self, offset: u32, start: u64, end: u64) -> Option<()> {
        if u64::from(offset) < self.end {
            return None;
        }
        self.end = end;
        if start != end {
            self.runs.push((start, end, self.total()));
        }
        Some(())
    }

    /// Leaves as many of the bytes at an offset as the alignment behind them needs. They are one instruction less than it,
    /// so its size follows from theirs.
    pub fn align(&mut self, block: &Block, offset: u32, padding: i64) -> Option<()> {
        const NOP: [u8; 4] = [0x13, 0, 0, 0];
        const SHORT_NOP: [u8; 2] = [1, 0];
        let (start, padding) = (u64::from(offset), u64::try_from(padding).ok()?);
        let end = start.checked_add(padding).filter(|end| *end <= block.size)?;
        let align = padding.checked_add(2)?.checked_next_power_of_two()?;
        let place = start.checked_sub(self.total())?;
        let keep = place.next_multiple_of(align) - place;
        if padding < keep || keep % 2 != 0 {
            return None;
        }
        self.align_log2 = self.align_log2.max(align.trailing_zeros() as u8);
        if keep != padding {
            let mut nops = NOP.repeat(keep as usize / 4);
            nops.extend_from_slice(&SHORT_NOP[..keep as usize % 4]);
            self.bytes.push((offset as usize, nops));
        }
        self.cut(offset, start + keep, end)
    }

    /// Puts a shorter instruction in the place of a call.
    pub fn replace(&mut self, index: usize, offset: u32, shorter: Shorter) -> Option<()> {
        const CALL_SIZE: u64 = 8;
        self.bytes.push((offset as usize, shorter.bytes[..shorter.size as usize].to_vec()));
        self.kinds.push((index, shorter.kind));
        self.cut(offset, u64::from(offset + shorter.size), u64::from(offset) + CALL_SIZE)
    }

    /// Where an offset of the block has moved to.
    fn moved(&self, offset: u64) -> u64 {
        let after = self.runs.partition_point(|(start, ..)| *start < offset);
        let Some((start, end, before)) = after.checked_sub(1).map(|at| self.runs[at]) else { return offset };
        offset - before - (offset.min(end) - start)
    }

    /// Whether the byte at an offset goes.
    fn is_gone(&self, offset: u64) -> bool {
        let after = self.runs.partition_point(|(start, ..)| *start <= offset);
        after.checked_sub(1).is_some_and(|at| offset < self.runs[at].1)
    }
}

/// Changes a block.
pub fn apply(graph: &mut LinkGraph, id: BlockId, cuts: &Cuts) -> Result<(), LinkError> {
    let block = graph.block(id);
    let mut old = graph.content(block).to_vec();
    for (at, bytes) in &cuts.bytes {
        old[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    let mut bytes = Vec::with_capacity(old.len());
    let mut from = 0;
    for (start, end, _) in &cuts.runs {
        bytes.extend_from_slice(&old[from..*start as usize]);
        from = *end as usize;
    }
    bytes.extend_from_slice(&old[from..]);
    let mut edges = Vec::with_capacity(block.edges.len());
    let mut kinds = cuts.kinds.iter().peekable();
    for (index, edge) in graph.edges(block).iter().enumerate() {
        let kind = kinds.next_if(|(at, _)| *at == index).map_or(edge.kind, |(_, kind)| *kind);
        if matches!(kind, RELAX | ALIGN) {
            continue;
        }
        let offset = cuts.moved(edge.offset.into());
        let end = offset + graph.arch().info(kind).field.size();
        if cuts.is_gone(edge.offset.into()) || (bytes.len() as u64) < end {
            return Err(malformed(graph, block, edge.offset));
        }
        edges.push(Edge { offset: offset as u32, kind, ..*edge });
    }
    raw::give(graph, id, &bytes, edges);
    let block = &mut graph.blocks[id.0 as usize];
    block.align_log2 = block.align_log2.max(cuts.align_log2);
    graph.moved = true;
    Ok(())
}

/// Moves the symbols of changed blocks, and what is said relative to such a block as a whole. `cuts` is by block.
pub fn move_symbols(graph: &mut LinkGraph, cuts: &[Cuts]) {
    let of = |definition| match definition {
        Definition::Block(block) => Some(&cuts[block.0 as usize]).filter(|cuts| !cuts.runs.is_empty()),
        _ => None,
    };
    for symbol in &mut graph.symbols {
        if let Some(cuts) = of(symbol.definition) {
            let end = cuts.moved(symbol.value.saturating_add(symbol.size));
            symbol.value = cuts.moved(symbol.value);
            symbol.size = end - symbol.value;
        }
    }
    let LinkGraph { edges, symbols, .. } = graph;
    for edge in edges.iter_mut().filter(|edge| !edge.wide && 0 < edge.addend) {
        let symbol = &symbols[edge.target.0 as usize];
        if let (SymbolKind::Section, Some(cuts)) = (symbol.kind, of(symbol.definition)) {
            edge.addend = cuts.moved(edge.addend as u64) as i32;
        }
    }
}
