//! The session as its clients see it.

mod lookups;
mod reexports;
mod support;
mod units;
