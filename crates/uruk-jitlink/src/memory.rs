//! Where linked bytes go: the interface between the linker and whoever owns the memory.
//!
//! The linker asks for one [`Demand`] a batch, is told the target addresses, fills the working bytes and
//! finalizes; after that the bytes belong to whoever releases their [`Segment`]s. Nothing here maps a page.

use std::ops::Range;

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

/// Which part of the target's address space an allocation must lie in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
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

/// Gives out and takes back memory of the target process. Called from several threads at once.
pub trait MemoryManager: Send + Sync {
    /// The addresses among which allocations of this placement will lie, as far as is known before one is made;
    /// whatever is within 32-bit reach of all of them needs no stub.
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError>;

    /// Reserves and commits memory for a batch.
    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError>;

    /// Takes back finalized memory. The caller upholds that nothing runs in it or refers to it any more.
    fn release(&self, segments: &[Segment]);
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
}
