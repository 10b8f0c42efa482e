//! Failures that no call of the client's waits for.

use crate::error::Failure;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What a manager could not tell its client, until somebody asks.
#[derive(Default)]
pub struct Reports(Mutex<VecDeque<Failure>>);

impl Reports {
    /// Keeps one: that a callback was not called, and why.
    pub fn add(&self, what: String, failure: &Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure.of(what));
    }

    /// The first that nobody has taken.
    pub fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Errors with all that nobody has taken, where nobody will ask any more.
    pub fn finish(&self) -> Result<(), Failure> {
        let Some(first) = self.take() else { return Ok(()) };
        let rest = std::iter::from_fn(|| self.take());
        let texts: Vec<_> = std::iter::once(first.text.clone()).chain(rest.map(|report| report.text)).collect();
        Err(Failure::new(first.status, texts.join("; ")))
    }
}
