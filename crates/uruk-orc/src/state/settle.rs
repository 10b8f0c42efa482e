//! How units become ready, or fail, together with what depends on them.

use super::{Phase, State, SymbolId, UnitId};
use crate::error::Error;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl State {
    /// A unit's addresses have been entered.
    pub fn resolved(&mut self, id: UnitId) {
        let unit = &mut self.units[id.index()];
        if matches!(unit.phase, Phase::Materializing) {
            unit.phase = Phase::Resolved;
        }
    }

    /// Units whose bytes are final, each with the units outside of them that it reaches and that were not ready.
    /// Whatever becomes ready by that does so here.
    pub fn emit(&mut self, emitted: Vec<(UnitId, Vec<(UnitId, SymbolId)>)>) {
        let independent = emitted.iter().all(|(_, needs)| needs.is_empty());
        if independent && self.waiting.is_empty() {
            for (id, _) in emitted {
                self.units[id.index()].phase = Phase::Ready;
            }
            return;
        }
        for (id, needs) in emitted {
            let unit = &mut self.units[id.index()];
            unit.phase = Phase::Emitted;
            unit.needs = needs;
            self.waiting.push(id);
        }
        self.settle();
    }

    /// Makes ready, or fails, every emitted unit about which that can be said now.
    fn settle(&mut self) {
        // What is reached from a unit that is still being materialized waits; what reaches a failed one fails.
        let mut dependants: HashMap<UnitId, Vec<(UnitId, SymbolId)>> = HashMap::new();
        let mut blocked = Vec::new();
        let mut failed = Vec::new();
        for &id in &self.waiting {
            for &(need, symbol) in &self.unit(id).needs {
                dependants.entry(need).or_default().push((id, symbol));
                match self.unit(need).phase {
                    Phase::Emitted | Phase::Ready => {}
                    Phase::Failed(_) => failed.push(need),
                    _ => blocked.push(need),
                }
            }
        }
        while let Some(id) = failed.pop() {
            let Phase::Failed(cause) = self.unit(id).phase.clone() else { continue };
            for (dependant, symbol) in dependants.remove(&id).unwrap_or_default() {
                if matches!(self.unit(dependant).phase, Phase::Emitted) {
                    let error = self.dependency(dependant, symbol, id, cause.clone());
                    self.units[dependant.index()].phase = Phase::Failed(error);
                    failed.push(dependant);
                }
            }
        }
        let mut held = HashSet::new();
        while let Some(id) = blocked.pop() {
            for (dependant, _) in dependants.remove(&id).unwrap_or_default() {
                if held.insert(dependant) {
                    blocked.push(dependant);
                }
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        for id in waiting {
            if !matches!(self.unit(id).phase, Phase::Emitted) {
                continue;
            }
            if held.contains(&id) {
                self.waiting.push(id);
            } else {
                let unit = &mut self.units[id.index()];
                unit.phase = Phase::Ready;
                unit.needs = Vec::new();
            }
        }
    }

    pub fn dependency(&self, who: UnitId, symbol: SymbolId, whose: UnitId, cause: Error) -> Error {
        Error::Dependency {
            who: self.unit(who).name.to_string(),
            symbol: self.names.text(self.symbol(symbol).name),
            whose: self.unit(whose).name.to_string(),
            cause: Arc::new(cause),
        }
    }

    /// Fails a unit, and everything that waits for it.
    pub fn fail(&mut self, id: UnitId, error: Error) {
        self.units[id.index()].phase = Phase::Failed(error);
        if !self.waiting.is_empty() {
            self.settle();
        }
    }
}
