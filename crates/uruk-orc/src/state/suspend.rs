//! Tasks of the linker that wait without a thread, for others to compile or to place something.
//!
//! Invariants: a suspended task keeps its work, and is dispatched again when its query is answered. The batch that is
//! *pending* is the only one that waits for something to be compiled, and it does so only as long as some task can go
//! on: what is then left is made by nobody knows whom, perhaps by somebody who waits for the batch.

use super::work::Task;
use super::{Consumer, Phase, Required, State, TaskId, UnitId, Want, Work};
use crate::dispatch::Priority;
use crate::error::Error;
use crate::objects::{Gathering, Next, Step};

/// How far something is that a batch refers to.
enum Standing {
    /// It has an address, never will have one, or is linked by others.
    Settled,
    /// It belongs to the pending batch.
    Pending,
    /// Somebody compiles it, or puts a batch with it together.
    Open(UnitId),
}

impl State {
    /// Lets a task go on with a step when units are far enough.
    pub fn suspend(&mut self, id: TaskId, step: Step, required: Required, units: impl IntoIterator<Item = UnitId>) {
        let query = self.open_query(required, true, Consumer::Task(id));
        self.change_task(id, |task| task.suspend(Work::Link(step), query));
        self.news.needs += 1;
        self.ask(query, units.into_iter().map(Want::Unit).collect());
        self.hurry_if_idle();
    }

    /// Has a suspended task dispatched, whatever it waits for.
    pub(super) fn resume(&mut self, id: TaskId) {
        if self.change_task(id, |task| std::mem::take(&mut task.suspended)) == Some(true) {
            self.effects.tasks.push(id);
            self.effects.progress = true;
            self.news.tasks += 1;
        }
    }

    /// Lets the pending batch go on as it is if no task could hand anything in for it.
    pub(super) fn hurry_if_idle(&mut self) {
        if self.active == 0
            && let Some(pending) = self.pending.and_then(|id| self.tasks.get(id)).filter(|task| task.suspended)
            && let Some(query) = pending.blocked
        {
            self.answer(query, Err(Error::Deadlock { unit: "a batch".into() }));
        }
    }

    /// Changes a task, and keeps count of those that can go on.
    pub(super) fn change_task<R>(&mut self, id: TaskId, change: impl FnOnce(&mut Task) -> R) -> Option<R> {
        let task = self.tasks.get_mut(id)?;
        let before = task.is_active();
        let result = change(task);
        self.active = self.active + usize::from(task.is_active()) - usize::from(before);
        Some(result)
    }

    /// Has a unit linked that a client has compiled, together with what waits for others to be compiled.
    pub(super) fn hand_in(&mut self, unit: UnitId) {
        let pending = self.pending.and_then(|id| Some((id, self.tasks.get_mut(id)?.gathering()?)));
        let task = match pending {
            Some((task, gathering)) => {
                gathering.arrived.push(unit);
                self.resume(task);
                task
            }
            None => {
                let work = Work::Link(Step::Gather(Gathering::of(vec![unit])));
                let task = self.add_task(work, Priority::Normal);
                self.pending = Some(task);
                task
            }
        };
        self.assign(task, &[unit]);
    }

    /// Decides how a batch goes on that has read all there was; a hurried one waits for nobody.
    pub fn go_on(&mut self, id: TaskId, mut batch: Box<Gathering>, hurried: bool) -> Next {
        if hurried {
            return Next::Link(batch);
        }
        loop {
            let Some(symbol) = batch.awaits.last() else { return Next::Link(batch) };
            let open = match self.standing(self.symbol(*symbol).unit, id) {
                Standing::Settled => {
                    batch.awaits.pop();
                    continue;
                }
                Standing::Pending => None,
                Standing::Open(unit) => Some(unit),
            };
            let Some(pending) = self.pending else {
                self.pending = Some(id);
                self.suspend(id, Step::Gather(batch), Required::Resolved, open);
                return Next::Wait;
            };
            batch = match self.join_pending(id, batch, pending) {
                Some(joined) if joined.arrived.is_empty() => joined,
                Some(joined) => return Next::Read(joined),
                None => return Next::Joined,
            };
        }
    }

    /// Whether the batch of a task that refers to a unit had better be one with it: others compile it, or link it and may
    /// wait for something to be compiled.
    pub fn may_join(&self, id: UnitId, task: TaskId) -> bool {
        let unit = self.unit(id);
        unit.task != Some(task) && matches!(unit.phase, Phase::Materializing)
    }

    fn standing(&mut self, id: UnitId, task: TaskId) -> Standing {
        let Some(unit) = self.units.get(id.index()) else { return Standing::Settled };
        if matches!(unit.phase, Phase::Waiting) && unit.object.is_none() {
            // Whoever was to define it has given it back.
            self.demand([id]);
        }
        match self.may_join(id, task) {
            false => Standing::Settled,
            true if self.unit(id).task.is_some() && self.unit(id).task == self.pending => Standing::Pending,
            true => Standing::Open(id),
        }
    }

    /// Makes one batch of that of a running task and the pending one. Returns it if it is the running task's to go on with.
    fn join_pending(&mut self, id: TaskId, mut batch: Box<Gathering>, pending: TaskId) -> Option<Box<Gathering>> {
        let Some(other) = self.tasks.get_mut(pending).and_then(|task| task.gathering()) else {
            self.pending = None;
            return Some(batch);
        };
        if batch.len() < other.len() {
            let units = batch.units();
            other.absorb(*batch);
            self.assign(pending, &units);
            // What it has waited for may be part of it now.
            self.resume(pending);
            return None;
        }
        let other = std::mem::take(other);
        let units = other.units();
        batch.absorb(other);
        self.assign(id, &units);
        self.end_task(pending);
        Some(batch)
    }
}
