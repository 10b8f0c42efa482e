//! Where tasks run: on the thread that asked, on a pool of the session's own, or wherever a client wants.
//!
//! Invariants: a dispatcher is called without any lock of the session. A task that it loses is not lost: whoever waits
//! for its result runs it.

use crate::session::Session;
use crate::state::TaskId;
use crate::sync::{Condvar, Mutex, MutexGuard, thread, thread_local};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, PoisonError};
use uruk_executor::at_fork::{self, Held, Locks};

/// Compilers are written for the stack that a main thread has. Only what is used of it takes memory.
pub(crate) const COMPILE_STACK_BYTES: usize = 8 << 20;

/// A thread that materializes.
pub(crate) fn compile_thread(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into()).stack_size(COMPILE_STACK_BYTES)
}

/// How urgent a task is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Normal,
    /// For when there is nothing else to do.
    Idle,
}

/// Something to be run once, on any thread.
pub struct Runnable {
    session: Session,
    task: TaskId,
    priority: Priority,
}

impl Runnable {
    pub(crate) fn new(session: Session, task: TaskId, priority: Priority) -> Runnable {
        Runnable { session, task, priority }
    }

    /// Runs it, unless somebody who waited for it has.
    pub fn run(self) {
        self.session.run_task(self.task);
    }

    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        self.priority
    }
}

/// Decides where tasks run.
pub trait Dispatcher: Send + Sync {
    /// Runs a task, now or later, on this thread or another.
    fn dispatch(&self, task: Runnable);

    /// A thread that runs a task of this dispatcher begins to wait for others.
    fn blocked(&self) {}

    /// It goes on.
    fn unblocked(&self) {}
}

impl fmt::Debug for dyn Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dispatcher")
    }
}

/// Runs each task on the thread that caused it. What tasks cause meanwhile comes after them, so that chains of any
/// length need no stack; if one waits for something else than them, a new thread runs them.
pub struct InPlace;

thread_local! {
    /// Empty between tasks, and never destroyed by itself: handlers that run at exit may cause tasks.
    static WAITING: ManuallyDrop<RefCell<VecDeque<Runnable>>> =
        const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    /// The pool that this thread belongs to.
    static POOL: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

impl InPlace {
    /// Runs what waits on this thread, unless that is going on already.
    fn run_waiting() {
        if RUNNING.with(|running| running.replace(true)) {
            return;
        }
        while let Some(task) = WAITING.with(|waiting| waiting.borrow_mut().pop_front()) {
            task.run();
        }
        RUNNING.with(|running| running.set(false));
        WAITING.with(|waiting| waiting.take());
    }
}

impl Dispatcher for InPlace {
    fn dispatch(&self, task: Runnable) {
        WAITING.with(|waiting| waiting.borrow_mut().push_back(task));
        InPlace::run_waiting();
    }

    fn blocked(&self) {
        let waiting = WAITING.with(|waiting| waiting.take());
        if waiting.is_empty() {
            return;
        }
        let waiting = Arc::new(Mutex::new(waiting));
        let take = |tasks: &Mutex<VecDeque<Runnable>>| {
            let tasks = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
            WAITING.with(|waiting| waiting.replace(tasks));
        };
        let theirs = waiting.clone();
        let run = move || {
            take(&theirs);
            InPlace::run_waiting();
        };
        if compile_thread("uruk").spawn(run).is_err() {
            // They come when this thread goes on.
            take(&waiting);
        }
    }
}

/// Threads of the session's own.
pub struct ThreadPool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Threads that may run tasks at the same time.
    threads: usize,
}

#[derive(Default)]
struct Queue {
    normal: VecDeque<Runnable>,
    idle: VecDeque<Runnable>,
    /// Threads that exist.
    alive: usize,
    /// Those of them that look for work.
    resting: usize,
    /// Those of them that wait for other tasks.
    blocked: usize,
    /// Its threads end when there is nothing to do. In the child of a fork it has none.
    closed: bool,
}

/// How many threads a pool starts, at most, in the place of those that wait.
const MAX_REPLACEMENTS: usize = 256;

impl ThreadPool {
    /// A pool of this many threads, which start when there is something to do.
    pub fn new(threads: usize) -> ThreadPool {
        let (queue, wake) = (Mutex::default(), Condvar::new());
        ThreadPool { shared: at_fork::hold_while_alive(Shared { queue, wake, threads: threads.max(1) }) }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this thread is one of the pool's.
    fn is_current(&self) -> bool {
        std::ptr::eq(POOL.with(Cell::get), self)
    }

    /// Starts a thread if there is work that nobody is free for.
    fn staff(self: &Arc<Self>, queue: &mut Queue) {
        let work = queue.normal.len() + queue.idle.len();
        let limit = self.threads + queue.blocked.min(MAX_REPLACEMENTS);
        if queue.resting < work && queue.alive < limit {
            let shared = self.clone();
            let thread = compile_thread("uruk");
            // Without a new thread those that exist do the work, or whoever waits for it.
            if thread.spawn(move || shared.work()).is_ok() {
                queue.alive += 1;
            }
        }
    }

    fn work(&self) {
        POOL.with(|pool| pool.set(self));
        let mut queue = self.lock();
        loop {
            let surplus = self.threads + queue.blocked.min(MAX_REPLACEMENTS) < queue.alive;
            let task = if surplus { None } else { queue.normal.pop_front().or_else(|| queue.idle.pop_front()) };
            match task {
                Some(task) => {
                    drop(queue);
                    task.run();
                    queue = self.lock();
                }
                None if surplus || queue.closed => break,
                None => {
                    queue.resting += 1;
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.resting -= 1;
                }
            }
        }
        queue.alive -= 1;
        if !queue.normal.is_empty() || !queue.idle.is_empty() {
            // This thread may have been woken for a task that it leaves to another.
            self.wake.notify_one();
        }
    }
}

impl Locks for Shared {
    fn take(&self) -> Held<'_> {
        Box::new(self.lock())
    }

    fn in_child(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        // Whoever needs these tasks runs them.
        let left = (std::mem::take(&mut queue.normal), std::mem::take(&mut queue.idle));
        drop(queue);
        drop(left);
    }
}

impl Dispatcher for ThreadPool {
    fn dispatch(&self, task: Runnable) {
        let mut queue = self.shared.lock();
        if queue.closed {
            drop(queue);
            return InPlace.dispatch(task);
        }
        match task.priority() {
            Priority::Normal => queue.normal.push_back(task),
            Priority::Idle => queue.idle.push_back(task),
        }
        self.shared.staff(&mut queue);
        drop(queue);
        self.shared.wake.notify_one();
    }

    fn blocked(&self) {
        if self.shared.is_current() {
            let mut queue = self.shared.lock();
            queue.blocked += 1;
            self.shared.staff(&mut queue);
        }
    }

    fn unblocked(&self) {
        if self.shared.is_current() {
            self.shared.lock().blocked -= 1;
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}
