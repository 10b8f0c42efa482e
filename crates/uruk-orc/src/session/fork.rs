//! A session across `fork`: its locks are held meanwhile, so that the child finds it whole.
//!
//! The child has a copy of the session and one thread. It may go on with it: tasks run in place, and what other threads
//! were about is done anew or has failed with [`Error::Forked`](crate::error::Error::Forked). Pins that they had are never
//! let go of, and calls of [`Session::spawn`](super::Session::spawn) that had not begun are not made.

use super::Shared;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use uruk_executor::at_fork::{Held, Locks};

impl Locks for Shared {
    fn take(&self) -> Held<'_> {
        // The state's first: names are looked up under it.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let dispatcher = self.dispatcher.write().unwrap_or_else(PoisonError::into_inner);
        let generators = self.generators.write().unwrap_or_else(PoisonError::into_inner);
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let stubs = self.stubs.lock().unwrap_or_else(PoisonError::into_inner);
        Box::new((state, dispatcher, generators, reports, stubs, self.wishes.hold(), self.names.hold()))
    }

    fn in_child(&self) {
        self.forked.store(true, Ordering::Relaxed);
        // Plugins may have edited objects that were being read.
        let relink = self.wishes.plugins().is_none();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).forked(relink);
    }
}
