//! Graphs as relocatable objects, linked by the system's linkers: programs do what those of the compilers' objects do.
//!
//! Needs gcc, clang-22 and lld-22; for other architectures the cross compilers, and qemu.

mod data;
mod errors;
mod formats;
mod programs;
mod same;
mod system;
