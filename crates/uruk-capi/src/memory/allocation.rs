//! What a client has given: looked at before it is used, written, and made final or given back.

use super::manager::{Piece, Shared, end_context, other};
use super::request::Request;
use super::*;
use crate::call::answer;
use crate::error::{Failure, uruk_status};
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
    /// Whether what the client answered can be used: addresses that are there, aligned, apart, in reach of each other.
    pub fn check(&self, request: &Request) -> Result<(), Failure> {
        let invalid = |text: String| {
            Err(Failure::new(uruk_status::URUK_MEMORY, format!("`allocate` of the memory manager: {text}")))
        };
        let mut targets: Vec<(u64, u64, Lane)> = Vec::new();
        let mut workings: Vec<(u64, u64, Lane)> = Vec::new();
        for lane in &request.lanes {
            let (place, wanted) = (&self.places[*lane as usize], &self.demand.lanes[*lane as usize]);
            let name = segment_name(*lane);
            if place.working.is_null() || place.target == 0 {
                return invalid(format!("it left the {name} segment without an address"));
            }
            let working = place.working.addr() as u64;
            let ends = (place.target.checked_add(wanted.size), working.checked_add(wanted.size));
            let (Some(target_end), Some(working_end)) = ends else {
                return invalid(format!("the {name} segment at {:#x} would end beyond the last address", place.target));
            };
            if !place.target.is_multiple_of(wanted.align) {
                return invalid(format!(
                    "the {name} segment is at {:#x}, not at a multiple of {}",
                    place.target, wanted.align
                ));
            }
            targets.push((place.target, target_end, *lane));
            workings.push((working, working_end, *lane));
        }
        for mut places in [targets.clone(), workings] {
            places.sort_unstable_by_key(|(start, ..)| *start);
            if let Some([(.., first), (start, _, second)]) =
                places.array_windows().find(|[(_, end, _), (start, ..)]| start < end)
            {
                let (first, second) = (segment_name(*first), segment_name(*second));
                return invalid(format!("the {second} segment at {start:#x} lies in the {first} segment"));
            }
        }
        let spread = targets.iter().map(|(_, end, _)| *end).max().unwrap_or(0)
            - targets.iter().map(|(start, ..)| *start).min().unwrap_or(0);
        match self.demand.reach() {
            Some(reach) if reach < spread => invalid(format!(
                "its segments are {spread:#x} bytes apart; {reach:#x} is the most that instructions reach"
            )),
            _ => Ok(()),
        }
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

fn segment_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Code => "code",
        Lane::ReadOnly => "read-only",
        Lane::Data => "data",
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
            // SAFETY: the client has given so many bytes to this allocation alone, which `check` has found not to overlap;
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
            let (start, size) = (self.places[lane as usize].target, self.demand.lanes[lane as usize].size);
            if size != 0 {
                live.pieces.insert(start, Piece { end: start + size, allocation: number });
                left += size;
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
        // As in `release`.
        let _ = self.shared.with(|callbacks| {
            if let Some(end) = callbacks.abandon.or(callbacks.deallocate) {
                // SAFETY: the client's callback, once for what it allocated and was not finalized.
                unsafe { end(context.0, number) };
            }
            end_context(callbacks, context);
        });
    }
}
