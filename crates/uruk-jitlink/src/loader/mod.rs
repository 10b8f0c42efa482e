//! Objects loaded step by step, for who decides where each section lies: load, map section addresses, resolve, register,
//! finalize. It is what MCJIT and `RuntimeDyld` offer, for every format and architecture that is linked here.
//!
//! Data flow: [`load`](Loader::load) reads an object and lays out each section by itself → [`map_section`](Loader::map_section)
//! notes the address that one will have, here or in another process; [`allocate`](Loader::allocate) has a memory manager say it for
//! the others → [`resolve`](Loader::resolve) makes each section's bytes as they have to be there, and may be called again after
//! more mapping → [`image`](Loader::image) and [`images`](Loader::images) give these bytes to who puts them elsewhere →
//! [`finalize`](Loader::finalize) puts what was allocated in place, protected, and says what has to be registered.
//!
//! Invariants: bytes are made anew from the object each time, so they depend on nothing but the last addresses. Nothing refers to
//! what is not known to fit: a table entry is planned for all that may turn out to be out of reach, and is gone through only if
//! it is. An error changes no address.

mod error;
mod object;
mod resolve;

pub use error::{LoadError, Missing};

use crate::arch::Architecture;
use crate::error::LinkError;
use crate::format::{self, Format};
use crate::graph::*;
use crate::input::Input;
use crate::interface::{Global, Interface, Strength};
use crate::layout::{Member, Share};
use crate::memory::origin::{self, ObjectPart, Origin};
use crate::memory::{self, Allocation, Demand, Lane, MemoryManager, Placement, Segment};
use crate::names::{Name, Names};
use crate::prune;
use crate::resolve::{Target, Targets};
use crate::riscv;
use crate::tables::Tables;
use object::{Object, Phase, Run};
use resolve::globals;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

/// A loaded object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectId(u32);

/// A section of a loaded object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectionKey {
    object: u32,
    number: u32,
}

/// What is known of a section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SectionView {
    /// What it is called here.
    pub key: SectionKey,
    /// Its object.
    pub object: ObjectId,
    /// Its name in the object; `COMMON`, `<stubs>`, `<got>` or `<indirect>` for what the linker has added.
    pub name: String,
    /// What it is used for: what its protection has to be.
    pub lane: Lane,
    /// Its size in bytes.
    pub size: u64,
    /// What its address is a multiple of.
    pub align: u64,
    /// It starts as zero, and has no bytes.
    pub is_zero: bool,
    /// Its address, if it has one.
    pub address: Option<u64>,
}

/// The bytes of a section, for the address that it has been mapped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image<'a> {
    /// Where it goes.
    pub address: u64,
    /// What its protection has to be.
    pub lane: Lane,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Zeros behind them.
    pub zero_fill: u64,
}

/// What has been put in place, and has to be made known where it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Finalized {
    /// The memory that its manager is to be given back some day.
    pub segments: Vec<Segment>,
    /// Code and the unwind records for it.
    pub unwind: Vec<(Range<u64>, Range<u64>)>,
    /// Slots of indirect functions: what each is to hold is what calling its function returns.
    pub indirect: Vec<(u64, u64)>,
}

struct Defined {
    object: u32,
    id: SymbolId,
    strength: Strength,
}

/// Memory for sections that were not mapped, and what lies where in it: section, lane and offset.
struct Allocated {
    allocation: Box<dyn Allocation>,
    sections: Vec<(SectionKey, u64)>,
    segments: Vec<Segment>,
}

/// What memory is asked for: some sections, and where they lie in the lanes.
struct Wanted<'a> {
    objects: &'a [Object],
    sections: &'a [(SectionKey, u64)],
    number: u64,
}

impl Origin for Wanted<'_> {
    fn number(&self) -> u64 {
        self.number
    }

    fn architecture(&self) -> &'static Architecture {
        let (first, _) = self.sections[0];
        self.objects[first.object as usize].member.graph.arch()
    }

    fn objects(&self) -> Vec<ObjectPart> {
        let mut parts: BTreeMap<u32, ObjectPart> = BTreeMap::new();
        for (section, start) in self.sections {
            let object = &self.objects[section.object as usize];
            let new = || ObjectPart { name: object.name().into(), dylib: "".into(), sections: Vec::new() };
            let part = parts.entry(section.object).or_insert_with(new);
            part.sections.push(object.section_part(&object.runs[section.number as usize], *start));
        }
        parts.into_values().collect()
    }
}

/// Loads objects, step by step. Everything of one loader sees everything else's global symbols.
#[derive(Default)]
pub struct Loader {
    names: Names,
    objects: Vec<Object>,
    defined: HashMap<Name, Defined>,
    groups: HashSet<Name>,
    allocated: Vec<Allocated>,
    /// The start of the image that offsets count from, once something is final.
    image: Option<u64>,
}

impl Loader {
    /// A loader without objects.
    pub fn new() -> Loader {
        Loader::default()
    }

    /// Reads an object of any format. Its sections have no addresses, its bytes are not those of any.
    pub fn load(&mut self, input: &Input) -> Result<ObjectId, LoadError> {
        let interface = format::interface(input, &self.names)?;
        let graph = format::read(input, &self.names)?;
        self.add(graph, interface)
    }

    /// Takes a graph that a compiler has made.
    pub fn load_graph(&mut self, graph: LinkGraph) -> Result<ObjectId, LoadError> {
        let interface = Interface::made(&graph, &self.names);
        self.add(graph, interface)
    }

    fn add(&mut self, mut graph: LinkGraph, interface: Interface) -> Result<ObjectId, LoadError> {
        self.check(&graph, &interface)?;
        let number = self.objects.len() as u32;
        let mut targets = Targets::new(&graph);
        let mut defines = Vec::new();
        for (position, (id, global)) in globals(&graph, &interface).enumerate() {
            if !global.strength.defines() {
                continue;
            }
            if self.wins(&graph, global)? {
                if global.strength == Strength::Common {
                    let (size, align) = interface.common(position);
                    graph.allocate_common(id, size, align);
                }
                defines.push((global.name, Defined { object: number, id, strength: global.strength }));
            } else {
                targets.set(id, Target::Near);
            }
        }
        let groups = &self.groups;
        let mut claimed = Vec::new();
        prune::drop_groups(&mut graph, &targets, |group| {
            claimed.push(group.signature);
            !groups.contains(&group.signature)
        });
        prune::drop_unwind_records(&mut graph)?;
        if [&riscv::rv64::ARCHITECTURE, &riscv::rv32::ARCHITECTURE].iter().any(|arch| std::ptr::eq(*arch, graph.arch()))
        {
            // Sections may go anywhere, so that no jump is sure to be in reach.
            riscv::relax::align(&mut graph)?;
        }
        let tables = plan(&graph);
        let object = Object::new(Member { graph, tables, share: Share::default() }, interface, targets)?;
        self.groups.extend(claimed);
        self.defined.extend(defines);
        // What used a weak definition may use this one.
        let open = self.objects.iter_mut().filter(|object| object.phase < Phase::Final);
        open.for_each(|object| object.phase = Phase::Loaded);
        self.objects.push(object);
        Ok(ObjectId(number))
    }

    fn check(&self, graph: &LinkGraph, interface: &Interface) -> Result<(), LoadError> {
        let object = || graph.input.name().to_string();
        if let Some(first) = self.format()
            && (!std::ptr::eq(first.arch, graph.arch())
                || first.container.convention() != graph.format.container.convention())
        {
            let (found, expected) = (graph.format.name, first.name);
            return Err(LoadError::OtherTarget { object: object(), found, expected });
        }
        let has_threads = graph.sections.iter().any(|section| section.kind.is_thread_local()) || graph.has_tls_fields;
        if has_threads || graph.needs_static_tls {
            return Err(LoadError::Unsupported { object: object(), what: "it has thread-local variables" });
        }
        if !interface.terms.aliases.is_empty() || !interface.terms.alternatives.is_empty() {
            return Err(LoadError::Unsupported { object: object(), what: "it gives others' symbols further names" });
        }
        Ok(())
    }

    /// Whether a definition is the one of its name.
    fn wins(&self, graph: &LinkGraph, global: &Global) -> Result<bool, LoadError> {
        let Some(first) = self.defined.get(&global.name) else { return Ok(true) };
        let other = &self.objects[first.object as usize];
        match (first.strength, global.strength) {
            (Strength::Strong, Strength::Strong) => Err(LoadError::Duplicate {
                symbol: self.names.text(global.name),
                first: other.name().into(),
                second: graph.input.name().to_string(),
            }),
            // Others may be bound to it for good.
            (Strength::Weak | Strength::Common, Strength::Strong) => Ok(other.phase < Phase::Final),
            _ => Ok(false),
        }
    }

    /// What kind of objects it has.
    pub fn format(&self) -> Option<&'static Format> {
        self.objects.first().map(|object| object.member.graph.format)
    }

    /// All sections that take room, in the order of their objects.
    pub fn sections(&self) -> impl Iterator<Item = SectionView> + '_ {
        (0..).zip(&self.objects).flat_map(|(object, loaded)| {
            (0..).zip(&loaded.runs).filter(|(_, run)| run.size != 0).map(move |(number, run)| SectionView {
                key: SectionKey { object, number },
                object: ObjectId(object),
                name: loaded.section_name(run),
                lane: run.lane,
                size: run.size,
                align: 1 << run.align_log2,
                is_zero: run.is_zero,
                address: run.address,
            })
        })
    }

    /// A section of an object, by its name.
    pub fn section(&self, object: ObjectId, name: &str) -> Option<SectionKey> {
        self.sections().find(|section| section.object == object && section.name == name).map(|section| section.key)
    }

    fn run(&self, section: SectionKey) -> Result<(&Object, &Run), LoadError> {
        let object = self.objects.get(section.object as usize).ok_or(LoadError::NoSection)?;
        Ok((object, object.runs.get(section.number as usize).ok_or(LoadError::NoSection)?))
    }

    /// Says where a section will lie, in whichever process that is. Its bytes stay as they are until references are
    /// [resolved](Loader::resolve), as others may move too.
    pub fn map_section(&mut self, section: SectionKey, address: u64) -> Result<(), LoadError> {
        let (object, run) = self.run(section)?;
        if object.phase == Phase::Final {
            return Err(LoadError::Finalized { object: object.name().into() });
        }
        let align = 1 << run.align_log2;
        if !address.is_multiple_of(align) || address.checked_add(run.size).is_none() {
            let (size, object, section) = (run.size, object.name().into(), object.section_name(run));
            return Err(LoadError::Unfit { object, section, size, align, address });
        }
        self.objects[section.object as usize].runs[section.number as usize].address = Some(address);
        self.unsettle();
        Ok(())
    }

    /// Bytes are no longer those of the addresses: of all that is open, as anything may refer to anything.
    fn unsettle(&mut self) {
        let open = self.objects.iter_mut().filter(|object| object.phase < Phase::Final);
        open.for_each(|object| object.phase = Phase::Loaded);
    }

    /// Has a memory manager give room, and with it addresses, to all sections that have none. They may be mapped elsewhere
    /// afterwards: the room then stays empty.
    pub fn allocate(&mut self, manager: &dyn MemoryManager) -> Result<(), LoadError> {
        let mut demand = Demand::default();
        let mut sections = Vec::new();
        // Zeros come last.
        for zero in [false, true] {
            for (object, loaded) in (0..).zip(&self.objects) {
                if loaded.member.graph.needs_low {
                    demand.placement = Placement::Low;
                }
                let runs = (0..).zip(&loaded.runs).filter(|(_, run)| run.is_zero == zero && run.address.is_none());
                for (number, run) in runs.filter(|(_, run)| run.size != 0) {
                    let lane = &mut demand.lanes[run.lane as usize];
                    let align = 1u64 << run.align_log2;
                    let too_large = || LinkError::TooLarge { file: loaded.name().into() };
                    let start = lane.size.checked_next_multiple_of(align).ok_or_else(too_large)?;
                    let end = start.checked_add(run.size).ok_or_else(too_large)?;
                    lane.zero_fill = if zero { lane.zero_fill + (end - lane.size) } else { 0 };
                    (lane.size, lane.align) = (end, lane.align.max(align));
                    sections.push((SectionKey { object, number }, start));
                }
            }
        }
        if sections.is_empty() {
            return Ok(());
        }
        let origin = Wanted { objects: &self.objects, sections: &sections, number: origin::next_number() };
        let allocation = memory::checked(manager.allocate_for(&demand, &origin)?, &demand)?;
        let lanes = Lane::ALL.map(|lane| allocation.address(lane));
        for (section, offset) in &sections {
            let run = &mut self.objects[section.object as usize].runs[section.number as usize];
            run.address = Some(lanes[run.lane as usize] + offset);
        }
        let sizes = Lane::ALL.map(|lane| demand.lanes[lane as usize].size);
        let segments = Lane::ALL.into_iter().filter(|lane| sizes[*lane as usize] != 0);
        let segments = segments.map(|lane| Segment { lane, address: lanes[lane as usize], size: sizes[lane as usize] });
        let segments = segments.collect();
        self.allocated.push(Allocated { allocation, sections, segments });
        self.unsettle();
        Ok(())
    }

    fn open(&self) -> impl Iterator<Item = (usize, &Object)> {
        self.objects.iter().enumerate().filter(|(_, object)| object.phase < Phase::Final)
    }

    /// The names that [`resolve`](Loader::resolve) asks for: what is referred to by what is not final, and none of all objects
    /// defines.
    pub fn undefined(&self) -> Vec<Vec<u8>> {
        self.missing().into_iter().map(|name| self.names.bytes(name)).collect()
    }

    /// Whether everything that was loaded has been finalized.
    pub fn is_final(&self) -> bool {
        self.open().next().is_none()
    }

    /// Says where image-relative offsets of COFF count from. Otherwise it is the lowest address of all, when something is
    /// finalized first.
    pub fn set_image_base(&mut self, address: u64) {
        self.image = Some(address);
        self.unsettle();
    }

    /// The start of the image that image-relative offsets count from: the lowest address, if nothing is final yet.
    fn image_base(&self) -> u64 {
        let runs = self.objects.iter().flat_map(|object| &object.runs).filter(|run| run.size != 0);
        let lowest = runs.filter_map(|run| run.address).min().unwrap_or(0) & !0xffff;
        self.image.unwrap_or(lowest)
    }

    /// Where a symbol that an object defines lies, as sections are mapped now. Names are those of C, whatever the format.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.defined_address(self.names.intern(name.as_bytes()))
    }

    /// The bytes of a section, as they were last resolved; none of one that starts as zero.
    pub fn image(&self, section: SectionKey) -> Result<&[u8], LoadError> {
        let (object, run) = self.run(section)?;
        if object.phase == Phase::Loaded {
            return Err(LoadError::Unsettled { object: object.name().into() });
        }
        Ok(&run.bytes)
    }

    /// All sections of an object, as they have to be in memory.
    pub fn images(&self, object: ObjectId) -> Result<Vec<Image<'_>>, LoadError> {
        let loaded = self.objects.get(object.0 as usize).ok_or(LoadError::NoSection)?;
        if loaded.phase == Phase::Loaded {
            return Err(LoadError::Unsettled { object: loaded.name().into() });
        }
        let runs = loaded.runs.iter().filter(|run| run.size != 0);
        let images = runs.map(|run| Image {
            address: run.address.unwrap_or(0),
            lane: run.lane,
            bytes: &run.bytes,
            zero_fill: run.size - run.bytes.len() as u64,
        });
        Ok(images.collect())
    }

    /// What unwinders have to know of an object where its sections are mapped: its code, and the records.
    pub fn unwind(&self, object: ObjectId) -> Option<(Range<u64>, Range<u64>)> {
        self.objects.get(object.0 as usize)?.unwind()
    }

    /// The functions of a table of an object, in the order in which they run, as they were last resolved.
    pub fn functions(&self, object: ObjectId, table: FunctionTable) -> Vec<u64> {
        let Some(object) = self.objects.get(object.0 as usize) else { return Vec::new() };
        let mut found: Vec<(Order, u64)> =
            object.functions().filter(|(of, ..)| *of == table).map(|(_, order, address)| (order, address)).collect();
        found.sort_by_key(|(order, _)| order.priority);
        found.into_iter().map(|(_, address)| address).collect()
    }

    /// Ends remapping: puts what was allocated in place, protected as it has to be, and says what to register. Everything
    /// has to be resolved. What its manager refuses has no addresses any more, and may be allocated again.
    pub fn finalize(&mut self) -> Result<Finalized, LoadError> {
        if let Some((_, object)) = self.open().find(|(_, object)| object.phase != Phase::Resolved) {
            return Err(LoadError::Unsettled { object: object.name().into() });
        }
        let mut finalized = Finalized::default();
        while let Some(allocated) = self.allocated.pop() {
            let Allocated { mut allocation, sections, segments } = allocated;
            let lanes = Lane::ALL.map(|lane| allocation.address(lane));
            for (section, offset) in &sections {
                let run = &self.objects[section.object as usize].runs[section.number as usize];
                let here = run.address == Some(lanes[run.lane as usize] + offset);
                let working = allocation.working().into_iter().nth(run.lane as usize).unwrap_or_default();
                let start = *offset as usize;
                if let Some(bytes) = working.get_mut(start..start + run.bytes.len()).filter(|_| here) {
                    bytes.copy_from_slice(&run.bytes);
                }
            }
            if let Err(error) = allocation.finalize() {
                for (section, offset) in &sections {
                    let run = &mut self.objects[section.object as usize].runs[section.number as usize];
                    run.address = run.address.filter(|address| *address != lanes[run.lane as usize] + offset);
                }
                self.unsettle();
                return Err(error.into());
            }
            finalized.segments.extend(segments);
        }
        self.image = Some(self.image_base());
        for object in self.objects.iter_mut().filter(|object| object.phase < Phase::Final) {
            object.phase = Phase::Final;
            finalized.unwind.extend(object.unwind());
            finalized.indirect.extend(object.indirect());
        }
        Ok(finalized)
    }
}

/// Entries for all that may be out of reach, wherever sections lie.
fn plan(graph: &LinkGraph) -> Tables {
    let mut anywhere = Targets::new(graph);
    for (id, symbol) in graph.globals() {
        // An indirect function is its own stub.
        if symbol.kind != SymbolKind::Indirect {
            anywhere.set(id, Target::Far);
        }
    }
    Tables::plan(graph, &anywhere, &(0..u64::MAX))
}
