//! Collection: which blocks of many objects are reached from some of them, as `ld --gc-sections` decides it.
//!
//! Data flow: graphs, roots, and what each global symbol was found to be → marks on blocks and symbols → [`sweep`]
//! drops the rest, before tables are planned
//! ([`wishes::gather`](crate::wishes::gather)). Invariants: every block and every edge is looked at once at most, without
//! recursion; edges of unreached blocks keep nothing; blocks dropped earlier are never reached.
//!
//! What keeps what, besides edges: a group lives as a whole (gABI 4.3, "Section Groups"); a description
//! (`SHF_LINK_ORDER`) lives if what it describes does; an unwind record lives if its function does, and then keeps its
//! language-specific data and its personality; a bound (`__start_X`, `__stop_X`) keeps all sections X of all objects, but
//! for descriptions. Source: GNU ld 2.40, `bfd/elflink.c` (`_bfd_elf_gc_mark`, `bfd_elf_gc_sections`), and trials with it.

use crate::ehframe;
use crate::graph::*;
use crate::layout::gathered_name;
use crate::pdata;
use std::collections::HashMap;
use std::ops::Range;

/// What a global symbol stands for in a collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Referent {
    /// A symbol that this graph defines, by the graph's position.
    Symbol(usize, SymbolId),
    /// A bound of a section, by the position of its name.
    Bound(usize),
    /// Nothing that is collected.
    Elsewhere,
}

/// A graph of a collection.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// The object.
    pub graph: &'a LinkGraph,
    /// All of its blocks are roots.
    pub whole: bool,
}

/// Whether a block holds unwind records, each of which goes with its function.
fn is_records(graph: &LinkGraph, block: &Block) -> bool {
    graph.section(block.section).kind.is_unwind_records()
}

/// What is reached of one graph.
#[derive(Clone, Debug)]
pub struct Reached {
    /// By block. Unwind records count as reached; [`ehframe::drop_dead_records`] looks after them.
    pub blocks: Vec<bool>,
    /// By symbol: roots, and global ones that an edge of a reached block refers to.
    pub symbols: Vec<bool>,
}

/// Finds what the roots reach. `bounds` are the names of the sections that [`Referent::Bound`] speaks of; `resolve` is
/// asked once for each global symbol that is reached.
pub fn mark(
    candidates: &[Candidate<'_>],
    roots: &[(usize, SymbolId)],
    bounds: &[Vec<u8>],
    resolve: impl Fn(usize, SymbolId) -> Referent,
) -> Vec<Reached> {
    let mut marking = Marking {
        candidates,
        companions: candidates.iter().map(|candidate| Companions::new(candidate.graph)).collect(),
        reached: candidates.iter().map(|candidate| Reached::new(candidate.graph)).collect(),
        bounded: blocks_by_name(candidates, bounds),
        pending: Vec::new(),
        resolve,
    };
    for (position, candidate) in candidates.iter().enumerate() {
        marking.reach_own_roots(position, candidate);
    }
    for (position, symbol) in roots {
        marking.refer(*position, *symbol);
    }
    marking.run();
    marking.reached
}

/// Drops the blocks of a graph that were not reached.
pub fn sweep(graph: &mut LinkGraph, reached: &Reached) {
    for (block, reached) in graph.blocks.iter_mut().zip(&reached.blocks) {
        block.live &= reached;
    }
}

impl Reached {
    fn new(graph: &LinkGraph) -> Reached {
        Reached { blocks: vec![false; graph.blocks.len()], symbols: vec![false; graph.symbols.len()] }
    }
}

/// Something that lives if a block does.
#[derive(Clone, Debug)]
enum Companion {
    Block(BlockId),
    /// What edges refer to that lie in an unwind record.
    Edges(Range<u32>),
    Symbol(SymbolId),
}

/// What lives with each block of a graph, sorted by block, and what lives anyway.
struct Companions {
    by_block: Vec<(BlockId, Companion)>,
    anyway: Vec<Range<u32>>,
}

impl Companions {
    fn new(graph: &LinkGraph) -> Companions {
        let mut companions = Companions { by_block: Vec::new(), anyway: Vec::new() };
        for group in &graph.groups {
            // Each keeps the next, the last one the first.
            let blocks = || group.blocks.iter().filter(|id| !is_records(graph, graph.block(**id)));
            let next = blocks().cycle().skip(1);
            companions.by_block.extend(blocks().zip(next).map(|(one, next)| (*one, Companion::Block(*next))));
        }
        let descriptions = graph.descriptions.iter();
        companions.by_block.extend(descriptions.map(|(own, described)| (*described, Companion::Block(*own))));
        companions.by_block.extend(graph.mentions.iter().map(|(block, symbol)| (*block, Companion::Symbol(*symbol))));
        for block in graph.blocks.iter().filter(|block| block.live) {
            match graph.section(block.section).kind {
                SectionKind::EhFrame => companions.add_records(graph, block),
                SectionKind::Pdata => companions.add_function_records(graph, block),
                _ => {}
            }
        }
        companions.by_block.sort_by_key(|(block, _)| *block);
        companions
    }

    fn add_records(&mut self, graph: &LinkGraph, block: &Block) {
        // Records that make no sense keep all that they refer to; whoever takes them apart next reports them.
        let Ok(records) = ehframe::records(graph.content(block)) else { return self.anyway.push(block.edges.clone()) };
        let mut at = block.edges.start;
        let mut entries: Vec<(usize, Range<u32>)> = Vec::new();
        for (record, edges) in ehframe::split_edges(&records, graph.edges(block)) {
            let range = at..at + edges.len() as u32;
            at = range.end;
            let Some(entry) = record.entry else {
                entries.push((record.range.start, range));
                continue;
            };
            let entry = entries.binary_search_by_key(&entry, |(start, _)| *start);
            let entry = entry.map_or(0..0, |position| entries[position].1.clone());
            let function = ehframe::function(record, edges).map(|id| graph.symbol(id).definition);
            for range in [range, entry].into_iter().filter(|range| !range.is_empty()) {
                match function {
                    Some(Definition::Block(function)) => self.by_block.push((function, Companion::Edges(range))),
                    _ => self.anyway.push(range),
                }
            }
        }
    }

    fn add_function_records(&mut self, graph: &LinkGraph, block: &Block) {
        let Ok(records) = pdata::records(graph, block) else { return self.anyway.push(block.edges.clone()) };
        for record in records {
            match pdata::function(graph, &record) {
                Some(function) => self.by_block.push((function, Companion::Edges(record.edges))),
                None => self.anyway.push(record.edges),
            }
        }
    }

    /// The positions of what lives with a block.
    fn of(&self, block: BlockId) -> Range<usize> {
        self.by_block.partition_point(|(of, _)| *of < block)..self.by_block.partition_point(|(of, _)| *of <= block)
    }
}

/// A collection under way.
struct Marking<'a, R> {
    candidates: &'a [Candidate<'a>],
    companions: Vec<Companions>,
    reached: Vec<Reached>,
    /// The blocks of each section whose bounds may be asked for, until somebody does.
    bounded: Vec<Vec<(usize, BlockId)>>,
    /// Reached blocks whose edges have not been followed.
    pending: Vec<(usize, BlockId)>,
    resolve: R,
}

impl<R: Fn(usize, SymbolId) -> Referent> Marking<'_, R> {
    fn reach_own_roots(&mut self, position: usize, candidate: &Candidate<'_>) {
        let graph = candidate.graph;
        for (id, block) in (0..).zip(&graph.blocks) {
            let section = graph.section(block.section);
            let is_root =
                matches!(section.kind, SectionKind::Functions(..)) || is_records(graph, block) || section.retain;
            if candidate.whole || is_root {
                self.reach(position, BlockId(id));
            }
        }
        if candidate.whole {
            for (id, _) in graph.globals() {
                self.refer(position, id);
            }
        }
        for symbol in graph.actions.iter().flat_map(|action| action.symbols()) {
            self.refer(position, symbol);
        }
        for range in std::mem::take(&mut self.companions[position].anyway) {
            self.follow(position, range);
        }
    }

    fn run(&mut self) {
        while let Some((position, id)) = self.pending.pop() {
            let graph = self.candidates[position].graph;
            let block = graph.block(id);
            if !is_records(graph, block) {
                self.follow(position, block.edges.clone());
            }
            for index in self.companions[position].of(id) {
                match self.companions[position].by_block[index].1.clone() {
                    Companion::Block(companion) => self.reach(position, companion),
                    Companion::Edges(range) => self.follow(position, range),
                    Companion::Symbol(symbol) => self.refer(position, symbol),
                }
            }
        }
    }

    fn reach(&mut self, position: usize, id: BlockId) {
        let mark = &mut self.reached[position].blocks[id.0 as usize];
        if !*mark && self.candidates[position].graph.block(id).live {
            *mark = true;
            self.pending.push((position, id));
        }
    }

    fn follow(&mut self, position: usize, edges: Range<u32>) {
        let graph = self.candidates[position].graph;
        for edge in &graph.edges[edges.start as usize..edges.end as usize] {
            self.refer(position, edge.target);
        }
    }

    fn refer(&mut self, position: usize, id: SymbolId) {
        let graph = self.candidates[position].graph;
        if id < graph.first_global || graph.symbol(id).binding == Binding::Local {
            return self.reach_definition(position, id);
        }
        if std::mem::replace(&mut self.reached[position].symbols[id.0 as usize], true) {
            return;
        }
        match (self.resolve)(position, id) {
            Referent::Elsewhere => {}
            Referent::Symbol(position, id) => {
                self.reached[position].symbols[id.0 as usize] = true;
                self.reach_definition(position, id);
            }
            Referent::Bound(bound) => {
                for (position, block) in std::mem::take(&mut self.bounded[bound]) {
                    self.reach(position, block);
                }
            }
        }
    }

    fn reach_definition(&mut self, position: usize, id: SymbolId) {
        if let Definition::Block(block) = self.candidates[position].graph.symbol(id).definition {
            self.reach(position, block);
        }
    }
}

/// The blocks that a reference to a section's bounds keeps, for each name.
fn blocks_by_name(candidates: &[Candidate<'_>], names: &[Vec<u8>]) -> Vec<Vec<(usize, BlockId)>> {
    let mut blocks = vec![Vec::new(); names.len()];
    if names.is_empty() {
        return blocks;
    }
    let by_name: HashMap<&[u8], usize> = names.iter().map(Vec::as_slice).zip(0..).collect();
    for (position, Candidate { graph, .. }) in candidates.iter().enumerate() {
        let mut descriptions: Vec<BlockId> = graph.descriptions.iter().map(|(own, _)| *own).collect();
        descriptions.sort_unstable();
        for (id, block) in (0..).map(BlockId).zip(&graph.blocks) {
            if let Some(name) = by_name.get(gathered_name(graph, block.section))
                && descriptions.binary_search(&id).is_err()
            {
                blocks[*name].push((position, id));
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests;
