//! Running tasks, and waiting for queries.

use super::Session;
use crate::dispatch::{Priority, Runnable};
use crate::error::Error;
use crate::objects;
use crate::responsibility::Responsibility;
use crate::state::{Answer, Effects, QueryId, TaskId, Work};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many tasks a thread runs on top of each other before it leaves one to a new thread.
const MAX_DEPTH: u32 = 64;

thread_local! {
    /// The task that this thread runs, and how many lie beneath it on the stack.
    static CURRENT: Cell<(Option<TaskId>, u32)> = const { Cell::new((None, 0)) };
}

impl Session {
    /// Has something done by the dispatcher.
    pub fn spawn(&self, priority: Priority, call: impl FnOnce(&Session) + Send + 'static) {
        self.update(|state| state.add_task(Work::Call(Box::new(call)), priority));
    }

    /// Does what a change of the state asks for.
    pub(super) fn carry_out(&self, effects: Effects) {
        let Effects { answers, wakers, tasks, dropped, cancelled, freed, progress } = effects;
        if progress {
            self.shared.progress.notify_all();
        }
        if !freed.is_empty() {
            self.give_back(freed);
        }
        dropped.into_iter().for_each(|unit| shielded("a unit's destructor", self, || drop(unit)));
        cancelled.into_iter().for_each(|call| shielded("a task's destructor", self, || drop(call)));
        wakers.into_iter().for_each(|waker| shielded("a waker", self, || waker.wake()));
        for (callback, answer) in answers {
            shielded("a look-up's callback", self, || callback(answer));
        }
        if !tasks.is_empty() {
            let dispatcher = self.dispatcher();
            for task in tasks {
                let priority = self.lock().priority(task);
                dispatcher.dispatch(Runnable::new(self.clone(), task, priority));
            }
        }
    }

    /// Runs a task that no other thread has started.
    pub(crate) fn run_task(&self, id: TaskId) {
        let Some(work) = self.lock().start_task(id) else { return };
        let outer = CURRENT.replace((Some(id), CURRENT.get().1 + 1));
        match work {
            Work::Link(units) => {
                let guard = units.clone();
                if catch_unwind(AssertUnwindSafe(|| objects::link(self, id, units))).is_err() {
                    let failed = |unit| (unit, Error::Panicked { unit: "the linker".into() });
                    self.update(|state| state.fail(guard.into_iter().map(failed).collect()));
                }
            }
            Work::Unit(unit, client) => {
                let responsibility = Responsibility::new(self.clone(), unit);
                // A panic drops the responsibility, which fails the unit.
                let _ = catch_unwind(AssertUnwindSafe(|| client.materialize(responsibility)));
            }
            Work::Call(call) => shielded("a task", self, || call(self)),
        }
        CURRENT.set(outer);
        self.update(|state| state.end_task(id));
    }

    /// Waits for a query's answer. Meanwhile this thread runs tasks that the query needs; if there are none, it blocks.
    pub(super) fn wait_for(&self, query: QueryId) -> Answer {
        loop {
            let (own, depth) = CURRENT.get();
            let mut state = self.lock();
            if let Some(answer) = state.take_answer(query) {
                return answer;
            }
            let helpful = match state.helpful_task(query, own) {
                Ok(helpful) => helpful,
                Err(error) => {
                    let cancelled = state.cancel(query);
                    drop((state, cancelled));
                    return Err(error);
                }
            };
            state.set_blocked(own, Some(query));
            drop(state);
            match helpful {
                Some(task) if depth < MAX_DEPTH => self.run_task(task),
                Some(task) => {
                    let session = self.clone();
                    let thread = std::thread::Builder::new().name("uruk deep".into());
                    if thread.spawn(move || session.run_task(task)).is_err() {
                        self.run_task(task);
                    } else {
                        self.block(query);
                    }
                }
                None => self.block(query),
            }
            self.lock().set_blocked(own, None);
        }
    }

    /// Waits until a query is answered, there is something to do for it, or it cannot be answered.
    fn block(&self, query: QueryId) {
        let (own, _) = CURRENT.get();
        let dispatcher = self.dispatcher();
        dispatcher.blocked();
        let mut state = self.lock();
        while !state.is_answered(query) && matches!(state.helpful_task(query, own), Ok(None)) {
            state = self.await_progress(state);
        }
        drop(state);
        dispatcher.unblocked();
    }
}

/// Calls a client's code; a panic in it is reported and goes no further.
fn shielded(who: &str, session: &Session, call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        session.report(Error::Panicked { unit: who.into() });
    }
}
