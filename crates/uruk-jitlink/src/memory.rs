//! Where linked bytes go: the interface between the linker and whoever owns the memory.
//!
//! The linker asks for one [`Demand`] a batch, is told the target addresses, fills the working bytes and
//! finalizes; after that the bytes belong to whoever releases their [`Segment`]s. Nothing here maps a page.

pub mod origin;

pub use origin::{ObjectPart, Origin, SectionPart};
use std::ops::Range;

/// What signed 32 bits reach.
const REACH: u64 = 1 << 31;

/// What a run of memory is used for; each lane has one protection once it is finalized.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Machine code: read and execute.
    Code,
    /// Constants, unwind records and GOT slots: read only.
    ReadOnly,
    /// Variables: read and write.
    Data,
}

impl Lane {
    /// Every lane, in the order in which arrays of lanes are indexed.
    pub const ALL: [Lane; 3] = [Lane::Code, Lane::ReadOnly, Lane::Data];
}

/// Which part of the target's address space an allocation is to lie in. A manager that has no such memory, as one at a
/// fixed address, may give other: what does not fit then is an error of fix-up that names the place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Placement {
    /// Within 32-bit reach of the target process's shared libraries.
    #[default]
    Near,
    /// Below 2 GiB, for code with 32-bit absolute addresses.
    Low,
}

/// What a batch needs in one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneDemand {
    /// Bytes in all, `zero_fill` included.
    pub size: u64,
    /// Alignment of the first byte, a power of two, possibly above a page.
    pub align: u64,
    /// Bytes at the end that must read as zero and that the linker never writes; they may be several GiB.
    pub zero_fill: u64,
}

impl Demand {
    /// How far apart two bytes of its lanes may lie; `None` where that does not matter, as they are larger than any
    /// reference between them reaches.
    pub fn reach(&self) -> Option<u64> {
        let size = self.lanes.iter().fold(0u64, |sum, lane| sum.saturating_add(lane.size));
        (size < REACH / 2).then_some(REACH)
    }
}

impl Default for LaneDemand {
    fn default() -> Self {
        LaneDemand { size: 0, align: 1, zero_fill: 0 }
    }
}

/// What a batch needs in all. The lanes of one demand reach each other in 32 bits unless they are larger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// One entry a lane, indexed by `Lane as usize`.
    pub lanes: [LaneDemand; 3],
    /// Where the memory must lie.
    pub placement: Placement,
}

/// A run of finalized memory, the unit of release. A batch's allocation may be released piece by piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The lane it lies in.
    pub lane: Lane,
    /// Target address of its first byte.
    pub address: u64,
    /// Length in bytes.
    pub size: u64,
}

/// What a manager has given out, in bytes; arrays are indexed by `Lane as usize`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Bytes allocated and not released.
    pub live: [u64; 3],
    /// Bytes of pages that may have memory behind them: live ones, and free ones kept for the next allocation.
    pub committed: [u64; 3],
    /// Addresses reserved.
    pub reserved: u64,
    /// Number of reservations.
    pub reservations: usize,
}

/// Gives out and takes back memory of the target process. Called from several threads at once, and never with a lock of
/// its caller held.
///
/// A batch is one [`allocate`](MemoryManager::allocate) and either one [`finalize`](Allocation::finalize) or the drop of
/// the allocation. What was finalized comes back by [`release`](MemoryManager::release), in as many pieces as the batch has
/// objects that go at different times: each byte of each lane once, and the last of them before the last user of the
/// manager lets go of it.
///
/// The caller relies on addresses: at a lane's address there has to be, once it is finalized, what was written to its
/// working bytes, nobody else's, until it is released.
pub trait MemoryManager: Send + Sync {
    /// The addresses among which allocations of this placement will lie, as far as is known before one is made;
    /// whatever is within 32-bit reach of all of them needs no stub.
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError>;

    /// Reserves and commits memory for a batch, or for stubs that no object has.
    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError>;

    /// The same, told what it is for. The linker calls this one.
    fn allocate_for(&self, demand: &Demand, origin: &dyn Origin) -> Result<Box<dyn Allocation>, MemoryError> {
        let _ = origin;
        self.allocate(demand)
    }

    /// Whether each object is to have an allocation of its own, for managers that place or count objects one by one. Those
    /// that only make sense together still come together: objects that share thread-local variables, and those of which
    /// sections are gathered under one name. It costs what a call for each object costs.
    fn each_object_alone(&self) -> bool {
        false
    }

    /// Takes back finalized memory. The caller upholds that nothing runs in it or refers to it any more.
    fn release(&self, segments: &[Segment]);

    /// What is in use now; all zero from a manager that does not count.
    fn statistics(&self) -> Statistics {
        Statistics::default()
    }
}

/// Memory from a manager that may be anybody's: what does not fit the demand is an error, and goes back.
pub fn checked(mut allocation: Box<dyn Allocation>, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
    let working = allocation.working().map(|bytes| bytes.len() as u64);
    let (mut first, mut last) = (u64::MAX, 0);
    for lane in Lane::ALL.into_iter().filter(|lane| demand.lanes[*lane as usize].size != 0) {
        let LaneDemand { size, align, zero_fill } = demand.lanes[lane as usize];
        let (address, bytes, wanted) = (allocation.address(lane), working[lane as usize], size - zero_fill);
        let end = address.checked_add(size).filter(|_| address != 0);
        let Some(end) = end.filter(|_| address.is_multiple_of(align) && bytes == wanted) else {
            return Err(MemoryError::Unfit { lane, address, align, bytes, wanted });
        };
        (first, last) = (first.min(address), last.max(end));
    }
    let spread = last.saturating_sub(first);
    if demand.reach().is_some_and(|reach| reach < spread) {
        let size = demand.lanes.iter().map(|lane| lane.size).sum();
        return Err(MemoryError::Scattered { size, spread });
    }
    Ok(allocation)
}

/// Memory being filled. Dropped without [`finalize`](Allocation::finalize), it goes back to its manager.
pub trait Allocation: Send {
    /// Target address of the lane's first byte.
    fn address(&self, lane: Lane) -> u64;

    /// The writable bytes of each lane, without its zero-fill tail, all zero at first, indexed by `Lane as usize`.
    fn working(&mut self) -> [&mut [u8]; 3];

    /// Makes the bytes visible at their target addresses with their lane's protection, ready to be executed.
    /// The memory then belongs to the holder of its segments.
    fn finalize(self: Box<Self>) -> Result<(), MemoryError>;
}

/// Why memory could not be had or finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The address space or the system's memory is used up.
    #[error("no room for {size} bytes {place}: {source}")]
    Exhausted {
        /// Bytes asked for.
        size: u64,
        /// Where they were wanted, in words.
        place: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused a protection or a write.
    #[error("{action} {size} bytes at {address:#x} was refused: {source}")]
    Refused {
        /// What was attempted, as "protecting" or "writing".
        action: &'static str,
        /// First target address.
        address: u64,
        /// Bytes concerned.
        size: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// A size or an alignment that no memory can satisfy.
    #[error("a demand of {size} bytes aligned to {align} cannot be met")]
    Unsatisfiable {
        /// Bytes asked for.
        size: u64,
        /// Alignment asked for.
        align: u64,
    },
    /// A manager gave memory that the demand does not describe.
    #[error(
        "the memory manager gave {bytes} working bytes at {address:#x} in the {lane:?} lane, where {wanted} were asked for that begin at a multiple of {align}; mend the manager"
    )]
    Unfit {
        /// The lane.
        lane: Lane,
        /// Its address.
        address: u64,
        /// What that was to be a multiple of.
        align: u64,
        /// The working bytes that there are.
        bytes: u64,
        /// How many there were to be.
        wanted: u64,
    },
    /// A manager gave lanes that are out of each other's reach.
    #[error(
        "the memory manager spread a batch of {size} bytes over {spread}, which 32-bit distances do not reach; mend the manager"
    )]
    Scattered {
        /// Bytes asked for.
        size: u64,
        /// From the first lane's first byte to the last one's end.
        spread: u64,
    },
    /// What a manager of the user's own says.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
