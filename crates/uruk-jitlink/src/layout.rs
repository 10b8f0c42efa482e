//! Layout: where in the three lanes each object's blocks and tables go.
//!
//! Data flow: live blocks and planned tables of all objects of a batch → offsets in the lanes → one memory demand →
//! addresses. Each object's share of a lane is one run, so that it can be given back alone. Sections whose bounds
//! somebody asks for (`__start_X`) are gathered from all objects into one run at the end of their lane.
//! Thread-local blocks are laid out in one image for the batch, initialised ones first.

use crate::error::LinkError;
use crate::graph::*;
use crate::memory::{Demand, Lane, LaneDemand, Placement, SectionPart};
use crate::tables::{self, Tables};
use std::ops::Range;

/// An object with what has been planned for it.
pub struct Member {
    /// The object.
    pub graph: LinkGraph,
    /// Its table entries.
    pub tables: Tables,
    /// Its share of the lanes.
    pub share: Share,
}

/// An object's share of the lanes, as offsets before and addresses after memory has been had.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// One run a lane, indexed by `Lane as usize`, with the gap that alignment left before it; the data lane's without its
    /// zero-fill.
    pub lanes: [Range<u64>; 3],
    /// Its part of the data lane's zero-fill tail.
    pub zero: Range<u64>,
    /// Its unwind records, with four zero bytes behind them that belong to it too; empty where it has none.
    pub unwind: Range<u64>,
    /// Its records of functions for Windows' unwinder, in order of address once they are written.
    pub functions: Range<u64>,
    /// Its first stub, in the code lane.
    pub stubs: u64,
    /// Its GOT, in the read-only lane.
    pub got: u64,
    /// The slots of its indirect functions, in the data lane.
    pub indirect: u64,
}

/// A section gathered from all objects because its bounds are asked for.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Its name; for function tables the name without priority.
    pub name: Vec<u8>,
    /// The lane that its blocks lie in.
    pub lane: Lane,
    /// Offsets, later addresses, of its first byte and the one past its last.
    pub range: Range<u64>,
}

/// Where everything of a batch lies.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// What has to be allocated.
    pub demand: Demand,
    /// Sections with bounds, in order of their names.
    pub gathered: Vec<Gathered>,
    /// Offsets, later addresses, of what goes once the batch is final; the end of the read-only lane.
    pub scratch: Range<u64>,
    /// Bytes of the thread-local image that have initial values.
    pub tls_data: u64,
    /// Bytes of the thread-local image in all.
    pub tls_size: u64,
    /// Base-2 logarithm of its alignment.
    pub tls_align_log2: u8,
}

/// Bytes of initial values that threads can have in all, the gaps between them included.
const MAX_TLS_DATA: u64 = 1 << 31;

/// A lane being filled.
#[derive(Default)]
struct Cursor {
    at: u64,
    align_log2: u8,
}

impl Cursor {
    fn take(&mut self, size: u64, align_log2: u8) -> Option<u64> {
        let mask = (1u64 << align_log2) - 1;
        let start = self.at.checked_add(mask)? & !mask;
        self.at = start.checked_add(size).filter(|end| *end <= i64::MAX as u64)?;
        self.align_log2 = self.align_log2.max(align_log2);
        Some(start)
    }

    /// Aligns for an object's run and gives its start: the gap before it belongs to it, so that every byte of a lane is
    /// given back with some object.
    fn begin_run(&mut self) -> Option<u64> {
        // A cache line, so that two objects' writes do not meet in one.
        const RUN_ALIGN_LOG2: u8 = 4;
        let start = self.at;
        self.take(0, RUN_ALIGN_LOG2)?;
        Some(start)
    }
}

/// The lane of a section's blocks, or `None` for the thread-local image.
pub fn lane(kind: SectionKind) -> Option<Lane> {
    match kind {
        SectionKind::Code => Some(Lane::Code),
        SectionKind::ReadOnly | SectionKind::EhFrame | SectionKind::Pdata | SectionKind::Scratch => {
            Some(Lane::ReadOnly)
        }
        SectionKind::Data | SectionKind::Zero | SectionKind::Functions(..) => Some(Lane::Data),
        SectionKind::TlsData | SectionKind::TlsZero | SectionKind::Unloaded => None,
    }
}

/// The groups of sections in a graph whose parts are ordered across all objects, by their names.
pub fn groups(graph: &LinkGraph) -> impl Iterator<Item = Vec<u8>> + '_ {
    let sections = (0..graph.sections.len() as u32).map(SectionId);
    let names = sections.filter_map(|section| graph.format.container.group_of(graph.section_name(section)));
    names.map(|(group, _)| group.to_vec())
}

/// The name under which a section's bounds are asked for, or that of the group that it is part of.
pub fn gathered_name(graph: &LinkGraph, section: SectionId) -> &[u8] {
    let name = graph.section_name(section);
    match graph.section(section).kind {
        SectionKind::Functions(..) => {
            let dots = name.iter().enumerate().skip(1).find(|(_, byte)| **byte == b'.');
            dots.map_or(name, |(at, _)| &name[..at])
        }
        _ => graph.format.container.group_of(name).map_or(name, |(group, _)| group),
    }
}

impl Layout {
    /// Lays out all members; their blocks' addresses are offsets in their lanes until [`place`](Layout::place).
    pub fn new(members: &mut [Member], gather: &[Vec<u8>], placement: Placement) -> Result<Layout, LinkError> {
        let mut layout = Layout::default();
        let mut gather: Vec<&[u8]> = gather.iter().map(Vec::as_slice).collect();
        gather.sort_unstable();
        gather.dedup();
        let gather = gather.as_slice();
        let mut lanes: [Cursor; 3] = Default::default();
        for member in members.iter_mut() {
            member.lay_out(&mut lanes, gather).ok_or_else(|| too_large(member))?;
        }
        layout.lay_out_gathered(members, gather, &mut lanes)?;
        layout.scratch.start = lanes[Lane::ReadOnly as usize].at;
        for member in members.iter_mut() {
            let taken = member.take_blocks(&mut lanes, &[], |_, kind| kind == SectionKind::Scratch);
            taken.ok_or_else(|| too_large(member))?;
        }
        layout.scratch.end = lanes[Lane::ReadOnly as usize].at;
        let written = lanes[Lane::Data as usize].at;
        for member in members.iter_mut() {
            member.lay_out_zero(&mut lanes[Lane::Data as usize], gather).ok_or_else(|| too_large(member))?;
        }
        layout.lay_out_tls(members)?;
        for (demand, cursor) in layout.demand.lanes.iter_mut().zip(&lanes) {
            *demand = LaneDemand { size: cursor.at, align: 1 << cursor.align_log2, zero_fill: 0 };
        }
        layout.demand.lanes[Lane::Data as usize].zero_fill = lanes[Lane::Data as usize].at - written;
        layout.demand.placement = placement;
        Ok(layout)
    }

    fn lay_out_gathered(
        &mut self,
        members: &mut [Member],
        gather: &[&[u8]],
        lanes: &mut [Cursor; 3],
    ) -> Result<(), LinkError> {
        let mut found = vec![Vec::new(); gather.len()];
        for (index, member) in members.iter().enumerate().filter(|_| !gather.is_empty()) {
            for (id, block) in (0..).zip(&member.graph.blocks) {
                let kind = member.graph.section(block.section).kind;
                let name = gather.binary_search(&gathered_name(&member.graph, block.section));
                let lane = lane(kind).filter(|_| kind != SectionKind::Scratch);
                if let (true, Ok(name), Some(lane)) = (block.live, name, lane) {
                    let priority = match kind {
                        SectionKind::Functions(_, order) => order.priority,
                        _ => 0,
                    };
                    let section = member.graph.section_name(block.section);
                    let place = member.graph.format.container.group_of(section).map_or(&[][..], |(_, place)| place);
                    found[name].push(((priority, place.to_vec(), index, BlockId(id)), lane));
                }
            }
        }
        for (name, mut blocks) in gather.iter().zip(found) {
            let Some(lane) = blocks.iter().map(|(_, lane)| *lane).max() else { continue };
            blocks.sort();
            let mut range = None;
            // Aligned for all of them, so that entries of one size leave no gap where another object's begin.
            let aligns = blocks.iter().map(|((_, _, index, id), _)| members[*index].graph.block(*id).align_log2);
            let align_log2 = aligns.max();
            lanes[lane as usize].take(0, align_log2.unwrap_or(0));
            for ((_, _, index, id), own) in blocks {
                let member = &mut members[index];
                if own != lane {
                    // Compilers disagree on whether constants with addresses in them are writable.
                    let section = member.graph.block(id).section;
                    let kind = if lane == Lane::Data { SectionKind::Data } else { SectionKind::ReadOnly };
                    member.graph.sections[section.0 as usize].kind = kind;
                }
                let block = member.graph.block(id);
                let place = lanes[lane as usize].take(block.size, block.align_log2);
                let place = place.ok_or_else(|| too_large(member))?;
                let block = &mut member.graph.blocks[id.0 as usize];
                block.address = place;
                range = Some(range.map_or(place, |range: Range<u64>| range.start)..place + block.size);
            }
            self.gathered.extend(range.map(|range| Gathered { name: name.to_vec(), lane, range }));
        }
        Ok(())
    }

    fn lay_out_tls(&mut self, members: &mut [Member]) -> Result<(), LinkError> {
        let mut cursor = Cursor::default();
        for kind in [SectionKind::TlsData, SectionKind::TlsZero] {
            for member in members.iter_mut() {
                let LinkGraph { blocks, sections, .. } = &mut member.graph;
                for block in blocks.iter_mut().filter(|block| block.live) {
                    if sections[block.section.0 as usize].kind == kind {
                        match cursor.take(block.size, block.align_log2) {
                            Some(place) => block.address = place,
                            None => return Err(too_large(member)),
                        }
                    }
                }
            }
            if kind == SectionKind::TlsData {
                self.tls_data = cursor.at;
                // Every thread is to get a copy; a file needs few bytes to ask for much alignment.
                if let (true, Some(last)) = (MAX_TLS_DATA < cursor.at, members.last()) {
                    return Err(too_large(last));
                }
            }
        }
        (self.tls_size, self.tls_align_log2) = (cursor.at, cursor.align_log2);
        Ok(())
    }

    /// The bounds of a gathered section, if any object of the batch has it.
    pub fn bounds(&self, name: &[u8]) -> Option<&Range<u64>> {
        let found = self.gathered.binary_search_by(|gathered| gathered.name.as_slice().cmp(name));
        found.ok().map(|at| &self.gathered[at].range)
    }

    /// Whether there are blocks outside of their objects' shares.
    pub fn has_shared(&self) -> bool {
        !self.gathered.is_empty() || !self.scratch.is_empty()
    }

    /// Turns offsets into addresses, now that each lane has one.
    pub fn place(&mut self, members: &mut [Member], lanes: [u64; 3]) {
        for member in members {
            for (range, lane) in member.share.lanes.iter_mut().zip(lanes) {
                *range = range.start + lane..range.end + lane;
            }
            let [code, read_only, data] = lanes;
            let share = &mut member.share;
            share.zero = share.zero.start + data..share.zero.end + data;
            share.unwind = share.unwind.start + read_only..share.unwind.end + read_only;
            share.functions = share.functions.start + read_only..share.functions.end + read_only;
            share.stubs += code;
            share.got += read_only;
            share.indirect += data;
            let LinkGraph { blocks, sections, .. } = &mut member.graph;
            for block in blocks.iter_mut().filter(|block| block.live) {
                if let Some(lane) = lane(sections[block.section.0 as usize].kind) {
                    block.address += lanes[lane as usize];
                }
            }
        }
        let [_, read_only, _] = lanes;
        self.scratch = self.scratch.start + read_only..self.scratch.end + read_only;
        for gathered in &mut self.gathered {
            let lane = lanes[gathered.lane as usize];
            gathered.range = gathered.range.start + lane..gathered.range.end + lane;
        }
    }
}

impl Member {
    /// The table entries with their addresses, once the lanes have theirs.
    pub fn entries(&self) -> impl Iterator<Item = (SymbolId, Entry, u64)> + '_ {
        let arch = self.graph.arch();
        self.tables.all().map(move |planned| {
            let index = u64::from(planned.index);
            let address = match planned.entry {
                Entry::Stub => self.share.stubs + index * arch.stub_size,
                _ => self.share.got + index * arch.slot_size,
            };
            (planned.symbol, planned.entry, address)
        })
    }

    /// Its sections, once they are laid out.
    pub fn sections(&self) -> Vec<SectionPart> {
        let mut parts: Vec<Option<SectionPart>> = vec![None; self.graph.sections.len()];
        for block in self.graph.blocks.iter().filter(|block| block.live && block.size != 0) {
            let kind = self.graph.section(block.section).kind;
            let lane = lane(kind);
            if lane.is_none() && !kind.is_thread_local() {
                continue;
            }
            let (range, align) = (block.address..block.address + block.size, 1 << block.align_log2);
            match &mut parts[block.section.0 as usize] {
                Some(part) => {
                    part.range = part.range.start.min(range.start)..part.range.end.max(range.end);
                    part.align = part.align.max(align);
                }
                none => {
                    let name = self.graph.section_name(block.section).to_vec();
                    *none = Some(SectionPart { name, kind, lane, range, align });
                }
            }
        }
        parts.into_iter().flatten().collect()
    }

    /// Takes this object's runs of the lanes, without zero-fill.
    fn lay_out(&mut self, lanes: &mut [Cursor; 3], gather: &[&[u8]]) -> Option<()> {
        let mut share = Share::default();
        for (range, cursor) in share.lanes.iter_mut().zip(lanes.iter_mut()) {
            range.start = cursor.begin_run()?;
        }
        let arch = self.graph.arch();
        // Stubs come behind the code, or amid what is too long for calls to reach its end.
        let amid = (!tables::own_in_reach(&self.graph)).then(|| middle(&self.graph));
        let is_second = |id, kind| kind == SectionKind::Code && amid.is_some_and(|amid| amid <= id);
        let is_last =
            |kind: SectionKind| matches!(kind, SectionKind::Zero | SectionKind::Scratch) || kind.is_unwind_records();
        self.take_blocks(lanes, gather, |id, kind| !is_last(kind) && !is_second(id, kind))?;
        let code = &mut lanes[Lane::Code as usize];
        share.stubs = code.take(self.tables.stub_bytes(arch), arch.stub_size.trailing_zeros() as u8)?;
        if amid.is_some() {
            self.take_blocks(lanes, gather, is_second)?;
        }
        let [_, read_only, _] = lanes;
        let functions = read_only.take(0, 3)?;
        self.take_blocks(lanes, gather, |_, kind| kind == SectionKind::Pdata)?;
        let [_, read_only, _] = lanes;
        share.functions = functions..read_only.at;
        let unwind = read_only.take(0, 3)?;
        share.unwind = unwind..unwind;
        self.take_blocks(lanes, gather, |_, kind| kind == SectionKind::EhFrame)?;
        let [_, read_only, _] = lanes;
        if read_only.at != unwind {
            read_only.take(4, 0)?;
            share.unwind.end = read_only.at;
        }
        share.got = read_only.take(self.tables.got_bytes(arch), 3)?;
        share.indirect = lanes[Lane::Data as usize].take(self.tables.indirect_bytes(arch), 3)?;
        for lane in Lane::ALL {
            share.lanes[lane as usize].end = lanes[lane as usize].at;
        }
        self.share = share;
        Some(())
    }

    fn lay_out_zero(&mut self, data: &mut Cursor, gather: &[&[u8]]) -> Option<()> {
        self.share.zero.start = data.begin_run()?;
        let mut lanes: [Cursor; 3] = Default::default();
        std::mem::swap(&mut lanes[Lane::Data as usize], data);
        let taken = self.take_blocks(&mut lanes, gather, |_, kind| kind == SectionKind::Zero);
        std::mem::swap(&mut lanes[Lane::Data as usize], data);
        self.share.zero.end = data.at;
        taken
    }

    fn take_blocks(
        &mut self,
        lanes: &mut [Cursor; 3],
        gather: &[&[u8]],
        wanted: impl Fn(BlockId, SectionKind) -> bool,
    ) -> Option<()> {
        // Large sections come last, so that the small ones stay in reach.
        for large in [false, true] {
            let graph = &self.graph;
            let mut places = Vec::new();
            if large && !graph.sections.iter().any(|section| section.large) {
                break;
            }
            let order = graph.scattered.then(|| by_section(graph));
            for position in 0..graph.blocks.len() as u32 {
                let id = order.as_ref().map_or(position, |order| order[position as usize]);
                let block = graph.block(BlockId(id));
                let section = graph.section(block.section);
                let Some(lane) = lane(section.kind) else { continue };
                if !block.live || section.large != large || !wanted(BlockId(id), section.kind) {
                    continue;
                }
                if !gather.is_empty() && gather.binary_search(&gathered_name(graph, block.section)).is_ok() {
                    continue;
                }
                places.push((id, lanes[lane as usize].take(block.size, block.align_log2)?));
            }
            for (id, place) in places {
                self.graph.blocks[id as usize].address = place;
            }
        }
        Some(())
    }
}

/// The first of the blocks in the second half of a graph's code.
fn middle(graph: &LinkGraph) -> BlockId {
    let mut left = tables::code_sizes(graph).map(|(_, size)| size).fold(0, u64::saturating_add) / 2;
    let second = tables::code_sizes(graph).find(|(_, size)| {
        let here = left < *size;
        left = left.saturating_sub(*size);
        here
    });
    second.map_or(BlockId(0), |(id, _)| id)
}

/// The blocks of a graph so that those of one section follow each other.
fn by_section(graph: &LinkGraph) -> Vec<u32> {
    let mut order: Vec<u32> = (0..graph.blocks.len() as u32).collect();
    order.sort_by_key(|id| graph.block(BlockId(*id)).section);
    order
}

fn too_large(member: &Member) -> LinkError {
    LinkError::TooLarge { file: member.graph.input.name().to_string() }
}
