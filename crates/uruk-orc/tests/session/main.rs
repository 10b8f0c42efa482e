//! The session as its clients see it.

mod coalescing;
mod destructors;
mod graphs;
mod lookups;
mod misuse;
mod reexports;
mod searches;
mod support;
mod under_way;
mod units;
