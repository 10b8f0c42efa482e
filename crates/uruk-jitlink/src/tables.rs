//! The table entries of one object: GOT slots, stubs, thread-local pairs and descriptors.
//!
//! Data flow: the wishes of its edges and where its symbols ended up → which entries have to exist → their offsets.
//! Entries belong to the object, so that they go with it; targets in reach need none.

use crate::arch::Architecture;
use crate::graph::*;
use crate::resolve::{Target, Targets, may_be_null};
use std::ops::Range;

/// Whether an object's calls reach all of its own code.
pub fn own_in_reach(graph: &LinkGraph) -> bool {
    let reach = branch_reach(graph.arch());
    // Nothing that an object holds is out of reach of a 32-bit distance.
    WIDE_REACH <= reach || code_sizes(graph).map(|(_, size)| size).fold(0, u64::saturating_add) < reach
}

/// The blocks of a graph's code that stay, each with the bytes that it takes at most.
pub fn code_sizes(graph: &LinkGraph) -> impl Iterator<Item = (BlockId, u64)> {
    let code = graph.live_blocks().filter(|(_, block)| graph.section(block.section).kind == SectionKind::Code);
    code.map(|(id, block)| (id, block.size + (1 << block.align_log2)))
}

/// How far a call reaches that goes anywhere in memory, with some room for addends and the stubs themselves.
fn branch_reach(arch: &Architecture) -> u64 {
    arch.branch_reach - arch.branch_reach / 128
}

/// The reach of a signed 32-bit distance, likewise.
const WIDE_REACH: u64 = (1 << 31) - (1 << 24);

/// A planned entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Planned {
    /// The symbol that it is for.
    pub symbol: SymbolId,
    /// What it is.
    pub entry: Entry,
    /// Its number among the stubs, or the number of its first slot in the GOT.
    pub index: u32,
}

/// A function that is reached through a stub whose slot is filled by running it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Indirect {
    /// The symbol.
    pub symbol: SymbolId,
    /// Its stub's number.
    pub stub: u32,
}

/// The entries of one object.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Sorted by symbol and entry.
    pub planned: Vec<Planned>,
    /// Entries that nothing goes through, in the same order, if somebody wants to [see them](Tables::plan_spare).
    pub spare: Vec<Planned>,
    /// Indirect functions that this object defines; their slots lie in the data lane, in this order.
    pub indirect: Vec<Indirect>,
    /// Number of stubs.
    pub stubs: u32,
    /// Number of GOT slots.
    pub slots: u32,
}

impl Tables {
    /// Plans the entries that the object's edges need if its memory lies in `span`.
    pub fn plan(graph: &LinkGraph, targets: &Targets, span: &Range<u64>) -> Tables {
        let mut tables = Tables::default();
        let reach = branch_reach(graph.arch());
        let own_near = own_in_reach(graph);
        let span_near = span.end.saturating_sub(span.start) < reach;
        // Wishes are sorted, so those of one symbol and entry are neighbours, the one that cannot do without first.
        let mut last = None;
        for want in &graph.wants {
            if last == Some((want.symbol, want.entry)) {
                continue;
            }
            let is_call = want.entry == Entry::Stub;
            let near = match targets.of(graph, want.symbol) {
                Target::Known(address) if want.entry == Entry::Inside => span.contains(&address),
                Target::Own => !is_call || own_near,
                Target::Near => !is_call || span_near,
                Target::Bound => !may_be_null(graph, want.symbol) && (!is_call || span_near),
                Target::Known(address) if is_call => reaches(span, address, reach),
                Target::Known(address) => in_reach(span, address),
                Target::Far | Target::ThreadLocal(_) | Target::ThreadImage => false,
            };
            let avoidable = match want.entry {
                Entry::Stub | Entry::Inside => true,
                Entry::Got | Entry::ThreadOffset => want.relaxable,
                _ => false,
            };
            if near && avoidable {
                continue;
            }
            last = Some((want.symbol, want.entry));
            tables.add(want.symbol, want.entry);
        }
        tables.planned.sort_unstable();
        tables.planned.dedup_by_key(|planned| (planned.symbol, planned.entry));
        tables.add_indirect(graph, targets);
        tables
    }

    fn add(&mut self, symbol: SymbolId, entry: Entry) {
        match entry {
            Entry::Stub => {
                self.planned.push(Planned { symbol, entry, index: self.stubs });
                self.stubs += 1;
                if !self.has_just(symbol, Entry::Got) {
                    self.add(symbol, Entry::Got);
                }
            }
            Entry::Inside if self.has_just(symbol, Entry::Stub) => {}
            Entry::Inside => self.add(symbol, Entry::Stub),
            Entry::Got | Entry::ThreadOffset => {
                self.planned.push(Planned { symbol, entry, index: self.slots });
                self.slots += 1;
            }
            Entry::ModuleAndOffset | Entry::Module | Entry::Descriptor => {
                self.planned.push(Planned { symbol, entry, index: self.slots });
                self.slots += 2;
            }
        }
    }

    /// Whether an entry of the symbol whose wishes are being looked at has been planned.
    fn has_just(&self, symbol: SymbolId, entry: Entry) -> bool {
        let own = self.planned.iter().rev().take_while(|one| one.symbol == symbol);
        own.into_iter().any(|one| one.entry == entry)
    }

    /// Plans entries also for edges that do without, as linkers have them that make all entries before they relax: GOT
    /// slots, and stubs for what other objects define.
    pub fn plan_spare(&mut self, graph: &LinkGraph, targets: &Targets) {
        let mut wanted: Vec<(SymbolId, Entry)> = Vec::new();
        for want in &graph.wants {
            match want.entry {
                Entry::Stub if targets.get(want.symbol) != Target::Own => {
                    wanted.extend([Entry::Got, Entry::Stub].map(|entry| (want.symbol, entry)));
                }
                Entry::Got => wanted.push((want.symbol, Entry::Got)),
                _ => {}
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|(symbol, entry)| self.find(*symbol, *entry).is_none());
        for (symbol, entry) in wanted {
            let count = if entry == Entry::Stub { &mut self.stubs } else { &mut self.slots };
            self.spare.push(Planned { symbol, entry, index: *count });
            *count += 1;
        }
    }

    /// All entries, those that nothing goes through too.
    pub fn all(&self) -> impl Iterator<Item = &Planned> {
        self.planned.iter().chain(&self.spare)
    }

    fn add_indirect(&mut self, graph: &LinkGraph, targets: &Targets) {
        for (index, symbol) in (0..).zip(&graph.symbols) {
            if symbol.kind == SymbolKind::Indirect
                && targets.get(SymbolId(index)) == Target::Own
                && matches!(symbol.definition, Definition::Block(block) if graph.block(block).live)
            {
                self.indirect.push(Indirect { symbol: SymbolId(index), stub: self.stubs });
                self.stubs += 1;
            }
        }
    }

    /// The index of a planned entry.
    pub fn find(&self, symbol: SymbolId, entry: Entry) -> Option<u32> {
        let found = self.planned.binary_search_by_key(&(symbol, entry), |planned| (planned.symbol, planned.entry));
        found.ok().map(|at| self.planned[at].index)
    }

    /// The index of an entry, even one that nothing goes through.
    pub fn find_any(&self, symbol: SymbolId, entry: Entry) -> Option<u32> {
        let spare = || self.spare.iter().find(|spare| (spare.symbol, spare.entry) == (symbol, entry));
        self.find(symbol, entry).or_else(|| spare().map(|spare| spare.index))
    }

    /// Whether an entry has been planned.
    pub fn has(&self, symbol: SymbolId, entry: Option<Entry>) -> bool {
        entry.is_some_and(|entry| self.find(symbol, entry).is_some())
    }

    /// Bytes of the stubs.
    pub fn stub_bytes(&self, arch: &Architecture) -> u64 {
        u64::from(self.stubs) * arch.stub_size
    }

    /// Bytes of the GOT.
    pub fn got_bytes(&self, arch: &Architecture) -> u64 {
        u64::from(self.slots) * arch.slot_size
    }

    /// Bytes of the slots that are filled by running resolvers.
    pub fn indirect_bytes(&self, arch: &Architecture) -> u64 {
        self.indirect.len() as u64 * arch.slot_size
    }
}

/// Whether a signed 32-bit distance, with some room for addends, reaches an address from everywhere in a range.
pub fn in_reach(span: &Range<u64>, address: u64) -> bool {
    reaches(span, address, WIDE_REACH)
}

fn reaches(span: &Range<u64>, address: u64, reach: u64) -> bool {
    span.start.abs_diff(address) < reach && span.end.abs_diff(address) < reach
}
