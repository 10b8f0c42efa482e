//! Thread-local storage for linked code, in room that this program's own has for it.
//!
//! Data flow: a batch's initial image → a part of the room → the program's template, from which the system makes the storage
//! of every thread to come → the storage of the threads that are there.
//! Code finds its variables by the program's index and their offset from the beginning of its storage, as those of a program
//! that was linked statically do, so there is nothing to be resolved.
//! Invariants: parts of the room that are in use do not overlap. Only this module writes to the template; it does so before
//! the variables are anybody's.
//! Limits: the room is `ROOM` bytes, of which a batch's variables are given back with it, and is aligned as the system aligns
//! storage. Functions that the system would call as threads begin and end are not called.
//! Sources: PE Format, "The .tls Section"; Microsoft's documentation of `Thread32First`, `NtQueryInformationThread`.

mod request;
mod threads;

pub use request::{TlsRequest, TlsSlot, TlsSlotKind, TlsTarget};
use std::arch::global_asm;
use std::ops::Range;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that every thread has for linked code.
const ROOM: u64 = 16 << 10;
/// What the system aligns storage to.
const ALIGN: u64 = 16;

// The linker joins sections of this name in the order of what follows the `$`; the C library's own have A's and Z's there.
global_asm!(
    ".pushsection .tls$M,\"dw\"",
    ".globl uruk_thread_room",
    ".balign 16",
    "uruk_thread_room:",
    ".zero {room}",
    ".popsection",
    room = const ROOM,
);

unsafe extern "C" {
    /// The room in the template.
    static mut uruk_thread_room: u8;
    /// Where the template begins, as the C library's start files say.
    static mut _tls_start: u8;
    /// The program's index among those that have thread-local storage.
    static _tls_index: u32;
}

/// Where code that is linked here finds the index.
pub(crate) fn index_address() -> usize {
    &raw const _tls_index as usize
}

/// Why thread-local storage could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The request contradicts itself.
    #[error("a thread-local block of {size} bytes cannot hold {image} initial ones, or what is asked lies outside")]
    Block {
        /// Size of the block.
        size: u64,
        /// Size of its initial image.
        image: usize,
    },
    /// It is aligned to more than the system gives.
    #[error("thread-local variables are aligned to {wanted} bytes, and Windows aligns them to {ALIGN} here at most")]
    Alignment {
        /// What is wanted.
        wanted: u64,
    },
    /// The room is used up.
    #[error(
        "no room for {size} more bytes of thread-local variables; there are {ROOM} in all; compile with -femulated-tls"
    )]
    Exhausted {
        /// What is wanted.
        size: u64,
    },
    /// A DLL's variable, or code for another system.
    #[error("thread-local variables are found by the program's index and an offset only on Windows")]
    Unsupported,
    /// Threads that are there could not be given their copies.
    #[error("cannot give each thread its thread-local variables: {0}")]
    Threads(#[from] std::io::Error),
}

impl TlsError {
    /// No start of the process would give more.
    pub fn static_storage_needed(&self) -> Option<u64> {
        None
    }
}

/// Thread-local variables of a linked batch, until this is dropped.
#[derive(Debug)]
pub struct TlsModule {
    values: Vec<[u64; 2]>,
    /// In the room.
    range: Range<u64>,
}

/// Parts of the room that are in use, in order.
static USED: Mutex<Vec<Range<u64>>> = Mutex::new(Vec::new());

fn used() -> MutexGuard<'static, Vec<Range<u64>>> {
    USED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TlsModule {
    /// Finds room, and gives every thread its copy.
    pub fn load(request: &TlsRequest<'_>) -> Result<TlsModule, TlsError> {
        let &TlsRequest { image, mem_size: size, align, slots } = request;
        if size < image.len() as u64 || !align.is_power_of_two() {
            return Err(TlsError::Block { size, image: image.len() });
        }
        if ALIGN < align {
            return Err(TlsError::Alignment { wanted: align });
        }
        let range = take(size)?;
        let mut module = TlsModule { values: Vec::new(), range };
        let first = room_offset() + module.range.start;
        for slot in slots {
            let value = match (slot.target, slot.kind) {
                (TlsTarget::Own(offset), TlsSlotKind::ModuleAndOffset) if offset <= size => first + offset,
                (TlsTarget::Own(_), TlsSlotKind::ModuleAndOffset) => {
                    return Err(TlsError::Block { size, image: image.len() });
                }
                _ => return Err(TlsError::Unsupported),
            };
            // SAFETY: the system has set it before the program began, and nobody changes it.
            module.values.push([u64::from(unsafe { _tls_index }), value]);
        }
        let mut bytes = vec![0; size as usize];
        bytes[..image.len()].copy_from_slice(image);
        // SAFETY: the part of the template is this batch's, and is writable data of this program, which the system reads only
        // as a thread begins: one that begins just now is given its copy below.
        unsafe {
            let template = (&raw mut uruk_thread_room).add(module.range.start as usize);
            ptr::copy_nonoverlapping(bytes.as_ptr(), template, bytes.len());
        }
        // SAFETY: the part of each thread's storage is this batch's, whose code has not run.
        unsafe { threads::write(_tls_index, first, &bytes) }?;
        Ok(module)
    }

    /// The index and the offset of each slot, in the request's order.
    pub fn values(&self) -> &[[u64; 2]] {
        &self.values
    }
}

impl Drop for TlsModule {
    fn drop(&mut self) {
        used().retain(|used| *used != self.range);
    }
}

/// Where the room is in each thread's storage.
fn room_offset() -> u64 {
    (&raw const uruk_thread_room).addr() as u64 - (&raw const _tls_start).addr() as u64
}

/// Takes the first part of the room that is large enough. An empty one is nobody's.
fn take(size: u64) -> Result<Range<u64>, TlsError> {
    let mut used = used();
    let mut start = 0;
    for (at, other) in used.iter().enumerate() {
        if size <= other.start - start {
            used.insert(at, start..start + size);
            return Ok(start..start + size);
        }
        start = other.end.next_multiple_of(ALIGN);
    }
    if ROOM < start || ROOM - start < size {
        return Err(TlsError::Exhausted { size });
    }
    used.push(start..start + size);
    Ok(start..start + size)
}
