//! What stays of a linked unit, and how it is given back.

use super::actions::Departure;
use super::passes::Retained;
use super::shown::Shown;
use crate::executor::Resource;
use crate::session::Shared;
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::fixup::Window;
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::{FunctionTable, SectionKind};
use uruk_jitlink::layout::Member;
use uruk_jitlink::memory::{Lane, Segment};

/// A function that runs before `main` or after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableFunction {
    pub table: FunctionTable,
    pub priority: u32,
    /// Of functions that are alike in this and the other two, those of later objects run first.
    pub backwards: bool,
    pub address: u64,
}

impl TableFunction {
    /// An initialiser without a priority.
    pub fn initialiser(address: u64) -> TableFunction {
        const NO_PRIORITY: u32 = 65_536;
        TableFunction { table: FunctionTable::Init, priority: NO_PRIORITY, backwards: false, address }
    }
}

/// Tells somebody that a unit is going.
pub(crate) type Farewell = Box<dyn FnOnce(&Shared) + Send>;

/// A linked unit's memory and registrations.
#[derive(Default)]
pub(crate) struct Linked {
    pub segments: Vec<Segment>,
    /// Its data stays for as long as the session lives, since others may walk through it.
    pub keeps_data: bool,
    /// Code and data of a client's own.
    pub places: Vec<Range<u64>>,
    pub functions: Vec<TableFunction>,
    /// Unwind records of both kinds; given back before the memory.
    pub unwind: [Option<Resource>; 2],
    /// The batch's thread-local image.
    pub threads: Option<Arc<Resource>>,
    /// Its thread-local variables: the module and their offsets.
    pub variables: Vec<(u64, Range<u64>)>,
    /// What debuggers and backtraces know of it; given back before the memory.
    pub shown: Shown,
    /// Its graph, if somebody wants that to stay.
    pub retained: Option<Arc<Retained>>,
    /// Calls in the executor before its memory goes, the last one first.
    pub departures: Vec<Departure>,
    /// Told when it goes, before its memory does.
    pub farewells: Vec<Farewell>,
    /// What a client's unit keeps.
    pub kept: Vec<Resource>,
}

impl Linked {
    /// Of a member whose bytes are final. A member of a batch with gathered sections keeps its data.
    pub fn new(
        member: &Member,
        threads: Option<Arc<Resource>>,
        functions: Vec<TableFunction>,
        gathered: bool,
    ) -> Linked {
        let share = &member.share;
        let runs = Lane::ALL.into_iter().zip(&share.lanes).chain([(Lane::Data, &share.zero)]);
        let segments = runs
            .filter(|(_, range)| !range.is_empty())
            .map(|(lane, range)| Segment { lane, address: range.start, size: range.end - range.start })
            .collect();
        Linked { segments, keeps_data: gathered, functions, threads, ..Linked::default() }
    }

    /// Adds what a client's unit had kept before it was linked.
    pub fn join(&mut self, kept: Linked) {
        let Linked { segments, places, functions, kept, .. } = kept;
        self.segments.extend(segments);
        self.places.extend(places);
        self.functions.extend(functions);
        self.kept.extend(kept);
    }

    /// Where its code and data are.
    pub fn memory(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let segments = self.segments.iter().map(|segment| segment.address..segment.address + segment.size);
        segments.chain(self.places.iter().cloned())
    }

    /// What is to be given back, and what stays with the session.
    pub fn into_segments(self) -> (Vec<Segment>, Vec<Segment>) {
        self.segments.into_iter().partition(|segment| !(self.keeps_data && segment.lane == Lane::Data))
    }
}

/// Where a member's thread-local variables are in the image: those with initial values, and the others.
pub(crate) fn thread_variables(member: &Member) -> impl Iterator<Item = Range<u64>> + '_ {
    let graph = &member.graph;
    [SectionKind::TlsData, SectionKind::TlsZero].into_iter().filter_map(move |kind| {
        let blocks = graph.blocks.iter().filter(|block| block.live && graph.section(block.section).kind == kind);
        let ranges = blocks.map(|block| block.address..block.address + block.size);
        ranges.reduce(|hull, range| hull.start.min(range.start)..hull.end.max(range.end))
    })
}

/// The functions in a member's tables, in the order in which each table runs them, read from its fixed-up bytes.
pub(crate) fn function_tables(member: &Member, data: &Window<'_>) -> Vec<TableFunction> {
    let graph = &member.graph;
    let mut functions = Vec::new();
    // MinGW's start files run one table of all objects; elsewhere each object's is turned around by itself.
    let all = graph.format.container == Container::Coff;
    for block in graph.blocks.iter().filter(|block| block.live) {
        let SectionKind::Functions(table, order) = graph.section(block.section).kind else { continue };
        let backwards = all && order.backwards && table == FunctionTable::Init;
        let start = (block.address - data.address) as usize;
        let words = data.bytes[start..start + block.size as usize].chunks_exact(8);
        let words = words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        // 0 and -1 end and begin the tables of start files.
        let addresses = words.filter(|address| !matches!(*address, 0 | u64::MAX));
        let mut found: Vec<_> =
            addresses.map(|address| TableFunction { table, priority: order.priority, backwards, address }).collect();
        if order.backwards {
            found.reverse();
        }
        functions.extend(found);
    }
    functions
}
