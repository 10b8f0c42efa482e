//! The memory of linked code in this process.
//!
//! Data flow: a batch's demand → pieces of one address reservation → working bytes → finished memory → released
//! segments. A reservation (`region`) has three lanes (`lane`), each with a list of free bytes (`free_list`); where
//! it lies is decided by `place`; an [`Allocation`] in between is `allocation`; system calls are in `sys`.
//!
//! Two ways of writing. Code or read-only data of 64 KiB and more has pages of its own: writable while it is linked,
//! protected once. What is smaller is packed, at its own alignment, among others into pages that are protected
//! already, and is written through a `/proc/self/mem` descriptor: no writable mapping of them exists, and their
//! neighbours run on. Variables are writable anyway. In [`Mode::Strict`], asked for or because the system refuses
//! such writes, every batch has code and read-only pages of its own, and there is no descriptor. (Two mappings of
//! one memfd would keep packing where the descriptor is refused. Strict mode is simpler, and debuggers, profilers
//! and `fork` see private memory in both modes.)
//!
//! Invariants: no page is ever writable and executable. One demand is met by one reservation. Free bytes cost no
//! memory beyond a little in each lane that is kept for the next allocation. `State` is changed only under its lock,
//! and the lock is held only under `at_fork::hold_off`, so a forked child finds it free; more than a few bytes are copied
//! and cleared without it. What another thread had not finalized at the time of a `fork` is lost to the child.

mod allocation;
mod free_list;
mod lane;
mod place;
mod region;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use uruk_jitlink::memory::Statistics;
use uruk_jitlink::memory::{Allocation, Demand, Lane, LaneDemand, MemoryError, MemoryManager, Placement, Segment};

pub use self::allocation::InProcessAllocation;
use self::lane::Piece;
use self::region::Region;
use crate::at_fork;
use crate::sys::{self, Mapping, Native, Protection, System, Where};

/// Sizes and alignments beyond this are refused unasked, which also keeps sums of them from overflowing.
const MAX_BYTES: u64 = 1 << 46;
/// Released variables of this size are cleared by giving their pages back rather than by writing.
const DISCARD_BYTES: u64 = 256 << 10;
/// Released variables up to this size are cleared under the lock, which is cheaper than taking it twice.
const SMALL_BYTES: u64 = 4 << 10;
/// Scratch buffers kept for the next allocations.
const MAX_SCRATCH_BUFFERS: usize = 4;

/// What a user may choose. Each choice goes with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Write to no page that was ever finished: no descriptor, and pages of its own for every batch.
    pub strict: bool,
    /// Where in the address space the memory is.
    pub place: Place,
    /// Ready memory by whole huge pages, and ask the system for such: fewer page faults and misses of the TLB for more memory.
    pub huge_pages: bool,
}

/// Where in the address space a manager's memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Place {
    /// Where each demand wants it, in as many reservations as it takes.
    #[default]
    AsDemanded,
    /// All of it below 2 GiB, so that 32-bit absolute addresses say it.
    Low,
    /// All of it in this range, and no more than that, whatever a demand wants.
    At {
        /// First address, a multiple of the page size.
        start: u64,
        /// Bytes, a multiple of the page size.
        size: u64,
    },
}

impl Place {
    /// Where a demand goes that wants to be elsewhere, perhaps.
    fn placement(self, wanted: Placement) -> Placement {
        match self {
            Place::AsDemanded => wanted,
            Place::Low => Placement::Low,
            Place::At { .. } => Placement::Near,
        }
    }
}

/// How code and read-only data are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Small allocations share pages and are written through a descriptor.
    Packed,
    /// Each batch has pages of its own, as was asked.
    Strict,
    /// Each batch has pages of its own because the system refused to write through the descriptor.
    Refused {
        /// The system's error number, as in `errno`.
        cause: i32,
    },
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Packed => write!(f, "packed"),
            Mode::Strict => write!(f, "strict"),
            Mode::Refused { cause } => {
                let cause = io::Error::from_raw_os_error(*cause);
                write!(f, "strict, since writing through /proc/self/mem was refused: {cause}")
            }
        }
    }
}

/// Memory of this process. Dropping it, once all its unfinished allocations are dropped, unmaps everything: nothing
/// may run in it then or refer to it.
pub struct InProcessMemory {
    shared: Arc<Shared>,
}

impl InProcessMemory {
    /// Makes a manager that has reserved nothing yet.
    pub fn new(options: Options) -> InProcessMemory {
        InProcessMemory::with_system(options, Arc::new(Native))
    }

    pub(crate) fn with_system(options: Options, system: Arc<dyn System>) -> InProcessMemory {
        sys::prepare_process();
        let refusal = if options.strict { Ok(()) } else { try_writer(&system) };
        let refusal = AtomicI32::new(refusal.map_or_else(|error| error_number(&error), |()| 0));
        InProcessMemory {
            shared: Arc::new(Shared { system, options, refusal, state: Mutex::default(), scratch: Mutex::default() }),
        }
    }

    /// What [`allocate`](MemoryManager::allocate) does, for who knows which manager this is.
    pub fn allocate_here(&self, demand: &Demand) -> Result<InProcessAllocation, MemoryError> {
        for lane in &demand.lanes {
            check(lane)?;
        }
        let strict = self.shared.mode() != Mode::Packed;
        let mut state = self.shared.lock();
        let demand = Demand { placement: self.shared.options.place.placement(demand.placement), ..*demand };
        let (mapping, pieces) = state.allocate(&self.shared, &demand, strict)?;
        drop(state);
        let scratch = self.shared.take_scratch();
        Ok(InProcessAllocation::new(Arc::clone(&self.shared), mapping, pieces, scratch))
    }

    /// How it writes code and read-only data; worth telling the user if it is [`Mode::Refused`].
    pub fn mode(&self) -> Mode {
        self.shared.mode()
    }

    /// What is in use now.
    pub fn statistics(&self) -> Statistics {
        let state = self.shared.lock();
        let mut statistics = Statistics { reservations: state.regions.len(), ..Statistics::default() };
        for region in state.regions.values() {
            statistics.reserved += region.range().end - region.range().start;
            for (index, lane) in region.lanes.iter().enumerate() {
                statistics.live[index] += lane.live();
                statistics.committed[index] += lane.committed();
            }
        }
        statistics
    }
}

impl fmt::Debug for InProcessMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessMemory").field("mode", &self.mode()).field("statistics", &self.statistics()).finish()
    }
}

impl MemoryManager for InProcessMemory {
    /// Spans the reservations of the usual size; makes the first one if there is none.
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        let placement = self.shared.options.place.placement(placement);
        let mut state = self.shared.lock();
        let hull = |state: &State| {
            let usual = state.regions.values().filter(|r| r.placement == placement && !r.single_use).map(Region::range);
            usual.reduce(|hull, range| hull.start.min(range.start)..hull.end.max(range.end))
        };
        if let Some(hull) = hull(&state) {
            return Ok(hull);
        }
        let region = self.shared.reserve(&Demand { placement, ..Demand::default() })?;
        let range = region.range();
        state.regions.insert(range.start, region);
        Ok(range)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        Ok(Box::new(self.allocate_here(demand)?))
    }

    /// Panics if a segment is not live memory of its lane.
    fn release(&self, segments: &[Segment]) {
        let range = |segment: &Segment| segment.address..segment.address + segment.size;
        self.shared.take_back(segments.iter().map(|segment| (segment.lane, range(segment))));
    }

    fn statistics(&self) -> Statistics {
        InProcessMemory::statistics(self)
    }
}

/// The size of this process's pages.
pub fn page_bytes() -> u64 {
    sys::page_bytes()
}

/// Gives whole pages of this process the protection of a lane, for managers that have memory of their own; code in them is then
/// visible to instruction fetch.
///
/// # Safety
/// The pages that the range touches are the caller's, and no reference needs their old protection.
pub unsafe fn protect(lane: Lane, range: Range<u64>) -> io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { sys::protect_foreign(range, lane::protection(lane)) }
}

fn check(lane: &LaneDemand) -> Result<(), MemoryError> {
    let LaneDemand { size, align, zero_fill } = *lane;
    if !align.is_power_of_two() || MAX_BYTES < align || MAX_BYTES < size || size < zero_fill {
        return Err(MemoryError::Unsatisfiable { size, align });
    }
    Ok(())
}

/// The error of a demand for which there is no room where all memory is to be.
fn full(demand: &Demand) -> MemoryError {
    let size = demand.lanes.iter().map(|lane| lane.size).sum();
    MemoryError::Exhausted { size, place: "in the fixed range", source: io::Error::from(io::ErrorKind::OutOfMemory) }
}

/// Opens the descriptor and writes one byte of a read-only page by it.
fn try_writer(system: &Arc<dyn System>) -> io::Result<()> {
    system.open_writer()?;
    let page = Mapping::reserve(system, Where::Anywhere, sys::page_bytes())?;
    page.protect(&page.range(), Protection::Read)?;
    page.write(page.range().start, &[1])
}

fn error_number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// What a manager and its allocations share.
struct Shared {
    system: Arc<dyn System>,
    options: Options,
    /// The error number for which writes through the descriptor are given up, or 0.
    refusal: AtomicI32,
    state: Mutex<State>,
    /// Buffers to use again. Only ever tried, so that nothing is lost but speed if a `fork` leaves it locked.
    scratch: Mutex<Vec<Vec<u8>>>,
}

impl Shared {
    fn mode(&self) -> Mode {
        match self.refusal.load(Ordering::Relaxed) {
            _ if self.options.strict => Mode::Strict,
            0 => Mode::Packed,
            cause => Mode::Refused { cause },
        }
    }

    /// A write through the descriptor failed: strict mode from now on, unless memory was short at the moment.
    fn note_refusal(&self, error: &io::Error) {
        if error_number(error) != libc::ENOMEM {
            self.refusal.store(error_number(error), Ordering::Relaxed);
        }
    }

    /// Reserves a region that has room for a demand.
    fn reserve(&self, demand: &Demand) -> Result<Region, MemoryError> {
        let Options { place, huge_pages, .. } = self.options;
        match place {
            Place::At { start, size } => Region::at(&self.system, start, size, huge_pages),
            Place::AsDemanded | Place::Low => Region::for_demand(&self.system, demand, huge_pages),
        }
    }

    fn take_scratch(&self) -> Vec<u8> {
        self.scratch.try_lock().ok().and_then(|mut buffers| buffers.pop()).unwrap_or_default()
    }

    fn keep_scratch(&self, buffer: Vec<u8>) {
        if 0 < buffer.capacity()
            && let Ok(mut buffers) = self.scratch.try_lock()
            && buffers.len() < MAX_SCRATCH_BUFFERS
        {
            buffers.push(buffer);
        }
    }

    /// A panic under the lock comes from a check that precedes any change, so the state is sound after one.
    fn lock(&self) -> Locked<'_> {
        let forks = at_fork::hold_off();
        Locked { state: self.state.lock().unwrap_or_else(PoisonError::into_inner), _forks: forks }
    }

    /// Takes back packed or finished ranges. Clears variables, so that free bytes of their lane are zero.
    fn take_back(&self, ranges: impl Iterator<Item = (Lane, Range<u64>)> + Clone) {
        let ranges = ranges.filter(|(_, range)| !range.is_empty());
        let mut state = self.lock();
        for (lane, range) in ranges.clone() {
            let region = state.region_of(range.start);
            let known = region.is_some_and(|region| region.lanes[lane as usize].is_live(&range));
            assert!(known, "memory {range:#x?} is released, which is not in use in the {lane:?} lane");
        }
        let mut large = Vec::new();
        for (_, range) in ranges.clone().filter(|(lane, _)| *lane == Lane::Data) {
            let region = state.region_of(range.start).expect("checked above");
            if range.end - range.start <= SMALL_BYTES {
                region.mapping.zero(&range);
            } else {
                large.push((Arc::clone(&region.mapping), range));
            }
        }
        if !large.is_empty() {
            drop(state);
            for (mapping, range) in large {
                clear(&mapping, &range);
            }
            state = self.lock();
        }
        let mut surplus = Vec::new();
        for (lane, range) in ranges {
            let region = state.region_of(range.start).expect("checked above");
            let space = &mut region.lanes[lane as usize];
            let joined = space.release(range.clone());
            for run in space.surplus(&joined, &range) {
                surplus.push((Arc::clone(&region.mapping), lane, run));
            }
        }
        let mut unused = state.take_unused_regions();
        if !surplus.is_empty() {
            drop(state);
            self.give_back(surplus);
            unused.extend(self.lock().take_unused_regions());
        }
        // Unmapped here, after the lock.
        drop(unused);
    }

    /// Gives memory back to the system. Meanwhile its addresses are in nobody's list.
    fn give_back(&self, surplus: Vec<(Arc<Mapping>, Lane, Range<u64>)>) {
        for (mapping, lane, run) in surplus {
            let taken = mapping.discard(&run).is_ok();
            if taken {
                lane::seal(&run, &mapping);
            }
            let mut state = self.lock();
            let region = state.region_of(run.start).expect("a region lives while a run of it is out");
            region.lanes[lane as usize].settle(run, taken);
        }
    }
}

/// Makes released variables zero.
fn clear(mapping: &Mapping, range: &Range<u64>) {
    let page_bytes = sys::page_bytes();
    let pages = range.start.next_multiple_of(page_bytes)..range.end & !(page_bytes - 1);
    if DISCARD_BYTES <= range.end - range.start && pages.start < pages.end && mapping.discard(&pages).is_ok() {
        mapping.zero(&(range.start..pages.start));
        mapping.zero(&(pages.end..range.end));
    } else {
        mapping.zero(range);
    }
}

/// All bookkeeping of a manager.
#[derive(Default)]
struct State {
    /// By first address.
    regions: BTreeMap<u64, Region>,
}

impl State {
    fn allocate(
        &mut self,
        shared: &Shared,
        demand: &Demand,
        strict: bool,
    ) -> Result<(Arc<Mapping>, [Piece; 3]), MemoryError> {
        for region in self.regions.values_mut().filter(|region| region.placement == demand.placement) {
            if let Some(pieces) = region.allocate(demand, strict)? {
                return Ok((Arc::clone(&region.mapping), pieces));
            }
        }
        if let (Place::At { .. }, false) = (shared.options.place, self.regions.is_empty()) {
            return Err(full(demand));
        }
        let mut region = shared.reserve(demand)?;
        let pieces = region.allocate(demand, strict);
        let mapping = Arc::clone(&region.mapping);
        if pieces.is_ok() || !region.single_use {
            self.regions.insert(region.range().start, region);
        }
        Ok((mapping, pieces?.ok_or_else(|| full(demand))?))
    }

    /// The region that contains an address.
    fn region_of(&mut self, address: u64) -> Option<&mut Region> {
        let (_, region) = self.regions.range_mut(..=address).next_back()?;
        (address < region.range().end).then_some(region)
    }

    /// Regions made for one demand that is gone.
    fn take_unused_regions(&mut self) -> Vec<Region> {
        let is_unused = |region: &Region| region.single_use && region.is_idle();
        if !self.regions.values().any(is_unused) {
            return Vec::new();
        }
        self.regions.extract_if(.., |_, region| is_unused(region)).map(|(_, region)| region).collect()
    }
}

/// The state, locked, and `fork` held off. The lock is released first.
struct Locked<'a> {
    state: MutexGuard<'a, State>,
    _forks: at_fork::HeldOff,
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}
