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
    /// The start of the batch's thread-local image (`_TLS_MODULE_BASE_`).
    ThreadImage,
    /// At a place that only layout decides: a bound of a gathered section, the GOT.
    Bound,
}

/// The targets of one object's global symbols: a byte each, and a list of the few that carry a number.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    first: u32,
    tags: Vec<Tag>,
    /// Addresses and numbers of known and thread-local targets, in order of symbol.
    numbers: Vec<(SymbolId, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tag {
    Own,
    Near,
    Far,
    Known,
    ThreadLocal,
    ThreadImage,
    Bound,
}

impl Targets {
    /// Everything is the object's own until somebody says otherwise.
    pub fn new(graph: &LinkGraph) -> Targets {
        let first = graph.first_global.0;
        Targets { first, tags: vec![Tag::Own; graph.symbols.len() - first as usize], numbers: Vec::new() }
    }

    /// Where a symbol is defined; a local one is always the object's own, and so is one that the linker has added.
    pub fn get(&self, id: SymbolId) -> Target {
        let Some(index) = id.0.checked_sub(self.first) else { return Target::Own };
        match self.tags.get(index as usize) {
            None | Some(Tag::Own) => Target::Own,
            Some(Tag::Near) => Target::Near,
            Some(Tag::Far) => Target::Far,
            Some(Tag::Known) => Target::Known(self.number(id)),
            Some(Tag::ThreadLocal) => Target::ThreadLocal(self.number(id) as u32),
            Some(Tag::ThreadImage) => Target::ThreadImage,
            Some(Tag::Bound) => Target::Bound,
        }
    }

    fn number(&self, id: SymbolId) -> u64 {
        let found = self.numbers.binary_search_by_key(&id, |(id, _)| *id);
        found.map_or(0, |at| self.numbers[at].1)
    }

    /// All global symbols with their targets, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SymbolId, Target)> + '_ {
        let ids = (self.first..).map(SymbolId);
        ids.zip(&self.tags).map(|(id, tag)| match tag {
            Tag::Own => (id, Target::Own),
            Tag::Near => (id, Target::Near),
            _ => (id, self.get(id)),
        })
    }

    /// Says where a global symbol is defined.
    pub fn set(&mut self, id: SymbolId, target: Target) {
        let (tag, number) = match target {
            Target::Own => (Tag::Own, None),
            Target::Near => (Tag::Near, None),
            Target::Far => (Tag::Far, None),
            Target::Known(address) => (Tag::Known, Some(address)),
            Target::ThreadLocal(number) => (Tag::ThreadLocal, Some(u64::from(number))),
            Target::ThreadImage => (Tag::ThreadImage, None),
            Target::Bound => (Tag::Bound, None),
        };
        self.tags[(id.0 - self.first) as usize] = tag;
        if let Some(number) = number {
            match self.numbers.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(at) => self.numbers[at].1 = number,
                Err(at) => self.numbers.insert(at, (id, number)),
            }
        }
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
