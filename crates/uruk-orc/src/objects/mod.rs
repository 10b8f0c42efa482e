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
use resolve::Reference;
use std::sync::{Mutex, OnceLock, PoisonError};
use uruk_jitlink::elf::{self, Interface, Strength};
use uruk_jitlink::error::LinkError;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// What a compiler makes.
#[non_exhaustive]
pub enum Linkable {
    /// The bytes of an object file.
    Object(Input),
    /// A graph that was made without a file.
    Graph(Box<LinkGraph>),
}

impl From<Input> for Linkable {
    fn from(object: Input) -> Linkable {
        Linkable::Object(object)
    }
}

impl From<LinkGraph> for Linkable {
    fn from(graph: LinkGraph) -> Linkable {
        Linkable::Graph(Box::new(graph))
    }
}

impl Linkable {
    /// Its interface and its graph.
    pub(crate) fn open(self, names: &Names) -> Result<(Interface, LinkGraph), LinkError> {
        match self {
            Linkable::Object(input) => Ok((Interface::read(&input, names)?, elf::read(&input, names)?)),
            Linkable::Graph(graph) => Ok((Interface::made(&graph, names), *graph)),
        }
    }
}

/// An object that has been added to a dylib, or that a client's unit was compiled to.
pub(crate) struct Object {
    pub interface: Interface,
    /// The symbol of each of its globals that it defines, whoever won the definition.
    pub symbols: OnceLock<Vec<Option<SymbolId>>>,
    /// Its graph, if that is made already; a batch takes it.
    graph: Mutex<Option<Box<LinkGraph>>>,
}

impl Object {
    pub fn new(interface: Interface) -> Object {
        Object { interface, symbols: OnceLock::new(), graph: Mutex::new(None) }
    }

    /// The same with its graph, and the symbols that it defines.
    pub fn made(interface: Interface, graph: LinkGraph, symbols: Vec<Option<SymbolId>>) -> Object {
        Object { interface, symbols: symbols.into(), graph: Mutex::new(Some(Box::new(graph))) }
    }

    /// Whether its graph can be read as often as wanted.
    pub fn is_file(&self) -> bool {
        !self.interface.input.is_empty()
    }

    /// Its graph, made of its bytes unless it is there.
    fn read(&self, names: &Names) -> Result<LinkGraph, LinkError> {
        match self.graph.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(graph) => Ok(*graph),
            None => elf::read(&self.interface.input, names),
        }
    }

    /// What its globals are found to be before anything is looked for.
    fn references(&self) -> Vec<Reference> {
        let own = self.symbols().iter().copied().chain(std::iter::repeat(None));
        let references = self.interface.globals.iter().zip(own).map(|(global, own)| match (global.strength, own) {
            (Strength::Local, None) => Reference::Own,
            _ => Reference::Unknown,
        });
        references.collect()
    }

    /// The symbols that this object defines, in the order of its globals; `None` for references.
    pub fn symbols(&self) -> &[Option<SymbolId>] {
        self.symbols.get().map_or(&[], Vec::as_slice)
    }
}
