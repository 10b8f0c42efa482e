//! Stubs: functions of a few bytes that jump where a word of memory says.
//!
//! A stub's address is what callers, and pointers to the function, see for good; where it leads is changed by storing
//! its word. A new stub is *lazy*: its first call asks the pool's [`Resolver`] for the body's address and goes there
//! with all arguments, later calls go there by themselves, at the cost of one indirect jump.
//!
//! Data flow: [`StubPool::make`] → `block`s, whose code `arch` writes → a first call arrives in its
//! `entry` → `Shared::answer` → the stub's word.
//! Invariants: no code is written after it became executable. No lock is held while a resolver runs, nor while memory
//! is allocated or released. The state is locked only under `at_fork::hold_off`, so a forked child finds it free. A
//! stub's number is not used again soon, so that an answer that comes after its stub was freed changes no other stub.
//!
//! Limits. A resolver runs on the stack of the thread that called, and needs room there. A first call in a signal
//! handler may run wherever the resolver may: not where it interrupted this module or the session. What a resolver
//! throws other than a Rust panic ends the process.

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64/mod.rs")]
mod arch;
mod block;
mod entry;
mod records;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use uruk_jitlink::memory::{MemoryError, MemoryManager, Placement};

use self::arch::CELL_BYTES;
use self::block::{Block, MAX_CELLS, Plan};
use crate::unwind::RangeError;
use crate::{at_fork, sys};

/// A stub, by a number that means the same to a pool and its resolver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StubId(pub u64);

/// A stub as it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stub {
    /// Names it until it is freed.
    pub id: StubId,
    /// The function's address for whoever calls it or points to it.
    pub address: u64,
}

/// Says where lazy stubs lead.
pub trait Resolver: Send + Sync {
    /// The address of the stub's body, or `None` if there is none to be had: the call then goes to the pool's failure
    /// address, and the next one asks again. A panic counts as `None`.
    ///
    /// It is called by the thread that called the stub, on that thread's stack and without any lock. Threads whose
    /// first calls coincide ask at once, each for itself. It may call lazy stubs, and make, redirect and free stubs.
    fn resolve(&self, stub: StubId) -> Option<u64>;
}

impl<F: Fn(StubId) -> Option<u64> + Send + Sync> Resolver for F {
    fn resolve(&self, stub: StubId) -> Option<u64> {
        self(stub)
    }
}

/// What the stubs of a pool have in common.
pub struct Setup {
    /// Whom lazy stubs ask.
    pub resolver: Arc<dyn Resolver>,
    /// Code that is entered, with the arguments of the call, when a lazy stub's body cannot be had or a stub has been
    /// freed. It may throw: its caller is the one that called the stub. `None` stands for code that says what happened
    /// and aborts.
    pub failure: Option<u64>,
    /// Where the stubs must lie.
    pub placement: Placement,
}

/// Why stubs could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StubError {
    /// There is no memory for them.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Their unwind records were refused.
    #[error("registering unwind records of stubs: {0}")]
    Unwind(#[from] RangeError),
    /// More than can ever be called with 32-bit displacements.
    #[error("{count} stubs are more than the {MAX_STUBS} that a pool can have")]
    TooMany {
        /// How many were asked for.
        count: usize,
    },
    /// It was freed, or is another pool's.
    #[error("stub {:#x} is not in this pool; it has been freed, or was made by another one", .0.0)]
    Unknown(StubId),
}

/// Bits of a [`StubId`] that say where the stub is: its cell, and above it its block.
const LOCATION_BITS: u32 = CELL_BITS + BLOCK_BITS;
const CELL_BITS: u32 = MAX_CELLS.ilog2();
/// Far more than have room in 2 GiB.
const BLOCK_BITS: u32 = 23;
const MAX_BLOCKS: usize = 1 << BLOCK_BITS;
/// What fits into 2 GiB.
const MAX_STUBS: usize = (1 << 31) / CELL_BYTES as usize;

/// Makes stubs that ask one resolver. When it is dropped, all its stubs are gone, and none of them may be running.
pub struct StubPool {
    shared: Arc<Shared>,
}

/// What a pool shares with the calls that wait for its resolver.
struct Shared {
    memory: Arc<dyn MemoryManager>,
    resolver: Arc<dyn Resolver>,
    failure: u64,
    placement: Placement,
    /// Where the way from lazy stubs to the resolver begins.
    entry: u64,
    state: Mutex<State>,
}

impl StubPool {
    /// Allocates nothing before the first stub.
    pub fn new(memory: Arc<dyn MemoryManager>, setup: Setup) -> StubPool {
        StubPool::with_entry(memory, setup, arch::entry::addresses()[0])
    }

    fn with_entry(memory: Arc<dyn MemoryManager>, setup: Setup, entry: u64) -> StubPool {
        sys::prepare_process();
        let Setup { resolver, failure, placement } = setup;
        let failure = failure.unwrap_or_else(arch::entry::default_failure);
        StubPool { shared: Arc::new(Shared { memory, resolver, failure, placement, entry, state: Mutex::default() }) }
    }

    /// Makes lazy stubs. If it fails, none is made.
    pub fn make(&self, count: usize) -> Result<Vec<Stub>, StubError> {
        if MAX_STUBS < count {
            return Err(StubError::TooMany { count });
        }
        let mut stubs = Vec::with_capacity(count);
        match self.shared.make(count, &mut stubs) {
            Ok(()) => Ok(stubs),
            Err(error) => {
                self.free(&stubs.iter().map(|stub| stub.id).collect::<Vec<_>>())?;
                Err(error)
            }
        }
    }

    /// Lets stubs lead elsewhere, from now on: a call sees the old target or the new one. If one of the stubs does not
    /// exist, none is changed. A resolver that is being asked for one of them no longer decides where it leads.
    ///
    /// All or none, as far as the processor allows: nobody who asks the pool ([`targets`](StubPool::targets),
    /// `redirect`, resolutions) ever sees some of them changed and others not. Running code sees each changed at once
    /// and all of them in the order given, within the few nanoseconds that the stores take, but may call one between
    /// two stores: so put a function that others call before those that call it.
    pub fn redirect(&self, targets: &[(StubId, u64)]) -> Result<(), StubError> {
        self.shared.with_state(|state| {
            let places: Result<Vec<_>, _> = targets.iter().map(|(stub, _)| state.place(*stub)).collect();
            for ((block, cell), (_, target)) in places?.into_iter().zip(targets) {
                block.redirect(cell, *target);
            }
            Ok(())
        })
    }

    /// Where stubs lead, all at one moment; `None` for a lazy one.
    pub fn targets(&self, stubs: &[StubId]) -> Result<Vec<Option<u64>>, StubError> {
        self.shared.with_state(|state| {
            let targets = stubs.iter().map(|stub| state.place(*stub).map(|(block, cell)| block.target(cell)));
            targets.collect()
        })
    }

    /// Frees stubs; if one does not exist, none. Nothing may call or point to them any more: until a stub's memory is
    /// used again, which it may be at once, a call still ends at the failure address. Calls that wait for the
    /// resolver may go on.
    pub fn free(&self, stubs: &[StubId]) -> Result<(), StubError> {
        let empty = self.shared.with_state(|state| {
            for stub in stubs {
                state.place(*stub)?;
            }
            Ok::<_, StubError>(stubs.iter().filter_map(|stub| state.free(*stub)).collect::<Vec<Block>>())
        })?;
        // Their memory goes back now, without the lock.
        drop(empty);
        Ok(())
    }
}

impl Shared {
    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let _forks = at_fork::hold_off();
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes stubs until there are `count`. Those made before an error are in `stubs`, too.
    fn make(self: &Arc<Shared>, count: usize, stubs: &mut Vec<Stub>) -> Result<(), StubError> {
        loop {
            let number = self.with_state(|state| {
                state.take(count, stubs);
                (stubs.len() < count).then(|| state.reserve())
            });
            let Some(number) = number else { return Ok(()) };
            let number = number.ok_or(StubError::TooMany { count })?;
            let block = Block::new(&Plan {
                memory: &self.memory,
                placement: self.placement,
                context: Arc::as_ptr(self).addr() as u64,
                entry: self.entry,
                failure: self.failure,
                first_location: (number * MAX_CELLS) as u64,
                stubs: count - stubs.len(),
            });
            let result = self.with_state(|state| state.install(number, block));
            result?;
        }
    }

    /// Where a call goes that a lazy stub sent on.
    fn answer(&self, location: u64) -> u64 {
        let Some(stub) = self.with_state(|state| state.stub_at(location)) else { return self.failure };
        let resolve = || sys::uncancelled(|| self.resolver.resolve(stub));
        let answer = catch_unwind(AssertUnwindSafe(resolve));
        let Ok(Some(target)) = answer else { return self.failure };
        self.with_state(|state| match state.place(stub) {
            Ok((block, cell)) => block.settle(cell, target),
            // Freed meanwhile: this call still has its answer.
            Err(_) => target,
        })
    }
}

/// All bookkeeping of a pool.
#[derive(Default)]
struct State {
    /// By number, which their code has in it.
    blocks: Vec<Option<Block>>,
    /// Numbers that are nobody's.
    vacant: Vec<usize>,
    /// Blocks with room.
    roomy: BTreeSet<usize>,
    /// How many stubs were ever put to use.
    made: u64,
}

impl State {
    /// Puts free stubs to use until there are `count`.
    fn take(&mut self, count: usize, stubs: &mut Vec<Stub>) {
        while stubs.len() < count
            && let Some(number) = self.roomy.first().copied()
        {
            let block = self.blocks[number].as_mut().expect("a roomy block is there");
            while stubs.len() < count && block.has_room() {
                let serial = serial(self.made);
                self.made += 1;
                let (cell, address) = block.take(serial);
                let location = (number << CELL_BITS | cell) as u64;
                stubs.push(Stub { id: StubId(u64::from(serial) << LOCATION_BITS | location), address });
            }
            if !block.has_room() {
                self.roomy.remove(&number);
            }
        }
    }

    /// A number for a new block, if there is one left.
    fn reserve(&mut self) -> Option<usize> {
        self.vacant.pop().or_else(|| {
            let number = self.blocks.len();
            (number < MAX_BLOCKS).then(|| {
                self.blocks.push(None);
                number
            })
        })
    }

    /// Fills a reserved number, or gives it up.
    fn install(&mut self, number: usize, block: Result<Block, StubError>) -> Result<(), StubError> {
        match block {
            Ok(block) => {
                self.blocks[number] = Some(block);
                self.roomy.insert(number);
                Ok(())
            }
            Err(error) => {
                self.vacant.push(number);
                Err(error)
            }
        }
    }

    /// The stub in use at a location.
    fn stub_at(&self, location: u64) -> Option<StubId> {
        let (number, cell) = split(location);
        let serial = self.blocks.get(number)?.as_ref()?.serial(cell)?;
        Some(StubId(u64::from(serial) << LOCATION_BITS | location))
    }

    /// The block and cell of a stub.
    fn place(&self, stub: StubId) -> Result<(&Block, usize), StubError> {
        let location = stub.0 & ((1 << LOCATION_BITS) - 1);
        let (number, cell) = split(location);
        let block = self.blocks.get(number).and_then(|block| block.as_ref());
        let block = block.filter(|_| self.stub_at(location) == Some(stub));
        block.map(|block| (block, cell)).ok_or(StubError::Unknown(stub))
    }

    /// Frees a stub, if it is there, and takes its block out if that was its last.
    fn free(&mut self, stub: StubId) -> Option<Block> {
        let (_, cell) = self.place(stub).ok()?;
        let (number, _) = split(stub.0 & ((1 << LOCATION_BITS) - 1));
        let block = self.blocks[number].as_mut()?;
        block.give_back(cell);
        if !block.is_empty() {
            self.roomy.insert(number);
            return None;
        }
        self.roomy.remove(&number);
        self.vacant.push(number);
        self.blocks[number].take()
    }
}

/// What tells apart the stubs that use a cell one after the other; never 0.
fn serial(made: u64) -> u32 {
    let serials = (1 << (64 - LOCATION_BITS)) - 1;
    (made % serials + 1) as u32
}

fn split(location: u64) -> (usize, usize) {
    ((location >> CELL_BITS) as usize, location as usize % MAX_CELLS)
}
