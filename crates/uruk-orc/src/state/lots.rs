//! Trackers, and the lots of units that go together when one is removed.
//!
//! Data flow: a tracker's units are its lot → removal makes their symbols unfindable, fails what is still being made,
//! and *retires* the lot → its memory goes once no pin and no lot that stays refers to it.
//! Invariants: a lot *holds* each other lot that a unit of it refers to, once; it lets go when its own memory does.
//! Retired lots that only hold each other go together.

use super::{Bodies, DylibId, NO_PINS, Phase, PinsId, SearchEntry, State, TrackerId, UnitId};
use crate::error::Error;
use crate::objects::Linked;
use slotmap::new_key_type;
use std::collections::HashSet;
use std::ops::Range;
use uruk_jitlink::names::Name;

new_key_type! {
    /// The units that go together.
    pub(crate) struct LotId;
}

#[derive(Default)]
pub(crate) struct Lot {
    pub units: Vec<UnitId>,
    /// The unit of its absolute symbols, if it has any.
    pub absolute: Option<UnitId>,
    /// Pins of its own and of lots that it took over.
    pins: Vec<PinsId>,
    holds: HashSet<LotId>,
    /// How many lots that are not retired hold it.
    holders: usize,
    retired: bool,
    /// The lot that took it over.
    heir: Option<LotId>,
    /// The lots that it took over.
    absorbed: Vec<LotId>,
    /// Trackers of other dylibs that are removed with it.
    companions: Vec<TrackerId>,
}

pub(super) struct Tracker {
    dylib: DylibId,
    lot: Option<LotId>,
}

impl State {
    /// Makes a tracker for units of a dylib.
    pub fn add_tracker(&mut self, dylib: DylibId) -> TrackerId {
        self.trackers.insert(Tracker { dylib, lot: None })
    }

    fn tracker(&self, id: TrackerId) -> Result<&Tracker, Error> {
        self.trackers.get(id).ok_or_else(|| Error::Removed { unit: "the tracker".into() })
    }

    /// Gives a tracker up; what it has is its dylib's from now on.
    pub fn drop_tracker(&mut self, id: TrackerId) -> Result<(), Error> {
        let dylib = self.tracker(id)?.dylib;
        let default = self.dylib(dylib).tracker;
        if id != default {
            self.transfer(id, default)?;
            self.trackers.remove(id);
        }
        Ok(())
    }

    /// The lot that a tracker has now.
    pub fn lot(&mut self, tracker: TrackerId) -> LotId {
        if let Some(lot) = self.trackers[tracker].lot {
            return lot;
        }
        // Whoever pins what was removed by force counts on.
        let unused = self.free_pins.iter().rposition(|pins| !self.published.pins(*pins).any());
        let pins = match unused {
            Some(at) => self.free_pins.swap_remove(at),
            None => {
                self.pins += 1;
                PinsId(self.pins - 1)
            }
        };
        let lot = self.lots.insert(Lot { pins: vec![pins], ..Lot::default() });
        self.trackers[tracker].lot = Some(lot);
        lot
    }

    /// A tracker of another dylib that is removed together with a unit.
    pub fn companion(&mut self, unit: UnitId, dylib: DylibId) -> Result<TrackerId, Error> {
        self.check_working(unit)?;
        let id = self.unit(unit).lot;
        let companions = self.lots.get(id).map_or(&[][..], |lot| &lot.companions);
        let known = companions.iter().find(|tracker| self.trackers.get(**tracker).is_some_and(|it| it.dylib == dylib));
        if let Some(known) = known {
            return Ok(*known);
        }
        let made = self.add_tracker(dylib);
        match self.lots.get_mut(id).filter(|lot| !lot.retired) {
            Some(lot) => lot.companions.push(made),
            None => return Err(Error::Removed { unit: self.unit(unit).name.to_string() }),
        }
        Ok(made)
    }

    /// Notes that one unit refers to another, which must stay for as long as it does.
    pub fn refer(&mut self, from: UnitId, to: UnitId) {
        let Some(target) = self.units.get(to.index()) else { return };
        let (from, to) = (self.unit(from).lot, target.lot);
        if from != to {
            self.hold(from, to);
        }
    }

    /// The same for what a search order finds under a name, if that is still at the address.
    pub fn refer_to(&mut self, from: UnitId, order: &[SearchEntry], name: Name, address: u64) -> bool {
        let found = self.find(order, name).map(|symbol| *self.symbol(symbol));
        let Some(symbol) = found.filter(|symbol| symbol.address == address) else { return false };
        self.refer(from, symbol.unit);
        true
    }

    fn hold(&mut self, from: LotId, to: LotId) {
        let (from, to) = (self.heir(from), self.heir(to));
        if from == to {
            return;
        }
        let Some(lot) = self.lots.get_mut(from) else { return };
        let live = !lot.retired;
        if lot.holds.insert(to)
            && live
            && let Some(held) = self.lots.get_mut(to)
        {
            held.holders += 1;
        }
    }

    fn heir(&self, mut id: LotId) -> LotId {
        while let Some(heir) = self.lots.get(id).and_then(|lot| lot.heir) {
            id = heir;
        }
        id
    }

    /// What a handle to a unit's code pins.
    pub fn pins_of(&self, unit: UnitId) -> PinsId {
        let lot = self.units.get(unit.index()).and_then(|unit| self.lots.get(unit.lot));
        lot.and_then(|lot| lot.pins.first().copied()).unwrap_or(NO_PINS)
    }

    /// Moves everything of one tracker to another one of the same dylib.
    pub fn transfer(&mut self, from: TrackerId, to: TrackerId) -> Result<(), Error> {
        let (source, target) = (self.tracker(from)?, self.tracker(to)?);
        if source.dylib != target.dylib {
            let name = |dylib: DylibId| self.dylib(dylib).name.to_string();
            return Err(Error::OtherDylib { dylib: name(source.dylib), other: name(target.dylib) });
        }
        if from == to {
            return Ok(());
        }
        let Some(source) = self.trackers[from].lot.take() else { return Ok(()) };
        let target = self.lot(to);
        let Some(lot) = self.lots.get_mut(source) else { return Ok(()) };
        let Lot { units, pins, holds, holders, absorbed, companions, .. } = std::mem::take(lot);
        lot.heir = Some(target);
        for unit in &units {
            self.unit_mut(*unit).lot = target;
        }
        if let Some(lot) = self.lots.get_mut(target) {
            lot.units.extend(units);
            lot.pins.extend(pins);
            lot.holders += holders;
            lot.absorbed.extend(absorbed);
            lot.companions.extend(companions);
            lot.absorbed.push(source);
        }
        // Only now that its holders are the target's: it may have held one of the two itself.
        for held in holds {
            let held = self.heir(held);
            if let Some(lot) = self.lots.get_mut(held) {
                lot.holders -= 1;
            }
            self.hold(target, held);
        }
        Ok(())
    }

    /// Removes what a tracker has: its symbols cannot be found any more, and what is being made fails. Memory goes when
    /// nothing holds it, or at once if `forced`.
    pub fn remove(&mut self, tracker: TrackerId, forced: bool) {
        let Some(id) = self.trackers.get_mut(tracker).and_then(|tracker| tracker.lot.take()) else { return };
        let units = self.lots.get(id).map(|lot| lot.units.clone()).unwrap_or_default();
        self.withdraw(&units);
        let Some(lot) = self.lots.get_mut(id) else { return };
        lot.retired = true;
        let companions = std::mem::take(&mut lot.companions);
        let holds: Vec<LotId> = lot.holds.iter().copied().collect();
        for held in holds {
            let held = self.heir(held);
            if let Some(lot) = self.lots.get_mut(held) {
                lot.holders -= 1;
            }
        }
        if forced {
            self.free_lot(id, State::discard);
        } else {
            self.retired.push(id);
        }
        for companion in companions {
            self.remove(companion, forced);
            self.trackers.remove(companion);
        }
        self.sweep_lots();
    }

    /// Takes units out of the program: nobody finds their symbols, and those that are not ready fail.
    fn withdraw(&mut self, units: &[UnitId]) {
        let mut failures = Vec::new();
        for id in units {
            let unit = self.unit(*id);
            if !matches!(unit.phase, Phase::Ready | Phase::Failed(_)) {
                failures.push((*id, Error::Removed { unit: unit.name.to_string() }));
            }
        }
        self.fail(failures);
        for id in units {
            self.forget_symbols(*id);
            let dylib = self.unit(*id).dylib;
            let dylib = &mut self.dylibs[dylib.index()];
            if let Some(at) = dylib.roots.iter().position(|root| root == id) {
                dylib.roots.remove(at);
            }
            if let Some(collection) = &mut dylib.collection {
                collection.claimed = 0;
            }
            dylib.uninitialised.retain(|unit| unit != id);
            if !dylib.groups.is_empty() {
                dylib.groups.retain(|_, owner| owner != id);
            }
        }
    }

    /// Frees retired lots that nothing holds any more.
    pub fn sweep_lots(&mut self) {
        // Said before the pins are looked at, so that whoever lets go of one later comes back here.
        self.published.set_retired(!self.retired.is_empty());
        if self.retired.is_empty() {
            return;
        }
        let mut kept: HashSet<LotId> = HashSet::new();
        let published = self.published.clone();
        let held = |lot: &Lot| lot.holders != 0 || lot.pins.iter().any(|pins| published.pins(*pins).any());
        let mut open: Vec<LotId> = self.retired.iter().copied().filter(|id| held(&self.lots[*id])).collect();
        while let Some(id) = open.pop() {
            if !kept.insert(id) {
                continue;
            }
            let holds = self.lots[id].holds.iter().map(|held| self.heir(*held));
            open.extend(holds.filter(|held| self.lots.get(*held).is_some_and(|lot| lot.retired)));
        }
        let (kept, freed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.retired).into_iter().partition(|id| kept.contains(id));
        self.retired = kept;
        self.published.set_retired(!self.retired.is_empty());
        for id in freed {
            self.free_lot(id, State::free);
        }
    }

    fn free_lot(&mut self, id: LotId, free: fn(&mut State, Option<Linked>)) {
        let Some(lot) = self.lots.remove(id) else { return };
        self.free_pins.extend(lot.pins);
        for absorbed in lot.absorbed {
            self.lots.remove(absorbed);
        }
        for id in lot.units {
            let unit = self.unit_mut(id);
            unit.gone = true;
            unit.object = None;
            let (linked, busy) = (unit.linked.take(), unit.busy);
            free(self, linked);
            if !busy {
                self.limbo.give_unit(id);
            }
        }
        self.effects.progress = true;
    }

    /// The lot of a unit.
    pub fn lot_of(&self, unit: UnitId) -> LotId {
        self.unit(unit).lot
    }

    /// Enters what was made of an object. If it was removed meanwhile, that goes at once.
    pub fn keep_linked(&mut self, id: UnitId, mut linked: Linked) {
        let unit = self.unit_mut(id);
        if matches!(unit.phase, Phase::Failed(_)) {
            return self.free(Some(linked));
        }
        let mut waits = false;
        if let Some(kept) = unit.linked.take() {
            waits = !kept.functions.is_empty();
            linked.join(kept);
        }
        let has_functions = !linked.functions.is_empty();
        linked.memory().for_each(|range| self.places.enter(id, &range));
        let unit = self.unit_mut(id);
        unit.linked = Some(linked);
        let dylib = unit.dylib.index();
        if has_functions && !waits {
            self.dylibs[dylib].uninitialised.push(id);
        }
    }

    /// Fails units that were claimed, and that nobody will work on any more.
    pub fn give_up(&mut self, failures: Vec<(UnitId, Error)>) {
        let units: Vec<UnitId> = failures.iter().map(|(unit, _)| *unit).collect();
        self.fail(failures);
        units.into_iter().for_each(|unit| self.end_unit(unit));
    }

    /// Whoever had claimed a unit is done with it.
    pub fn end_unit(&mut self, id: UnitId) {
        let unit = self.unit_mut(id);
        unit.busy = false;
        unit.task = None;
        if unit.gone {
            self.limbo.give_unit(id);
        }
    }

    /// Where all linked code and data are.
    pub fn memory(&self) -> Vec<Range<u64>> {
        self.units.iter().filter_map(|unit| unit.linked.as_ref()).flat_map(Linked::memory).collect()
    }

    /// Has memory and registrations given back.
    pub(super) fn free(&mut self, linked: Option<Linked>) {
        self.going(linked.as_ref());
        self.effects.freed.extend(linked);
    }

    /// The same without letting finalisers run.
    fn discard(&mut self, linked: Option<Linked>) {
        self.going(linked.as_ref());
        self.effects.discarded.extend(linked);
    }

    fn going(&mut self, linked: Option<&Linked>) {
        self.freeing += usize::from(linked.is_some());
        linked.into_iter().for_each(|linked| self.places.forget(linked));
    }

    /// Notes that so much has been given back.
    pub fn freed(&mut self, count: usize) {
        // In the child of a fork, what its thread was giving back is not counted any more.
        self.freeing = self.freeing.saturating_sub(count);
        self.effects.progress = true;
    }

    /// Whether everything that was removed is gone.
    pub fn is_quiescent(&self) -> bool {
        self.retired.is_empty() && self.freeing == 0
    }

    /// The tracker for what is added to a dylib. Errors if the dylib is gone, or the tracker another dylib's.
    pub fn tracker_for(&mut self, dylib: DylibId, tracker: Option<TrackerId>) -> Result<TrackerId, Error> {
        self.check_open()?;
        let default = self.live_dylib(dylib)?.tracker;
        let tracker = tracker.unwrap_or(default);
        let owner = self.tracker(tracker)?.dylib;
        if owner != dylib {
            let name = |dylib: DylibId| self.dylib(dylib).name.to_string();
            return Err(Error::OtherDylib { dylib: name(owner), other: name(dylib) });
        }
        Ok(tracker)
    }

    /// Removes everything of a dylib.
    pub fn clear(&mut self, dylib: DylibId) {
        let own = self.trackers.iter().filter(|(_, tracker)| tracker.dylib == dylib);
        let own: Vec<TrackerId> = own.map(|(id, _)| id).collect();
        own.into_iter().for_each(|tracker| self.remove(tracker, false));
        // What is left are addresses outside of the session.
        let left = self.dylib(dylib).table.clear();
        left.into_iter().for_each(|symbol| self.drop_symbol(symbol));
        let dylib = &mut self.dylibs[dylib.index()];
        dylib.groups.clear();
        dylib.roots.clear();
        dylib.uninitialised.clear();
    }

    /// Takes an empty dylib out of the program.
    pub fn drop_dylib(&mut self, id: DylibId) {
        self.dylibs[id.index()].removed = true;
        if let Some(Bodies { code, entries, improved }) = self.dylibs[id.index()].bodies.take() {
            [code, entries, improved].into_iter().for_each(|dylib| self.drop_dylib(dylib));
        }
        self.trackers.retain(|_, tracker| tracker.dylib != id);
        for dylib in &mut self.dylibs {
            dylib.order.retain(|entry| entry.dylib != id);
        }
    }
}
