//! How many tests went which way.

use anyhow::Result;
use std::fmt::Display;
use std::ops::AddAssign;

/// How many tests of a step went which way.
#[derive(Clone, Copy, Default)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
}

impl Count {
    /// A single one.
    pub fn of(success: bool) -> Count {
        Count { passed: usize::from(success), failed: usize::from(!success) }
    }

    /// Counts one more, and prints why it failed if it did.
    pub fn note(&mut self, what: impl Display, result: Result<()>) {
        *self += Count::of(result.is_ok());
        if let Err(error) = result {
            println!("{what}: {error:#}");
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}
