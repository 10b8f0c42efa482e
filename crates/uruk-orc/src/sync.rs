//! Locks, atomic numbers and threads of the session: the standard library's, or, with `--cfg shuttle`, those of a checker
//! that tries the orders in which threads can run (`tests/interleavings`).
//!
//! What is read once and kept, and what only protects a client's data, stays the standard library's.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, atomic},
    thread, thread_local,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, atomic},
    thread, thread_local,
};
