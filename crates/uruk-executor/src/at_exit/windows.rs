//! What linked code has registered for the end, of the process or of the code itself.
//!
//! Data flow: linked code calls `atexit` and comes here, as do finalisers of its tables → a record in our table, and one of
//! the C library's for [`run_latest`] → the C library calls that in its turn, or the code goes first. So among
//! everybody's handlers ours keep their places, unless some of ours have gone.
//! Invariant: the table is not locked while foreign code runs.
//! Source: Microsoft's documentation of `_onexit`.

use crate::lifecycle::call_outermost;
use crate::ranges::Ranges;
use std::ffi::c_int;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Functions, the latest last.
static TABLE: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn table() -> MutexGuard<'static, Vec<u64>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" {
    fn _onexit(function: extern "C" fn() -> c_int) -> Option<extern "C" fn() -> c_int>;
}

/// Has the C library call this at its end for the latest record that is left, if there is one.
extern "C" fn run_latest() -> c_int {
    let latest = table().pop();
    if let Some(function) = latest {
        // SAFETY: whoever registered it promised that it may be called.
        unsafe { call_outermost(function, [0; 3]) };
    }
    0
}

/// C's `atexit`: the status is 0, or the C library has no memory.
///
/// # Safety
/// The function may be called at the end, until its memory is given to [`run_within`] or [`forget_within`].
pub(crate) unsafe extern "C" fn atexit(function: u64) -> c_int {
    table().push(function);
    // SAFETY: the handler may be called at any time.
    let registered = unsafe { _onexit(run_latest) };
    if registered.is_some() { 0 } else { 1 }
}

/// Lets functions run at the end in this order: the last is registered first.
///
/// # Safety
/// As `atexit` for each.
pub unsafe fn run_at_exit(functions: &[u64]) {
    for function in functions.iter().rev() {
        // SAFETY: the caller's promise.
        unsafe { atexit(*function) };
    }
}

/// Runs what lies in these ranges, the latest first, and forgets it.
///
/// # Safety
/// The functions may still be called.
pub unsafe fn run_within(memory: &[Range<u64>]) {
    let ranges = Ranges::new(memory);
    loop {
        let latest = {
            let mut table = table();
            table.iter().rposition(|function| ranges.contains(*function)).map(|at| table.remove(at))
        };
        let Some(function) = latest else { return };
        // SAFETY: the caller's promise.
        unsafe { call_outermost(function, [0; 3]) };
    }
}

/// Forgets what lies in these ranges.
pub fn forget_within(memory: &[Range<u64>]) {
    let ranges = Ranges::new(memory);
    table().retain(|function| !ranges.contains(*function));
}
