//! Turns that threads take, each for as long as it works, which do not outlive a `fork` in threads that the child lacks.
//!
//! Invariants: what is guarded is locked for moments only, across `fork` among others, and is whole whenever it is not; so
//! in the child a turn of another thread is simply over, wherever that thread was.

use crate::sync::thread::ThreadId;
use crate::sync::{Condvar, Mutex, MutexGuard, thread};
use std::sync::{Arc, PoisonError};
use uruk_executor::at_fork::{self, Held, Locks};

/// Something that one thread at a time works with.
pub struct Turns<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    free: Condvar,
}

struct State<T> {
    /// Whose turn it is, and how many of its turns lie in each other.
    holder: Option<(ThreadId, usize)>,
    /// How many threads wait: to wake nobody is a system call all the same.
    waiting: usize,
    value: T,
}

/// A turn, until it is dropped.
pub struct Turn<'a, T> {
    shared: &'a Shared<T>,
}

impl<T: Send + 'static> Turns<T> {
    /// Nobody's turn yet.
    pub fn new(value: T) -> Turns<T> {
        let state = Mutex::new(State { holder: None, waiting: 0, value });
        Turns { shared: at_fork::hold_while_alive(Shared { state, free: Condvar::new() }) }
    }

    /// Waits until no other thread has a turn. A thread that has one may take another.
    pub fn take(&self) -> Turn<'_, T> {
        let own = thread::current().id();
        let is_others = |state: &mut State<T>| state.holder.is_some_and(|(holder, _)| holder != own);
        let mut state = self.shared.lock();
        state.waiting += 1;
        let mut state = self.shared.free.wait_while(state, is_others).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        let depth = state.holder.map_or(0, |(_, depth)| depth);
        state.holder = Some((own, depth + 1));
        Turn { shared: &self.shared }
    }
}

impl<T> Turn<'_, T> {
    /// Looks at what is guarded, or changes it.
    pub fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.shared.lock().value)
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.holder = state.holder.filter(|(_, depth)| 1 < *depth).map(|(holder, depth)| (holder, depth - 1));
        if state.holder.is_none() && state.waiting != 0 {
            self.shared.free.notify_one();
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Locks for Shared<T> {
    fn take(&self) -> Held<'_> {
        Box::new(self.lock())
    }

    fn in_child(&self) {
        let own = thread::current().id();
        let mut state = self.lock();
        state.waiting = 0;
        state.holder = state.holder.filter(|(holder, _)| *holder == own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn threads_take_turns_and_one_may_take_several() {
        let turns = Turns::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..4 {
                let turns = &turns;
                scope.spawn(move || {
                    for _ in 0..200 {
                        let turn = turns.take();
                        turn.with(|seen| seen.push(number));
                        let inner = turns.take();
                        drop(inner);
                        turn.with(|seen| seen.push(number));
                    }
                });
            }
        });
        let seen = turns.take().with(std::mem::take);
        assert_eq!(seen.len(), 1600);
        assert!(seen.chunks(2).all(|pair| pair[0] == pair[1]), "nobody comes between");
    }
    #[test]
    fn a_turn_of_another_thread_is_over_in_a_child() {
        let turns = &Turns::new(0);
        let (has_turn, wait_turn) = mpsc::channel();
        let (forked, wait_forked) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                let _turn = turns.take();
                has_turn.send(()).unwrap();
                wait_forked.recv().unwrap();
            });
            wait_turn.recv().unwrap();
            turns.shared.in_child();
            turns.take().with(|value| *value += 1);
            forked.send(()).unwrap();
        });
        assert_eq!(turns.take().with(|value| *value), 1);
    }
}
