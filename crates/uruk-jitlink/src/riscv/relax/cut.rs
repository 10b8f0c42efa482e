//! Bytes that are cut out of a block, and what moves with them.

use super::*;

/// What is cut out of one block and what takes its place, in order.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    runs: Vec<Run>,
    /// Where bytes are written before the runs are cut, and how many; and all of them.
    writes: Vec<(usize, usize)>,
    written: Vec<u8>,
    /// Edges, by position among the block's, that have another kind.
    kinds: Vec<(usize, EdgeKind)>,
    /// Where the last instructions that were looked at end.
    end: u64,
    /// The least alignment of the block.
    align_log2: u8,
    /// How many runs begin before what was asked for last.
    passed: usize,
}

/// A run of bytes that is cut out.
#[derive(Clone, Debug)]
struct Run {
    start: u64,
    end: u64,
    /// Bytes that are cut before it.
    before: u64,
}

impl Cuts {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.writes.is_empty()
    }

    fn total(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.before + run.end - run.start)
    }

    /// Takes the end of what begins at an offset out; `None` where it does not lie behind the others.
    fn cut(&mut self, offset: u32, start: u64, end: u64) -> Option<()> {
        if u64::from(offset) < self.end {
            return None;
        }
        self.end = end;
        if start != end {
            self.runs.push(Run { start, end, before: self.total() });
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
            let nops = std::iter::repeat_n(NOP, keep as usize / 4).flatten();
            self.written.extend(nops.chain(SHORT_NOP).take(keep as usize));
            self.writes.push((offset as usize, keep as usize));
        }
        self.cut(offset, start + keep, end)
    }

    /// Puts a shorter instruction in the place of a call.
    pub fn replace(&mut self, index: usize, offset: u32, shorter: Shorter) -> Option<()> {
        const CALL_SIZE: u64 = 8;
        self.written.extend_from_slice(&shorter.bytes[..shorter.size as usize]);
        self.writes.push((offset as usize, shorter.size as usize));
        self.kinds.push((index, shorter.kind));
        self.cut(offset, u64::from(offset + shorter.size), u64::from(offset) + CALL_SIZE)
    }

    /// The last run that does not begin behind an offset. Most questions are near the one before.
    fn run(&mut self, offset: u64) -> Option<&Run> {
        const STEPS: usize = 8;
        let begins_behind = |run: &Run| offset < run.start;
        for _ in 0..STEPS {
            if self.runs.get(self.passed).is_some_and(|next| !begins_behind(next)) {
                self.passed += 1;
            } else if self.passed.checked_sub(1).is_some_and(|last| begins_behind(&self.runs[last])) {
                self.passed -= 1;
            } else {
                return self.runs[..self.passed].last();
            }
        }
        self.passed = self.runs.partition_point(|run| !begins_behind(run));
        self.runs[..self.passed].last()
    }

    /// Where an offset of the block has moved to.
    fn moved(&mut self, offset: u64) -> u64 {
        self.run(offset).map_or(offset, |run| offset - run.before - (offset.min(run.end) - run.start))
    }

    /// Where a byte has moved to that must still be there.
    fn kept(&mut self, offset: u64) -> Option<u64> {
        match self.run(offset) {
            Some(run) => (run.end <= offset).then(|| offset - run.before - (run.end - run.start)),
            None => Some(offset),
        }
    }
}

/// Changes a block.
pub fn apply(graph: &mut LinkGraph, id: BlockId, cuts: &mut Cuts) -> Result<(), LinkError> {
    let bytes = raw::bytes_mut(graph, id);
    let mut written = cuts.written.as_slice();
    for &(at, size) in &cuts.writes {
        let (new, rest) = written.split_at(size);
        bytes[at..at + size].copy_from_slice(new);
        written = rest;
    }
    let (mut from, mut size, all) = (0, 0, bytes.len());
    for (start, end) in cuts.runs.iter().map(|run| (run.start as usize, run.end as usize)).chain([(all, all)]) {
        bytes.copy_within(from..start, size);
        size += start - from;
        from = end;
    }
    let block = &mut graph.blocks[id.0 as usize];
    block.size = size as u64;
    block.align_log2 = block.align_log2.max(cuts.align_log2);
    graph.moved = true;
    move_edges(graph, id, cuts)
}

/// Moves the edges of a block whose bytes have been cut. Those that only say what may be done have had their use.
fn move_edges(graph: &mut LinkGraph, id: BlockId, cuts: &mut Cuts) -> Result<(), LinkError> {
    let arch = graph.arch();
    let Block { edges: Range { start, end }, size, .. } = *graph.block(id);
    let mut kinds = std::mem::take(&mut cuts.kinds).into_iter().peekable();
    let mut left = start;
    for index in start..end {
        let mut edge = graph.edges[index as usize];
        if let Some((_, kind)) = kinds.next_if(|(at, _)| *at == (index - start) as usize) {
            edge.kind = kind;
        }
        if matches!(edge.kind, RELAX | ALIGN) {
            continue;
        }
        let holds = |offset: &u64| offset + arch.info(edge.kind).field.size() <= size;
        let Some(offset) = cuts.kept(edge.offset.into()).filter(holds) else {
            return Err(malformed(graph, graph.block(id), edge.offset));
        };
        graph.edges[left as usize] = Edge { offset: offset as u32, ..edge };
        left += 1;
    }
    graph.blocks[id.0 as usize].edges = start..left;
    Ok(())
}

/// Moves the symbols of changed blocks, and what is said relative to such a block as a whole. `cuts` is by block.
pub fn move_symbols(graph: &mut LinkGraph, cuts: &mut [Cuts]) {
    fn of(cuts: &mut [Cuts], definition: Definition) -> Option<&mut Cuts> {
        let Definition::Block(block) = definition else { return None };
        Some(&mut cuts[block.0 as usize]).filter(|cuts| !cuts.runs.is_empty())
    }
    for symbol in &mut graph.symbols {
        if let Some(cuts) = of(cuts, symbol.definition) {
            let old = symbol.value;
            symbol.value = cuts.moved(old);
            if symbol.size != 0 {
                symbol.size = cuts.moved(old.saturating_add(symbol.size)) - symbol.value;
            }
        }
    }
    let LinkGraph { edges, symbols, .. } = graph;
    for edge in edges.iter_mut().filter(|edge| !edge.wide && 0 < edge.addend) {
        let symbol = &symbols[edge.target.0 as usize];
        if let (SymbolKind::Section, Some(cuts)) = (symbol.kind, of(cuts, symbol.definition)) {
            edge.addend = cuts.moved(edge.addend as u64) as i32;
        }
    }
}
