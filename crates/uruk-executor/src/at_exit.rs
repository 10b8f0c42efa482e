//! Functions that run when the process exits, registered with the C library so that they take their turn.

use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

/// Lists of functions, the one registered last at the end; each run of the hook takes one.
static LISTS: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());

/// Lets functions without arguments run, in this order, when the process exits: after what is registered later, and
/// before what was registered earlier.
/// The functions must be finished code that stays for good.
pub fn run_at_exit(functions: Vec<u64>) {
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> c_int;
    }
    if functions.is_empty() {
        return;
    }
    LISTS.lock().unwrap_or_else(PoisonError::into_inner).push(functions);
    // SAFETY: the hook is a function of this program, which stays as long as the process.
    unsafe { atexit(run_last) };
}

extern "C" fn run_last() {
    let functions = LISTS.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    for function in functions {
        // SAFETY: `run_at_exit` asks for finished code that takes no arguments and stays.
        unsafe {
            let function: unsafe extern "C-unwind" fn() = std::mem::transmute(function as *const ());
            function();
        }
    }
}
