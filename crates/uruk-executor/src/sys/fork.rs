//! Keeping `fork` right: no bookkeeping is half done in the child.
//! Data flow: whoever changes shared state holds a [`hold_off`] guard meanwhile; `fork` waits for all of them, so
//! that every mutex taken only under such a guard is free in the child. A child then gets its own memory descriptor.
//! Invariants: a guard is never taken twice by one thread, and no foreign code runs under one.
//! Limits: `pthread_atfork` handlers run for `fork`, not for `_Fork` or a bare `clone` system call.
//! Sources: POSIX.1-2024, `pthread_atfork`.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static FORKING: RwLock<()> = RwLock::new(());

thread_local! {
    /// The guard of a thread inside `fork`. Never destroyed by itself, so that a thread may fork while it ends.
    static HELD: Cell<Option<ManuallyDrop<RwLockWriteGuard<'static, ()>>>> = const { Cell::new(None) };
}

/// Delays any `fork` of the process until the guard is dropped.
pub(crate) fn hold_off() -> RwLockReadGuard<'static, ()> {
    FORKING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handlers, once a process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the three functions have the C calling convention, never unwind, and live as long as this code:
        // a shared library that is unloaded takes its handlers with it.
        let failed = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        assert_eq!(failed, 0, "pthread_atfork fails only without memory");
    });
}

extern "C" fn prepare() {
    HELD.set(Some(ManuallyDrop::new(FORKING.write().unwrap_or_else(PoisonError::into_inner))));
}

extern "C" fn parent() {
    drop(HELD.take().map(ManuallyDrop::into_inner));
}

extern "C" fn child() {
    super::linux::reopen_forced_writer();
    drop(HELD.take().map(ManuallyDrop::into_inner));
}
