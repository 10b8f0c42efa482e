//! A block: stubs that were made together, and which of them are in use.
//!
//! Data flow: a number of stubs → one allocation, code written before it becomes executable and never again → words
//! that are stored to, one at a time and atomically → the memory goes back when the block is dropped.
//! Invariants: a cell is either in use, with a serial number, or in the list of free ones, or no stub at all. The word
//! of a stub that is not in use holds the failure address, so a call that comes too late ends there.
//! `unsafe` is here for the words, which are read by running code, and for the unwind records.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uruk_jitlink::memory::{Demand, Lane, LaneDemand, MemoryError, MemoryManager, Placement, Segment, checked};

use super::StubError;
use super::arch::{self, BLOCK_ALIGN, CELL_BYTES, is_stub, lazy_target};
use crate::unwind::{self, Registration};

/// The fewest cells of a block: what fills a page, which strict memory would not use otherwise.
const MIN_CELLS: usize = 256;
/// The most: memory gives such a block pages of its own, and few live stubs keep more than that from being released.
pub(super) const MAX_CELLS: usize = 4096;

/// What a new block is to be.
pub(super) struct Plan<'a> {
    pub(super) memory: &'a Arc<dyn MemoryManager>,
    pub(super) placement: Placement,
    /// For its head: an address that tells the entry whose it is.
    pub(super) context: u64,
    /// Where its head jumps.
    pub(super) entry: u64,
    pub(super) failure: u64,
    /// The location of its first cell.
    pub(super) first_location: u64,
    /// How many stubs are wanted. It may have more or, beyond a limit, fewer.
    pub(super) stubs: usize,
}

/// What its memory is to hold, and where that is.
pub(super) struct Contents {
    pub(super) code: u64,
    pub(super) words: u64,
    pub(super) context: u64,
    pub(super) entry: u64,
    pub(super) failure: u64,
    pub(super) first_location: u64,
}

/// Stubs in one piece of memory.
pub(super) struct Block {
    // Dropped in this order: what describes the memory before the memory itself.
    _unwind: Registration,
    _records: Box<[u8]>,
    _segments: Segments,
    code: u64,
    words: u64,
    failure: u64,
    /// By cell: the serial number of the stub there, or 0.
    serials: Box<[u32]>,
    /// Cells without a stub in use, the next to be used last.
    free: Vec<u16>,
    stubs: usize,
}

/// Finished memory that is released when this is dropped.
struct Segments {
    memory: Arc<dyn MemoryManager>,
    segments: [Segment; 2],
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.memory.release(&self.segments);
    }
}

impl Block {
    /// Makes a block, none of whose stubs is in use.
    pub(super) fn new(plan: &Plan<'_>) -> Result<Block, StubError> {
        let cells = arch::cells(plan.stubs.min(MAX_CELLS)).next_multiple_of(MIN_CELLS).min(MAX_CELLS);
        let (segments, code, words) = write(plan, cells)?;
        let code_range = code..code + CELL_BYTES * cells as u64;
        let records = arch::unwind_records(&code_range).into_boxed_slice();
        let range = code_range.start as usize..code_range.end as usize;
        // SAFETY: the records are kept until the registration is gone, and are true of the code; it is nobody's frame
        // when the block is dropped, as whoever frees its last stub promises.
        let unwind = unsafe { unwind::register(&[range], records.as_ptr().addr(), records.len()) }?;
        let free: Vec<u16> = (0..cells).rev().filter(|cell| is_stub(*cell)).map(|cell| cell as u16).collect();
        Ok(Block {
            _unwind: unwind,
            _records: records,
            _segments: segments,
            code,
            words,
            failure: plan.failure,
            serials: vec![0; cells].into(),
            stubs: free.len(),
            free,
        })
    }

    /// Whether it has room for a stub.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether none of its stubs is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.stubs
    }

    /// Puts a lazy stub to use: its cell and its address. Panics if there is no room.
    pub(super) fn take(&mut self, serial: u32) -> (usize, u64) {
        let cell = self.free.pop().expect("the caller has asked for room") as usize;
        let address = self.code + CELL_BYTES * cell as u64;
        self.serials[cell] = serial;
        self.word(cell).store(self.lazy_target(cell), Ordering::Release);
        (cell, address)
    }

    /// The serial number of the stub that is in use in a cell.
    pub(super) fn serial(&self, cell: usize) -> Option<u32> {
        self.serials.get(cell).copied().filter(|serial| *serial != 0)
    }

    /// Ends the use of a stub.
    pub(super) fn give_back(&mut self, cell: usize) {
        self.redirect(cell, self.failure);
        self.serials[cell] = 0;
        self.free.push(cell as u16);
    }

    /// Where a stub leads, unless it is lazy.
    pub(super) fn target(&self, cell: usize) -> Option<u64> {
        let target = self.word(cell).load(Ordering::Acquire);
        (target != self.lazy_target(cell)).then_some(target)
    }

    /// Lets a stub lead to an address.
    pub(super) fn redirect(&self, cell: usize, target: u64) {
        self.word(cell).store(target, Ordering::Release);
    }

    /// Lets a lazy stub lead to an address. Returns where the stub leads then, which is elsewhere if it was not lazy.
    pub(super) fn settle(&self, cell: usize, target: u64) -> u64 {
        let (lazy, success, failure) = (self.lazy_target(cell), Ordering::AcqRel, Ordering::Acquire);
        self.word(cell).compare_exchange(lazy, target, success, failure).map_or_else(|current| current, |_| target)
    }

    fn lazy_target(&self, cell: usize) -> u64 {
        lazy_target(self.code, self.code + CELL_BYTES * cell as u64)
    }

    fn word(&self, cell: usize) -> &AtomicU64 {
        assert!(cell < self.serials.len());
        // SAFETY: the block has an aligned, writable word for each of its cells, in memory that lives as long as
        // `self`; running code and this module alone access it, whole.
        unsafe { AtomicU64::from_ptr((self.words as *mut u64).add(cell)) }
    }
}

/// Allocates and finishes a block's memory: its segments, the address of its code and that of its words.
fn write(plan: &Plan<'_>, cells: usize) -> Result<(Segments, u64, u64), MemoryError> {
    let (code_bytes, word_bytes) = (CELL_BYTES * cells as u64, 8 * cells as u64);
    let mut demand = Demand { placement: plan.placement, ..Demand::default() };
    demand.lanes[Lane::Code as usize] = LaneDemand { size: code_bytes, align: BLOCK_ALIGN, zero_fill: 0 };
    demand.lanes[Lane::Data as usize] = LaneDemand { size: word_bytes, align: 64, zero_fill: 0 };
    let mut allocation = checked(plan.memory.allocate(&demand)?, &demand)?;
    let [code, words] = [Lane::Code, Lane::Data].map(|lane| allocation.address(lane));
    let [code_lane, _, data_lane] = allocation.working();
    let &Plan { context, entry, failure, first_location, .. } = plan;
    arch::fill(&Contents { code, words, context, entry, failure, first_location }, code_lane, data_lane);
    allocation.finalize()?;
    let segment = |lane, range: Range<u64>| Segment { lane, address: range.start, size: range.end - range.start };
    let segments = [segment(Lane::Code, code..code + code_bytes), segment(Lane::Data, words..words + word_bytes)];
    Ok((Segments { memory: Arc::clone(plan.memory), segments }, code, words))
}
