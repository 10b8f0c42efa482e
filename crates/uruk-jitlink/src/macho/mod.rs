//! Mach-O: relocatable objects to interfaces and link graphs.
//!
//! [`interface`] reads what an object defines and needs; [`read`] makes the whole graph. Each architecture has a file that
//! maps its relocation types to edge kinds, in a [`Machine`]; [`machine`] lists these. [`universal`] finds the part of a
//! file for several architectures that one of them wants.
//!
//! Names are as the object has them, with the underscore that compilers for Darwin put before those of C.

mod blocks;
mod compact;
pub(crate) mod dwarf;
mod edges;
pub(crate) mod headers;
pub mod interface;
pub mod machine;
mod offsets;
mod read;
mod sections;
mod symbols;
mod synthesize;
pub mod universal;
mod unwind;

pub mod arm64;
pub mod x86_64;

pub use machine::Machine;
pub use read::read;
