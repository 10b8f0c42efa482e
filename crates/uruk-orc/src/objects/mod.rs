//! The object-linking layer: units that are object files, or link graphs that compilers have made, linked in batches.
//!
//! Data flow of a batch: the units that a look-up claimed → [`resolve`] reads their graphs, finds what they refer to
//! and claims that too, until nothing new comes → [`collect`] drops what nothing reaches, where that is wanted →
//! [`batch`] lays all of them out together, publishes addresses, fixes up and finalizes, and [`shown`] tells
//! debuggers. [`passes`] lets plugins take part. A member that fails leaves the batch; only what depends on it fails with it.

mod actions;
mod batch;
mod collect;
mod emit;
mod finish;
mod found;
mod gather;
mod passes;
mod resolve;
mod shown;
mod threads;

pub(crate) use batch::{Step, link};
pub(crate) use finish::{Farewell, Linked, TableFunction};
pub(crate) use gather::{Gathering, Next};
pub use passes::Retained;
pub use resolve::is_linker_defined;

use crate::error::Error;
use crate::state::SymbolId;
use resolve::Reference;
use std::sync::{Mutex, OnceLock, PoisonError};
use uruk_jitlink::error::LinkError;
use uruk_jitlink::format;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::{Interface, Strength};
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
            Linkable::Object(input) => Ok((format::interface(&input, names)?, format::read(&input, names)?)),
            Linkable::Graph(graph) => Ok((Interface::made(&graph, names), *graph)),
        }
    }

    /// An object of which everything is read.
    pub(crate) fn read(self, names: &Names) -> Result<Object, Error> {
        let (interface, graph) = self.open(names)?;
        Ok(Object::compiled(interface, graph))
    }
}

/// An object that has been added to a dylib, or that a client's unit was compiled to.
pub(crate) struct Object {
    pub interface: Interface,
    /// The graph, where a compiler has made it, until it is linked; files are read from their bytes instead.
    made: Option<Mutex<Option<Box<LinkGraph>>>>,
    /// The symbol of each of its globals that it defines, whoever won the definition.
    pub symbols: OnceLock<Vec<Option<SymbolId>>>,
}

impl Object {
    pub fn read(input: &Input, names: &Names) -> Result<Object, Error> {
        let interface = format::interface(input, names)?;
        Ok(Object { interface, made: None, symbols: OnceLock::new() })
    }

    /// Of a graph that has been made in memory.
    pub fn made(graph: LinkGraph, names: &Names) -> Object {
        Object::compiled(Interface::made(&graph, names), graph)
    }

    /// Of a graph and what it defines and refers to.
    fn compiled(interface: Interface, graph: LinkGraph) -> Object {
        Object { interface, made: Some(Mutex::new(Some(Box::new(graph)))), symbols: OnceLock::new() }
    }

    /// The same with other symbols, which passes have given to its graph.
    pub fn edited(&self, interface: Interface) -> Object {
        let made = self.made.as_ref().map(|_| Mutex::default());
        Object { interface, made, symbols: OnceLock::new() }
    }

    /// The graph to be linked; one that was made is handed out once.
    pub fn graph(&self, names: &Names) -> Result<LinkGraph, Error> {
        let Some(made) = &self.made else { return Ok(format::read(&self.interface.input, names)?) };
        let graph = made.lock().unwrap_or_else(PoisonError::into_inner).take();
        graph.map(|graph| *graph).ok_or_else(|| Error::Forked { what: self.interface.input.name().to_string() })
    }

    /// Whether the graph can be had, perhaps once more.
    pub fn has_graph(&self) -> bool {
        self.made.as_ref().is_none_or(|made| made.lock().unwrap_or_else(PoisonError::into_inner).is_some())
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
