//! The state in the child of a fork, where only one of the threads goes on that were at work.
//!
//! Invariant: afterwards everything that is under way is this thread's, or can be done by a thread that waits for it.

use super::{Phase, State, UnitId};
use crate::error::Error;

impl State {
    /// Gives up what other threads were doing. Objects that they had not placed yet can be linked anew, if `relink` says
    /// that they are as they were added; other units fail, and so does what depends on them. What has to happen outside
    /// of the lock waits for the next change.
    pub fn forked(&mut self, relink: bool) {
        self.end_lost_tasks();
        self.freeing = self.effects.freed.len() + self.effects.discarded.len();
        let (mut failures, mut again) = (Vec::new(), Vec::new());
        for index in 0..self.units.len() as u32 {
            let id = UnitId(index);
            let unit = self.unit(id);
            if !unit.busy || unit.task.is_some_and(|task| self.has_task(task)) {
                continue;
            }
            let is_object = unit.object.as_ref().is_some_and(|object| object.has_graph());
            match unit.phase {
                Phase::Materializing if relink && is_object && !unit.gone => {
                    let unit = self.unit_mut(id);
                    (unit.phase, unit.busy, unit.task) = (Phase::Waiting, false, None);
                    if !unit.asked.is_empty() || !unit.dependants.is_empty() {
                        again.push(id);
                    }
                }
                Phase::Materializing | Phase::Resolved => {
                    failures.push((id, Error::Forked { what: unit.name.to_string() }));
                }
                Phase::Waiting | Phase::Emitted | Phase::Ready | Phase::Failed(_) => self.end_unit(id),
            }
        }
        self.give_up(failures);
        self.demand(again);
        // Whoever waits for these tasks runs them.
        self.effects.tasks.clear();
        self.answer_unattended();
    }
}
