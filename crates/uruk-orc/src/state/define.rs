//! Definitions: which units define which names, who wins a name, and what becomes of it when a unit goes.
//!
//! Strong replaces common replaces weak as long as nobody was bound to the definition. A name that several objects
//! define has one symbol, known to all of them; when the winner is removed, one that was not linked yet inherits it.

use super::readiness::Node;
use super::*;
use crate::unit::{Definition, Linkage, Promises};
use std::cmp::Reverse;
use uruk_jitlink::graph::Visibility;
use uruk_jitlink::interface::{Choice, Interface, Rival, Strength};

/// What a new definition has done to a name that had one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Replaced,
    Lost,
    /// Its definition had been removed.
    Revived,
}

fn rank_of(definition: &Definition) -> Rank {
    match definition.linkage {
        Linkage::Weak => Rank::Weak,
        Linkage::Strong => Rank::Strong,
    }
}

impl State {
    /// Adds an object whose symbols are defined by [`define`](State::define).
    pub fn add_object(&mut self, dylib: DylibId, tracker: TrackerId, object: Arc<Object>) -> UnitId {
        let name = object.interface.input.name().clone();
        let lot = self.lot(tracker);
        let id = self.add_unit(dylib, lot, name);
        self.unit_mut(id).object = Some(object);
        id
    }

    /// Adds a client's unit, and what it promises to define; one with initialisers is a root of its dylib.
    pub fn add_client(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        client: Box<dyn MaterializationUnit>,
        promises: &Promises,
    ) -> Result<(), Error> {
        let lot = self.lot(tracker);
        let id = self.add_unit(dylib, lot, promises.name.clone());
        self.unit_mut(id).client = Some(client);
        self.promise(id, &promises.definitions).inspect_err(|_| self.withdraw_unit(id))?;
        if self.has_lost_all(id) {
            self.withdraw_unit(id);
        } else if promises.initialiser {
            self.dylibs[dylib.index()].roots.push(id);
        }
        Ok(())
    }

    /// Symbols at fixed addresses, ready at once, that can be removed together: all of a lot belong to one unit.
    pub fn add_absolute(
        &mut self,
        dylib: DylibId,
        tracker: TrackerId,
        definitions: &[(Definition, u64)],
    ) -> Result<UnitId, Error> {
        let lot = self.lot(tracker);
        let id = match self.lots[lot].absolute {
            Some(id) => id,
            None => {
                let id = self.add_unit(dylib, lot, "absolute symbols".into());
                self.unit_mut(id).phase = Phase::Ready;
                self.lots[lot].absolute = Some(id);
                id
            }
        };
        self.promise_more(id, definitions.iter().map(|(definition, _)| definition))?;
        for (definition, address) in definitions {
            let Some(symbol) = self.dylib(dylib).table.get(definition.name) else { continue };
            let symbol = &mut self.symbols[symbol.index()];
            if symbol.unit == id && !symbol.resolved {
                (symbol.address, symbol.resolved) = (*address, true);
            }
        }
        Ok(id)
    }

    /// Whether a symbol has been defined at an address, which may be anywhere. What others resolve may change instead.
    pub fn is_absolute(&self, symbol: &Symbol) -> bool {
        let id = symbol.unit;
        let holds_absolute = |unit: &Unit| self.lots[unit.lot].absolute == Some(id);
        // One that was removed has no unit; what was bound to it before fails.
        id == NO_UNIT || symbol.resolved && self.units.get(id.index()).is_some_and(holds_absolute)
    }

    pub(super) fn add_unit(&mut self, dylib: DylibId, lot: LotId, name: Arc<str>) -> UnitId {
        let id = self.limbo.take_unit().unwrap_or(UnitId(self.units.len() as u32));
        let unit = Unit {
            name,
            dylib,
            phase: Phase::Waiting,
            object: None,
            client: None,
            symbols: Vec::new(),
            busy: false,
            gone: false,
            linked: None,
            lot,
            task: None,
            awaits: None,
            callees: Vec::new(),
            threads: None,
            needs: Vec::new(),
            generation: 0,
            dependants: Vec::new(),
            asked: Vec::new(),
            tree: Node::alone(id),
        };
        match self.units.get_mut(id.index()) {
            Some(free) => *free = Unit { generation: free.generation.wrapping_add(1), ..unit },
            None => self.units.push(unit),
        }
        self.lots[lot].units.push(id);
        id
    }

    /// Takes back a unit that was only just added.
    pub fn withdraw_unit(&mut self, id: UnitId) {
        self.forget_symbols(id);
        let unit = self.unit_mut(id);
        (unit.object, unit.gone) = (None, true);
        unit.phase = Phase::Failed(Error::Removed { unit: unit.name.to_string() });
        let (client, lot, dylib) = (unit.client.take(), unit.lot, unit.dylib);
        client.into_iter().for_each(|client| self.drop_later(client));
        self.dylibs[dylib.index()].roots.retain(|root| *root != id);
        let units = &mut self.lots[lot].units;
        if let Some(at) = units.iter().rposition(|unit| *unit == id) {
            units.swap_remove(at);
        }
        self.limbo.give_unit(id);
    }

    /// Enters what an object defines; `symbols`, which may hold those of its first globals already, receives the symbol
    /// of each global, whoever won it, and `None` where the unit only refers to it.
    pub fn define(
        &mut self,
        unit: UnitId,
        interface: &Interface,
        symbols: &mut Vec<Option<SymbolId>>,
    ) -> Result<(), Error> {
        let dylib = self.unit(unit).dylib;
        let globals = &interface.globals;
        let known = symbols.len();
        symbols.reserve_exact(globals.len() - known);
        for (position, global) in globals.iter().enumerate().skip(known) {
            let rank = match global.strength {
                Strength::Undefined | Strength::UndefinedWeak | Strength::Fallback | Strength::Local => {
                    symbols.push(None);
                    continue;
                }
                Strength::Weak => Rank::Weak,
                Strength::Common => Rank::Common,
                Strength::Strong => Rank::Strong,
            };
            let exported = global.visibility != Visibility::Hidden;
            let new = Symbol::new(global.name, unit, dylib, rank, global.kind).seen(exported);
            let id = match interface.rival(position) {
                Some(rival) => self.enter_rival(new, rival)?,
                None => self.enter(new)?,
            };
            if global.strength == Strength::Common {
                self.widen_common(id, interface.common(position));
            }
            symbols.push(Some(id));
        }
        Ok(())
    }

    /// Enters what a client's unit promises. If that fails the caller has the new names forgotten that are in already.
    pub(super) fn promise<'a>(
        &mut self,
        unit: UnitId,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Result<(), Error> {
        self.enter_all(unit, definitions).inspect_err(|_| self.undo_changes())?;
        self.keep_changes();
        Ok(())
    }

    /// Enters what a unit promises besides, all or, if that fails, none.
    pub(super) fn promise_more<'a>(
        &mut self,
        unit: UnitId,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Result<(), Error> {
        let before = self.unit(unit).symbols.len();
        self.promise(unit, definitions).inspect_err(|_| {
            for symbol in self.unit_mut(unit).symbols.split_off(before) {
                if self.symbol(symbol).unit == unit {
                    self.drop_symbol(symbol);
                }
            }
        })
    }

    pub(super) fn enter_all<'a>(
        &mut self,
        unit: UnitId,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Result<(), Error> {
        let dylib = self.unit(unit).dylib;
        for definition in definitions {
            let new = Symbol::new(definition.name, unit, dylib, rank_of(definition), definition.kind)
                .seen(definition.exported);
            let new = Symbol { side_effects_only: definition.side_effects_only, ..new };
            if self.defined_by(&new).is_some_and(|rank| rank.min(rank_of(definition)) != Rank::Strong) {
                // Promised twice; the first counts.
                continue;
            }
            let id = self.enter(new)?;
            self.unit_mut(unit).symbols.push(id);
        }
        Ok(())
    }

    /// How strong the definition is that a new one's unit has of the same name, if it has one.
    fn defined_by(&self, new: &Symbol) -> Option<Rank> {
        let id = self.dylib(new.dylib).table.get(new.name)?;
        let symbol = self.symbol(id);
        if symbol.unit == new.unit {
            return Some(symbol.strength);
        }
        let mut rivals = self.rivals.get(&id).filter(|_| symbol.contested)?.iter();
        rivals.find(|rival| rival.unit == new.unit).map(|rival| rival.strength)
    }

    pub(super) fn enter(&mut self, new: Symbol) -> Result<SymbolId, Error> {
        match self.dylib(new.dylib).table.get(new.name) {
            Some(id) => self.redefine(id, new, false).map(|()| id),
            None => Ok(self.add_symbol(new)),
        }
    }

    /// Enters a definition that is compared with those that its name has.
    fn enter_rival(&mut self, new: Symbol, rival: Rival) -> Result<SymbolId, Error> {
        let known = self.dylib(new.dylib).table.get(new.name).filter(|id| self.symbol(*id).unit != REMOVED);
        let first = known.and_then(|id| Some((id, *self.choices.get(&id)?)));
        let Some((id, first)) = first else {
            let id = self.enter(new)?;
            if known.is_none() {
                self.choices.insert(id, rival);
            }
            return Ok(id);
        };
        let unlike = match rival.choice {
            _ if first.choice != rival.choice => Some("the kind of COMDAT section"),
            Choice::SameSize if first.size != rival.size => Some("the size"),
            Choice::Same if (first.size, first.hash) != (rival.size, rival.hash) => Some("the bytes"),
            _ => None,
        };
        if let Some(what) = unlike {
            return Err(Error::Unlike {
                symbol: self.names.text(new.name),
                what,
                first: self.definer(self.symbol(id).unit),
                second: self.definer(new.unit),
            });
        }
        let larger = rival.choice == Choice::Largest && first.size < rival.size;
        self.redefine(id, new, larger)?;
        if self.symbol(id).unit == new.unit {
            self.choices.insert(id, rival);
        }
        Ok(id)
    }

    /// Who has defined a symbol, for messages.
    pub(super) fn definer(&self, unit: UnitId) -> String {
        match unit {
            NO_UNIT => "an absolute symbol".to_string(),
            unit => self.unit(unit).name.to_string(),
        }
    }

    fn add_symbol(&mut self, new: Symbol) -> SymbolId {
        let id = self.limbo.take_symbol().unwrap_or(SymbolId(self.symbols.len() as u32));
        match self.symbols.get_mut(id.index()) {
            Some(free) => *free = new,
            None => self.symbols.push(new),
        }
        self.dylibs[new.dylib.index()].table.set(new.name, Some(id));
        id
    }

    /// `larger` gives the new definition precedence over one of the same strength.
    fn redefine(&mut self, id: SymbolId, new: Symbol, larger: bool) -> Result<(), Error> {
        let old = *self.symbol(id);
        let precedes = old.strength < new.strength || larger && old.strength == new.strength;
        let replaces = old.unit == REMOVED || precedes && !old.bound;
        if new.strength == Rank::Strong && !replaces {
            return Err(Error::Duplicate {
                symbol: self.names.text(new.name),
                dylib: self.dylib(new.dylib).name.to_string(),
                first: self.definer(old.unit),
                second: self.definer(new.unit),
            });
        }
        let (winner, loser) = if replaces { (new, old) } else { (old, new) };
        self.symbols[id.index()] = Symbol { contested: true, ..winner };
        if old.unit == REMOVED {
            self.changes.push((id, Change::Revived));
        } else if loser.unit.index() < self.units.len() && winner.unit != loser.unit {
            let rivals = self.rivals.entry(id).or_default();
            // The winner so far came before the others.
            rivals.insert(if replaces { 0 } else { rivals.len() }, loser);
            self.changes.push((id, if replaces { Change::Replaced } else { Change::Lost }));
        }
        self.merge_visibility(id);
        Ok(())
    }

    /// The most constraining visibility of all definitions of a name counts (gABI, "Symbol Visibility").
    fn merge_visibility(&mut self, id: SymbolId) {
        self.published.wipe(id);
        let visible = self.rivals.get(&id).is_none_or(|rivals| rivals.iter().all(|rival| rival.own_exported));
        let symbol = &mut self.symbols[id.index()];
        symbol.exported = symbol.own_exported && visible;
    }

    /// Drops the units of clients to which new definitions have left nothing, once all of these are in.
    pub fn keep_changes(&mut self) {
        let changes = std::mem::take(&mut self.changes).into_iter();
        for (symbol, _) in changes.filter(|(_, change)| matches!(change, Change::Replaced)) {
            let Some(loser) = self.rivals.get(&symbol).and_then(|rivals| rivals.first()) else { continue };
            let loser = loser.unit;
            if self.unit(loser).client.is_some() && self.has_lost_all(loser) {
                self.withdraw_unit(loser);
            }
        }
    }

    /// Takes back what new definitions have changed about others, since they are not to be.
    pub fn undo_changes(&mut self) {
        for (symbol, change) in std::mem::take(&mut self.changes).into_iter().rev() {
            let rivals = self.rivals.entry(symbol).or_default();
            match change {
                Change::Replaced => self.symbols[symbol.index()] = Symbol { contested: true, ..rivals.remove(0) },
                Change::Lost => drop(rivals.pop()),
                Change::Revived => self.symbols[symbol.index()].unit = REMOVED,
            }
            self.merge_visibility(symbol);
        }
    }

    /// Whether a client's unit is left without any definition of its own.
    fn has_lost_all(&self, id: UnitId) -> bool {
        self.unit(id).symbols.iter().all(|symbol| self.symbol(*symbol).unit != id)
    }

    /// Forgets all symbols of a unit.
    pub(super) fn forget_symbols(&mut self, id: UnitId) {
        self.drop_terms(id);
        let object = self.unit(id).object.clone();
        let own = std::mem::take(&mut self.unit_mut(id).symbols);
        let symbols = object.iter().flat_map(|object| object.symbols()).flatten().copied();
        self.forget(id, symbols.chain(own));
    }

    /// Forgets symbols of a unit. Names that other units define too are theirs.
    pub(super) fn forget(&mut self, id: UnitId, symbols: impl Iterator<Item = SymbolId>) {
        for symbol in symbols {
            if self.symbol(symbol).contested {
                if let Some(rivals) = self.rivals.get_mut(&symbol) {
                    rivals.retain(|rival| rival.unit != id);
                }
                self.merge_visibility(symbol);
            }
            let owner = self.symbol(symbol).unit;
            if owner == id || owner == REMOVED && self.symbol(symbol).contested {
                self.bequeath(symbol);
            }
        }
    }

    /// Gives a symbol whose unit goes to the strongest definition that is not linked yet. If there is none, the name
    /// is kept, for none to find, as long as others define it that know the symbol.
    fn bequeath(&mut self, id: SymbolId) {
        self.published.wipe(id);
        if !self.coalesced.is_empty() {
            self.part(id, self.symbol(id).unit);
        }
        let rivals = self.rivals.get(&id).into_iter().flatten().enumerate();
        let waiting = rivals.filter(|(_, rival)| matches!(self.unit(rival.unit).phase, Phase::Waiting));
        let heir = waiting.min_by_key(|(_, rival)| Reverse(rival.strength)).map(|(at, _)| at);
        if let (Some(at), Some(rivals)) = (heir, self.rivals.get_mut(&id)) {
            self.symbols[id.index()] = Symbol { contested: true, ..rivals.remove(at) };
            return self.merge_visibility(id);
        }
        self.symbols[id.index()].unit = REMOVED;
        if self.rivals.get(&id).is_none_or(Vec::is_empty) {
            self.drop_symbol(id);
        }
    }

    /// Forgets a symbol that no unit defines any more.
    pub(super) fn drop_symbol(&mut self, id: SymbolId) {
        self.published.wipe(id);
        let symbol = &mut self.symbols[id.index()];
        (symbol.unit, symbol.contested) = (REMOVED, false);
        let (name, dylib) = (symbol.name, symbol.dylib);
        self.rivals.remove(&id);
        self.commons.remove(&id);
        self.choices.remove(&id);
        self.dylibs[dylib.index()].table.set(name, None);
        self.limbo.give_symbol(id);
    }

    /// Takes over a definition that was removed, for another unit that has one.
    pub fn take_over(&mut self, symbol: SymbolId, unit: UnitId) {
        let symbol = &mut self.symbols[symbol.index()];
        if symbol.unit == REMOVED {
            (symbol.unit, symbol.collected) = (unit, false);
        }
    }

    /// Notes how much room, and on what boundary, an object wants for a common symbol.
    pub(super) fn widen_common(&mut self, id: SymbolId, (size, align): (u64, u64)) {
        let room = self.commons.entry(id).or_insert((0, 1));
        *room = (room.0.max(size), room.1.max(align));
    }

    /// The room for a common symbol: the largest that any object asks for.
    pub fn common(&self, id: SymbolId) -> (u64, u64) {
        self.commons.get(&id).copied().unwrap_or((0, 1))
    }

    /// Defines a name at an address for as long as the dylib stays, if it does not have it yet.
    pub fn define_absolute(&mut self, dylib: DylibId, name: Name, address: u64, kind: SymbolKind) {
        let new = Symbol { address, bound: true, ..Symbol::new(name, NO_UNIT, dylib, Rank::Strong, kind) };
        match self.dylib(dylib).table.get(name) {
            Some(id) if self.is_removed(id) => {
                self.symbols[id.index()] = Symbol { contested: true, ..new };
                self.merge_visibility(id);
            }
            Some(_) => {}
            None => drop(self.add_symbol(new)),
        }
    }

    /// Takes a symbol away from a unit that it still belongs to: what it stands for lies at an address outside of the
    /// session.
    pub fn bind_to_address(&mut self, id: SymbolId, unit: UnitId, address: u64) {
        self.published.wipe(id);
        let symbol = &mut self.symbols[id.index()];
        if symbol.unit == unit {
            (symbol.address, symbol.unit, symbol.bound) = (address, NO_UNIT, true);
        }
    }
}

impl Symbol {
    /// What a client could have promised it with.
    pub fn definition(&self) -> Definition {
        let linkage = if self.strength == Rank::Strong { Linkage::Strong } else { Linkage::Weak };
        let Symbol { name, exported, kind, side_effects_only, .. } = *self;
        Definition { name, linkage, exported, kind, side_effects_only }
    }

    pub(super) fn new(name: Name, unit: UnitId, dylib: DylibId, strength: Rank, kind: SymbolKind) -> Symbol {
        Symbol {
            address: 0,
            name,
            unit,
            dylib,
            strength,
            kind,
            exported: true,
            own_exported: true,
            bound: false,
            wanted: false,
            collected: false,
            contested: false,
            side_effects_only: false,
            resolved: false,
        }
    }

    pub(super) fn seen(self, exported: bool) -> Symbol {
        Symbol { exported, own_exported: exported, ..self }
    }
}
