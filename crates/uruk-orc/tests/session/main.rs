//! The session as its clients see it.

mod graphs;
mod lookups;
mod reexports;
mod support;
mod units;
