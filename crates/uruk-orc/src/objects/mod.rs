//! The object-linking layer: units that are object files, linked in batches.
//!
//! Data flow of a batch: the units that a look-up claimed → [`resolve`] reads their graphs, finds what they refer to
//! and claims that too, until nothing new comes → [`collect`] drops what nothing reaches, where that is wanted →
//! [`batch`] lays all of them out together, publishes addresses, fixes up and finalizes, and [`shown`] tells
//! debuggers. [`passes`] lets plugins take part. A member that fails leaves the batch; only what depends on it fails with it.

mod batch;
mod collect;
mod finish;
mod found;
mod passes;
mod resolve;
mod shown;
mod threads;

pub(crate) use batch::link;
pub(crate) use finish::{Linked, TableFunction};
pub use passes::Retained;
pub(crate) use resolve::is_linker_defined;

use crate::state::SymbolId;
use std::sync::OnceLock;
use uruk_jitlink::elf::Interface;

/// An object that has been added to a dylib.
pub(crate) struct Object {
    pub interface: Interface,
    /// The symbol of each of its globals that it defines, whoever won the definition.
    pub symbols: OnceLock<Vec<Option<SymbolId>>>,
}

impl Object {
    pub fn new(interface: Interface) -> Object {
        Object { interface, symbols: OnceLock::new() }
    }

    /// The symbols that this object defines, in the order of its globals; `None` for references.
    pub fn symbols(&self) -> &[Option<SymbolId>] {
        self.symbols.get().map_or(&[], Vec::as_slice)
    }
}
