//! Unwinding through linked code: from an address in it to its frame description.
//!
//! Data flow: `register` enters the code ranges of an `.eh_frame` section in an index; libgcc asks `_Unwind_Find_FDE`
//! for every frame of a throw or a backtrace, and ours (`interpose`) looks here first. Where another definition is
//! in use, in a shared library or with the feature off, sections go to libgcc's own registry (`libgcc`).
//! Invariants: a look-up takes no lock and calls no allocator, so that a throw may start in a signal handler; it
//! reads a section only between `register` and the end of its [`Registration`]; the cost of a throw elsewhere in the
//! process does not depend on how much is registered here.
//! Sources: Linux Standard Base Core 5.0 §10.6; the unwinder of GCC 12 and 13 (what it asks, and what it cannot do).

mod eh_frame;
mod interpose;
mod libgcc;
mod table;

use std::ops::Range;
use std::ptr::NonNull;

use crate::at_fork::FirstUse;
pub use crate::range_index::RangeError;
use crate::range_index::RangeIndex;
pub use interpose::{DwarfEhBases, FIND_FDE, find_fde};
use libgcc::Claim;
use table::Records;

static INDEX: RangeIndex<Records> = RangeIndex::new();

/// How frame descriptions of linked code reach the unwinder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// libgcc asks us for each frame: 10,000 registrations cost a throw what one costs.
    Interposed,
    /// libgcc keeps copies. A registration near many others costs more, and on GCC 13 and newer no throw may pass
    /// through code while other code that interleaves with it is registered or removed.
    Libgcc,
}

/// The path that [`register`] takes in this process.
pub fn path() -> Path {
    if interpose::in_use() { Path::Interposed } else { Path::Libgcc }
}

/// Unwind records in use. Dropped, they are no longer.
#[derive(Debug)]
pub struct Registration {
    /// As they were registered.
    code: Box<[Range<usize>]>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Indexed(NonNull<Records>),
    Copied(Claim),
}

// SAFETY: the pointer is a claim on an entry of the index, which any thread may take out.
unsafe impl Send for Registration {}
// SAFETY: as above; nothing can be done through a shared reference.
unsafe impl Sync for Registration {}

/// Makes the code in `code` unwindable by the records at `eh_frame`, `len` bytes that end with a zero word or where
/// `len` says. Registrations may interleave but not overlap. Code without a record in the section ends a backtrace
/// and a throw, as it does anywhere.
///
/// # Safety
/// The bytes are readable and unchanged while the registration lives, and what well-formed records in them say about
/// the code is true. No thread has a frame in the code when the registration is dropped.
pub unsafe fn register(code: &[Range<usize>], eh_frame: usize, len: usize) -> Result<Registration, RangeError> {
    // SAFETY: passed on.
    unsafe { register_by(path(), code, eh_frame, len) }
}

/// # Safety
/// As [`register`].
unsafe fn register_by(
    path: Path,
    code: &[Range<usize>],
    eh_frame: usize,
    len: usize,
) -> Result<Registration, RangeError> {
    hold_across_fork();
    // SAFETY: passed on.
    let records = unsafe { Records::new(eh_frame, len) };
    let place = match path {
        Path::Interposed => Place::Indexed(INDEX.insert(code, Box::new(records))?),
        Path::Libgcc => Place::Copied(libgcc::register(records.section())),
    };
    Ok(Registration { code: code.into(), place })
}

impl Drop for Registration {
    fn drop(&mut self) {
        match &mut self.place {
            // SAFETY: it was inserted with these ranges, and this is the only owner.
            Place::Indexed(records) => unsafe { INDEX.remove(&self.code, *records) },
            Place::Copied(claim) => libgcc::deregister(claim),
        }
    }
}

/// The FDE for an instruction at `pc` and the start of its function. What libgcc passes is the return address less
/// one, so that a call that ends its function is still inside it, and the exact address where a signal interrupted.
fn find(pc: usize) -> Option<table::Found> {
    INDEX.find(pc, |records| records.find(pc)).flatten()
}

/// A child must not inherit an index or a registry in the middle of a change.
pub(crate) fn hold_across_fork() {
    static HELD: FirstUse = FirstUse::new();
    HELD.hold(|| Box::new((libgcc::hold(), INDEX.hold())), || INDEX.forget_readers());
}

#[cfg(test)]
mod tests;
