//! ELF: relocatable objects to interfaces and link graphs.
//!
//! [`interface`] reads what an object defines and needs; [`read`] makes the whole graph. Each architecture has a file that
//! maps its relocation types to edge kinds, in a [`Machine`]; [`machine`] lists these.

pub mod aarch64;
mod class;
mod edges;
pub(crate) mod headers;
pub mod interface;
pub mod machine;
mod read;
pub(crate) mod relocations;
pub mod riscv32;
pub mod riscv64;
pub(crate) mod sections;
pub(crate) mod strings;
pub mod x86_64;

pub use headers::Headers;
pub use machine::Machine;
pub use read::read;
