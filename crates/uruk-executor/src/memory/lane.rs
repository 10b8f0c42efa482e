//! One lane of a reservation: which of its bytes are in use, which are ready for use, which are mere addresses.
//! Data flow: `allocate` and `commit` move bytes from `space` (addresses: no memory, all zero, any protection) to
//! `free` (bytes of pages that have the lane's protection) to a [`Piece`]; `release` and `surplus` move them back.
//! Invariants: a byte is in `free`, in `space`, in `stuck`, or in somebody's hands, never in two; pages with a byte
//! in `free` have the lane's protection; free bytes of the data lane are zero; while a piece has pages of its own,
//! none of their bytes are in `free`. A page is never writable and executable: pages of a code lane become writable
//! only when no byte of them is in use.

use std::collections::BTreeMap;
use std::ops::Range;

use uruk_jitlink::memory::{Lane, LaneDemand, MemoryError};

use super::free_list::FreeList;
use crate::sys::{Mapping, Protection, page_bytes};

/// From this size on, a code or read-only allocation has pages of its own: two changes of protection cost what
/// writing this much through the descriptor costs more than writing it in place. Page faults dominate both.
pub(super) const OWN_PAGES_BYTES: u64 = 64 << 10;
/// Packed pages are readied by this much at a time, or by an eighth of what the lane has if that is more, up to
/// `MAX_CHUNK_BYTES`: a forked child cannot join new pages to old ones in the kernel's list of mappings.
const CHUNK_BYTES: u64 = 64 << 10;
const MAX_CHUNK_BYTES: u64 = 512 << 10;
/// A lane keeps at most this much in wholly free pages; beyond, half of it is given back to the system, so that
/// adding and removing by turns makes no system calls.
pub(super) const WARM_BYTES: u64 = 4 << 20;
/// Runs given back that are at least this long become inaccessible as well, so that a stray jump into removed code
/// is caught; shorter ones do not, since each may cost two of the kernel's mappings.
const SEAL_BYTES: u64 = 256 << 10;
/// The size and alignment of a huge page, where there are any.
pub(super) const HUGE_BYTES: u64 = 2 << 20;

/// A run that ends this far into a huge page, or further, is given all of it: clearing a whole one takes the time of so many
/// single page faults. What is not used of it serves small allocations.
const HUGE_TAIL_BYTES: u64 = 512 << 10;

/// The protection of a lane's finished pages.
pub(super) fn protection(lane: Lane) -> Protection {
    match lane {
        Lane::Code => Protection::ReadExecute,
        Lane::ReadOnly => Protection::Read,
        Lane::Data => Protection::ReadWrite,
    }
}

/// Memory in the hands of an allocation.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) size: u64,
    /// Bytes at the start that the linker writes.
    pub(super) written: u64,
    /// The writable pages that it has to itself, if it is not packed.
    pub(super) own_pages: Option<Range<u64>>,
    /// Whether its pages may hold something else than zero.
    pub(super) stale: bool,
    /// Whether its addresses may have held other code before.
    pub(super) reused: bool,
}

impl Piece {
    pub(super) fn range(&self) -> Range<u64> {
        self.address..self.address + self.size
    }
}

/// The bookkeeping of one lane.
pub(super) struct LaneSpace {
    lane: Lane,
    range: Range<u64>,
    free: FreeList,
    space: FreeList,
    /// Parts of `free` that never held code, start to end. Errs on the side of leaving out.
    fresh: BTreeMap<u64, u64>,
    /// Addresses from here on were never given out.
    untouched: u64,
    /// Runs that the system refused to take back; asked again before more is taken.
    stuck: Vec<Range<u64>>,
    live: u64,
    /// Pages are readied by whole huge ones.
    huge_pages: bool,
}

impl LaneSpace {
    /// A lane over reserved addresses that have no access yet.
    pub(super) fn new(lane: Lane, range: Range<u64>, huge_pages: bool) -> LaneSpace {
        let mut space = FreeList::new(page_bytes());
        space.insert(range.clone());
        let untouched = range.start;
        let free = FreeList::new(page_bytes());
        let (fresh, stuck) = (BTreeMap::new(), Vec::new());
        LaneSpace { lane, range, free, space, fresh, untouched, stuck, live: 0, huge_pages }
    }

    /// Bytes in use.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of pages that may have memory behind them.
    pub(super) fn committed(&self) -> u64 {
        self.range.end - self.range.start - self.space.total()
    }

    /// Whether nothing of the lane is in anybody's hands.
    pub(super) fn is_idle(&self) -> bool {
        let stuck: u64 = self.stuck.iter().map(|run| run.end - run.start).sum();
        self.free.total() + self.space.total() + stuck == self.range.end - self.range.start
    }

    /// Whether all of `range` may be released: it lies in the lane and none of it is free.
    pub(super) fn is_live(&self, range: &Range<u64>) -> bool {
        let inside = self.range.start <= range.start && range.end <= self.range.end;
        inside && !self.free.overlaps(range) && !self.space.overlaps(range)
    }

    /// Finds memory; `None` when the lane has no room.
    pub(super) fn allocate(
        &mut self,
        demand: &LaneDemand,
        strict: bool,
        mapping: &Mapping,
    ) -> Result<Option<Piece>, MemoryError> {
        if demand.size == 0 {
            let (address, size, written) = (self.range.start, 0, 0);
            return Ok(Some(Piece { address, size, written, own_pages: None, stale: false, reused: false }));
        }
        let own_pages = self.lane != Lane::Data && (strict || OWN_PAGES_BYTES <= demand.size);
        let piece = if own_pages { self.take_pages(demand, mapping)? } else { self.take_packed(demand, mapping)? };
        self.live += piece.as_ref().map_or(0, |piece| piece.size);
        Ok(piece)
    }

    /// Whole pages, made writable.
    fn take_pages(&mut self, demand: &LaneDemand, mapping: &Mapping) -> Result<Option<Piece>, MemoryError> {
        let len = demand.size.next_multiple_of(page_bytes());
        let align = demand.align.max(page_bytes());
        let written = demand.size - demand.zero_fill;
        let (pages, stale) = match self.free.take(len, align) {
            Some(address) => (address..address + len, true),
            None => match self.take_run(len, len, align, mapping) {
                Some(run) => (run, false),
                None => return Ok(None),
            },
        };
        let reused = !self.touch(&pages);
        self.forget_fresh(&pages);
        if let Err(source) = mapping.protect(&pages, Protection::ReadWrite) {
            // It may have been changed in part.
            self.retire(pages.clone(), mapping);
            return Err(refused("protecting", &pages, source));
        }
        let address = pages.start;
        if !stale {
            self.advise_huge(address..address + written, &pages, mapping);
        }
        Ok(Some(Piece { address, size: demand.size, written, own_pages: Some(pages), stale, reused }))
    }

    /// Bytes among others, in pages that have the lane's protection.
    fn take_packed(&mut self, demand: &LaneDemand, mapping: &Mapping) -> Result<Option<Piece>, MemoryError> {
        let address = match self.free.take(demand.size, demand.align) {
            Some(address) => address,
            None => match self.commit(demand, mapping)? {
                Some(address) => address,
                None => return Ok(None),
            },
        };
        let written = demand.size - demand.zero_fill;
        let reused = !self.take_fresh(&(address..address + demand.size));
        Ok(Some(Piece { address, size: demand.size, written, own_pages: None, stale: false, reused }))
    }

    /// Readies new pages, and takes what `demand` needs from their start.
    fn commit(&mut self, demand: &LaneDemand, mapping: &Mapping) -> Result<Option<u64>, MemoryError> {
        let least = demand.size.next_multiple_of(page_bytes());
        let align = demand.align.max(page_bytes());
        let chunk = (self.committed() / 8).next_multiple_of(CHUNK_BYTES).clamp(CHUNK_BYTES, MAX_CHUNK_BYTES);
        let Some(run) = self.take_run(least.max(chunk), least, align, mapping) else { return Ok(None) };
        let address = run.start;
        if let Err(source) = mapping.protect(&run, protection(self.lane)) {
            self.retire(run.clone(), mapping);
            return Err(refused("protecting", &run, source));
        }
        if self.lane == Lane::Data || self.huge_pages {
            self.advise_huge(address..address + (demand.size - demand.zero_fill), &run, mapping);
        }
        if self.touch(&run) && self.lane == Lane::Code {
            match self.fresh.last_entry() {
                Some(mut last) if *last.get() == run.start => *last.get_mut() = run.end,
                _ => drop(self.fresh.insert(run.start, run.end)),
            }
        }
        self.free.insert(run);
        self.free.take_part(address..address + demand.size);
        Ok(Some(address))
    }

    /// Asks for huge pages where bytes that will all be written fill them, or most of the last one; or wherever there are any.
    fn advise_huge(&self, written: Range<u64>, run: &Range<u64>, mapping: &Mapping) {
        let start = written.start.next_multiple_of(HUGE_BYTES);
        let whole = written.end & !(HUGE_BYTES - 1);
        let worth = HUGE_TAIL_BYTES <= written.end - whole && whole + HUGE_BYTES <= run.end;
        let end = match self.huge_pages {
            true => run.end & !(HUGE_BYTES - 1),
            false if worth => whole + HUGE_BYTES,
            false => whole,
        };
        if start < end {
            mapping.advise_huge(&(start..end));
        }
    }

    /// Takes a run of addresses: whole huge pages where `least` bytes are worth them, else `len` bytes, else `least`.
    fn take_run(&mut self, len: u64, least: u64, align: u64, mapping: &Mapping) -> Option<Range<u64>> {
        let worth = self.huge_pages || HUGE_TAIL_BYTES <= least % HUGE_BYTES;
        let huge = if worth { least.next_multiple_of(HUGE_BYTES) } else { len };
        let mut found = [huge, len, least].into_iter();
        found.find_map(|len| self.take_space(len, align, mapping).map(|address| address..address + len))
    }

    /// Takes addresses, at a multiple of the huge page size if the run has room for one.
    fn take_space(&mut self, len: u64, align: u64, mapping: &Mapping) -> Option<u64> {
        for run in std::mem::take(&mut self.stuck) {
            self.retire(run, mapping);
        }
        let huge = (HUGE_BYTES <= len).then(|| self.space.take(len, align.max(HUGE_BYTES))).flatten();
        huge.or_else(|| self.space.take(len, align))
    }

    /// Puts finished or never used bytes back; those of the data lane are zero. Returns the free range they are in.
    pub(super) fn release(&mut self, range: Range<u64>) -> Range<u64> {
        let len = range.end - range.start;
        let joined = self.free.insert(range);
        self.live -= len;
        joined
    }

    /// Puts pages back whose allocation was not finished, whatever their protection and contents.
    pub(super) fn release_unfinished(&mut self, piece_size: u64, pages: Range<u64>, mapping: &Mapping) {
        self.live -= piece_size;
        self.retire(pages, mapping);
    }

    /// The pages of a piece have got the lane's protection: what it does not use of the last one is free.
    pub(super) fn finish_pages(&mut self, piece: &Range<u64>, pages: &Range<u64>) {
        self.free.insert(piece.end..pages.end);
    }

    /// Takes out of `free` what is too much to keep; the caller gives it to the system and then [`settle`]s it.
    /// `latest`, the free range with what was just `released`, is kept if others suffice, and of it the end with the
    /// released bytes: they are still in the cache, and their neighbours may be released next.
    ///
    /// [`settle`]: LaneSpace::settle
    pub(super) fn surplus(&mut self, latest: &Range<u64>, released: &Range<u64>) -> Vec<Range<u64>> {
        if self.free.whole_pages() <= WARM_BYTES {
            return Vec::new();
        }
        let mut left = self.free.whole_pages() - WARM_BYTES / 2;
        let keep_end = latest.end - released.end < released.start - latest.start;
        let latest = self.free.pages_within(latest);
        let mut surplus = Vec::new();
        // Others go whole, so that what is kept does not end up in many places.
        for run in self.free.page_runs().filter(|run| *run != latest) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(run.end - run.start);
            surplus.push(run);
        }
        if 0 < left {
            surplus.push(if keep_end { latest.start..latest.start + left } else { latest.end - left..latest.end });
        }
        for run in &surplus {
            self.free.take_part(run.clone());
            self.forget_fresh(run);
        }
        surplus
    }

    /// Puts a surplus run where it belongs after the system did or did not take its memory.
    pub(super) fn settle(&mut self, run: Range<u64>, taken: bool) {
        if taken { &mut self.space } else { &mut self.free }.insert(run);
    }

    /// Makes pages of unknown protection and contents mere addresses again.
    fn retire(&mut self, pages: Range<u64>, mapping: &Mapping) {
        if mapping.discard(&pages).is_ok() {
            seal(&pages, mapping);
            self.space.insert(pages);
        } else {
            self.stuck.push(pages);
        }
    }

    /// Notes that `run` is given out, and says whether none of it ever was before.
    fn touch(&mut self, run: &Range<u64>) -> bool {
        let first_time = self.untouched <= run.start;
        self.untouched = self.untouched.max(run.end);
        first_time
    }

    /// Whether `range` never held code; it is taken to hold some from now on.
    fn take_fresh(&mut self, range: &Range<u64>) -> bool {
        let Some((&start, &end)) = self.fresh.range(..=range.start).next_back() else { return false };
        if end < range.end {
            return false;
        }
        // What lies before it, an alignment gap, is forgotten: one entry a chunk is enough.
        self.fresh.remove(&start);
        if range.end < end {
            self.fresh.insert(range.end, end);
        }
        true
    }

    fn forget_fresh(&mut self, run: &Range<u64>) {
        if self.lane == Lane::Code {
            self.fresh.retain(|&start, &mut end| end <= run.start || run.end <= start);
        }
    }
}

/// Makes a long run that was given back inaccessible. If the system refuses, it stays as it is, which is harmless.
pub(super) fn seal(run: &Range<u64>, mapping: &Mapping) {
    if SEAL_BYTES <= run.end - run.start {
        let _ = mapping.protect(run, Protection::None);
    }
}

/// The error of a call that the system refused.
pub(super) fn refused(action: &'static str, range: &Range<u64>, source: std::io::Error) -> MemoryError {
    MemoryError::Refused { action, address: range.start, size: range.end - range.start, source }
}
