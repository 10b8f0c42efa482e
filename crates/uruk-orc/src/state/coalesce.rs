//! Weak definitions that are one for the whole program: the first dylib in the root's order that shows a name has the
//! definition, and the weak ones of dylibs behind it stand for that.
//!
//! Invariants: a symbol that was coalesced stays its unit's, for the unit's own use of the id, but its dylib's table
//! leads to the other symbol, and so does whoever was given the id before. When the other one goes, the name goes with
//! it from the dylibs that shared it.

use super::{DylibId, REMOVED, State, SymbolId, UnitId};
use uruk_jitlink::format::Convention;
use uruk_jitlink::names::Name;

impl State {
    /// The dylibs of the program in the order in which objects of a calling convention are searched for from its root,
    /// breadth first.
    pub fn scope(&self, convention: Convention) -> Vec<DylibId> {
        let mut scope: Vec<DylibId> = self.root.into_iter().collect();
        let mut at = 0;
        while let Some(dylib) = scope.get(at).copied() {
            at += 1;
            for entry in self.order_for(dylib, convention) {
                if !scope.contains(&entry.dylib) {
                    scope.push(entry.dylib);
                }
            }
        }
        scope
    }

    /// The definition of a name that others see, in the first of these dylibs that has one.
    pub fn first_shown(&self, dylibs: &[DylibId], name: Name) -> Option<SymbolId> {
        dylibs.iter().find_map(|dylib| {
            let id = self.dylib(*dylib).table.get(name)?;
            let symbol = self.symbol(id);
            (symbol.exported && symbol.unit != REMOVED).then_some(id)
        })
    }

    /// Lets a unit's weak definition stand for another dylib's.
    pub fn coalesce(&mut self, own: SymbolId, other: SymbolId) {
        let symbol = *self.symbol(own);
        self.published.wipe(own);
        self.dylibs[symbol.dylib.index()].table.set(symbol.name, Some(other));
        self.coalesced.insert(own, other);
        self.sharers.entry(other).or_default().push(own);
    }

    /// The symbol that an id stands for.
    pub fn representative_of(&self, id: SymbolId) -> SymbolId {
        self.coalesced.get(&id).copied().unwrap_or(id)
    }

    /// Undoes what a symbol that goes has to do with others.
    pub(super) fn part(&mut self, id: SymbolId, unit: UnitId) {
        if let Some(other) = self.coalesced.remove(&id)
            && let Some(sharers) = self.sharers.get_mut(&other)
        {
            sharers.retain(|sharer| *sharer != id);
        }
        for own in self.sharers.remove(&id).unwrap_or_default() {
            self.coalesced.remove(&own);
            let symbol = *self.symbol(own);
            if symbol.unit != unit {
                self.dylibs[symbol.dylib.index()].table.set(symbol.name, None);
            }
        }
    }
}
