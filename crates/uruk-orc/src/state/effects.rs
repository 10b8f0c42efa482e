//! What a change of the state asks for outside of it. Nothing here runs while the session's lock is held.

use super::{Answer, TaskId};
use crate::objects::Linked;
use crate::session::Session;
use std::task::Waker;

/// A client's function that is told a query's answer.
pub(crate) type Callback = Box<dyn FnOnce(Answer) + Send>;

/// A client's function that is called once, as a task.
pub(crate) type Call = Box<dyn FnOnce(&Session) + Send>;

#[derive(Default)]
pub(crate) struct Effects {
    /// Queries with callbacks that were answered.
    pub answers: Vec<(Callback, Answer)>,
    /// Futures whose queries were answered.
    pub wakers: Vec<Waker>,
    /// Tasks to be dispatched.
    pub tasks: Vec<TaskId>,
    /// What nobody needs any more: units of clients, calls that will not be made, and what clients wanted to keep: their
    /// destructors are foreign code.
    pub dropped: Vec<Box<dyn Send>>,
    /// Memory and registrations to be given back, after finalisers have run.
    pub freed: Vec<Linked>,
    /// The same without running anything.
    pub discarded: Vec<Linked>,
    /// Threads that wait may find that they need not.
    pub progress: bool,
}
