//! What became of an object's global symbols, as the session tells the linker.

use crate::graph::{Binding, Definition, LinkGraph, SymbolId};

/// Where a global symbol's one definition lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// In this object.
    Own,
    /// In memory of the same session and placement, thus in reach; the address follows after layout.
    Near,
    /// In memory of the same session but of another placement, out of reach; the address follows after layout.
    Far,
    /// At this address, which may be 0 for a weak symbol that nobody defines.
    Known(u64),
    /// A thread-local variable of another object or library: an index of the batch's list of these.
    ThreadLocal(u32),
    /// At a place that only layout decides: a bound of a gathered section, the GOT.
    Bound,
}

/// The targets of one object's global symbols.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    first: u32,
    targets: Vec<Target>,
}

impl Targets {
    /// Everything is the object's own until somebody says otherwise.
    pub fn new(graph: &LinkGraph) -> Targets {
        let first = graph.first_global.0;
        Targets { first, targets: vec![Target::Own; graph.symbols.len() - first as usize] }
    }

    /// Where a symbol is defined; a local one is always the object's own, and so is one that the linker has added.
    pub fn get(&self, id: SymbolId) -> Target {
        let index = id.0.checked_sub(self.first);
        index.and_then(|index| self.targets.get(index as usize)).copied().unwrap_or(Target::Own)
    }

    /// Says where a global symbol is defined.
    pub fn set(&mut self, id: SymbolId, target: Target) {
        self.targets[(id.0 - self.first) as usize] = target;
    }

    /// Where a symbol is defined, with numbers told apart from places.
    pub fn of(&self, graph: &LinkGraph, id: SymbolId) -> Target {
        let symbol = graph.symbol(id);
        match (self.get(id), symbol.definition) {
            (Target::Own, Definition::Absolute) => Target::Known(symbol.value),
            (target, _) => target,
        }
    }
}

/// Whether a symbol may stay undefined.
pub fn may_be_null(graph: &LinkGraph, id: SymbolId) -> bool {
    graph.symbol(id).binding == Binding::Weak
}
