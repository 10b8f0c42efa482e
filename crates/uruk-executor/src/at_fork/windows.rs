//! Windows makes no copies of processes, so nobody has to hold locks across that.

use std::sync::{Arc, Mutex, PoisonError};

/// What releases locks when it is dropped.
pub trait Guard {}

impl<T> Guard for T {}

/// The guards of all locks of an owner.
pub type Held<'a> = Box<dyn Guard + 'a>;

/// Something with locks.
pub trait Locks: Send + Sync {
    /// Takes them all.
    fn take(&self) -> Held<'_>;

    /// Never called here.
    fn in_child(&self) {}
}

impl<T: Send> Locks for Mutex<T> {
    fn take(&self) -> Held<'_> {
        Box::new(self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// There is nothing to hold off.
pub(crate) struct HeldOff;

/// Nothing is delayed.
pub(crate) fn hold_off() -> HeldOff {
    HeldOff
}

/// Puts an owner where others can share it.
pub fn hold_while_alive<L: Locks + 'static>(owner: L) -> Arc<L> {
    Arc::new(owner)
}
