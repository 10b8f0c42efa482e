//! Calls in both directions: into the library, and out of it to callbacks.
//!
//! Invariants: nothing unwinds over the boundary: a panic becomes a status. A function that may wait for what is being linked
//! is refused inside callbacks that the linker itself waits for; the status says so, and nothing waits for itself.

use crate::error::{Failure, note, take_message, uruk_status};
use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::LocalKey;

/// From where a function may be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// From any callback, too.
    Anywhere,
    /// Not from callbacks of the linker: memory managers, plugins, listeners.
    OutsideLinks,
    /// Nor from what ends because something was removed.
    OutsideRemovals,
}

thread_local! {
    /// How many callbacks of the linker this thread is in.
    static LINKING: Cell<u32> = const { Cell::new(0) };
    /// How many things this thread is in the middle of ending, since they were removed.
    static REMOVING: Cell<u32> = const { Cell::new(0) };
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
    let busy = |text: &str| Err(Failure::new(uruk_status::URUK_BUSY, text));
    if reach != Reach::Anywhere && LINKING.get() != 0 {
        return busy("this would wait for what is being linked, which waits for this callback; call it afterwards");
    }
    if reach == Reach::OutsideRemovals && REMOVING.get() != 0 {
        return busy("this would wait for what is being removed, which waits for this callback; call it afterwards");
    }
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no more is known");
        Err(Failure::new(uruk_status::URUK_PANIC, format!("the library panicked: {text}")))
    })
}

/// Calls a callback of the linker.
pub(crate) fn linking<T>(call: impl FnOnce() -> T) -> T {
    within(&LINKING, call)
}

/// Ends what was removed, which those who wait for removals wait for.
pub(crate) fn removing<T>(call: impl FnOnce() -> T) -> T {
    within(&REMOVING, call)
}

fn within<T>(depth: &'static LocalKey<Cell<u32>>, call: impl FnOnce() -> T) -> T {
    struct Within(&'static LocalKey<Cell<u32>>);
    impl Drop for Within {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    depth.set(depth.get() + 1);
    let _within = Within(depth);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::last;
    use std::panic::panic_any;

    fn text() -> String {
        last().map(|failure| failure.text.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_panic_is_a_status() {
        assert_eq!(enter(Reach::Anywhere, || panic!("the {} is full", "table")), uruk_status::URUK_PANIC);
        assert_eq!(text(), "the library panicked: the table is full");
        assert_eq!(enter_value(Reach::OutsideLinks, 7, || panic!("a literal")), 7);
        assert_eq!(text(), "the library panicked: a literal");
        assert_eq!(enter(Reach::Anywhere, || panic_any(5)), uruk_status::URUK_PANIC);
        assert_eq!(text(), "the library panicked: no more is known");
    }

    #[test]
    fn what_waits_for_links_is_refused_inside_them() {
        let call = || enter(Reach::OutsideLinks, || Ok(()));
        assert_eq!(linking(call), uruk_status::URUK_BUSY);
        assert!(text().contains("waits for this callback"), "{}", text());
        assert_eq!(linking(|| enter(Reach::Anywhere, || Ok(()))), uruk_status::URUK_OK);
        // One callback inside another ends before that does.
        assert_eq!(linking(|| (linking(call), call())), (uruk_status::URUK_BUSY, uruk_status::URUK_BUSY));
        // Leaving by a panic is leaving.
        assert_eq!(enter(Reach::Anywhere, || linking(|| panic!("inside"))), uruk_status::URUK_PANIC);
        assert_eq!(call(), uruk_status::URUK_OK);
    }
}
