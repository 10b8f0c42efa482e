//! A table of callbacks as a memory manager, and its life.

use super::allocation::{EMPTY, Memory, State};
use super::claims::{Claim, Live};
use super::request::Request;
use super::table::Table;
use super::*;
use crate::call::{Reach, answer, enter, linking};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::{List, Out};
use crate::sized;
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
        let allocates = check(&callbacks)?;
        let reports = Arc::new(Reports::default());
        let client = Client::new(&callbacks, reports.clone())?;
        let memory: Arc<dyn MemoryManager> = match allocates {
            true => Arc::new(Custom(Arc::new(Shared::new(&callbacks, client)))),
            false => Arc::new(Stock { memory: InProcessMemory::new(Options::default()), _client: client }),
        };
        manager.put(handle::put::<uruk_memory_manager>(Arc::new(Manager { memory, reports, laid_out: None })).handle())
    })
}

/// Disposes of a manager: it goes with the last JIT that has it. Null is fine. `URUK_TAMPERED` if `destroy` could not be called, or there
/// is a report that nobody has taken: it is disposed of all the same.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_dispose(manager: Handle<uruk_memory_manager>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let Some(manager) = manager.take()? else { return Ok(()) };
        let reports = manager.reports.clone();
        drop(manager);
        reports.finish()
    })
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

/// A client's callbacks. It is told when it is over.
struct Client {
    table: Table,
    reports: Arc<Reports>,
}

impl Client {
    fn new(callbacks: &uruk_memory_callbacks, reports: Arc<Reports>) -> Result<Client, Failure> {
        Ok(Client { table: Table::new(callbacks, callbacks.flags & URUK_MEMORY_HARDENED != 0)?, reports })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        match self.table.get() {
            Ok(callbacks) => {
                if let Some(destroy) = callbacks.destroy {
                    // SAFETY: the client's callback with its context, once.
                    linking(|| unsafe { destroy(callbacks.context) });
                }
            }
            Err(failure) => self.reports.add("`destroy` of the memory manager was not called".into(), &failure),
        }
    }
}

/// The library's own memory, for a table that allocates nothing.
struct Stock {
    memory: InProcessMemory,
    _client: Client,
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
    client: Client,
    flags: u32,
    /// Each request has a context of its own.
    contexts: bool,
    /// Held around callbacks if the client wants that.
    serial: Mutex<()>,
    live: Mutex<Live>,
}

pub(super) fn other(failure: Failure) -> MemoryError {
    MemoryError::Other(Box::new(failure))
}

impl Shared {
    fn new(callbacks: &uruk_memory_callbacks, client: Client) -> Shared {
        let (serial, live) = Default::default();
        Shared { client, flags: callbacks.flags, contexts: callbacks.create_context.is_some(), serial, live }
    }

    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the client.
    pub fn with<T>(&self, call: impl FnOnce(&uruk_memory_callbacks) -> T) -> Result<T, Failure> {
        let wanted = self.flags & URUK_MEMORY_SERIALIZE != 0;
        let _turn = wanted.then(|| self.serial.lock().unwrap_or_else(PoisonError::into_inner));
        let callbacks = self.client.table.get()?;
        Ok(linking(|| call(callbacks)))
    }

    /// Calls the client where nobody waits for what comes of it.
    pub fn tell(&self, what: &str, number: u64, call: impl FnOnce(&uruk_memory_callbacks)) {
        if let Err(failure) = self.with(call) {
            let text = format!("`{what}` of the memory manager was not called for allocation {number}");
            self.client.reports.add(text, &failure);
        }
    }

    /// A context is seen for the last time, if it was made for one allocation.
    pub fn end_context(&self, number: u64, context: Opaque) {
        if self.contexts {
            self.tell("destroy_context", number, |callbacks| {
                if let Some(destroy) = callbacks.destroy_context {
                    // SAFETY: what `create_context` has made, once.
                    unsafe { destroy(context.0) };
                }
            });
        }
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
        let context = self.with(|callbacks| make_context(callbacks, &request))??;
        let answers = self.with(|callbacks| ask(callbacks, context, &request)).and_then(|answers| answers);
        let answers = answers.inspect_err(|_| self.end_context(number, context))?;
        (allocation.context, allocation.state) = (context, State::Allocated);
        for (lane, answer) in request.lanes.iter().zip(answers) {
            allocation.places[*lane as usize] = answer;
        }
        let claimed = allocation.claim(&mut self.live(), &request);
        claimed.map_err(|failure| failure.of(format!("`allocate` of the memory manager, for allocation {number}")))?;
        if self.flags & URUK_MEMORY_ZEROED == 0 {
            allocation.clear();
        }
        Ok(Box::new(allocation))
    }
}

fn make_context(callbacks: &uruk_memory_callbacks, request: &Request) -> Result<Opaque, Failure> {
    let Some(create) = callbacks.create_context else { return Ok(callbacks.context()) };
    let mut created = std::ptr::null_mut();
    // SAFETY: as for `allocate`.
    let create = |message| unsafe { create(callbacks.context, &request.request, &mut created, message) };
    answer("`create_context` of the memory manager", create)?;
    Ok(Opaque(created))
}

/// What the client answers to a request, by lane.
fn ask(
    callbacks: &uruk_memory_callbacks,
    context: Opaque,
    request: &Request,
) -> Result<Vec<uruk_memory_answer>, Failure> {
    let mut answers = vec![EMPTY; request.lanes.len()];
    answer("`allocate` of the memory manager", |message| match callbacks.allocate {
        // SAFETY: the client's callback with what it has been promised: a request, as many places, and one for a message.
        Some(allocate) => unsafe { allocate(context.0, &request.request, answers.as_mut_ptr(), message) },
        None => 0,
    })?;
    Ok(answers)
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
                let Some(Claim { allocation: number, .. }) = live.targets.at(segment.address) else { continue };
                let Some((context, left)) = live.allocations.get_mut(&number) else { continue };
                let range = segment.address..segment.address.saturating_add(segment.size);
                live.targets.free(range.clone(), number);
                live.workings.free(range, number);
                *left = left.saturating_sub(segment.size);
                pieces.push((number, *context, uruk_memory_piece { target: segment.address, size: segment.size }));
                if *left == 0 {
                    over.push((number, *context));
                    live.allocations.remove(&number);
                }
            }
        }
        for (number, context, piece) in pieces {
            // If the table was altered, what is reported is that nobody is told of the end.
            let _ = self.0.with(|callbacks| {
                if let Some(release) = callbacks.release {
                    // SAFETY: the client's callback with its context and a part of what it allocated.
                    unsafe { release(context.0, number, &piece) };
                }
            });
        }
        for (number, context) in over {
            self.0.tell("deallocate", number, |callbacks| {
                if let Some(deallocate) = callbacks.deallocate {
                    // SAFETY: the client's callback, once for what it allocated.
                    unsafe { deallocate(context.0, number) };
                }
            });
            self.0.end_context(number, context);
        }
    }
}
