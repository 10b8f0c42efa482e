//! One loaded object: its sections, each a run of bytes with an address of its own.
//!
//! Data flow: a graph whose entries are planned for any addresses → sections with their blocks' offsets, and three more for what
//! the linker adds → addresses → bytes, made anew each time.

use super::error::LoadError;
use crate::fixup::{self, Fixup, Places, Threads};
use crate::graph::*;
use crate::interface::Interface;
use crate::layout::{Member, lane};
use crate::memory::{Lane, SectionPart};
use crate::resolve::Targets;
use crate::tls::Questions;
use std::ops::Range;

/// What a section may have between its blocks: a file takes few bytes to ask for much alignment.
const GAPS: u64 = 16 << 20;

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// What the object has in one of its own.
    Own(SectionId),
    /// Jumps to what is out of reach.
    Stubs,
    /// Slots with addresses.
    Got,
    /// Slots of indirect functions, which are filled by calling these.
    Indirect,
}

/// A section, as it lies in memory.
pub(super) struct Run {
    pub part: Part,
    pub lane: Lane,
    pub size: u64,
    pub align_log2: u8,
    /// All zero.
    pub is_zero: bool,
    pub address: Option<u64>,
    /// Its bytes, as they have to be at its address; none if all are zero.
    pub bytes: Vec<u8>,
}

impl Run {
    fn new(part: Part, lane: Lane) -> Run {
        Run { part, lane, size: 0, align_log2: 0, is_zero: false, address: None, bytes: Vec::new() }
    }

    fn take(&mut self, size: u64, align_log2: u8) -> Option<u64> {
        let mask = (1u64 << align_log2) - 1;
        let start = self.size.checked_add(mask)? & !mask;
        self.size = start.checked_add(size).filter(|end| *end <= i64::MAX as u64)?;
        self.align_log2 = self.align_log2.max(align_log2);
        Some(start)
    }

    pub fn range(&self) -> Option<Range<u64>> {
        self.address.map(|address| address..address + self.size)
    }
}

/// How far an object has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// Its bytes are not those of its addresses.
    Loaded,
    /// They are.
    Resolved,
    /// They will not change.
    Final,
}

pub(super) struct Object {
    pub member: Member,
    pub interface: Interface,
    pub targets: Targets,
    pub runs: Vec<Run>,
    /// Run and offset of each block that is loaded.
    places: Vec<Option<(usize, u64)>>,
    /// Addresses of its symbols, as they were last resolved.
    addresses: Vec<u64>,
    pub phase: Phase,
}

impl Object {
    pub fn new(member: Member, interface: Interface, targets: Targets) -> Result<Object, LoadError> {
        let (runs, places, addresses) = Default::default();
        let mut object = Object { member, interface, targets, runs, places, addresses, phase: Phase::Loaded };
        match object.lay_out() {
            Some(()) => Ok(object),
            None => Err(crate::error::LinkError::TooLarge { file: object.name().into() }.into()),
        }
    }

    pub fn name(&self) -> &str {
        self.member.graph.input.name()
    }

    /// What a section is called.
    pub fn section_name(&self, run: &Run) -> String {
        match run.part {
            Part::Own(id) if self.member.graph.section_name(id).is_empty() => "COMMON".into(),
            Part::Own(id) => String::from_utf8_lossy(self.member.graph.section_name(id)).into_owned(),
            Part::Stubs => "<stubs>".into(),
            Part::Got => "<got>".into(),
            Part::Indirect => "<indirect>".into(),
        }
    }

    /// What is told of a section to who gives memory for it.
    pub fn section_part(&self, run: &Run, start: u64) -> SectionPart {
        let kind = match run.part {
            Part::Own(id) => self.member.graph.section(id).kind,
            Part::Stubs => SectionKind::Code,
            Part::Got => SectionKind::ReadOnly,
            Part::Indirect => SectionKind::Data,
        };
        SectionPart {
            name: self.section_name(run).into_bytes(),
            kind,
            lane: Some(run.lane),
            range: start..start + run.size,
            align: 1 << run.align_log2,
        }
    }

    fn lay_out(&mut self) -> Option<()> {
        let Object { member: Member { graph, tables, .. }, runs, places, .. } = self;
        let arch = graph.arch();
        let mut numbers = vec![None; graph.sections.len()];
        // Bytes that the file has, by section.
        let mut filled: Vec<u64> = Vec::new();
        for block in &graph.blocks {
            let section = graph.section(block.section);
            let Some(lane) = lane(section.kind).filter(|_| block.live) else {
                places.push(None);
                continue;
            };
            let number = *numbers[block.section.0 as usize].get_or_insert_with(|| {
                runs.push(Run {
                    is_zero: section.kind == SectionKind::Zero,
                    ..Run::new(Part::Own(block.section), lane)
                });
                filled.push(0);
                runs.len() - 1
            });
            filled[number] += if block.content == Content::Zero { 0 } else { block.size };
            places.push(Some((number, runs[number].take(block.size, block.align_log2)?)));
        }
        if runs.iter().zip(&filled).any(|(run, filled)| !run.is_zero && GAPS < run.size.saturating_sub(*filled)) {
            return None;
        }
        for run in runs.iter_mut() {
            // Zeros end the records.
            if matches!(run.part, Part::Own(id) if graph.section(id).kind == SectionKind::EhFrame) {
                run.take(4, 0)?;
            }
        }
        let slot_log2 = arch.slot_size.trailing_zeros() as u8;
        let made = [
            (Part::Stubs, Lane::Code, tables.stub_bytes(arch), arch.stub_size.trailing_zeros() as u8),
            (Part::Got, Lane::ReadOnly, tables.got_bytes(arch), slot_log2),
            (Part::Indirect, Lane::Data, tables.indirect_bytes(arch), slot_log2),
        ];
        for (part, lane, size, align_log2) in made.into_iter().filter(|(_, _, size, _)| *size != 0) {
            let mut run = Run::new(part, lane);
            run.take(size, align_log2)?;
            runs.push(run);
        }
        Some(())
    }

    /// Where what the linker has added lies, or 0 if there is none.
    pub fn start_of(&self, part: Part) -> u64 {
        self.runs.iter().find(|run| run.part == part).and_then(|run| run.address).unwrap_or(0)
    }

    /// Gives blocks and entries the addresses of their sections, which all have some.
    pub fn place(&mut self) {
        let [stubs, got, indirect] = [Part::Stubs, Part::Got, Part::Indirect].map(|part| self.start_of(part));
        let Object { member: Member { graph, share, .. }, runs, places, .. } = self;
        for (block, place) in graph.blocks.iter_mut().zip(places.iter()) {
            if let Some((run, offset)) = place {
                block.address = runs[*run].address.unwrap_or(0) + offset;
            }
        }
        (share.stubs, share.got, share.indirect) = (stubs, got, indirect);
        let mut pdata = runs.iter().filter(|run| kind(graph, run) == Some(SectionKind::Pdata)).filter_map(Run::range);
        share.functions = pdata.next().unwrap_or_default();
    }

    /// The address of a symbol that this object defines.
    pub fn address(&self, id: SymbolId) -> Option<u64> {
        let graph = &self.member.graph;
        if let Some(indirect) = self.member.tables.indirect.iter().find(|indirect| indirect.symbol == id) {
            let stubs = self.runs.iter().find(|run| run.part == Part::Stubs)?.address?;
            return Some(stubs + u64::from(indirect.stub) * graph.arch().stub_size);
        }
        let symbol = graph.symbol(id);
        match symbol.definition {
            Definition::Block(block) => {
                let (run, offset) = (*self.places.get(block.0 as usize)?)?;
                Some(self.runs[run].address?.wrapping_add(offset).wrapping_add(symbol.value))
            }
            Definition::Absolute => Some(symbol.value),
            Definition::Undefined | Definition::Common => None,
        }
    }

    /// Makes the bytes anew, with addresses of what others define: those that are not known ahead, by their symbols.
    pub fn write(&mut self, others: &[(SymbolId, u64)], image: u64) -> Result<(), LoadError> {
        self.addresses = fixup::addresses(&self.member, &self.targets);
        for (id, address) in others {
            self.addresses[id.0 as usize] = *address;
        }
        let Object { member, targets, addresses, runs, .. } = self;
        for run in runs.iter_mut().filter(|run| !run.is_zero) {
            run.bytes.clear();
            run.bytes.resize(run.size as usize, 0);
        }
        let mut by_address: Vec<&mut Run> = runs.iter_mut().filter(|run| !run.is_zero && run.size != 0).collect();
        by_address.sort_by_key(|run| run.address);
        let threads = Threads { questions: &Questions::default(), answers: &[] };
        Fixup { member, targets, addresses, threads, image }.write(&mut Runs(by_address))?;
        Ok(())
    }

    /// Slots of indirect functions, each with what decides what it holds.
    pub fn indirect(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let Member { graph, tables, share } = &self.member;
        let resolver = |symbol| fixup::resolver(graph, symbol);
        let indirect = (0u64..).zip(&tables.indirect);
        indirect.map(move |(number, indirect)| {
            (share.indirect + number * graph.arch().slot_size, resolver(indirect.symbol))
        })
    }

    /// Its code, from the first to the last byte, and its unwind records.
    pub fn unwind(&self) -> Option<(Range<u64>, Range<u64>)> {
        let graph = &self.member.graph;
        let code = self.runs.iter().filter(|run| run.lane == Lane::Code).filter_map(Run::range);
        let code = code.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))?;
        let records = self.runs.iter().find(|run| kind(graph, run) == Some(SectionKind::EhFrame))?.range()?;
        Some((code, records))
    }

    /// The entries of its tables of functions, with the tables and the functions' places in them.
    pub fn functions(&self) -> impl Iterator<Item = (FunctionTable, Order, u64)> + '_ {
        let graph = &self.member.graph;
        let size = graph.arch().slot_size as usize;
        self.runs.iter().flat_map(move |run| {
            let Some(SectionKind::Functions(table, order)) = kind(graph, run) else { return Vec::new() };
            let words = run.bytes.chunks_exact(size).map(|word| {
                let mut bytes = [0; 8];
                bytes[..size].copy_from_slice(word);
                u64::from_le_bytes(bytes)
            });
            // 0 and -1 end and begin the tables of start files.
            let words = words.filter(|address| !matches!(*address, 0 | u64::MAX));
            let mut functions: Vec<_> = words.map(|address| (table, order, address)).collect();
            if order.backwards {
                functions.reverse();
            }
            functions
        })
    }

    /// Where it first refers to a symbol: section and offset.
    pub fn reference(&self, id: SymbolId) -> String {
        let graph = &self.member.graph;
        let found = graph.blocks.iter().zip(&self.places).filter(|(block, _)| block.live).find_map(|(block, place)| {
            let edge = graph.edges(block).iter().find(|edge| edge.target == id)?;
            let offset = place.map_or(0, |(_, offset)| offset) + u64::from(edge.offset);
            Some(format!("{}+{offset:#x}", String::from_utf8_lossy(graph.section_name(block.section))))
        });
        found.unwrap_or_default()
    }

    /// The range of its section of a name.
    pub fn bounds(&self, name: &[u8]) -> Option<Range<u64>> {
        let graph = &self.member.graph;
        let is_named = |run: &&Run| matches!(run.part, Part::Own(id) if graph.section_name(id) == name);
        self.runs.iter().find(is_named)?.range()
    }
}

fn kind(graph: &LinkGraph, run: &Run) -> Option<SectionKind> {
    match run.part {
        Part::Own(id) => Some(graph.section(id).kind),
        _ => None,
    }
}

/// The bytes of an object's sections, in order of address.
struct Runs<'a>(Vec<&'a mut Run>);

impl Places for Runs<'_> {
    fn at(&mut self, _: Lane, address: u64, size: u64) -> Option<&mut [u8]> {
        let number = self.0.partition_point(|run| run.address <= Some(address)).checked_sub(1)?;
        let run = &mut self.0[number];
        let start = usize::try_from(address - run.address?).ok()?;
        run.bytes.get_mut(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}
