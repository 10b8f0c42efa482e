//! The session as its clients see it.

mod destructors;
mod graphs;
mod lookups;
mod misuse;
mod reexports;
mod support;
mod under_way;
mod units;
