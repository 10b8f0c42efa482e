//! Programs in other processes: over every transport, and through everything that can go wrong on the way.

mod faults;
mod link;
mod loader;
mod lost;
mod lying;
mod programs;
mod repeated;
mod sandbox;
mod shared;
mod support;
mod transports;
