//! Running tasks, and waiting for queries.

use super::{Session, Shared};
use crate::dispatch::{Priority, Runnable, compile_thread};
use crate::error::Error;
use crate::objects::{self, Linked};
use crate::responsibility::Responsibility;
use crate::state::{Answer, Effects, News, QueryId, State, TaskId, Work};
use crate::sync::thread_local;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use uruk_jitlink::memory::{Lane, Segment};

/// How many tasks a thread runs on top of each other before it leaves one to a new thread.
const MAX_DEPTH: usize = 64;

type Stack = Vec<(*const Shared, TaskId)>;

thread_local! {
    /// The tasks that this thread runs, of all sessions, the innermost last. Never destroyed by itself: handlers that
    /// run at exit, after the thread's own variables are gone, may look symbols up.
    static STACK: ManuallyDrop<RefCell<Stack>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

impl Session {
    /// Has something done by the dispatcher.
    pub fn spawn(&self, priority: Priority, call: impl FnOnce(&Session) + Send + 'static) {
        self.update(|state| state.add_task(Work::Call(Box::new(call)), priority));
    }

    /// Does what a change of the state asks for.
    pub(super) fn carry_out(&self, mut effects: Effects) {
        let Effects { tasks, progress, .. } = &mut effects;
        if *progress {
            self.shared.progress.notify_all();
        }
        let tasks = std::mem::take(tasks);
        self.shared.perform(effects);
        if !tasks.is_empty() {
            let dispatcher = self.dispatcher();
            for task in tasks {
                let priority = self.lock().priority(task);
                let task = Runnable::new(self.clone(), task, priority);
                self.shared.shielded("a dispatcher", || dispatcher.dispatch(task));
            }
        }
    }

    /// Gives back what units had that will not be handed over.
    pub(crate) fn give_back(&self, linked: Vec<Linked>) {
        self.shared.give_back(linked);
    }

    /// Memory that several units share goes with the session.
    pub(crate) fn keep_segments(&self, segments: Vec<Segment>) {
        self.shared.keep_segments(segments);
    }

    /// Gives memory back that was needed until its batch was final.
    pub(crate) fn release_scratch(&self, scratch: &Range<u64>) {
        if !scratch.is_empty() {
            let segment = Segment { lane: Lane::ReadOnly, address: scratch.start, size: scratch.end - scratch.start };
            self.shared.release(&[segment]);
        }
    }

    /// Runs a task that no other thread has started.
    pub(crate) fn run_task(&self, id: TaskId) {
        let Some((work, answer)) = self.lock().start_task(id) else { return };
        let mut ended = true;
        STACK.with(|stack| stack.borrow_mut().push((Arc::as_ptr(&self.shared), id)));
        match work {
            Work::Link(step) => match catch_unwind(AssertUnwindSafe(|| objects::link(self, id, step, answer))) {
                Ok(over) => ended = over,
                Err(_) => self.update(|state| state.abandon(id, &Error::Panicked { unit: "the linker".into() })),
            },
            Work::Unit(unit, client) => {
                let responsibility = Responsibility::new(self.clone(), unit);
                // A panic drops the responsibility, which fails the unit.
                let _ = catch_unwind(AssertUnwindSafe(|| client.materialize(responsibility)));
            }
            Work::Call(call) => self.shared.shielded("a task", || call(self)),
        }
        STACK.with(|stack| {
            let mut stack = stack.borrow_mut();
            stack.pop();
            if stack.is_empty() {
                *stack = Stack::new();
            }
        });
        if ended {
            self.update(|state| state.end_task(id));
        }
    }

    /// Waits for a query's answer. Meanwhile this thread runs tasks that the query needs; if there are none, it blocks.
    pub(super) fn wait_for(&self, query: QueryId) -> Answer {
        let own = self.own_tasks();
        let depth = STACK.with(|stack| stack.borrow().len());
        loop {
            let mut blocked = vec![Some(query); own.len()];
            let waited = self.update(|state| {
                if let Some(answer) = state.take_answer(query) {
                    return Err(answer);
                }
                state.swap_blocked(&own, &mut blocked);
                let helpful = state.helpful_task(query, &own, None).map(|helpful| (helpful, state.news));
                helpful.map_err(|error| {
                    state.swap_blocked(&own, &mut blocked);
                    // Nothing foreign waits for it.
                    drop(state.cancel(query));
                    Err(error)
                })
            });
            match waited {
                Err(answer) => return answer,
                Ok((Some(task), _)) if depth < MAX_DEPTH || !self.run_elsewhere(task) => self.run_task(task),
                Ok((_, news)) => self.block(query, &own, news),
            }
            self.lock().swap_blocked(&own, &mut blocked);
        }
    }

    /// The tasks of this session on this thread's stack.
    fn own_tasks(&self) -> Vec<TaskId> {
        let is_own = |(session, _): &&(*const Shared, TaskId)| std::ptr::eq(*session, Arc::as_ptr(&self.shared));
        STACK.with(|stack| stack.borrow().iter().filter(is_own).map(|(_, task)| *task).collect())
    }

    /// Runs a task on a thread of its own; false if there is none to be had.
    fn run_elsewhere(&self, task: TaskId) -> bool {
        let session = self.clone();
        compile_thread("uruk deep").spawn(move || session.run_task(task)).is_ok()
    }

    /// Waits until a query is answered, there is something to do for it, or it cannot be answered. Neither of the latter
    /// was so at the time of the news.
    fn block(&self, query: QueryId, own: &[TaskId], mut news: News) {
        self.sleep_while(|state| {
            let before = std::mem::replace(&mut news, state.news);
            let no_reason = || matches!(state.helpful_task(query, own, Some(before)), Ok(None));
            !state.is_answered(query) && (before == state.news || no_reason())
        });
    }

    /// Sleeps as long as the state is so.
    pub(super) fn sleep_while(&self, mut reason: impl FnMut(&mut State) -> bool) {
        let dispatcher = self.dispatcher();
        self.shared.shielded("a dispatcher", || dispatcher.blocked());
        let mut state = self.lock();
        state.watchers += 1;
        let state = self.shared.progress.wait_while(state, &mut reason);
        state.unwrap_or_else(PoisonError::into_inner).watchers -= 1;
        self.shared.shielded("a dispatcher", || dispatcher.unblocked());
    }
}

impl Shared {
    /// Does what needs no session: gives memory back, drops what is foreign, tells whoever asked.
    pub(super) fn perform(&self, effects: Effects) {
        let Effects { answers, wakers, dropped, mut freed, mut discarded, .. } = effects;
        if !freed.is_empty() || !discarded.is_empty() {
            for linked in freed.iter_mut().chain(&mut discarded) {
                linked.farewells.drain(..).for_each(|tell| tell(self));
            }
            self.finalize(&freed.iter().flat_map(Linked::memory).collect::<Vec<_>>());
            freed.extend(discarded);
            let count = freed.len();
            self.give_back(freed);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.freed(count);
            let watched = state.watchers != 0;
            drop(state);
            if watched {
                self.progress.notify_all();
            }
        }
        dropped.into_iter().for_each(|dropped| self.shielded("a destructor", || drop(dropped)));
        wakers.into_iter().for_each(|waker| self.shielded("a waker", || waker.wake()));
        for (callback, answer) in answers {
            self.shielded("a look-up's callback", || callback(answer));
        }
    }

    /// Runs what code and data there have registered for the end.
    pub(super) fn finalize(&self, memory: &[Range<u64>]) {
        if !memory.is_empty()
            && let Err(error) = self.executor.finalize(memory)
        {
            self.report(error);
        }
    }

    fn give_back(&self, freed: Vec<Linked>) {
        for departure in freed.iter().rev().flat_map(|linked| linked.departures.iter().rev()) {
            if let Err(error) = departure.make(&*self.executor) {
                self.report(error);
            }
        }
        let memory: Vec<Range<u64>> = freed.iter().flat_map(Linked::memory).collect();
        let variables: Vec<_> = freed.iter().flat_map(|linked| linked.variables.iter().cloned()).collect();
        if let Err(error) = self.executor.forget(&memory, &variables) {
            self.report(error);
        }
        // What units share goes with the last of them, and before the memory of any can be another's.
        let segments = freed.into_iter().map(|mut linked| {
            drop((std::mem::take(&mut linked.shown), std::mem::take(&mut linked.unwind), linked.threads.take()));
            linked.kept.drain(..).for_each(|kept| self.shielded("a destructor", || drop(kept)));
            linked.into_segments()
        });
        let segments: Vec<_> = segments.collect();
        for (gone, kept) in segments {
            self.release(&gone);
            self.keep_segments(kept);
        }
    }

    /// Lets memory go.
    pub(super) fn release(&self, segments: &[Segment]) {
        if !segments.is_empty() {
            self.shielded("a memory manager", || self.executor.memory().release(segments));
        }
    }

    fn keep_segments(&self, segments: Vec<Segment>) {
        if !segments.is_empty() {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).kept.extend(segments);
        }
    }

    /// Calls a client's code; a panic in it is reported and goes no further.
    pub(super) fn shielded(&self, who: &str, call: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            self.report(Error::Panicked { unit: who.into() });
        }
    }

    pub(crate) fn report(&self, error: Error) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }
}
