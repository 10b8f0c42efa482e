//! What a client that materializes a unit may do to it: resolve, emit, split, extend, give back.

use super::{NO_UNIT, Phase, State, SymbolId, Unit, UnitId};
use crate::error::Error;
use crate::objects::Linked;
use crate::unit::{Definition, MaterializationUnit, Promises};
use std::any::Any;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::memory::Segment;
use uruk_jitlink::names::Name;

impl State {
    /// The names that a unit still has to define, with whether somebody asked for each.
    pub fn owed(&self, id: UnitId) -> Vec<(Name, bool)> {
        let own = self.unit(id).symbols.iter().map(|symbol| self.symbol(*symbol)).filter(|symbol| symbol.unit == id);
        own.map(|symbol| (symbol.name, symbol.bound)).collect()
    }

    /// What a unit has promised, with whether it still owes it.
    pub fn promises(&self, id: UnitId) -> Vec<(Definition, bool)> {
        let symbols = self.unit(id).symbols.iter().map(|symbol| self.symbol(*symbol));
        symbols.map(|symbol| (symbol.definition(), symbol.unit == id)).collect()
    }

    /// Whether a unit may still be worked on. Errors with the reason if not.
    pub(super) fn check_working(&self, id: UnitId) -> Result<(), Error> {
        match &self.unit(id).phase {
            Phase::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn promised(&self, id: UnitId, name: Name) -> Result<SymbolId, Error> {
        let unit = self.unit(id);
        let known = self.dylib(unit.dylib).table.get(name).filter(|symbol| self.symbol(*symbol).unit == id);
        // What it lost to another unit, or shares with another dylib, only its own list knows.
        let own = || unit.symbols.iter().copied().find(|symbol| self.symbol(*symbol).name == name);
        known
            .or_else(own)
            .ok_or_else(|| Error::NotPromised { unit: unit.name.to_string(), symbol: self.names.text(name) })
    }

    /// Enters addresses of what a unit defines; definitions that it lost to others are ignored.
    pub fn resolve(&mut self, id: UnitId, addresses: &[(Name, u64)]) -> Result<(), Error> {
        self.check_working(id)?;
        let mut symbols = Vec::with_capacity(addresses.len());
        for (name, _) in addresses {
            symbols.push(self.promised(id, *name)?);
        }
        for (symbol, (_, address)) in symbols.into_iter().zip(addresses) {
            let symbol = &mut self.symbols[symbol.index()];
            if symbol.unit == id {
                (symbol.address, symbol.resolved) = (*address, true);
            }
        }
        self.note_resolved(id);
        Ok(())
    }

    /// Notes whether all symbols that a unit has by now have addresses.
    fn note_resolved(&mut self, id: UnitId) {
        let mut own = self.unit(id).symbols.iter().map(|symbol| self.symbol(*symbol));
        let has_some = own.any(|symbol| symbol.unit == id && symbol.resolved);
        let has_all = self.unresolved(id).next().is_none();
        match self.unit(id).phase {
            Phase::Materializing if has_some && has_all => self.resolved(id),
            Phase::Resolved if !has_all => self.unit_mut(id).phase = Phase::Materializing,
            _ => {}
        }
    }

    pub(super) fn unresolved(&self, id: UnitId) -> impl Iterator<Item = SymbolId> + '_ {
        self.unit(id).symbols.iter().copied().filter(move |symbol| {
            let symbol = self.symbol(*symbol);
            symbol.unit == id && !symbol.resolved && !symbol.side_effects_only
        })
    }

    /// Emits a client's unit, which needs these symbols. Errors if it has failed, also because it did not define what it
    /// promised.
    pub fn emit_client(&mut self, id: UnitId, needs: Vec<SymbolId>) -> Result<(), Error> {
        self.check_working(id)?;
        let missing: Vec<String> = self.unresolved(id).map(|symbol| self.symbol_text(symbol)).collect();
        if !missing.is_empty() {
            let error = Error::NotDefined { unit: self.unit(id).name.to_string(), symbols: missing };
            self.fail(vec![(id, error.clone())]);
            return Err(error);
        }
        self.resolved(id);
        for symbol in &needs {
            let need = self.symbol(*symbol).unit;
            if need != NO_UNIT {
                self.refer(id, need);
            }
        }
        self.emit(vec![(id, needs)]);
        self.check_working(id)
    }

    /// Adds promises to a unit that is being materialized.
    pub fn define_more(&mut self, id: UnitId, definitions: &[Definition]) -> Result<(), Error> {
        self.check_working(id)?;
        let before = self.unit(id).symbols.len();
        self.promise_more(id, definitions)?;
        let added = self.unit(id).symbols[before..].to_vec();
        for symbol in added {
            let symbol = &mut self.symbols[symbol.index()];
            symbol.bound |= symbol.unit == id;
        }
        self.note_resolved(id);
        Ok(())
    }

    /// Takes names from a unit for another one, which is claimed at once.
    pub fn delegate(&mut self, id: UnitId, names: &[Name]) -> Result<UnitId, Error> {
        self.check_working(id)?;
        let name = self.unit(id).name.clone();
        let other = self.split(id, name, names.iter().copied())?;
        self.claim(other);
        self.note_resolved(id);
        self.note_resolved(other);
        Ok(other)
    }

    /// Gives names of a unit back to another way of making them.
    pub fn replace(
        &mut self,
        id: UnitId,
        client: Box<dyn MaterializationUnit>,
        promises: &Promises,
    ) -> Result<(), Error> {
        let names = promises.definitions.iter().map(|definition| definition.name);
        let split = self.check_working(id).and_then(|()| self.split(id, promises.name.clone(), names));
        let other = match split {
            Ok(other) => other,
            Err(error) => {
                self.drop_later(client);
                return Err(error);
            }
        };
        self.unit_mut(other).client = Some(client);
        self.note_resolved(id);
        if self.unit(other).symbols.is_empty() {
            self.withdraw_unit(other);
            return Ok(());
        }
        for index in 0..self.unit(other).symbols.len() {
            let symbol = self.unit(other).symbols[index];
            self.symbols[symbol.index()].resolved = false;
        }
        if promises.initialiser {
            let dylib = self.unit(other).dylib;
            self.dylibs[dylib.index()].roots.push(other);
        }
        let Unit { asked, dependants, .. } = self.unit(other);
        if !dependants.is_empty() || asked.iter().any(|(query, _)| !self.is_answered(*query)) {
            self.demand([other]);
        }
        Ok(())
    }

    /// Makes a unit of symbols of another one, together with everything that waits for them. Definitions that were lost
    /// to others stay where they are.
    fn split(&mut self, id: UnitId, name: Arc<str>, names: impl Iterator<Item = Name>) -> Result<UnitId, Error> {
        let mut symbols = Vec::with_capacity(names.size_hint().0);
        let mut moved = HashSet::new();
        for name in names {
            let symbol = self.promised(id, name)?;
            if self.symbol(symbol).unit == id && moved.insert(symbol) {
                symbols.push(symbol);
            }
        }
        let Unit { dylib, lot, .. } = *self.unit(id);
        let other = self.add_unit(dylib, lot, name);
        for symbol in &symbols {
            self.symbols[symbol.index()].unit = other;
        }
        self.unit_mut(id).symbols.retain(|symbol| !moved.contains(symbol));
        self.unit_mut(other).symbols = symbols;
        self.move_asked(id, other);
        self.move_dependants(id, other);
        Ok(other)
    }

    /// Keeps something, which has the code and data in some ranges, until a unit is removed.
    pub fn keep(
        &mut self,
        id: UnitId,
        resource: Box<dyn Any + Send + Sync>,
        memory: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<(), Error> {
        if let Err(error) = self.check_working(id) {
            self.drop_later(resource);
            return Err(error);
        }
        let linked = self.units[id.index()].linked.get_or_insert_with(Linked::default);
        linked.kept.push(resource);
        for range in memory {
            self.places.enter(id, &range);
            linked.places.push(range);
        }
        Ok(())
    }

    /// Gives memory to a unit, with which it goes.
    pub fn keep_segment(&mut self, id: UnitId, segment: Segment) -> Result<(), Error> {
        self.check_working(id)?;
        self.unit_mut(id).linked.get_or_insert_with(Linked::default).segments.push(segment);
        self.places.enter(id, &(segment.address..segment.address + segment.size));
        Ok(())
    }

    /// A client's unit with initialisers, which run when its dylib is initialised.
    pub fn add_initialisers(&mut self, id: UnitId, functions: &[u64]) -> Result<(), Error> {
        self.check_working(id)?;
        let dylib = self.unit(id).dylib;
        let linked = self.unit_mut(id).linked.get_or_insert_with(Linked::default);
        linked.functions.extend(functions.iter().map(|address| crate::objects::TableFunction::initialiser(*address)));
        let waiting = &mut self.dylibs[dylib.index()].uninitialised;
        if !waiting.contains(&id) {
            waiting.push(id);
        }
        Ok(())
    }
}
