//! The sections of an object: blocks of all graphs, gathered by what their sections are called and are for.
//!
//! Blocks follow each other in the order of the graphs, each at its alignment, but for unwind records, between which nothing may lie.
//! What a linker shortens (RISC-V ELF psABI 1.0, "Linker Relaxation") stays a section of its own, since what follows it would lose its
//! alignment.

use super::{coff, elf, macho};
use foldhash::{HashMap, HashSet};
use std::borrow::Cow;
use uruk_jitlink::arch::{Field, Value};
use uruk_jitlink::ehframe;
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::*;
use uruk_jitlink::riscv::{ALIGN, RELAX};

/// A section to be written.
pub struct Output<'a> {
    pub name: Cow<'a, [u8]>,
    pub kind: SectionKind,
    pub large: bool,
    pub retain: bool,
    pub align_log2: u8,
    /// Bytes.
    pub size: u64,
    pub pieces: Vec<Piece>,
    /// The group that it is chosen with, by the numbers of its graph and in there, where the format keeps groups.
    pub group: Option<(usize, usize)>,
}

/// A block in a section.
pub struct Piece {
    /// The position of its graph.
    pub graph: usize,
    pub block: BlockId,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes of it are written.
    pub size: u64,
}

/// Where a block is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Spot {
    pub section: u32,
    pub offset: u64,
}

/// What a section is gathered by.
type Key<'a> = (Cow<'a, [u8]>, SectionKind, bool, bool);

/// All sections.
pub struct Sections<'a> {
    pub list: Vec<Output<'a>>,
    /// Where the blocks of each graph are written, if they are.
    spots: Vec<Vec<Option<Spot>>>,
}

impl<'a> Sections<'a> {
    pub fn new(graphs: &'a [&'a LinkGraph]) -> Sections<'a> {
        let mut sections = Sections { list: Vec::new(), spots: Vec::with_capacity(graphs.len()) };
        let mut known: HashMap<Key<'a>, u32> = HashMap::default();
        let mut claimed = HashSet::default();
        for (number, graph) in graphs.iter().enumerate() {
            let groups = groups(graph, &mut claimed);
            let mut spots = vec![None; graph.blocks.len()];
            for (id, block) in (0..).map(BlockId).zip(&graph.blocks).filter(|(_, block)| block.live) {
                let Some((name, kind)) = use_of(graph, block) else { continue };
                let Section { large, retain, .. } = *graph.section(block.section);
                // Mach-O's symbols say what is kept.
                let retain = retain && graph.format.container != Container::MachO;
                let group = match groups.get(&id) {
                    Some(None) => continue,
                    Some(Some(group)) => Some((number, *group)),
                    None => None,
                };
                let alone = group.is_some() || is_shortened(graph, block);
                let next = sections.list.len() as u32;
                let section = match alone {
                    true => next,
                    false => *known.entry((name.clone(), kind, large, retain)).or_insert(next),
                };
                if section == next {
                    let pieces = Vec::new();
                    sections.list.push(Output { name, kind, large, retain, align_log2: 0, size: 0, pieces, group });
                }
                let offset = sections.list[section as usize].add(graph, number, id);
                spots[id.0 as usize] = Some(Spot { section, offset });
            }
            sections.spots.push(spots);
        }
        sections
    }

    /// Where a block of a graph is written.
    pub fn spot(&self, graph: usize, block: BlockId) -> Option<Spot> {
        self.spots[graph][block.0 as usize]
    }
}

impl Output<'_> {
    /// Adds a block; returns where it begins.
    fn add(&mut self, graph: &LinkGraph, number: usize, id: BlockId) -> u64 {
        let block = graph.block(id);
        let mut size = block.size;
        let mut align_log2 = block.align_log2;
        if self.kind == SectionKind::EhFrame {
            // A record of length 0 ends all records.
            let ends = ehframe::records(graph.content(block)).ok();
            size = ends.map_or(size, |records| records.last().map_or(0, |record| record.range.end as u64));
            if !self.pieces.is_empty() {
                align_log2 = 0;
            }
        }
        let offset = align_up(self.size, align_log2);
        self.align_log2 = self.align_log2.max(align_log2);
        self.size = offset + size;
        self.pieces.push(Piece { graph: number, block: id, offset, size });
        offset
    }
}

/// The name and the use of the section that a block is written to; `None` for what is left out.
fn use_of<'a>(graph: &'a LinkGraph, block: &Block) -> Option<(Cow<'a, [u8]>, SectionKind)> {
    match graph.format.container {
        Container::Elf => Some(elf::section(graph, block)),
        Container::MachO => macho::section(graph, block),
        Container::Coff => coff::section(graph, block),
    }
}

/// The COMDAT group of each block, where the format has to keep them; none where an object before has one of the same symbol.
fn groups<'a>(graph: &'a LinkGraph, claimed: &mut HashSet<&'a [u8]>) -> HashMap<BlockId, Option<usize>> {
    let mut groups = HashMap::default();
    if graph.format.container != Container::Coff {
        return groups;
    }
    for (number, group) in graph.groups.iter().enumerate().filter(|(_, group)| group.comdat) {
        groups.extend(group.blocks.iter().map(|block| (*block, Some(number))));
    }
    let mut leaders: Vec<Option<&[u8]>> = vec![None; graph.groups.len()];
    for (id, symbol) in graph.globals().filter(|(_, symbol)| symbol.binding == Binding::Weak) {
        if let Definition::Block(block) = symbol.definition
            && let Some(Some(group)) = groups.get(&block)
        {
            leaders[*group].get_or_insert(graph.symbol_name(id));
        }
    }
    let known: Vec<bool> = leaders.iter().map(|leader| leader.is_some_and(|leader| !claimed.insert(leader))).collect();
    for group in groups.values_mut() {
        *group = group.filter(|group| !known[*group]);
    }
    groups
}

/// Whether a linker may take bytes out of a block.
fn is_shortened(graph: &LinkGraph, block: &Block) -> bool {
    graph.arch().name.starts_with("riscv") && graph.edges(block).iter().any(|edge| matches!(edge.kind, RELAX | ALIGN))
}

/// Whether a block has addresses that are known when a program is loaded.
pub fn holds_addresses(graph: &LinkGraph, block: &Block) -> bool {
    let slot = graph.arch().slot_size;
    let is_address = |field: Field| field.size() == slot && !matches!(field, Field::Code { .. });
    graph.edges(block).iter().any(|edge| {
        let kind = graph.arch().info(edge.kind);
        kind.value == Value::Absolute && is_address(kind.field)
    })
}
