//! ELF: relocatable objects to interfaces and link graphs.
//!
//! [`interface`] reads what an object defines and needs; [`read`] makes the whole graph. [`x86_64`] maps relocation
//! types to edge kinds.

mod edges;
pub(crate) mod headers;
pub mod interface;
mod read;
pub(crate) mod relocations;
pub(crate) mod sections;
mod strings;
pub mod x86_64;

pub use headers::Headers;
pub use interface::{Global, Interface, Strength};
pub use read::read;
