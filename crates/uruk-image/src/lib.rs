//! Boot images: the world that a running program has built, frozen so that it starts from there.
//!
//! Data flow: a client says what its memory looks like ([`types`]), where its objects and global cells are and which fields hold
//! addresses of other libraries' symbols ([`World`]) → everything that named roots lead to is found ([`World::trace`]), with what
//! pulled it in → a link graph of its data ([`Closure::to_graph`]) → with those of its code ([`Code`]), a file ([`write_elf`],
//! [`write_object`]). [`Freeze`] does all of it but the last step.
//! Invariants: nothing here changes the running program; what is found, and its order, depends on the graph of objects and on names
//! alone, never on addresses; whatever cannot be right in another process is an error or a finding with its path from a root.
//! Words that hold addresses are 8 bytes, little-endian.

mod batch;
mod closure;
mod code;
mod data;
mod definitions;
mod elf;
mod error;
mod freeze;
mod initialiser;
mod library;
mod link;
pub mod mapped;
pub mod memory;
mod object;
mod packed;
mod pointers;
mod proof;
mod save;
mod summary;
pub mod types;
mod world;

pub use crate::object::write_object;
pub use closure::{Closure, Edge, Kept, Owner, Place, Share, Target};
pub use code::Code;
pub use data::CodeSymbols;
pub use elf::{ElfKind, ElfOptions, write_elf};
pub use error::Error;
pub use freeze::{Freeze, Frozen};
pub use library::{Library, LibrarySymbol};
pub use memory::Memory;
pub use pointers::{External, Move, PointerEntry};
pub use proof::{Finding, Mapping, Mappings, check};
pub use save::save;
pub use summary::{Part, Summary};
pub use types::{Count, Field, Pointer, Tags, Tail, Type, TypeId};
pub use world::{Heap, World};

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/images.md")]
mod guide {}
