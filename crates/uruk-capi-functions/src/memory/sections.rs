//! A memory manager of four functions, for those who have them from `LLVMCreateSimpleMCJITMemoryManager`.
//!
//! Data flow: a batch is given memory → its bytes are made aside → right before `finalize` is called for it they are written there.
//! For `finalize` protects all that was given so far, and a batch that waits for another one's addresses must not hold that one up:
//! its memory may be protected before it has bytes. Invariants: one function at a time is called, and nothing is given twice.

use super::claims::Claims;
use super::manager::other;
use super::*;
use crate::call::{Reach, answer, enter, linking};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::Out;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uruk::memory::{Allocation, Demand, Lane, LaneDemand, MemoryError, MemoryManager, Placement, Segment, next_number};

/// Gives so many bytes for code.
pub type uruk_allocate_code_section = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        size: usize,
        alignment: u32,
        section_id: u32,
        section_name: *const c_char,
    ) -> *mut u8,
>;
/// Gives so many bytes for data.
pub type uruk_allocate_data_section = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        size: usize,
        alignment: u32,
        section_id: u32,
        section_name: *const c_char,
        is_read_only: i32,
    ) -> *mut u8,
>;
/// Protects all that was given so far. Returns 0 for success, else it sets the message to one made by `uruk_message`.
pub type uruk_finalize_memory = Option<unsafe extern "C" fn(context: *mut c_void, message: *mut *mut c_char) -> i32>;
/// The end: everything that was given can go.
pub type uruk_destroy_memory = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// Makes a memory manager of four functions, as MCJIT's users have them; all are needed. For each batch of objects they are asked
/// for one section of code, one of constants and one of variables, called `.text`, `.rodata` and `.data`. Nothing is given back
/// before the end, and several JITs must not have one such manager at a time. No two of the functions run at once. What is given is
/// cleared at once, and written right before `finalize` is called for it; calls of that for other batches may come in between.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_create_sections(
    context: *mut c_void,
    allocate_code: uruk_allocate_code_section,
    allocate_data: uruk_allocate_data_section,
    finalize: uruk_finalize_memory,
    destroy: uruk_destroy_memory,
    manager: Out<Handle<uruk_memory_manager>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        manager.check("manager")?;
        let (Some(allocate_code), Some(allocate_data), Some(finalize), Some(destroy)) =
            (allocate_code, allocate_data, finalize, destroy)
        else {
            let text = "one of the four functions is NULL; `uruk_memory_manager_create` has defaults for each";
            return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
        };
        let functions = Functions {
            context: Opaque(context),
            allocate_code,
            allocate_data,
            finalize,
            destroy,
            turn: Mutex::default(),
        };
        let functions = Arc::new(functions);
        let made: Arc<dyn MemoryManager> = Arc::new(Sections(functions));
        manager.put(handle::put::<uruk_memory_manager>(Manager::new(made)).handle())
    })
}

struct Functions {
    context: Opaque,
    allocate_code: unsafe extern "C" fn(*mut c_void, usize, u32, u32, *const c_char) -> *mut u8,
    allocate_data: unsafe extern "C" fn(*mut c_void, usize, u32, u32, *const c_char, i32) -> *mut u8,
    finalize: unsafe extern "C" fn(*mut c_void, *mut *mut c_char) -> i32,
    destroy: unsafe extern "C" fn(*mut c_void),
    /// Locked while one of the functions is called.
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    /// What was given. Nothing is ever given back.
    given: Claims,
    /// How often `finalize` was called.
    finalized: u64,
}

impl Functions {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a section, which is nobody else's.
    fn section(
        &self,
        turn: &mut Turn,
        number: u64,
        lane: Lane,
        wanted: &LaneDemand,
    ) -> Result<(*mut u8, Range<u64>), MemoryError> {
        let Functions { context, allocate_code, allocate_data, .. } = self;
        let unsatisfiable = || MemoryError::Unsatisfiable { size: wanted.size, align: wanted.align };
        let size = usize::try_from(wanted.size).map_err(|_| unsatisfiable())?;
        let (align, id) = (u32::try_from(wanted.align).map_err(|_| unsatisfiable())?, lane as u32);
        // SAFETY: the client's functions with their context and what they are said to be given.
        let place = linking(|| unsafe {
            match lane {
                Lane::Code => allocate_code(context.0, size, align, id, c".text".as_ptr()),
                Lane::ReadOnly => allocate_data(context.0, size, align, id, c".rodata".as_ptr(), 1),
                Lane::Data => allocate_data(context.0, size, align, id, c".data".as_ptr(), 0),
            }
        });
        if place.is_null() {
            let text = format!("the memory manager has no {size} bytes aligned to {align}");
            return Err(other(Failure::new(uruk_status::URUK_MEMORY, text)));
        }
        let range = checks::target(lane, place.addr() as u64, wanted).map_err(|failure| unfit(&failure))?;
        turn.given.take(range.clone(), number, lane).map_err(|failure| unfit(&failure))?;
        Ok((place, range))
    }
}

/// The error of an answer that cannot be used.
fn unfit(failure: &Failure) -> MemoryError {
    other(failure.of("what the memory manager gave"))
}

impl Drop for Functions {
    fn drop(&mut self) {
        // SAFETY: the client's function with its context, once.
        linking(|| unsafe { (self.destroy)(self.context.0) });
    }
}

struct Sections(Arc<Functions>);

impl MemoryManager for Sections {
    fn span(&self, _: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(0..i64::MAX as u64)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let (mut turn, number) = (self.0.turn(), next_number());
        let mut places = [std::ptr::null_mut(); 3];
        let mut bytes: [Vec<u8>; 3] = Default::default();
        let mut ranges = Vec::new();
        for lane in Lane::ALL {
            let wanted = &demand.lanes[lane as usize];
            if wanted.size != 0 {
                let (place, range) = self.0.section(&mut turn, number, lane, wanted)?;
                places[lane as usize] = place;
                bytes[lane as usize] = vec![0; (wanted.size - wanted.zero_fill) as usize];
                ranges.push(range);
            }
        }
        checks::reach(demand, &ranges).map_err(|failure| unfit(&failure))?;
        for (place, wanted) in places.iter().zip(&demand.lanes).filter(|(place, _)| !place.is_null()) {
            // SAFETY: so many bytes, as the client was asked for, that are nobody else's.
            unsafe { place.write_bytes(0, wanted.size as usize) };
        }
        Ok(Box::new(Given { functions: self.0.clone(), places, bytes, since: turn.finalized }))
    }

    fn release(&self, _: &[Segment]) {}
}

struct Given {
    functions: Arc<Functions>,
    /// By lane, as `bytes`.
    places: [*mut u8; 3],
    bytes: [Vec<u8>; 3],
    /// How often `finalize` had been called when this was given.
    since: u64,
}

// SAFETY: the memory is this allocation's alone, as the client promises.
unsafe impl Send for Given {}

impl Given {
    /// Puts the bytes where they are to be, though that may be protected already.
    fn write(&self, protected: bool) -> Result<(), MemoryError> {
        for (place, bytes) in self.places.iter().zip(&self.bytes).filter(|(_, bytes)| !bytes.is_empty()) {
            if protected {
                let address = place.addr() as u64;
                write_protected(address, bytes).map_err(|error| {
                    let text = format!(
                        "the memory at {address:#x} was protected, with that of another batch, before it was written: {error}"
                    );
                    other(Failure::new(uruk_status::URUK_MEMORY, text))
                })?;
            } else {
                // SAFETY: so many bytes were asked for and cleared, and are this allocation's alone.
                unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            }
        }
        Ok(())
    }
}

/// Writes to memory of this process, whatever it allows.
#[cfg(target_os = "linux")]
fn write_protected(address: u64, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(bytes, address)
}

#[cfg(not(target_os = "linux"))]
fn write_protected(_: u64, _: &[u8]) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

impl Allocation for Given {
    fn address(&self, lane: Lane) -> u64 {
        self.places[lane as usize].addr() as u64
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.bytes.each_mut().map(Vec::as_mut_slice)
    }

    fn finalize(self: Box<Self>) -> Result<(), MemoryError> {
        let Functions { context, finalize, .. } = &*self.functions;
        let mut turn = self.functions.turn();
        self.write(turn.finalized != self.since)?;
        turn.finalized += 1;
        // SAFETY: the client's function with its context and a place for a message.
        let call = |message| unsafe { finalize(context.0, message) };
        linking(|| answer("`finalize` of the memory manager", call)).map_err(other)
    }
}
