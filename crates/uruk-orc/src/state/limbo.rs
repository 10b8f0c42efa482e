//! Ids of what was removed, until nobody can hold one from before.
//!
//! Invariants: tasks, queries and visitors of the state that keep ids while the lock is free are *active* from their
//! epoch on; an id that was given up is used again once everyone who was active then is gone.

use super::{SymbolId, UnitId};
use std::collections::{BTreeMap, VecDeque};

/// When somebody became active.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Epoch(u64);

#[derive(Default)]
pub(super) struct Limbo {
    now: u64,
    active: BTreeMap<Epoch, u32>,
    symbols: VecDeque<(Epoch, SymbolId)>,
    units: VecDeque<(Epoch, UnitId)>,
}

impl Limbo {
    pub fn enter(&mut self) -> Epoch {
        let epoch = Epoch(self.now);
        *self.active.entry(epoch).or_insert(0) += 1;
        epoch
    }

    pub fn leave(&mut self, epoch: Epoch) {
        if let Some(count) = self.active.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&epoch);
            }
        }
    }

    pub fn give_symbol(&mut self, symbol: SymbolId) {
        let epoch = self.tick();
        self.symbols.push_back((epoch, symbol));
    }

    pub fn give_unit(&mut self, unit: UnitId) {
        let epoch = self.tick();
        self.units.push_back((epoch, unit));
    }

    pub fn take_symbol(&mut self) -> Option<SymbolId> {
        let (epoch, symbol) = *self.symbols.front()?;
        (epoch < self.oldest()).then(|| self.symbols.pop_front())?;
        Some(symbol)
    }

    pub fn take_unit(&mut self) -> Option<UnitId> {
        let (epoch, unit) = *self.units.front()?;
        (epoch < self.oldest()).then(|| self.units.pop_front())?;
        Some(unit)
    }

    /// How many symbols and units wait for somebody to need them.
    pub fn unused(&self) -> (usize, usize) {
        (self.symbols.len(), self.units.len())
    }

    /// The epoch of what is given up now; who comes later does not know it.
    fn tick(&mut self) -> Epoch {
        self.now += 1;
        Epoch(self.now - 1)
    }

    fn oldest(&self) -> Epoch {
        self.active.keys().next().copied().unwrap_or(Epoch(self.now))
    }
}
