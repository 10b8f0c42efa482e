//! What owners of locks have in common, whether or not the system copies processes.

use std::sync::{Mutex, PoisonError};

/// What releases locks when it is dropped.
pub trait Guard {}

impl<T> Guard for T {}

/// The guards of all locks of an owner.
pub type Held<'a> = Box<dyn Guard + 'a>;

/// Something with locks.
pub trait Locks: Send + Sync {
    /// Takes them all.
    fn take(&self) -> Held<'_>;

    /// This is a child, whose only thread calls, with all locks free. What other threads were doing is never finished.
    /// Never called where processes are not copied.
    fn in_child(&self) {}
}

impl<T: Send> Locks for Mutex<T> {
    fn take(&self) -> Held<'_> {
        Box::new(self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
