//! Batches that are being put together: what has been claimed or compiled, and what that refers to.
//!
//! Data flow: claimed objects, and what clients' units were compiled to, are read and bound → what they refer to is
//! claimed in its turn, or compiled → when nothing is missing the batch is linked. Invariants: at most one batch waits
//! for something to be compiled, without a thread, and whatever is handed in meanwhile joins it; so functions that call
//! each other in any way are one batch, or few, and cost what they have in references. The batch goes on as it is if what
//! it waits for turns out to wait for it.

use super::resolve::{Closure, Job};
use crate::session::Session;
use crate::state::{SymbolId, TaskId, UnitId};

/// A batch that is being put together.
#[derive(Default)]
pub(crate) struct Gathering {
    /// What has been read.
    closure: Option<Closure>,
    /// What has not.
    pub arrived: Vec<UnitId>,
    /// Symbols that were being compiled, or still to be, when something was bound to them.
    pub awaits: Vec<SymbolId>,
}

/// How a batch goes on that has nothing more to read.
pub(crate) enum Next {
    /// There is more to read.
    Read(Box<Gathering>),
    /// It is complete.
    Link(Box<Gathering>),
    /// It waits, in its task.
    Wait,
    /// It has become part of another one.
    Joined,
}

impl Gathering {
    /// Of claimed units.
    pub fn of(units: Vec<UnitId>) -> Box<Gathering> {
        Box::new(Gathering { arrived: units, ..Gathering::default() })
    }

    /// All units of the batch.
    pub fn units(&self) -> Vec<UnitId> {
        let read = self.closure.iter().flat_map(|closure| closure.jobs.iter().map(|job: &Job| job.unit));
        let failed = self.closure.iter().flat_map(|closure| closure.failed.iter().map(|(unit, _)| *unit));
        read.chain(failed).chain(self.arrived.iter().copied()).collect()
    }

    /// How much there is of it.
    pub fn len(&self) -> usize {
        self.closure.as_ref().map_or(0, |closure| closure.jobs.len()) + self.arrived.len()
    }

    /// Takes another one in.
    pub fn absorb(&mut self, other: Gathering) {
        self.arrived.extend(other.arrived);
        self.awaits.extend(other.awaits);
        match (&mut self.closure, other.closure) {
            (Some(closure), Some(other)) => closure.absorb(other),
            (None, other) => self.closure = other,
            (Some(_), None) => {}
        }
    }
}

/// Reads what there is to read, as part of a task. Returns what is to be linked, if that is decided.
pub(super) fn gather(
    session: &Session,
    task: TaskId,
    mut batch: Box<Gathering>,
    hurried: bool,
) -> Result<Closure, Next> {
    loop {
        let Gathering { closure, arrived, awaits } = &mut *batch;
        let closure = closure.get_or_insert_with(|| Closure::new(session));
        closure.extend(session, task, std::mem::take(arrived), awaits);
        match session.update(|state| state.go_on(task, batch, hurried)) {
            Next::Read(more) => batch = more,
            Next::Link(complete) => return Ok(complete.closure.unwrap_or_default()),
            over => return Err(over),
        }
    }
}
