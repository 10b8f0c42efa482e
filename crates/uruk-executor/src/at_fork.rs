//! Locks that are held across `fork`, so that the child never finds what they guard half changed.
//!
//! Data flow: whoever has locks says so, for good ([`FirstUse`]) or for as long as they live ([`hold_while_alive`]); others
//! hold `fork` off for a moment (`hold_off`), so that every mutex taken only meanwhile is free in the child → `fork`
//! takes them all → the parent, and the child, whose only thread is a copy of the one that took them, release them → the
//! child's owners learn that they are in a child.
//! Invariants: `fork` takes first the owners' locks, then keeps those out who hold it off, and takes the allocator's lock
//! last; so one who holds an owner's lock may hold `fork` off, and not the other way round, and both may allocate. `fork` is
//! not held off twice by one thread, and no foreign code runs meanwhile. No lock is held while an owner is told, or dropped.
//! Whoever holds `fork` off, or holds an owner's lock, announces no other. Nobody waits for another thread to find what is found
//! once a process (`OnceLock`, `Once`): a child would do so for ever. Locks are announced by [`FirstUse`]; values may be found twice.
//! Limits: `pthread_atfork` handlers run for `fork`, not for `_Fork` or a bare `clone` system call, and not for a `fork` that
//! began before the process's first lock was announced. Handlers that were installed before ours run while the locks are held,
//! and must not need them.
//! Sources: POSIX.1-2024, `pthread_atfork`.

mod locks;

use crate::sys;
pub use locks::{Guard, Held, Locks};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

struct Static {
    take: fn() -> Held<'static>,
    in_child: fn(),
}

impl Locks for Static {
    fn take(&self) -> Held<'_> {
        (self.take)()
    }

    fn in_child(&self) {
        (self.in_child)();
    }
}

static OWNERS: Mutex<Vec<Weak<dyn Locks>>> = Mutex::new(Vec::new());

/// Read while `fork` must wait.
static HELD_OFF: RwLock<()> = RwLock::new(());

/// Takes the lock of the process's allocator.
static ALLOCATOR: OnceLock<fn() -> Held<'static>> = OnceLock::new();

/// What a thread inside `fork` holds.
struct Forking {
    allocator: Option<Held<'static>>,
    held_off: RwLockWriteGuard<'static, ()>,
    taken: Vec<Taken>,
    owners: MutexGuard<'static, Vec<Weak<dyn Locks>>>,
}

struct Taken {
    /// Borrowed from the owner.
    guards: Option<Held<'static>>,
    owner: Arc<dyn Locks>,
}

thread_local! {
    /// Never destroyed by itself, so that a thread may fork while it ends.
    static FORKING: Cell<Option<ManuallyDrop<Forking>>> = const { Cell::new(None) };
}

/// Locks in statics, which are announced when they are used first.
pub struct FirstUse(AtomicBool);

impl Default for FirstUse {
    fn default() -> Self {
        Self::new()
    }
}

impl FirstUse {
    /// They are not announced yet.
    pub const fn new() -> Self {
        FirstUse(AtomicBool::new(false))
    }

    /// From now on, `take` is called before each fork and its result dropped after it; then, in the child, `in_child`.
    /// Only the first call has an effect.
    pub fn hold(&self, take: fn() -> Held<'static>, in_child: fn()) {
        self.announce(|| Static { take, in_child });
    }

    fn announce<L: Locks + 'static>(&self, owner: impl FnOnce() -> L) {
        if self.0.load(Ordering::Acquire) {
            return;
        }
        install();
        // Forks hold this lock, too: the child finds the owner announced or not.
        let mut owners = lock();
        if !self.0.load(Ordering::Relaxed) {
            std::mem::forget(add(&mut owners, owner()));
            self.0.store(true, Ordering::Release);
        }
    }
}

/// A lock in a static, which forks hold from its first use on: a child must not inherit the value in the middle of a change.
pub(crate) struct ProcessMutex<T: 'static> {
    held: FirstUse,
    value: Mutex<T>,
}

impl<T: Send> ProcessMutex<T> {
    pub const fn new(value: T) -> Self {
        ProcessMutex { held: FirstUse::new(), value: Mutex::new(value) }
    }

    /// The first use, for whoever cannot wait for that.
    pub fn hold_across_fork(&'static self) {
        self.held.announce(|| self);
    }

    pub fn lock(&'static self) -> MutexGuard<'static, T> {
        self.hold_across_fork();
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Locks for &'static ProcessMutex<T> {
    fn take(&self) -> Held<'_> {
        self.value.take()
    }
}

/// The same for the lock of the process's allocator, which all others may be held for. To be called once.
pub(crate) fn hold_allocator(take: fn() -> Held<'static>) {
    install();
    ALLOCATOR.get_or_init(|| take);
}

/// While this lives, there is no `fork`.
pub(crate) type HeldOff = RwLockReadGuard<'static, ()>;

/// Delays any `fork` of the process until the guard is dropped.
pub(crate) fn hold_off() -> HeldOff {
    HELD_OFF.read().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handlers. Two threads may do so at once: they do nothing when they are called a second time.
pub(crate) fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: the three functions have the C calling convention, never unwind, and live as long as this code:
    // a shared library that is unloaded takes its handlers with it.
    let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    assert_eq!(failed, 0, "pthread_atfork fails only without memory");
    INSTALLED.store(true, Ordering::Release);
}

/// Lets each fork take the locks of an owner for as long as that exists.
pub fn hold_while_alive<L: Locks + 'static>(owner: L) -> Arc<L> {
    install();
    add(&mut lock(), owner)
}

fn add<L: Locks + 'static>(owners: &mut Vec<Weak<dyn Locks>>, owner: L) -> Arc<L> {
    if owners.len() == owners.capacity() {
        owners.retain(|owner| owner.strong_count() != 0);
        let room = owners.len().max(16);
        owners.reserve(room);
    }
    let owner = Arc::new(owner);
    owners.push(Arc::downgrade(&owner) as Weak<dyn Locks>);
    owner
}

fn lock() -> MutexGuard<'static, Vec<Weak<dyn Locks>>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn before() {
    // The handlers are there twice.
    if let Some(forking) = FORKING.take() {
        return FORKING.set(Some(forking));
    }
    let owners = lock();
    let mut taken = Vec::with_capacity(owners.len());
    for owner in owners.iter().rev().filter_map(Weak::upgrade) {
        let guards = owner.take();
        // SAFETY: the guards borrow from the owner, which lives at one place for as long as the reference that is kept
        // beside them. `after` drops them first.
        let guards = unsafe { std::mem::transmute::<Held<'_>, Held<'static>>(guards) };
        taken.push(Taken { guards: Some(guards), owner });
    }
    let held_off = HELD_OFF.write().unwrap_or_else(PoisonError::into_inner);
    let allocator = ALLOCATOR.get().map(|take| take());
    FORKING.set(Some(ManuallyDrop::new(Forking { allocator, held_off, taken, owners })));
}

/// Releases the locks, the last first.
fn after() -> Vec<Taken> {
    let Some(forking) = FORKING.take() else { return Vec::new() };
    let Forking { allocator, held_off, mut taken, owners } = ManuallyDrop::into_inner(forking);
    drop(allocator);
    drop(held_off);
    taken.iter_mut().rev().for_each(|taken| taken.guards = None);
    drop(owners);
    taken
}

extern "C" fn in_parent() {
    // Some of the owners may be gone but for our references.
    drop(after());
}

extern "C" fn in_child() {
    let taken = after();
    sys::after_fork();
    taken.iter().for_each(|taken| taken.owner.in_child());
}

#[cfg(test)]
mod tests;
