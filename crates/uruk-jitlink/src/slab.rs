//! A memory manager that maps nothing: it lays batches out one after the other in ranges of addresses, and keeps their
//! bytes for those who want to look at them. With it objects for any target are linked on any host, at any address.
//!
//! Invariants: lanes begin at pages, so that segments of different protection never share one; no two allocations that are
//! there at once overlap; what goes is given out again only if it was the last.

use crate::graph::align_up;
use crate::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ranges of addresses, and what was linked there.
pub struct Slab {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where batches of each placement may lie.
    near: Range<u64>,
    low: Range<u64>,
    page_log2: u8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is taken, by the order of taking, with the bytes once they are final.
    taken: Vec<Taken>,
}

struct Taken {
    lane: Lane,
    range: Range<u64>,
    /// Its content, zero-fill aside; none while that is being written.
    bytes: Option<Vec<u8>>,
}

impl Slab {
    /// One range for everything. `page_bytes` is a power of two, or counts as the next one.
    pub fn new(range: Range<u64>, page_bytes: u64) -> Slab {
        Slab::with_low(range.clone(), range, page_bytes)
    }

    /// A range of its own for what has to lie in low memory.
    pub fn with_low(near: Range<u64>, low: Range<u64>, page_bytes: u64) -> Slab {
        let page_log2 = page_bytes.checked_next_power_of_two().map_or(63, u64::trailing_zeros) as u8;
        Slab { shared: Arc::new(Shared { near, low, page_log2, state: Mutex::default() }) }
    }

    /// Reads finished bytes, those of zero-fill included. False if not all of the range has been linked and finalized.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(end) = address.checked_add(bytes.len() as u64) else { return false };
        let state = self.shared.lock();
        let found = state.taken.iter().find(|taken| taken.range.start <= address && end <= taken.range.end);
        let Some(Taken { range, bytes: Some(content), .. }) = found else { return false };
        // What lies behind the content is zero.
        let start = usize::try_from(address - range.start).unwrap_or(usize::MAX).min(content.len());
        let written = &content[start..content.len().min(start + bytes.len())];
        let (filled, zero) = bytes.split_at_mut(written.len());
        filled.copy_from_slice(written);
        zero.fill(0);
        true
    }

    /// What is there: the runs of memory of all batches, in order of their addresses.
    pub fn segments(&self) -> Vec<Segment> {
        let state = self.shared.lock();
        let segments = state.taken.iter().map(|taken| Segment {
            lane: taken.lane,
            address: taken.range.start,
            size: taken.range.end - taken.range.start,
        });
        let mut segments: Vec<Segment> = segments.collect();
        segments.sort_by_key(|segment| segment.address);
        segments
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range(&self, placement: Placement) -> &Range<u64> {
        match placement {
            Placement::Near => &self.near,
            Placement::Low => &self.low,
        }
    }

    /// Places for the lanes of a demand, if there is room.
    fn places(&self, state: &State, demand: &Demand) -> Option<[Range<u64>; 3]> {
        let range = self.range(demand.placement);
        let inside = state.taken.iter().filter(|taken| range.contains(&taken.range.start));
        let mut at = inside.map(|taken| taken.range.end).fold(range.start, u64::max);
        let mut places = [const { 0..0 }; 3];
        for (place, lane) in places.iter_mut().zip(&demand.lanes) {
            let align_log2 = self.page_log2.max(lane.align.trailing_zeros() as u8);
            let room = (1u64 << align_log2) - 1;
            at.checked_add(room)?;
            let start = align_up(at, align_log2);
            at = start.checked_add(lane.size).filter(|end| *end <= range.end)?;
            *place = start..at;
        }
        Some(places)
    }
}

impl MemoryManager for Slab {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(self.shared.range(placement).clone())
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let size = demand.lanes.iter().fold(0u64, |sum, lane| sum.saturating_add(lane.size));
        let exhausted = || MemoryError::Exhausted {
            size,
            place: "in the slab",
            source: io::Error::new(io::ErrorKind::OutOfMemory, "give it a larger size"),
        };
        let mut state = self.shared.lock();
        let places = self.shared.places(&state, demand).ok_or_else(exhausted)?;
        let mut bytes = [const { Vec::new() }; 3];
        for (bytes, lane) in bytes.iter_mut().zip(&demand.lanes) {
            let written = usize::try_from(lane.size - lane.zero_fill.min(lane.size)).map_err(|_| exhausted())?;
            bytes.try_reserve_exact(written).map_err(|_| exhausted())?;
            *bytes = vec![0; written];
        }
        for (lane, range) in Lane::ALL.into_iter().zip(&places) {
            state.taken.push(Taken { lane, range: range.clone(), bytes: None });
        }
        Ok(Box::new(Batch { shared: self.shared.clone(), places, bytes, finished: false }))
    }

    fn release(&self, segments: &[Segment]) {
        let mut state = self.shared.lock();
        for segment in segments {
            let inside = |taken: &Taken| {
                segment.address <= taken.range.start && taken.range.end - segment.address <= segment.size
            };
            state.taken.retain(|taken| !inside(taken));
        }
    }
}

/// Bytes being filled.
struct Batch {
    shared: Arc<Shared>,
    places: [Range<u64>; 3],
    bytes: [Vec<u8>; 3],
    finished: bool,
}

impl Allocation for Batch {
    fn address(&self, lane: Lane) -> u64 {
        self.places[lane as usize].start
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.bytes.each_mut().map(Vec::as_mut_slice)
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        self.finished = true;
        let Batch { shared, places, bytes, .. } = &mut *self;
        let mut state = shared.lock();
        for (place, bytes) in places.iter().zip(bytes) {
            let taken = state.taken.iter_mut().find(|taken| taken.bytes.is_none() && taken.range == *place);
            if let Some(taken) = taken {
                taken.bytes = Some(std::mem::take(bytes));
            }
        }
        drop(state);
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.finished {
            let mut state = self.shared.lock();
            state.taken.retain(|taken| taken.bytes.is_some() || !self.places.contains(&taken.range));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::LaneDemand;

    fn demand(sizes: [(u64, u64); 3]) -> Demand {
        let lanes = sizes.map(|(size, zero_fill)| LaneDemand { size, align: 16, zero_fill });
        Demand { lanes, placement: Placement::Near }
    }

    #[test]
    fn batches_follow_each_other_by_pages() {
        let slab = Slab::new(0x1000..0x10000, 0x1000);
        let mut first = slab.allocate(&demand([(0x10, 0), (0x1001, 0), (0x20, 0x18)])).unwrap();
        assert_eq!(Lane::ALL.map(|lane| first.address(lane)), [0x1000, 0x2000, 0x4000]);
        assert_eq!(first.working().map(|bytes| bytes.len()), [0x10, 0x1001, 8]);
        first.working()[2].fill(7);
        let mut byte = [9];
        assert!(!slab.read(0x4000, &mut byte), "it is not final yet");
        first.finalize().unwrap();
        let mut bytes = [9; 0x20];
        assert!(slab.read(0x4000, &mut bytes));
        assert_eq!(bytes, *[[7; 8], [0; 8], [0; 8], [0; 8]].as_flattened());
        assert!(slab.read(0x4018, &mut bytes[..8]) && bytes[0] == 0);
        assert!(!slab.read(0x4019, &mut bytes[..8]) && !slab.read(0xfff, &mut byte) && !slab.read(u64::MAX, &mut byte));
        let second = slab.allocate(&demand([(1, 0), (0, 0), (0, 0)])).unwrap();
        assert_eq!(second.address(Lane::Code), 0x5000);
        drop(second);
        let third = slab.allocate(&demand([(1, 0), (0, 0), (0, 0)])).unwrap();
        assert_eq!(third.address(Lane::Code), 0x5000, "what was given up is given out again");
        drop(third);
        slab.release(&slab.segments());
        assert!(slab.segments().is_empty() && !slab.read(0x4000, &mut byte));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let slab = Slab::new(0x1000..0x4000, 0x1000);
        let error = |demand: &Demand| slab.allocate(demand).err().unwrap().to_string();
        assert!(error(&demand([(0x1001, 0), (0x1001, 0), (0, 0)])).contains("no room for 8194 bytes in the slab"));
        assert!(error(&demand([(u64::MAX, 0), (1, 0), (1, 0)])).contains("no room"));
        let mut aligned = demand([(1, 0); 3]);
        aligned.lanes[0].align = 1 << 63;
        assert!(error(&aligned).contains("no room"));
        assert!(slab.allocate(&demand([(0x1000, 0), (0x1000, 0), (0x1000, 0x1000)])).is_ok());
    }

    #[test]
    fn low_memory_has_a_range_of_its_own() {
        let slab = Slab::with_low(0x10_0000_0000..0x11_0000_0000, 0x1000..0x8000_0000, 0x4000);
        let near = slab.allocate(&demand([(1, 0); 3])).unwrap();
        let low = slab.allocate(&Demand { placement: Placement::Low, ..demand([(1, 0); 3]) }).unwrap();
        assert_eq!((near.address(Lane::Data), low.address(Lane::Data)), (0x10_0000_8000, 0xc000));
    }
}
