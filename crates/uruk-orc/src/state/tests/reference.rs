//! What a state should do, said as plainly as possible: nothing is kept up to date, everything is worked out anew from
//! who defines, needs, holds and pins what.

use std::collections::{BTreeSet, HashMap, HashSet};

pub type UnitKey = usize;
pub type SymKey = usize;
pub type LotKey = usize;
pub type QueryKey = usize;
/// What a query is told: nothing if it fails.
pub type Told = Option<Vec<Option<u64>>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Waiting,
    Materializing,
    Resolved,
    Emitted,
    Ready,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub struct Promise {
    pub name: usize,
    pub weak: bool,
    pub hidden: bool,
    pub side_effects: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    Unit(UnitKey),
    /// An address outside of the session.
    Outside,
    Nobody,
}

#[derive(Clone)]
pub struct Unit {
    pub dylib: usize,
    pub lot: LotKey,
    pub stage: Stage,
    /// Its client's unit has neither been run nor dropped.
    pub client: bool,
    /// Something is kept for it.
    pub kept: bool,
    /// It was taken back, or its memory went.
    pub gone: bool,
    pub promised: Vec<SymKey>,
    /// Units that were not ready when it was emitted, with the symbol through which it needs each.
    pub needs: Vec<(SymKey, UnitKey)>,
}

#[derive(Clone)]
pub struct Sym {
    pub dylib: usize,
    pub promise: Promise,
    pub owner: Owner,
    pub bound: bool,
    pub address: Option<u64>,
    pub rivals: Vec<(UnitKey, Promise)>,
}

#[derive(Clone, Default)]
pub struct Lot {
    pub retired: bool,
    pub freed: bool,
    pub pins: usize,
    /// The lot that took it over.
    pub heir: Option<LotKey>,
    pub absolute: Option<UnitKey>,
}

#[derive(Clone, Copy)]
pub enum Want {
    Sym(SymKey),
    Unit(UnitKey),
    Nothing,
}

#[derive(Clone)]
pub struct Query {
    pub wants: Vec<Want>,
    met: Vec<bool>,
    ready: bool,
    tolerant: bool,
}

#[derive(Clone, Default)]
pub struct Reference {
    pub units: Vec<Unit>,
    pub syms: Vec<Sym>,
    pub table: HashMap<(usize, usize), SymKey>,
    pub lots: Vec<Lot>,
    holds: HashSet<(LotKey, LotKey)>,
    /// The lot of each dylib's trackers.
    pub trackers: HashMap<(usize, usize), LotKey>,
    /// Dylibs with whether hidden symbols count.
    pub orders: Vec<Vec<(usize, bool)>>,
    pub queries: HashMap<QueryKey, Query>,
    pub answers: Vec<(QueryKey, Told)>,
    pub ended: bool,
}

impl Reference {
    pub fn lot(&mut self, dylib: usize, tracker: usize) -> LotKey {
        let next = self.lots.len();
        let lot = *self.trackers.entry((dylib, tracker)).or_insert(next);
        if lot == next {
            self.lots.push(Lot::default());
        }
        lot
    }

    pub fn add_unit(&mut self, dylib: usize, lot: LotKey, stage: Stage) -> UnitKey {
        let (promised, needs) = (Vec::new(), Vec::new());
        self.units.push(Unit { dylib, lot, stage, client: false, kept: false, gone: false, promised, needs });
        self.units.len() - 1
    }

    fn owns(&self, unit: UnitKey, sym: SymKey) -> bool {
        self.syms[sym].owner == Owner::Unit(unit)
    }

    pub fn owned(&self, unit: UnitKey) -> Vec<SymKey> {
        self.units[unit].promised.iter().copied().filter(|sym| self.owns(unit, *sym)).collect()
    }

    pub fn is_visible(&self, sym: &Sym) -> bool {
        !sym.promise.hidden && sym.rivals.iter().all(|(_, promise)| !promise.hidden)
    }

    pub fn find(&self, order: &[(usize, bool)], name: usize) -> Option<SymKey> {
        order.iter().find_map(|(dylib, all)| {
            let key = *self.table.get(&(*dylib, name))?;
            let sym = &self.syms[key];
            ((*all || self.is_visible(sym)) && sym.owner != Owner::Nobody).then_some(key)
        })
    }

    /// Enters promises, all or none; false if one is a duplicate.
    pub fn promise(&mut self, unit: UnitKey, promises: &[Promise]) -> bool {
        let before = self.clone();
        for promise in promises {
            if !self.enter(unit, *promise) {
                *self = before;
                return false;
            }
        }
        for rival in 0..self.units.len() {
            let waits = self.units[rival].stage == Stage::Waiting;
            if waits && rival != unit && self.owned(rival).is_empty() {
                self.withdraw(rival);
            }
        }
        true
    }

    fn enter(&mut self, unit: UnitKey, promise: Promise) -> bool {
        let dylib = self.units[unit].dylib;
        let fresh = Sym { dylib, promise, owner: Owner::Unit(unit), bound: false, address: None, rivals: Vec::new() };
        let Some(key) = self.table.get(&(dylib, promise.name)).copied() else {
            self.table.insert((dylib, promise.name), self.syms.len());
            self.units[unit].promised.push(self.syms.len());
            self.syms.push(fresh);
            return true;
        };
        let own = self.owns(unit, key);
        if own {
            return promise.weak || self.syms[key].promise.weak;
        }
        if self.syms[key].rivals.iter().any(|(rival, _)| *rival == unit) {
            return true;
        }
        let sym = &mut self.syms[key];
        let replaces = sym.owner == Owner::Nobody || sym.promise.weak && !promise.weak && !sym.bound;
        if !promise.weak && !replaces {
            return false;
        }
        if !replaces {
            sym.rivals.push((unit, promise));
        } else {
            let mut rivals = std::mem::take(&mut sym.rivals);
            if let Owner::Unit(loser) = sym.owner {
                rivals.insert(0, (loser, sym.promise));
            }
            *sym = Sym { rivals, ..fresh };
        }
        self.units[unit].promised.push(key);
        true
    }

    pub fn define_outside(&mut self, dylib: usize, name: usize, address: u64) {
        let promise = Promise { name, weak: false, hidden: false, side_effects: false };
        let outside =
            Sym { dylib, promise, owner: Owner::Outside, bound: true, address: Some(address), rivals: Vec::new() };
        match self.table.get(&(dylib, name)) {
            None => {
                self.table.insert((dylib, name), self.syms.len());
                self.syms.push(outside);
            }
            Some(key) if self.syms[*key].owner == Owner::Nobody => {
                let rivals = std::mem::take(&mut self.syms[*key].rivals);
                self.syms[*key] = Sym { rivals, ..outside };
            }
            Some(_) => {}
        }
    }

    pub fn withdraw(&mut self, unit: UnitKey) {
        self.forget(unit);
        let unit = &mut self.units[unit];
        (unit.stage, unit.client, unit.gone) = (Stage::Failed, false, true);
    }

    fn forget(&mut self, unit: UnitKey) {
        for key in std::mem::take(&mut self.units[unit].promised) {
            self.syms[key].rivals.retain(|(rival, _)| *rival != unit);
            if self.owns(unit, key) || self.syms[key].owner == Owner::Nobody {
                self.bequeath(key);
            }
        }
    }

    fn bequeath(&mut self, key: SymKey) {
        let sym = &self.syms[key];
        let waiting = |strong: bool| {
            let mut rivals = sym.rivals.iter();
            rivals.position(|(rival, it)| self.units[*rival].stage == Stage::Waiting && it.weak != strong)
        };
        let heir = waiting(true).or_else(|| waiting(false));
        let (dylib, name) = (sym.dylib, sym.promise.name);
        let sym = &mut self.syms[key];
        (sym.owner, sym.bound) = (Owner::Nobody, false);
        if let Some(at) = heir {
            let (unit, promise) = sym.rivals.remove(at);
            (sym.owner, sym.promise, sym.address) = (Owner::Unit(unit), promise, None);
        } else if sym.rivals.is_empty() && self.table.get(&(dylib, name)) == Some(&key) {
            self.table.remove(&(dylib, name));
        }
    }

    pub fn demand(&mut self, unit: UnitKey) {
        if self.units[unit].stage == Stage::Waiting {
            self.units[unit].stage = Stage::Materializing;
        }
    }

    fn is_missing_an_address(&self, unit: UnitKey) -> bool {
        let missing = |sym: &Sym| sym.address.is_none() && !sym.promise.side_effects;
        self.owned(unit).iter().any(|sym| missing(&self.syms[*sym]))
    }

    /// Looks whether a unit is resolved by now, or no more.
    pub fn note_resolved(&mut self, unit: UnitKey) {
        let some = self.owned(unit).iter().any(|sym| self.syms[*sym].address.is_some());
        match self.units[unit].stage {
            Stage::Materializing if some && !self.is_missing_an_address(unit) => {
                self.units[unit].stage = Stage::Resolved;
            }
            Stage::Resolved if self.is_missing_an_address(unit) => self.units[unit].stage = Stage::Materializing,
            _ => {}
        }
        self.settle();
    }

    /// Moves owned names of a unit to a new one.
    pub fn split(&mut self, unit: UnitKey, syms: &[SymKey], stage: Stage) -> UnitKey {
        let Unit { dylib, lot, .. } = self.units[unit];
        let other = self.add_unit(dylib, lot, stage);
        for key in syms {
            self.syms[*key].owner = Owner::Unit(other);
            if stage == Stage::Waiting {
                self.syms[*key].address = None;
            }
        }
        self.units[unit].promised.retain(|sym| !syms.contains(sym));
        for (sym, need) in self.units.iter_mut().flat_map(|unit| &mut unit.needs) {
            if *need == unit && syms.contains(sym) {
                *need = other;
            }
        }
        self.units[other].promised = syms.to_vec();
        other
    }

    /// Whether a query or an emitted unit waits for one of a unit's symbols.
    pub fn is_asked_for(&self, unit: UnitKey) -> bool {
        let asked = |key: &SymKey| self.owns(unit, *key);
        let wanted = self.queries.values().any(|query| {
            let wants = query.wants.iter().zip(&query.met);
            wants.into_iter().any(|(want, met)| !met && matches!(want, Want::Sym(key) if asked(key)))
        });
        let needs = |dependant: &Unit| {
            dependant.stage == Stage::Emitted && dependant.needs.iter().any(|(_, need)| *need == unit)
        };
        wanted || self.units.iter().any(needs)
    }

    pub fn emit(&mut self, unit: UnitKey, needs: Option<&[SymKey]>) {
        for need in needs.into_iter().flatten() {
            if let Owner::Unit(need) = self.syms[*need].owner {
                self.demand(need);
            }
        }
        if self.units[unit].stage == Stage::Failed {
            return;
        }
        let Some(needs) = needs.filter(|_| !self.is_missing_an_address(unit)) else {
            return self.fail(&[unit]);
        };
        self.units[unit].stage = Stage::Resolved;
        self.settle();
        for need in needs {
            if let Owner::Unit(need) = self.syms[*need].owner {
                self.holds.insert((self.heir(self.units[unit].lot), self.heir(self.units[need].lot)));
            }
        }
        let needed = needs.iter().filter_map(|sym| match self.syms[*sym].owner {
            Owner::Unit(need) => (self.units[need].stage != Stage::Ready).then_some((*sym, need)),
            _ => None,
        });
        self.units[unit].needs = needed.collect();
        self.units[unit].stage = Stage::Emitted;
        self.settle();
    }

    pub fn fail(&mut self, units: &[UnitKey]) {
        for unit in units {
            let unit = &mut self.units[*unit];
            if !matches!(unit.stage, Stage::Ready | Stage::Failed) {
                unit.client &= unit.stage != Stage::Waiting;
                (unit.stage, unit.kept) = (Stage::Failed, false);
            }
        }
        self.settle();
    }

    /// Everything that a unit reaches through what it needs, ready units aside.
    fn reached(&self, unit: UnitKey) -> BTreeSet<UnitKey> {
        let mut reached = BTreeSet::from([unit]);
        loop {
            let needs = reached.iter().flat_map(|unit| &self.units[*unit].needs).map(|(_, need)| *need);
            let mut next: BTreeSet<UnitKey> = needs.filter(|need| self.units[*need].stage != Stage::Ready).collect();
            next.extend(&reached);
            if next.len() == reached.len() {
                return reached;
            }
            reached = next;
        }
    }

    /// Works out which units fail and become ready, and which queries are answered.
    fn settle(&mut self) {
        let emitted: Vec<UnitKey> =
            (0..self.units.len()).filter(|unit| self.units[*unit].stage == Stage::Emitted).collect();
        let stages = |unit: UnitKey, test: fn(Stage) -> bool| {
            let mut reached = self.reached(unit).into_iter();
            reached.any(|unit| test(self.units[unit].stage))
        };
        let failed: Vec<_> = emitted.iter().filter(|unit| stages(**unit, |stage| stage == Stage::Failed)).collect();
        let ready: Vec<_> = emitted.iter().filter(|unit| !stages(**unit, |stage| stage != Stage::Emitted)).collect();
        for unit in failed {
            let unit = &mut self.units[*unit];
            (unit.stage, unit.kept) = (Stage::Failed, false);
        }
        for unit in ready {
            self.units[*unit].stage = Stage::Ready;
        }
        let open: Vec<QueryKey> = self.queries.keys().copied().collect();
        open.into_iter().for_each(|query| self.look_at(query));
    }

    pub fn ask(&mut self, key: QueryKey, wants: Vec<Want>, ready: bool, tolerant: bool) {
        let mut asked = Vec::new();
        for want in &wants {
            match *want {
                Want::Sym(sym) => {
                    self.syms[sym].bound = true;
                    asked.extend(match self.syms[sym].owner {
                        Owner::Unit(unit) => Some(unit),
                        _ => None,
                    });
                }
                Want::Unit(unit) => asked.push(unit),
                Want::Nothing => {}
            }
        }
        let met = vec![false; wants.len()];
        self.queries.insert(key, Query { wants, met, ready, tolerant });
        if tolerant || asked.iter().all(|unit| self.units[*unit].stage != Stage::Failed) {
            asked.into_iter().for_each(|unit| self.demand(unit));
        }
        self.look_at(key);
    }

    fn stage_of(&self, want: Want) -> Option<Stage> {
        match want {
            Want::Nothing => Some(Stage::Ready),
            Want::Unit(unit) => Some(self.units[unit].stage),
            Want::Sym(sym) => match self.syms[sym].owner {
                Owner::Outside => Some(Stage::Ready),
                Owner::Unit(unit) => Some(self.units[unit].stage),
                Owner::Nobody => None,
            },
        }
    }

    fn look_at(&mut self, key: QueryKey) {
        let mut query = self.queries[&key].clone();
        let is_far = |stage: Option<Stage>| match stage {
            Some(Stage::Ready) => true,
            Some(Stage::Resolved | Stage::Emitted) => !query.ready,
            _ => false,
        };
        let mut told = None;
        for (met, want) in query.met.iter_mut().zip(&query.wants) {
            let stage = self.stage_of(*want);
            let failed = stage == Some(Stage::Failed);
            if !*met && failed && !query.tolerant {
                told = Some(None);
            }
            *met |= is_far(stage) || failed;
        }
        if told.is_none() && query.met.iter().all(|met| *met) {
            let answer = query.wants.iter().map(|want| match *want {
                Want::Sym(sym) if !is_far(self.stage_of(*want)) => Err(sym),
                Want::Sym(sym) if self.syms[sym].promise.side_effects => Ok(None),
                Want::Sym(sym) => Ok(Some(self.syms[sym].address.unwrap_or(0))),
                _ => Ok(None),
            });
            told = Some(answer.collect::<Result<_, _>>().ok());
        }
        match told {
            Some(told) => self.answer(key, told),
            None => drop(self.queries.insert(key, query)),
        }
    }

    /// The units that have to go on before a query can be answered.
    pub fn awaited(&self, key: QueryKey) -> BTreeSet<UnitKey> {
        let Query { wants, ready, .. } = &self.queries[&key];
        let units = wants.iter().filter_map(|want| match *want {
            Want::Unit(unit) => Some(unit),
            Want::Sym(sym) => match self.syms[sym].owner {
                Owner::Unit(unit) => Some(unit),
                _ => None,
            },
            Want::Nothing => None,
        });
        let near = units.filter(|unit| match self.units[*unit].stage {
            Stage::Ready | Stage::Failed => false,
            Stage::Resolved | Stage::Emitted => *ready,
            Stage::Waiting | Stage::Materializing => true,
        });
        near.flat_map(|unit| self.reached(unit)).collect()
    }

    pub fn answer(&mut self, key: QueryKey, told: Told) {
        self.queries.remove(&key);
        self.answers.push((key, told));
    }

    pub fn heir(&self, mut lot: LotKey) -> LotKey {
        while let Some(heir) = self.lots[lot].heir {
            lot = heir;
        }
        lot
    }

    pub fn transfer(&mut self, dylib: usize, from: usize, to: usize) {
        if from == to {
            return;
        }
        let Some(source) = self.trackers.remove(&(dylib, from)) else { return };
        let target = self.lot(dylib, to);
        self.lots[target].pins += std::mem::take(&mut self.lots[source].pins);
        self.lots[source].heir = Some(target);
        for unit in self.units.iter_mut().filter(|unit| unit.lot == source) {
            unit.lot = target;
        }
        let holds = std::mem::take(&mut self.holds);
        self.holds = holds.into_iter().map(|(from, to)| (self.heir(from), self.heir(to))).collect();
    }

    pub fn remove(&mut self, dylib: usize, tracker: usize, forced: bool) {
        let Some(lot) = self.trackers.remove(&(dylib, tracker)) else { return };
        let units: Vec<UnitKey> =
            (0..self.units.len()).filter(|unit| self.units[*unit].lot == lot && !self.units[*unit].gone).collect();
        self.fail(&units);
        units.into_iter().for_each(|unit| self.forget(unit));
        self.lots[lot].retired = true;
        if forced {
            self.free(lot);
        }
        self.sweep();
    }

    pub fn clear(&mut self, dylib: usize, trackers: usize) {
        (0..trackers).for_each(|tracker| self.remove(dylib, tracker, false));
        for ((_, _), sym) in self.table.extract_if(|(home, _), _| *home == dylib) {
            self.syms[sym].owner = Owner::Nobody;
        }
    }

    fn free(&mut self, lot: LotKey) {
        self.lots[lot].freed = true;
        for unit in self.units.iter_mut().filter(|unit| unit.lot == lot) {
            (unit.gone, unit.kept) = (true, false);
        }
        self.holds.retain(|(from, _)| *from != lot);
    }

    /// Frees the retired lots that neither pins nor lots that stay reach.
    pub fn sweep(&mut self) {
        let stays = |lot: &LotKey| !self.lots[*lot].retired || 0 < self.lots[*lot].pins;
        let mut kept: BTreeSet<LotKey> = (0..self.lots.len()).filter(stays).collect();
        loop {
            let held = self.holds.iter().filter(|(from, _)| kept.contains(from)).map(|(_, to)| *to);
            let held: BTreeSet<LotKey> = held.collect();
            if held.is_subset(&kept) {
                break;
            }
            kept.extend(held);
        }
        for lot in 0..self.lots.len() {
            if !self.lots[lot].freed && !kept.contains(&lot) {
                self.free(lot);
            }
        }
    }

    /// Whether all that was removed is gone.
    pub fn is_quiescent(&self) -> bool {
        self.lots.iter().all(|lot| !lot.retired || lot.freed)
    }
}
