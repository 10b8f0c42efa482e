//! What a client has given: looked at before it is used, written, and made final or given back.

use super::checks::{self, segment_name};
use super::claims::Live;
use super::manager::{Shared, other};
use super::request::Request;
use super::*;
use crate::call::answer;
use crate::error::{Failure, uruk_status};
use std::ops::Range;
use uruk::memory::{Allocation, Demand, Lane, MemoryError};

/// No answer.
pub(super) const EMPTY: uruk_memory_answer = uruk_memory_answer { working: std::ptr::null_mut(), target: 0 };

/// How far an allocation is.
#[derive(PartialEq, Eq)]
pub(super) enum State {
    /// The client knows nothing of it: it has no bytes.
    Empty,
    Allocated,
    Finalized,
}

/// What a client has allocated.
pub(super) struct Memory {
    pub shared: Arc<Shared>,
    pub demand: Demand,
    pub number: u64,
    pub context: Opaque,
    pub state: State,
    /// By lane.
    pub places: [uruk_memory_answer; 3],
}

// SAFETY: the working memory is this allocation's alone until it is finalized, as the client promises.
unsafe impl Send for Memory {}

impl Memory {
    /// Looks at what the client answered, and claims it: addresses that are there, aligned, in reach of each other, and none of which is
    /// another segment's, of this allocation or of others. What was claimed before an error is given back with the rest.
    pub fn claim(&self, live: &mut Live, request: &Request) -> Result<(), Failure> {
        let ranges = request.lanes.iter().map(|lane| self.answered(*lane)).collect::<Result<Vec<_>, _>>()?;
        checks::reach(&self.demand, &ranges.iter().map(|[target, _]| target.clone()).collect::<Vec<_>>())?;
        for (lane, [target, working]) in request.lanes.iter().zip(ranges) {
            live.targets.take(target, self.number, *lane)?;
            live.workings.take(working, self.number, *lane)?;
        }
        Ok(())
    }

    /// Where a segment runs, and where it is written, if that can be.
    fn answered(&self, lane: Lane) -> Result<[Range<u64>; 2], Failure> {
        let (place, wanted) = (&self.places[lane as usize], &self.demand.lanes[lane as usize]);
        if place.working.is_null() || place.target == 0 {
            let (name, which) = (segment_name(lane), if place.working.is_null() { "working" } else { "target" });
            let text = format!("it left the {name} segment without a {which} address");
            return Err(Failure::new(uruk_status::URUK_NULL, text));
        }
        let working = checks::range(lane, place.working.addr() as u64, wanted.size)?;
        Ok([checks::target(lane, place.target, wanted)?, working])
    }

    /// Where a segment runs, and where it is written; `answered` has found both to end, unless nothing of them was claimed.
    fn ranges(&self, lane: Lane) -> [Range<u64>; 2] {
        let (place, size) = (&self.places[lane as usize], self.demand.lanes[lane as usize].size);
        [place.target, place.working.addr() as u64].map(|start| start..start.saturating_add(size))
    }

    pub fn clear(&mut self) {
        for lane in Lane::ALL {
            let (place, size) = (&self.places[lane as usize], self.demand.lanes[lane as usize].size);
            if size != 0 {
                // SAFETY: the client has given so many bytes to be written until it is told that they are final.
                unsafe { place.working.cast::<u8>().write_bytes(0, size as usize) };
            }
        }
    }

    fn protect(&self) -> Result<(), Failure> {
        for lane in Lane::ALL {
            let (place, size) = (&self.places[lane as usize], self.demand.lanes[lane as usize].size);
            if size == 0 {
                continue;
            }
            if place.working.addr() as u64 != place.target {
                let text = "working and target addresses differ, so the manager needs a `finalize` of its own";
                return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
            }
            // SAFETY: the client has given these bytes to this allocation; that pages are not shared with others is what the header
            // asks of a manager without a `finalize`.
            unsafe { uruk::memory::protect(lane, place.target..place.target + size) }
                .map_err(|error| Failure::new(uruk_status::URUK_MEMORY, error.to_string()))?;
        }
        Ok(())
    }
}

impl Allocation for Memory {
    fn address(&self, lane: Lane) -> u64 {
        self.places[lane as usize].target
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        Lane::ALL.map(|lane| {
            let (place, wanted) = (&self.places[lane as usize], &self.demand.lanes[lane as usize]);
            if wanted.size == 0 {
                return &mut [][..];
            }
            let size = (wanted.size - wanted.zero_fill) as usize;
            // SAFETY: the client has given so many bytes to this allocation alone, which `claim` has found not to overlap;
            // they are initialised, by `clear` or by the client's word.
            unsafe { std::slice::from_raw_parts_mut(place.working.cast::<u8>(), size) }
        })
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        if self.state == State::Empty {
            return Ok(());
        }
        let (context, number) = (self.context.0, self.number);
        let done = self.shared.with(|callbacks| match callbacks.finalize {
            Some(finalize) => {
                // SAFETY: the client's callback for what it allocated.
                let call = |message| unsafe { finalize(context, number, message) };
                answer("`finalize` of the memory manager", call)
            }
            None => self.protect(),
        });
        done.and_then(|done| done).map_err(other)?;
        self.state = State::Finalized;
        let live = &mut *self.shared.live();
        let mut left = 0;
        for lane in Lane::ALL {
            let [target, working] = self.ranges(lane);
            left += target.end - target.start;
            if target != working {
                live.workings.free(working, number);
            }
        }
        live.allocations.insert(number, (self.context, left));
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.state != State::Allocated {
            return;
        }
        let (context, number) = (self.context, self.number);
        {
            let live = &mut *self.shared.live();
            for lane in Lane::ALL {
                let [target, working] = self.ranges(lane);
                live.targets.free(target, number);
                live.workings.free(working, number);
            }
        }
        self.shared.tell("abandon", number, |callbacks| {
            if let Some(end) = callbacks.abandon.or(callbacks.deallocate) {
                // SAFETY: the client's callback, once for what it allocated and was not finalized.
                unsafe { end(context.0, number) };
            }
        });
        self.shared.end_context(number, context);
    }
}
