//! Memory of an executor, as the linker uses it: filled here, handed over when it is finished.
//!
//! Data flow: an allocation's addresses, from the executor → working memory: a file in memory for much content, if the
//! executor takes such, or else plain bytes → sealed and given to the executor, whose pages the file's become, or sent.

use super::is_low;
use super::link::Link;
use crate::error::Error;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_executor::protocol::files::Contents;
use uruk_executor::protocol::message::{Answer, Number, Request};
use uruk_jitlink::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment, Statistics};

/// Content is sent in pieces of this size.
const PIECE: usize = 16 << 20;

/// A lane with so much content is worth a file; less is sent at once.
const FILE_BYTES: u64 = 64 << 10;

pub(super) struct RemoteMemory {
    link: Arc<Link>,
    /// What the executor said last, by placement.
    spans: Arc<Mutex<[Option<Range<u64>>; 2]>>,
    /// The size of its pages, if it takes files.
    file_pages: Option<u64>,
}

impl RemoteMemory {
    pub fn new(link: Arc<Link>, file_pages: Option<u64>) -> RemoteMemory {
        RemoteMemory { link, spans: Arc::default(), file_pages }
    }

    /// Memory to fill for content of these lengths at these addresses.
    fn working(&self, lanes: [(u64, u64); 3]) -> Working {
        let file_pages = self.file_pages.filter(|_| lanes.iter().any(|(_, length)| FILE_BYTES <= *length));
        // Where the system gives no such file, content is sent.
        let shared = file_pages.and_then(|page_bytes| Contents::new(lanes, page_bytes).ok());
        shared.map_or_else(|| Working::Sent(lanes.map(|(_, length)| vec![0; length as usize])), Working::Shared)
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
        let lanes = [0, 1, 2].map(|lane| (addresses[lane], demand.lanes[lane].size - demand.lanes[lane].zero_fill));
        let working = Some(self.working(lanes));
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
    /// There until it is finished.
    working: Option<Working>,
    is_finished: bool,
}

/// Where the linker writes.
enum Working {
    Sent([Vec<u8>; 3]),
    Shared(Contents),
}

impl Allocation for RemoteAllocation {
    fn address(&self, lane: Lane) -> u64 {
        self.addresses[lane as usize]
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        match &mut self.working {
            Some(Working::Sent(lanes)) => lanes.each_mut().map(|bytes| &mut bytes[..]),
            Some(Working::Shared(contents)) => contents.working(),
            None => Default::default(),
        }
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        let allocation = self.number;
        match self.working.take() {
            Some(Working::Shared(contents)) => {
                let offsets = contents.offsets();
                let refused = |error: io::Error| other(self.link.failed("handing content over", &error.to_string()));
                let file = contents.seal().map_err(refused)?;
                self.link.post_file(&Request::Share { allocation, offsets }, &file);
            }
            Some(Working::Sent(lanes)) => {
                for (lane, bytes) in lanes.iter().enumerate() {
                    for (index, piece) in bytes.chunks(PIECE).enumerate() {
                        let offset = (index * PIECE) as u64;
                        self.link.post_bytes(&Request::Write { allocation, lane: lane as u8, offset }, piece);
                    }
                }
            }
            None => {}
        }
        self.is_finished = true;
        self.link.done("finishing memory", &Request::Finalize { allocation }).map_err(other)
    }
}

impl Drop for RemoteAllocation {
    fn drop(&mut self) {
        if !self.is_finished {
            self.link.post(&Request::Abandon { allocation: self.number });
        }
    }
}
