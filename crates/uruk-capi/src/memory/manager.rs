//! A table of callbacks as a memory manager, and its life.

use super::request::Request;
use super::table::Table;
use super::*;
use crate::call::{Reach, answer, enter, linking};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::Out;
use crate::sized;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uruk::memory::{
    Allocation, Demand, InProcessMemory, Lane, MemoryError, MemoryManager, Options, Origin, Placement, Segment,
};

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_callbacks_init(callbacks: Out<uruk_memory_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Makes a memory manager of a table of callbacks, which is copied. It is given to JITs by their options and disposed of by
/// `uruk_memory_manager_dispose`, in any order.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_create(
    callbacks: Callbacks,
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

struct Shared {
    table: Table,
    flags: u32,
    /// Held around callbacks if the client wants that.
    serial: Mutex<()>,
    live: Mutex<Live>,
    _end: End,
}

/// What was finalized and has not all been released.
#[derive(Default)]
struct Live {
    /// By first address.
    pieces: BTreeMap<u64, Piece>,
    allocations: HashMap<u64, (Opaque, u64)>,
}

struct Piece {
    end: u64,
    allocation: u64,
}

fn other(failure: Failure) -> MemoryError {
    MemoryError::Other(Box::new(failure))
}

impl Shared {
    fn new(callbacks: &uruk_memory_callbacks) -> Result<Shared, Failure> {
        let table = Table::new(callbacks, callbacks.flags & URUK_MEMORY_HARDENED != 0)?;
        let (serial, live) = Default::default();
        Ok(Shared { table, flags: callbacks.flags, serial, live, _end: End(*callbacks) })
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the client.
    fn with<T>(&self, call: impl FnOnce(&uruk_memory_callbacks) -> T) -> Result<T, Failure> {
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
fn end_context(callbacks: &uruk_memory_callbacks, context: Opaque) {
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

const EMPTY: uruk_memory_answer = uruk_memory_answer { working: std::ptr::null_mut(), target: 0 };

/// How far an allocation is.
#[derive(PartialEq, Eq)]
enum State {
    /// The client knows nothing of it: it has no bytes.
    Empty,
    Allocated,
    Finalized,
}

/// What a client has allocated.
struct Memory {
    shared: Arc<Shared>,
    demand: Demand,
    number: u64,
    context: Opaque,
    state: State,
    /// By lane.
    places: [uruk_memory_answer; 3],
}

// SAFETY: the working memory is this allocation's alone until it is finalized, as the client promises.
unsafe impl Send for Memory {}

impl Memory {
    /// Whether what the client answered can be used: addresses that are there, aligned, apart, in reach of each other.
    fn check(&self, request: &Request) -> Result<(), Failure> {
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

    fn clear(&mut self) {
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
            // SAFETY: the client's callback for what it allocated.
            Some(finalize) => {
                answer("`finalize` of the memory manager", |message| unsafe { finalize(context, number, message) })
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
