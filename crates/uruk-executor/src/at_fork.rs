//! Locks that are held across `fork`, so that the child never finds what they guard half changed.
//!
//! Invariants: locks are taken in the reverse of the order in which they were announced, and released by the thread
//! that took them, in the parent and in its only copy, the child.
//! Sources: POSIX.1-2017, `pthread_atfork`.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// What releases the locks when it is dropped.
pub type Held = Box<dyn Any>;

struct Locks {
    take: fn() -> Held,
    in_child: fn(),
}

static LOCKS: Mutex<Vec<Locks>> = Mutex::new(Vec::new());

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// From now on, `take` is called before each fork and its result dropped after it; `in_child` comes before that.
pub fn hold(take: fn() -> Held, in_child: fn()) {
    static ONCE: Once = Once::new();
    // SAFETY: the functions are ordinary ones that live as long as the process.
    ONCE.call_once(|| _ = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) });
    lock().push(Locks { take, in_child });
}

fn lock() -> MutexGuard<'static, Vec<Locks>> {
    LOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn before() {
    let locks = lock();
    let held = locks.iter().rev().map(|locks| (locks.take)()).collect::<Vec<_>>();
    HELD.with_borrow_mut(|list| {
        *list = held;
        list.push(Box::new(locks));
    });
}

extern "C" fn after() {
    HELD.take().into_iter().for_each(drop);
}

extern "C" fn after_in_child() {
    HELD.with_borrow(|held| {
        let locks = held.last().and_then(|held| held.downcast_ref::<MutexGuard<'static, Vec<Locks>>>());
        locks.into_iter().flat_map(|locks| locks.iter()).for_each(|locks| (locks.in_child)());
    });
    after();
}
