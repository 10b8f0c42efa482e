//! A whole session over an executor that has memory, and runs nothing.
//!
//! Whatever the objects are, look-ups end with addresses or errors, and the session links a good object afterwards.

use super::parts::{Choices, split};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use uruk_jitlink::input::Input;
use uruk_jitlink::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment};
use uruk_jitlink::tls::Question;
use uruk_orc::SearchEntry;
use uruk_orc::error::Error;
use uruk_orc::executor::{Executor, Exports, Found, Resource, ThreadRequest, ThreadStorage, ThreadVariable};
use uruk_orc::generator::ProcessSymbols;
use uruk_orc::session::Session;

/// Bytes that one batch may have written; more is refused.
const MEMORY: u64 = 16 << 20;
const ADDRESSES: u64 = 1 << 40;

/// An object with one variable.
const GOOD: &[u8] = include_bytes!("../corpus/elf_reader/tc.o");

/// Links the bytes in a session: one object or several, one after the other.
pub fn link_session(data: &[u8]) {
    let mut choices = Choices::new(data);
    let machine = Arc::new(Machine { memory: Memory::default(), seed: choices.next() });
    let session = Session::new(machine, Some(1));
    let inputs = split(data).into_iter().enumerate();
    let inputs: Vec<Input> =
        inputs.map(|(number, bytes)| Input::from_bytes(format!("fuzz{number}.o"), bytes.to_vec())).collect();
    let dylib = session.create_dylib("fuzz").expect("it is the first");
    let order = vec![SearchEntry { dylib, all_symbols: true }];
    session.set_search_order(dylib, order.clone());
    session.add_generator(dylib, Arc::new(ProcessSymbols));
    let added = match choices.below(4) {
        0 => session.add_members(dylib, &inputs),
        _ => session.add_objects(dylib, None, &inputs),
    };
    drop(added.map_err(|error| error.to_string()));
    drop(session.lookup(&order, &["main", "user", "f"]).map_err(|error| error.to_string()));
    drop(session.materialize_all_roots(&[dylib]).map_err(|error| error.to_string()));
    let functions = session.take_functions(dylib);
    for function in functions.initialisers.into_iter().chain(functions.finalisers) {
        drop(session.describe(function));
    }
    drop(session.defined_names());
    for error in session.take_reports() {
        drop(error.to_string());
    }
    let other = session.create_dylib("other").expect("no other has this name");
    let order = vec![SearchEntry { dylib: other, all_symbols: true }];
    session.set_search_order(other, order.clone());
    session.add_objects(other, None, &[Input::from_bytes("good.o", GOOD.to_vec())]).expect("a good object");
    session.materialize_all_roots(&[other]).expect("the session is still usable");
}

struct Machine {
    memory: Memory,
    seed: u64,
}

impl Machine {
    /// Most names are found, a few are thread-local, a few far away.
    fn find_one(&self, name: &[u8]) -> Option<Found> {
        let hash = name.iter().fold(self.seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        let thread_local = hash >> 60 == 1;
        let address = match hash >> 60 {
            0 => return None,
            1 => 0,
            2 => hash,
            _ => NEAR + (hash & 0xf_fff0),
        };
        Some(Found { address, thread_local })
    }
}

impl Executor for Machine {
    fn memory(&self) -> &dyn MemoryManager {
        &self.memory
    }

    fn is_this_process(&self) -> bool {
        false
    }

    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        Ok(names.iter().map(|name| self.find_one(name)).collect())
    }

    fn for_each_import(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        each(b"malloc");
        Ok(())
    }

    fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        Err(refused(path_or_soname))
    }

    fn open_library(&self, _: &str) -> Result<Box<dyn Exports>, Error> {
        Err(Error::Executor { what: "loading a library".into(), reason: "nothing runs here".into() })
    }

    fn load_threads(&self, request: &ThreadRequest<'_>) -> Result<ThreadStorage, Error> {
        assert!(request.image.len() as u64 <= request.size && request.align.is_power_of_two());
        if ADDRESSES < request.size {
            return Err(refused("thread-local variables"));
        }
        let answers = request.questions.iter().map(|(variable, question)| {
            let offset = match variable {
                ThreadVariable::Own(offset) => *offset,
                ThreadVariable::Native(name) => name.len() as u64,
            };
            match question {
                Question::ThreadOffset => [offset.wrapping_sub(4096), 0],
                _ => [1, offset],
            }
        });
        Ok(ThreadStorage { answers: answers.collect(), resource: Box::new(()) })
    }

    fn register_unwind(&self, code: Range<u64>, records: Range<u64>) -> Result<Resource, Error> {
        assert!(code.start <= code.end && records.start < records.end);
        Ok(Box::new(()))
    }

    fn debug_wanted(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    fn register_debug(&self, image: Vec<u8>) -> Option<Resource> {
        Some(Box::new(image))
    }

    fn run_resolvers(&self, _slots: &[(u64, u64)]) -> Result<(), Error> {
        Ok(())
    }

    fn run_initialisers(&self, _functions: &[u64]) -> Result<(), Error> {
        Ok(())
    }

    fn support_object(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

fn refused(what: &str) -> Error {
    Error::Executor { what: what.into(), reason: "there is none here".into() }
}

const LOW: u64 = 0x1_0000;
const NEAR: u64 = 0x7f12_3456_0000;

/// Gives each batch the addresses behind those of the batch before it.
#[derive(Default)]
struct Memory {
    taken: AtomicU64,
}

impl MemoryManager for Memory {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(match placement {
            Placement::Low => LOW..1 << 31,
            Placement::Near => NEAR..NEAR + (1 << 31),
        })
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let size: u64 = demand.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.size));
        let written: u64 = demand.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.size - lane.zero_fill));
        let align = demand.lanes.iter().map(|lane| lane.align).max().unwrap_or(1);
        let unsatisfiable = || MemoryError::Unsatisfiable { size, align };
        let mut at = self.span(demand.placement)?.start + self.taken.load(Relaxed);
        if MEMORY < written || ADDRESSES < size {
            return Err(unsatisfiable());
        }
        let mut addresses = [0; 3];
        for (address, lane) in addresses.iter_mut().zip(&demand.lanes) {
            *address = at.next_multiple_of(lane.align);
            at = *address + lane.size;
        }
        if self.span(demand.placement)?.end < at {
            return Err(unsatisfiable());
        }
        self.taken.fetch_add(at - self.span(demand.placement)?.start, Relaxed);
        let working = demand.lanes.map(|lane| vec![0; (lane.size - lane.zero_fill) as usize]);
        Ok(Box::new(Bytes { addresses, working }))
    }

    fn release(&self, segments: &[Segment]) {
        for segment in segments {
            assert!(segment.size != 0 && segment.address.checked_add(segment.size).is_some());
        }
    }
}

struct Bytes {
    addresses: [u64; 3],
    working: [Vec<u8>; 3],
}

impl Allocation for Bytes {
    fn address(&self, lane: Lane) -> u64 {
        self.addresses[lane as usize]
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.working.each_mut().map(Vec::as_mut_slice)
    }

    fn finalize(self: Box<Self>) -> Result<(), MemoryError> {
        Ok(())
    }
}
