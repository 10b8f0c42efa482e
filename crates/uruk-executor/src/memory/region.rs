//! One reservation and its three lanes.
//! Data flow: a demand → addresses, by `place` → three [`LaneSpace`]s, each of which meets its part of a demand.
//! Invariants: lanes lie in the order code, read-only, data, without gaps, and their bounds never move; a demand is
//! met by one region or not at all.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use uruk_jitlink::memory::{Demand, Lane, LaneDemand, MemoryError, Placement};

use super::lane::{HUGE_BYTES, LaneSpace, Piece};
use super::place;
use crate::sys::{Mapping, System, Where, page_bytes};

/// The reservation sizes tried for a placement, largest first. A process may be allowed few addresses.
fn usual_sizes(placement: Placement) -> impl Iterator<Item = u64> {
    let (largest, smallest) = match placement {
        Placement::Near => (30, 22),
        Placement::Low => (28, 20),
    };
    (smallest..=largest).rev().map(|exponent| 1 << exponent)
}

/// A reservation.
pub(super) struct Region {
    pub(super) mapping: Arc<Mapping>,
    pub(super) placement: Placement,
    pub(super) lanes: [LaneSpace; 3],
    /// Made for one demand too big for the usual sizes, and given up when that is gone.
    pub(super) single_use: bool,
}

impl Region {
    /// Reserves a region of the largest usual size to be had that has room for `demand`, or else one of just the
    /// size that it needs. If there is nowhere to put one near the libraries it is put anywhere: calls from there
    /// need stubs, and a caller sees from the address that they do.
    pub(super) fn for_demand(
        system: &Arc<dyn System>,
        demand: &Demand,
        huge_pages: bool,
    ) -> Result<Region, MemoryError> {
        let placement = demand.placement;
        let near =
            Region::by(demand, huge_pages, |size, near_bytes| place::reserve(system, placement, size, near_bytes));
        match near {
            Err(_) if placement == Placement::Near => {
                Region::by(demand, huge_pages, |size, _| Mapping::reserve(system, Where::Anywhere, size))
            }
            result => result,
        }
    }

    /// Reserves a region at just these addresses.
    pub(super) fn at(system: &Arc<dyn System>, start: u64, size: u64, huge_pages: bool) -> Result<Region, MemoryError> {
        let align = page_bytes();
        if size == 0 || !start.is_multiple_of(align) || !size.is_multiple_of(align) {
            return Err(MemoryError::Unsatisfiable { size, align });
        }
        let exhausted = |source| MemoryError::Exhausted { size, place: "at the fixed address", source };
        let mapping = Mapping::reserve(system, Where::Exactly(start), size).map_err(exhausted)?;
        Ok(Region::over(mapping, Placement::Near, lane_lengths(size), false, huge_pages))
    }

    fn by(
        demand: &Demand,
        huge_pages: bool,
        reserve: impl Fn(u64, u64) -> io::Result<Mapping>,
    ) -> Result<Region, MemoryError> {
        let placement = demand.placement;
        let needs = demand.lanes.each_ref().map(room_for);
        for size in usual_sizes(placement) {
            let lengths = lane_lengths(size - HUGE_BYTES.min(size / 2));
            if needs.iter().zip(lengths).any(|(need, length)| length < *need) {
                break;
            }
            if let Ok(mapping) = reserve(size, size) {
                return Ok(Region::over(mapping, placement, lengths, false, huge_pages));
            }
        }
        let size = needs.iter().sum::<u64>() + HUGE_BYTES;
        let far_end = demand.lanes[Lane::Data as usize].zero_fill & !(page_bytes() - 1);
        let mapping = reserve(size, size - far_end).map_err(|source| {
            let place = match placement {
                Placement::Near => "near the shared libraries",
                Placement::Low => "below 2 GiB",
            };
            MemoryError::Exhausted { size, place, source }
        })?;
        Ok(Region::over(mapping, placement, needs, true, huge_pages))
    }

    /// Cuts a mapping into lanes of these lengths, which leave room for aligning the first to a huge page.
    fn over(mapping: Mapping, placement: Placement, lengths: [u64; 3], single_use: bool, huge_pages: bool) -> Region {
        let range = mapping.range();
        let total: u64 = lengths.iter().sum();
        let aligned = range.start.next_multiple_of(HUGE_BYTES);
        let mut start = if total <= range.end.saturating_sub(aligned) { aligned } else { range.start };
        let lanes = Lane::ALL.map(|lane| {
            let end = start + lengths[lane as usize];
            LaneSpace::new(lane, std::mem::replace(&mut start, end)..end, huge_pages)
        });
        assert!(start <= range.end, "the lanes lie in their reservation");
        Region { mapping: Arc::new(mapping), placement, lanes, single_use }
    }

    /// All its addresses.
    pub(super) fn range(&self) -> Range<u64> {
        self.mapping.range()
    }

    /// Meets a demand in full, or says that there is no room.
    pub(super) fn allocate(&mut self, demand: &Demand, strict: bool) -> Result<Option<[Piece; 3]>, MemoryError> {
        let mut pieces = Vec::with_capacity(3);
        for (space, demand) in self.lanes.iter_mut().zip(&demand.lanes) {
            match space.allocate(demand, strict, &self.mapping) {
                Ok(Some(piece)) => pieces.push(piece),
                nothing => {
                    for (space, piece) in self.lanes.iter_mut().zip(pieces) {
                        match piece.own_pages {
                            Some(pages) => space.release_unfinished(piece.size, pages, &self.mapping),
                            None => drop(space.release(piece.range())),
                        }
                    }
                    return nothing.map(|_| None);
                }
            }
        }
        Ok(Some(pieces.try_into().expect("one piece a lane")))
    }

    /// Whether nothing of it is in anybody's hands.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.iter().all(LaneSpace::is_idle)
    }
}

/// How a region's addresses are divided: 3/8 code, 1/4 read-only, 3/8 data.
fn lane_lengths(size: u64) -> [u64; 3] {
    let unit = match size {
        0..0x10_0000 => page_bytes(),
        0x10_0000..0x200_0000 => 64 << 10,
        _ => HUGE_BYTES,
    };
    [3, 2, 3].map(|eighths| size / 8 * eighths / unit * unit)
}

/// Addresses that surely hold a demand, wherever they start.
fn room_for(demand: &LaneDemand) -> u64 {
    let slack = if HUGE_BYTES <= demand.size { HUGE_BYTES } else { page_bytes() };
    demand.size.next_multiple_of(page_bytes()) + demand.align.max(slack)
}
