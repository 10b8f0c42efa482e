//! Calls in both directions: into the library, and out of it to callbacks.
//!
//! Invariants: nothing unwinds over the boundary: a panic becomes a status. A function that may wait for what is being linked
//! is refused inside callbacks that the linker itself waits for; the status says so, and nothing waits for itself.

use crate::error::{Failure, note, take_message, uruk_status};
use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// From where a function may be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// From any callback, too.
    Anywhere,
    /// Not from callbacks of the linker: memory managers, plugins, listeners.
    OutsideLinks,
}

thread_local! {
    /// How many callbacks of the linker this thread is in.
    static LINKING: Cell<u32> = const { Cell::new(0) };
}

/// Does what a function of the header does.
pub(crate) fn enter(reach: Reach, call: impl FnOnce() -> Result<(), Failure>) -> uruk_status {
    match shielded(reach, call) {
        Ok(()) => uruk_status::URUK_OK,
        Err(failure) => note(failure),
    }
}

/// The same for one that returns something else, and `otherwise` if it fails.
pub(crate) fn enter_value<T>(reach: Reach, otherwise: T, call: impl FnOnce() -> Result<T, Failure>) -> T {
    shielded(reach, call).unwrap_or_else(|failure| {
        note(failure);
        otherwise
    })
}

fn shielded<T>(reach: Reach, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    if reach == Reach::OutsideLinks && LINKING.get() != 0 {
        let text = "this would wait for what is being linked, which waits for this callback; call it afterwards";
        return Err(Failure::new(uruk_status::URUK_BUSY, text));
    }
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no more is known");
        Err(Failure::new(uruk_status::URUK_PANIC, format!("the library panicked: {text}")))
    })
}

/// Calls a callback of the linker.
pub(crate) fn linking<T>(call: impl FnOnce() -> T) -> T {
    struct Within;
    impl Drop for Within {
        fn drop(&mut self) {
            LINKING.set(LINKING.get() - 1);
        }
    }
    LINKING.set(LINKING.get() + 1);
    let _within = Within;
    call()
}

/// What a callback said: its status, where 0 means success, and its message.
pub(crate) fn answer(what: &str, call: impl FnOnce(*mut *mut c_char) -> i32) -> Result<(), Failure> {
    let mut message = std::ptr::null_mut();
    let status = call(&mut message);
    let text = take_message(message);
    match (status, text) {
        (0, _) => Ok(()),
        (_, Some(text)) => Err(Failure::new(uruk_status::URUK_CALLBACK, format!("{what}: {text}"))),
        (status, None) => {
            Err(Failure::new(uruk_status::URUK_CALLBACK, format!("{what} failed with {status} and no message")))
        }
    }
}
