//! A table of callbacks as a memory manager, and its life.

use super::allocation::{EMPTY, Memory, State};
use super::request::Request;
use super::table::Table;
use super::*;
use crate::call::{Reach, answer, enter, linking};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::{List, Out};
use crate::sized;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uruk::memory::{
    Allocation, Demand, InProcessMemory, MemoryError, MemoryManager, Options, Origin, Placement, Segment,
};

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_callbacks_init(callbacks: Out<uruk_memory_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Makes a memory manager of a table of callbacks, which is copied. It is given to JITs by their options and disposed of by
/// `uruk_memory_manager_dispose`, in any order.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_create(
    callbacks: List<uruk_memory_callbacks>,
    manager: Out<Handle<uruk_memory_manager>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        manager.check("manager")?;
        let callbacks = sized::copy(callbacks)?;
        let made: Arc<dyn MemoryManager> = match check(&callbacks)? {
            true => Arc::new(Custom(Arc::new(Shared::new(&callbacks)?))),
            false => Arc::new(Stock { memory: InProcessMemory::new(Options::default()), _end: End(callbacks) }),
        };
        manager.put(handle::put::<uruk_memory_manager>(Arc::new(made)).handle())
    })
}

/// Disposes of a manager: it goes with the last JIT that has it. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_dispose(manager: Handle<uruk_memory_manager>) -> uruk_status {
    enter(Reach::OutsideLinks, || manager.take().map(drop))
}

/// Whether a table allocates; an error if half of a pair is missing, or there is a flag that is none.
fn check(callbacks: &uruk_memory_callbacks) -> Result<bool, Failure> {
    const FLAGS: u32 = URUK_MEMORY_EACH_OBJECT | URUK_MEMORY_SERIALIZE | URUK_MEMORY_HARDENED | URUK_MEMORY_ZEROED;
    if callbacks.flags & !FLAGS != 0 || callbacks.reserved != 0 {
        return Err(Failure::invalid(format!("uruk_memory_callbacks: {:#x} has unknown flags", callbacks.flags)));
    }
    let pairs = [
        ("allocate", callbacks.allocate.is_some(), "deallocate", callbacks.deallocate.is_some()),
        ("create_context", callbacks.create_context.is_some(), "destroy_context", callbacks.destroy_context.is_some()),
    ];
    for (one, has_one, other, has_other) in pairs {
        if has_one != has_other {
            let (there, missing) = if has_one { (one, other) } else { (other, one) };
            let text =
                format!("uruk_memory_callbacks: `{there}` makes no sense without `{missing}`; give both or none");
            return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
        }
    }
    let others = [
        ("finalize", callbacks.finalize.is_some()),
        ("abandon", callbacks.abandon.is_some()),
        ("release", callbacks.release.is_some()),
        ("span", callbacks.span.is_some()),
        ("create_context", callbacks.create_context.is_some()),
    ];
    match others.iter().find(|(_, there)| *there).filter(|_| callbacks.allocate.is_none()) {
        Some((there, _)) => {
            let text = format!("uruk_memory_callbacks: `{there}` makes no sense without `allocate`; give both or none");
            Err(Failure::new(uruk_status::URUK_HALF_PAIR, text))
        }
        None => Ok(callbacks.allocate.is_some()),
    }
}

/// Tells the client that it is over.
struct End(uruk_memory_callbacks);

// SAFETY: the client is told that callbacks come from any thread.
unsafe impl Send for End {}
// SAFETY: as above.
unsafe impl Sync for End {}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(destroy) = self.0.destroy {
            // SAFETY: the client's callback with its context, once.
            linking(|| unsafe { destroy(self.0.context) });
        }
    }
}

/// The library's own memory, for a table that allocates nothing.
struct Stock {
    memory: InProcessMemory,
    _end: End,
}

impl MemoryManager for Stock {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        self.memory.span(placement)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        self.memory.allocate(demand)
    }

    fn release(&self, segments: &[Segment]) {
        self.memory.release(segments);
    }
}

/// A client's manager.
struct Custom(Arc<Shared>);

pub(super) struct Shared {
    table: Table,
    flags: u32,
    /// Held around callbacks if the client wants that.
    serial: Mutex<()>,
    live: Mutex<Live>,
    _end: End,
}

/// What was finalized and has not all been released.
#[derive(Default)]
pub(super) struct Live {
    /// By first address.
    pub pieces: BTreeMap<u64, Piece>,
    /// The context of each, and its bytes that have not been released.
    pub allocations: HashMap<u64, (Opaque, u64)>,
}

pub(super) struct Piece {
    pub end: u64,
    pub allocation: u64,
}

pub(super) fn other(failure: Failure) -> MemoryError {
    MemoryError::Other(Box::new(failure))
}

impl Shared {
    fn new(callbacks: &uruk_memory_callbacks) -> Result<Shared, Failure> {
        let table = Table::new(callbacks, callbacks.flags & URUK_MEMORY_HARDENED != 0)?;
        let (serial, live) = Default::default();
        Ok(Shared { table, flags: callbacks.flags, serial, live, _end: End(*callbacks) })
    }

    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the client.
    pub fn with<T>(&self, call: impl FnOnce(&uruk_memory_callbacks) -> T) -> Result<T, Failure> {
        let wanted = self.flags & URUK_MEMORY_SERIALIZE != 0;
        let _turn = wanted.then(|| self.serial.lock().unwrap_or_else(PoisonError::into_inner));
        let callbacks = self.table.get()?;
        Ok(linking(|| call(callbacks)))
    }

    fn allocate(
        self: &Arc<Self>,
        demand: &Demand,
        number: u64,
        target: &str,
        origin: Option<&dyn Origin>,
    ) -> Result<Box<dyn Allocation>, Failure> {
        let request = Request::new(demand, number, target, origin);
        let mut allocation = Memory {
            shared: self.clone(),
            demand: *demand,
            number,
            context: Opaque(std::ptr::null_mut()),
            state: State::Empty,
            places: [EMPTY; 3],
        };
        if request.lanes.is_empty() {
            return Ok(Box::new(allocation));
        }
        let mut answers = vec![EMPTY; request.lanes.len()];
        self.with(|callbacks| {
            allocation.context = self.make_context(callbacks, &request)?;
            let context = allocation.context.0;
            let done = answer("`allocate` of the memory manager", |message| match callbacks.allocate {
                // SAFETY: the client's callback with what it has been promised: a request, as many places, and one for a message.
                Some(allocate) => unsafe { allocate(context, &request.request, answers.as_mut_ptr(), message) },
                None => 0,
            });
            match done {
                Ok(()) => allocation.state = State::Allocated,
                Err(_) => end_context(callbacks, allocation.context),
            }
            done
        })??;
        for (lane, answer) in request.lanes.iter().zip(answers) {
            allocation.places[*lane as usize] = answer;
        }
        allocation.check(&request)?;
        if self.flags & URUK_MEMORY_ZEROED == 0 {
            allocation.clear();
        }
        Ok(Box::new(allocation))
    }

    fn make_context(&self, callbacks: &uruk_memory_callbacks, request: &Request) -> Result<Opaque, Failure> {
        let Some(create) = callbacks.create_context else { return Ok(callbacks.context()) };
        let mut created = std::ptr::null_mut();
        // SAFETY: as for `allocate`.
        let create = |message| unsafe { create(callbacks.context, &request.request, &mut created, message) };
        answer("`create_context` of the memory manager", create)?;
        Ok(Opaque(created))
    }
}

/// A context that the client has made for one allocation is seen for the last time.
pub(super) fn end_context(callbacks: &uruk_memory_callbacks, context: Opaque) {
    if let Some(destroy) = callbacks.destroy_context {
        // SAFETY: what `create_context` has made, once.
        unsafe { destroy(context.0) };
    }
}

/// The triple of code for an architecture.
fn triple(architecture: &str) -> String {
    let rest = if cfg!(windows) { "pc-windows-gnu" } else { "unknown-linux-gnu" };
    format!("{}-{rest}", architecture.replace('-', "_"))
}

impl MemoryManager for Custom {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        let placement = match placement {
            Placement::Near => URUK_PLACEMENT_NEAR,
            Placement::Low => URUK_PLACEMENT_LOW,
        };
        let (mut start, mut end) = (0, i64::MAX as u64);
        let asked = self.0.with(|callbacks| match callbacks.span {
            None => Ok(()),
            // SAFETY: the client's callback with places for what it says.
            Some(span) => answer("`span` of the memory manager", |message| unsafe {
                span(callbacks.context, placement, &mut start, &mut end, message)
            }),
        });
        asked.and_then(|done| done).map_err(other)?;
        if end < start {
            let text = format!("`span` of the memory manager says {start:#x} to {end:#x}, which ends before it starts");
            return Err(other(Failure::invalid(text)));
        }
        Ok(start..end)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let number = uruk::memory::next_number();
        self.0.allocate(demand, number, &triple(std::env::consts::ARCH), None).map_err(other)
    }

    fn allocate_for(&self, demand: &Demand, origin: &dyn Origin) -> Result<Box<dyn Allocation>, MemoryError> {
        let target = triple(origin.architecture().name);
        self.0.allocate(demand, origin.number(), &target, Some(origin)).map_err(other)
    }

    fn each_object_alone(&self) -> bool {
        self.0.flags & URUK_MEMORY_EACH_OBJECT != 0
    }

    fn release(&self, segments: &[Segment]) {
        let mut pieces = Vec::new();
        let mut over = Vec::new();
        {
            let live = &mut *self.0.live();
            for segment in segments {
                let found = live.pieces.range(..=segment.address).next_back();
                let Some((_, piece)) = found.filter(|(_, piece)| segment.address < piece.end) else { continue };
                let Some((context, left)) = live.allocations.get_mut(&piece.allocation) else { continue };
                *left = left.saturating_sub(segment.size);
                let number = piece.allocation;
                pieces.push((number, *context, uruk_memory_piece { target: segment.address, size: segment.size }));
                if *left == 0 {
                    over.push((number, *context));
                    live.allocations.remove(&number);
                }
            }
            if !over.is_empty() {
                live.pieces.retain(|_, piece| live.allocations.contains_key(&piece.allocation));
            }
        }
        // A table that was altered cannot be told: nothing in it is called any more.
        let _ = self.0.with(|callbacks| {
            for (number, context, piece) in &pieces {
                if let Some(release) = callbacks.release {
                    // SAFETY: the client's callback with its context and a part of what it allocated.
                    unsafe { release(context.0, *number, piece) };
                }
            }
            for (number, context) in &over {
                if let Some(deallocate) = callbacks.deallocate {
                    // SAFETY: the client's callback, once for what it allocated.
                    unsafe { deallocate(context.0, *number) };
                }
                end_context(callbacks, *context);
            }
        });
    }
}
