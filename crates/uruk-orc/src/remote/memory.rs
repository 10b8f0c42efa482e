//! Memory of an executor, as the linker uses it: filled here, sent when it is finished.

use super::is_low;
use super::link::Link;
use crate::error::Error;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_executor::protocol::message::{Answer, Number, Request};
use uruk_jitlink::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment, Statistics};

/// Content is sent in pieces of this size.
const PIECE: usize = 16 << 20;

pub(super) struct RemoteMemory {
    link: Arc<Link>,
    /// What the executor said last, by placement.
    spans: Arc<Mutex<[Option<Range<u64>>; 2]>>,
}

impl RemoteMemory {
    pub fn new(link: Arc<Link>) -> RemoteMemory {
        RemoteMemory { link, spans: Arc::default() }
    }

    fn spans(&self) -> MutexGuard<'_, [Option<Range<u64>>; 2]> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn other(error: Error) -> MemoryError {
    MemoryError::Other(Box::new(error))
}

impl MemoryManager for RemoteMemory {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        let what = "reserving memory";
        if let Some(known) = self.spans()[placement as usize].clone() {
            return Ok(known);
        }
        match self.link.ask(what, &Request::Span { low: is_low(placement) }).map_err(other)? {
            Answer::Range(span) if span.start <= span.end => {
                self.spans()[placement as usize] = Some(span.clone());
                Ok(span)
            }
            _ => Err(other(self.link.unexpected(what))),
        }
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let what = "allocating memory";
        let number = self.link.number();
        let lanes = demand.lanes.map(|lane| [lane.size, lane.align, lane.zero_fill]);
        let request = Request::Allocate { allocation: number, low: is_low(demand.placement), lanes };
        let addresses: [u64; 3] = match self.link.ask(what, &request).map_err(other)? {
            Answer::Words(words) => words.try_into().map_err(|_| other(self.link.unexpected(what)))?,
            _ => return Err(other(self.link.unexpected(what))),
        };
        // A reservation that is full has been followed by another.
        let span = &mut self.spans()[demand.placement as usize];
        let is_inside = |span: &Range<u64>| addresses.iter().all(|address| *address == 0 || span.contains(address));
        if !span.as_ref().is_some_and(is_inside) {
            *span = None;
        }
        let working = demand.lanes.map(|lane| vec![0; (lane.size - lane.zero_fill) as usize]);
        Ok(Box::new(RemoteAllocation { link: self.link.clone(), number, addresses, working, is_finished: false }))
    }

    fn release(&self, segments: &[Segment]) {
        let segments = segments.iter().map(|segment| (segment.lane as u8, segment.address, segment.size)).collect();
        self.link.post(&Request::Release { segments });
    }

    fn statistics(&self) -> Statistics {
        match self.link.ask("counting memory", &Request::Statistics) {
            Ok(Answer::Words(words)) if words.len() == 8 => Statistics {
                live: [words[0], words[1], words[2]],
                committed: [words[3], words[4], words[5]],
                reserved: words[6],
                reservations: words[7] as usize,
            },
            _ => Statistics::default(),
        }
    }
}

struct RemoteAllocation {
    link: Arc<Link>,
    number: Number,
    addresses: [u64; 3],
    working: [Vec<u8>; 3],
    is_finished: bool,
}

impl Allocation for RemoteAllocation {
    fn address(&self, lane: Lane) -> u64 {
        self.addresses[lane as usize]
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.working.each_mut().map(|bytes| &mut bytes[..])
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        self.is_finished = true;
        for (lane, bytes) in self.working.iter().enumerate() {
            for (index, piece) in bytes.chunks(PIECE).enumerate() {
                let offset = (index * PIECE) as u64;
                self.link.post_bytes(&Request::Write { allocation: self.number, lane: lane as u8, offset }, piece);
            }
        }
        self.link.done("finishing memory", &Request::Finalize { allocation: self.number }).map_err(other)
    }
}

impl Drop for RemoteAllocation {
    fn drop(&mut self) {
        if !self.is_finished {
            self.link.post(&Request::Abandon { allocation: self.number });
        }
    }
}
