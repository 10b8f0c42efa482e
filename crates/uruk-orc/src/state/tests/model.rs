//! Random sequences of operations, done to a state and to the [reference](super::reference), which have to agree after
//! each: on phases, on what queries are told and how often, on what is found, kept and freed. In the end everything is
//! removed, and every id must be free for others.

use super::super::*;
use super::ops::{DYLIBS, NAMES, Op, TRACKERS};
use super::reference::{
    LotKey, Owner, Promise, QueryKey, Reference, Stage, Sym, SymKey, Told, Unit as Expected, UnitKey, Want as Wanted,
};
use crate::responsibility::Responsibility;
use crate::session::Population;
use crate::unit::{Definition, Promises};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What was dropped: clients' units, and what was kept for units.
#[derive(Default)]
struct Dropped {
    clients: Vec<UnitKey>,
    kept: Vec<UnitKey>,
}

type Log<T> = Arc<Mutex<T>>;

struct Client(UnitKey, Log<Dropped>);

impl Drop for Client {
    fn drop(&mut self) {
        self.1.lock().unwrap().clients.push(self.0);
    }
}

impl MaterializationUnit for Client {
    fn name(&self) -> String {
        unit_name(self.0)
    }

    fn definitions(&self) -> Vec<Definition> {
        Vec::new()
    }

    fn materialize(self: Box<Self>, _: Responsibility) {}
}

struct Kept(UnitKey, Log<Dropped>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.1.lock().unwrap().kept.push(self.0);
    }
}

fn unit_name(unit: UnitKey) -> String {
    format!("u{unit}")
}

/// A unit that somebody is at work on.
struct Job {
    key: UnitKey,
    id: UnitId,
}

struct Model {
    state: State,
    reference: Reference,
    names: Vec<Name>,
    /// Of each dylib; the first is the default one.
    trackers: Vec<TrackerId>,
    jobs: Vec<Job>,
    /// Tasks that were not started, and those that were and have not ended.
    tasks: Vec<TaskId>,
    running: Vec<TaskId>,
    waiters: Vec<(QueryKey, QueryId)>,
    told: Log<Vec<(QueryKey, Told)>>,
    queries: QueryKey,
    pins: Vec<(PinsId, LotKey)>,
    dropped: Log<Dropped>,
    /// Units whose clients' units were run, or that have none.
    has_run: BTreeSet<UnitKey>,
    has_kept: BTreeSet<UnitKey>,
}

impl Model {
    fn new() -> Model {
        let pool = Arc::new(Names::default());
        let mut state = State::new(pool.clone());
        let mut reference = Reference::default();
        let mut trackers = Vec::new();
        for dylib in 0..DYLIBS {
            let id = state.add_dylib(&format!("d{dylib}")).unwrap();
            reference.orders.push(vec![(dylib, true)]);
            trackers.push(state.dylib(id).tracker);
            trackers.extend((1..TRACKERS).map(|_| state.add_tracker(id)));
        }
        Model {
            state,
            reference,
            trackers,
            names: (0..NAMES).map(|name| pool.intern(format!("n{name}").as_bytes())).collect(),
            jobs: Vec::new(),
            tasks: Vec::new(),
            running: Vec::new(),
            waiters: Vec::new(),
            told: Log::default(),
            queries: 0,
            pins: Vec::new(),
            dropped: Log::default(),
            has_run: BTreeSet::new(),
            has_kept: BTreeSet::new(),
        }
    }

    fn tracker(&self, dylib: usize, tracker: usize) -> TrackerId {
        self.trackers[dylib * TRACKERS + tracker]
    }

    fn definitions(&self, promises: &[Promise]) -> Vec<Definition> {
        let definition = |promise: &Promise| {
            let name = self.names[promise.name];
            let it = if promise.side_effects { Definition::side_effects(name) } else { Definition::function(name) };
            let it = if promise.weak { it.weak() } else { it };
            if promise.hidden { it.hidden() } else { it }
        };
        promises.iter().map(definition).collect()
    }

    fn client(&mut self, key: UnitKey) -> Box<dyn MaterializationUnit> {
        self.reference.units[key].client = true;
        Box::new(Client(key, self.dropped.clone()))
    }

    fn order(&self, dylib: usize) -> Vec<SearchEntry> {
        self.state.dylib(DylibId(dylib as u32)).order.clone()
    }

    fn find(&self, dylib: usize, name: usize) -> Option<SymKey> {
        self.reference.find(&self.reference.orders[dylib], name)
    }

    fn job(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.jobs.len())
    }

    /// The names that a unit owes and a mask picks, as keys and as names.
    fn picked(&self, key: UnitKey, mask: u8) -> (Vec<SymKey>, Vec<Name>) {
        let owned = self.reference.owned(key).into_iter().enumerate();
        let picked: Vec<SymKey> = owned.filter(|(at, _)| mask >> (at % 8) & 1 == 1).map(|(_, sym)| sym).collect();
        let names = picked.iter().map(|sym| self.names[self.reference.syms[*sym].promise.name]).collect();
        (picked, names)
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Define { dylib, tracker, ref promises } => self.define(dylib, tracker, promises),
            Op::Absolute { dylib, tracker, ref promises } => self.define_absolute(dylib, tracker, promises),
            Op::Outside { dylib, name } => self.define_outside(dylib, name),
            Op::Query { dylib, ref names, ready, callback } => self.query(dylib, names, ready, callback),
            Op::AskUnit { which, ready, tolerant } => self.ask_unit(which, ready, tolerant),
            Op::Cancel { which } => self.cancel(which),
            Op::Start { which, lingers } => self.start(which, lingers),
            Op::EndTask { which } => {
                if let Some(at) = which.checked_rem(self.running.len()) {
                    self.state.end_task(self.running.swap_remove(at));
                }
            }
            Op::Transfer { dylib, from, to } => {
                self.state.transfer(self.tracker(dylib, from), self.tracker(dylib, to)).unwrap();
                self.reference.transfer(dylib, from, to);
            }
            Op::DropTracker { dylib, tracker } => {
                let id = self.tracker(dylib, tracker);
                self.state.drop_tracker(id).unwrap();
                if tracker != 0 {
                    assert!(self.state.drop_tracker(id).is_err());
                    self.trackers[dylib * TRACKERS + tracker] = self.state.add_tracker(DylibId(dylib as u32));
                }
                self.reference.transfer(dylib, tracker, 0);
            }
            Op::Remove { dylib, tracker, forced } => {
                self.state.remove(self.tracker(dylib, tracker), forced);
                self.reference.remove(dylib, tracker, forced);
            }
            Op::Clear { dylib } => {
                self.state.clear(DylibId(dylib as u32));
                self.reference.clear(dylib, TRACKERS);
            }
            Op::Pin { dylib, name } => self.pin(dylib, name),
            Op::Unpin { which } => self.unpin(which),
            Op::Order { dylib, first, alone } => self.set_order(dylib, first, alone),
            Op::End => self.end(),
            _ => self.work(op),
        }
        self.settle();
        self.compare();
    }

    /// What is done to a unit that somebody is at work on.
    fn work(&mut self, op: &Op) {
        let (Op::Resolve { which, .. }
        | Op::Emit { which, .. }
        | Op::Fail { which }
        | Op::Delegate { which, .. }
        | Op::Replace { which, .. }
        | Op::DefineMore { which, .. }) = op
        else {
            unreachable!("the others are done elsewhere")
        };
        let Some(at) = self.job(*which) else { return };
        let Job { key, id } = self.jobs[at];
        let works = self.reference.units[key].stage != Stage::Failed;
        match *op {
            Op::Resolve { mask, .. } => self.resolve(key, id, mask),
            Op::Emit { resolved, ref needs, .. } => {
                if resolved {
                    self.resolve(key, id, u8::MAX);
                }
                self.emit(at, needs);
            }
            Op::Fail { .. } => {
                self.jobs.swap_remove(at);
                self.state.give_up(vec![(id, Error::Ended)]);
                self.reference.fail(&[key]);
            }
            Op::Delegate { mask, .. } => {
                let (picked, names) = self.picked(key, mask);
                let delegated = self.state.delegate(id, &names);
                assert_eq!(delegated.is_ok(), works);
                let Ok(other) = delegated else { return };
                let split = self.reference.split(key, &picked, Stage::Materializing);
                self.state.unit_mut(other).name = unit_name(split).into();
                self.jobs.push(Job { key: split, id: other });
                self.has_run.insert(split);
                self.reference.note_resolved(key);
                self.reference.note_resolved(split);
            }
            Op::Replace { mask, .. } => self.replace(key, id, mask),
            Op::DefineMore { ref promises, .. } => {
                let definitions = self.definitions(promises);
                let before = self.reference.units[key].promised.len();
                let expected = works && self.reference.promise(key, promises);
                assert_eq!(self.state.define_more(id, &definitions).is_ok(), expected);
                let added = self.reference.units[key].promised[before..].to_vec();
                for sym in added {
                    self.reference.syms[sym].bound |= self.reference.syms[sym].owner == Owner::Unit(key);
                }
                if expected {
                    self.reference.note_resolved(key);
                }
            }
            _ => {}
        }
    }

    fn define(&mut self, dylib: usize, tracker: usize, promises: &[Promise]) {
        let (home, tracker_id) = (DylibId(dylib as u32), self.tracker(dylib, tracker));
        let admitted = self.state.tracker_for(home, Some(tracker_id));
        assert_eq!(admitted.is_err(), self.reference.ended);
        if admitted.is_err() {
            return;
        }
        let lot = self.reference.lot(dylib, tracker);
        let key = self.reference.add_unit(dylib, lot, Stage::Waiting);
        let client = self.client(key);
        let definitions = self.definitions(promises);
        let name = unit_name(key).into();
        let said = Promises { name, definitions, initialiser: false };
        let expected = self.reference.promise(key, promises);
        if self.reference.owned(key).is_empty() {
            self.reference.withdraw(key);
        }
        assert_eq!(self.state.add_client(home, tracker_id, client, &said).is_ok(), expected);
    }

    fn define_absolute(&mut self, dylib: usize, tracker: usize, promises: &[Promise]) {
        let (home, tracker_id) = (DylibId(dylib as u32), self.tracker(dylib, tracker));
        let addresses: Vec<u64> = (0..).map(|at| 0x5000 + at).take(promises.len()).collect();
        let definitions: Vec<_> = self.definitions(promises).into_iter().zip(addresses.iter().copied()).collect();
        let lot = self.reference.lot(dylib, tracker);
        let key = self.reference.lots[lot].absolute.unwrap_or_else(|| {
            let key = self.reference.add_unit(dylib, lot, Stage::Ready);
            self.reference.lots[lot].absolute = Some(key);
            key
        });
        self.has_run.insert(key);
        let expected = self.reference.promise(key, promises);
        let defined = self.state.add_absolute(home, tracker_id, &definitions);
        assert_eq!(defined.is_ok(), expected);
        let lot = self.state.lot(tracker_id);
        let id = self.state.lots[lot].absolute.unwrap();
        self.state.unit_mut(id).name = unit_name(key).into();
        if expected {
            for (promise, address) in promises.iter().zip(addresses) {
                let sym = self.reference.table[&(dylib, promise.name)];
                let sym = &mut self.reference.syms[sym];
                if sym.owner == Owner::Unit(key) {
                    sym.address.get_or_insert(address);
                }
            }
        }
    }

    fn define_outside(&mut self, dylib: usize, name: usize) {
        self.state.define_absolute(DylibId(dylib as u32), self.names[name], 0x9000, SymbolKind::Function);
        self.reference.define_outside(dylib, name, 0x9000);
    }

    fn open(&mut self, ready: bool, tolerant: bool, callback: bool) -> (QueryKey, QueryId) {
        let key = self.queries;
        self.queries += 1;
        let required = if ready { Required::Ready } else { Required::Resolved };
        let told = self.told.clone();
        let consumer = match callback {
            false => Consumer::Waiter,
            true => Consumer::Callback(Box::new(move |answer| told.lock().unwrap().push((key, answer.ok())))),
        };
        let id = self.state.open_query(required, tolerant, consumer);
        if !callback {
            self.waiters.push((key, id));
        }
        (key, id)
    }

    fn query(&mut self, dylib: usize, names: &[(usize, bool)], ready: bool, callback: bool) {
        let (key, id) = self.open(ready, false, callback);
        let order = self.order(dylib);
        let asked: Vec<_> = names.iter().map(|(name, required)| (self.names[*name], *required)).collect();
        self.state.ask_names(id, &order, &asked);
        let wants: Option<Vec<Wanted>> = names
            .iter()
            .map(|(name, required)| match self.find(dylib, *name) {
                Some(sym) => Some(Wanted::Sym(sym)),
                None => (!required).then_some(Wanted::Nothing),
            })
            .collect();
        match wants.filter(|_| !self.reference.ended) {
            Some(wants) => self.reference.ask(key, wants, ready, false),
            None => self.reference.answer(key, None),
        }
    }

    fn ask_unit(&mut self, which: usize, ready: bool, tolerant: bool) {
        let present: Vec<UnitKey> = self.present().map(|(key, _)| key).collect();
        let Some(at) = which.checked_rem(present.len()) else { return };
        let unit = present[at];
        let (key, id) = self.open(ready, tolerant, which & 0x80 != 0);
        let wanted = self.unit_id(unit).unwrap();
        self.state.ask(id, vec![Want::Unit(wanted)]);
        self.reference.ask(key, vec![Wanted::Unit(unit)], ready, tolerant);
    }

    fn cancel(&mut self, which: usize) {
        if let Some(at) = which.checked_rem(self.waiters.len()) {
            let (key, id) = self.waiters.swap_remove(at);
            drop(self.state.cancel(id));
            self.reference.queries.remove(&key);
        }
    }

    fn start(&mut self, which: usize, lingers: bool) {
        let Some(at) = which.checked_rem(self.tasks.len()) else { return };
        let task = self.tasks.swap_remove(at);
        let Some((Work::Unit(id, client), _)) = self.state.start_task(task) else {
            // The end of the session has dropped it.
            return assert!(self.reference.ended);
        };
        drop(client);
        let key = self.key_of(id);
        self.reference.units[key].client = false;
        self.has_run.insert(key);
        let works = self.reference.units[key].stage != Stage::Failed;
        assert_eq!(self.state.keep(id, Box::new(Kept(key, self.dropped.clone())), []).is_ok(), works);
        self.reference.units[key].kept = works;
        self.has_kept.insert(key);
        self.jobs.push(Job { key, id });
        if lingers {
            self.running.push(task);
        } else {
            self.state.end_task(task);
        }
    }

    fn resolve(&mut self, key: UnitKey, id: UnitId, mask: u8) {
        let (picked, names) = self.picked(key, mask);
        let address = |at: usize| 0x1000 * (1 + key as u64) + at as u64;
        let addresses: Vec<_> = names.iter().enumerate().map(|(at, name)| (*name, address(at))).collect();
        let works = self.reference.units[key].stage != Stage::Failed;
        assert_eq!(self.state.resolve(id, &addresses).is_ok(), works);
        if works {
            for (sym, (_, address)) in picked.iter().zip(&addresses) {
                self.reference.syms[*sym].address = Some(*address);
            }
            self.reference.note_resolved(key);
        }
    }

    fn emit(&mut self, at: usize, needs: &[(usize, usize)]) {
        let Job { key, id } = self.jobs.swap_remove(at);
        let found: Vec<_> = needs.iter().map(|(dylib, name)| self.find(*dylib, *name)).collect();
        let known = found.iter().map_while(|sym| *sym).collect::<Vec<SymKey>>();
        for sym in &known {
            self.reference.syms[*sym].bound = true;
        }
        let bound: Vec<_> = needs.iter().map(|(dylib, name)| (DylibId(*dylib as u32), self.names[*name])).collect();
        let emitted = match self.state.bind_all(&bound) {
            Ok(symbols) => self.state.emit_client(id, symbols),
            Err(error) => {
                self.state.fail(vec![(id, error.clone())]);
                Err(error)
            }
        };
        self.state.end_unit(id);
        self.reference.emit(key, (known.len() == needs.len()).then_some(&known));
        assert_eq!(emitted.is_ok(), self.reference.units[key].stage != Stage::Failed);
    }

    fn replace(&mut self, key: UnitKey, id: UnitId, mask: u8) {
        let (picked, names) = self.picked(key, mask);
        let works = self.reference.units[key].stage != Stage::Failed;
        let next = self.reference.units.len();
        let definitions = names.iter().map(|name| Definition::function(*name)).collect();
        let said = Promises { name: unit_name(next).into(), definitions, initialiser: false };
        let client = Box::new(Client(next, self.dropped.clone()));
        assert_eq!(self.state.replace(id, client, &said).is_ok(), works);
        if !works {
            // It was never part of the session.
            let lot = self.reference.units[key].lot;
            let refused = self.reference.add_unit(self.reference.units[key].dylib, lot, Stage::Failed);
            self.reference.units[refused].gone = true;
            return;
        }
        let split = self.reference.split(key, &picked, Stage::Waiting);
        self.reference.units[split].client = true;
        self.reference.note_resolved(key);
        if picked.is_empty() {
            self.reference.withdraw(split);
        } else if self.reference.is_asked_for(split) {
            self.reference.demand(split);
        }
    }

    fn pin(&mut self, dylib: usize, name: usize) {
        let known = self.state.find(&self.order(dylib), self.names[name]).and_then(|id| self.state.publish(id));
        let sym = self.find(dylib, name).map(|sym| self.reference.syms[sym].clone());
        let ready = |sym: &Sym| match sym.owner {
            Owner::Unit(unit) => self.reference.units[unit].stage == Stage::Ready && !sym.promise.side_effects,
            owner => owner == Owner::Outside,
        };
        let sym = sym.filter(ready);
        assert_eq!(known.map(|known| known.address), sym.as_ref().map(|sym| sym.address.unwrap_or(0)));
        let (Some(known), Some(Sym { owner: Owner::Unit(unit), .. })) = (known, sym) else { return };
        let lot = self.reference.heir(self.reference.units[unit].lot);
        self.state.published.pins(known.pins).pin();
        self.reference.lots[lot].pins += 1;
        self.pins.push((known.pins, lot));
    }

    fn unpin(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.pins.len()) else { return };
        let (pins, lot) = self.pins.swap_remove(at);
        if self.state.published.pins(pins).unpin() && self.state.published.is_retired() {
            self.state.sweep_lots();
        }
        let lot = self.reference.heir(lot);
        self.reference.lots[lot].pins -= 1;
        self.reference.sweep();
    }

    fn set_order(&mut self, dylib: usize, first: bool, alone: bool) {
        let (own, other) = ((dylib, true), (1 - dylib, false));
        let order = match (first, alone) {
            (_, true) => vec![own],
            (true, _) => vec![own, other],
            (false, _) => vec![other, own],
        };
        let entry = |(dylib, all_symbols): &(usize, bool)| SearchEntry {
            dylib: DylibId(*dylib as u32),
            all_symbols: *all_symbols,
        };
        self.state.dylibs[dylib].order = order.iter().map(entry).collect();
        self.reference.orders[dylib] = order;
    }

    fn end(&mut self) {
        self.state.end();
        let unstarted: Vec<UnitKey> = (0..self.reference.units.len())
            .filter(|unit| self.reference.units[*unit].client && self.reference.units[*unit].stage != Stage::Waiting)
            .collect();
        for unit in &unstarted {
            self.reference.units[*unit].client = false;
        }
        self.reference.fail(&unstarted);
        let open: Vec<QueryKey> = self.reference.queries.keys().copied().collect();
        open.into_iter().for_each(|query| self.reference.answer(query, None));
        self.reference.ended = true;
    }

    /// Does what the state asks for, and takes answers.
    fn settle(&mut self) {
        let Effects { answers, tasks, dropped, mut freed, discarded, wakers, .. } = self.state.take_effects();
        freed.extend(discarded);
        assert!(wakers.is_empty());
        for (callback, answer) in answers {
            callback(answer);
        }
        self.tasks.extend(tasks);
        drop(dropped);
        let count = freed.len();
        drop(freed);
        self.state.freed(count);
        let mut told = self.told.lock().unwrap();
        self.waiters.retain(|(key, id)| match self.state.take_answer(*id) {
            Some(answer) => {
                told.push((*key, answer.ok()));
                false
            }
            None => true,
        });
    }

    fn unit_id(&self, key: UnitKey) -> Option<UnitId> {
        let position = self.state.units.iter().position(|unit| *unit.name == *unit_name(key))?;
        Some(UnitId(position as u32))
    }

    fn key_of(&self, id: UnitId) -> UnitKey {
        self.state.unit(id).name[1..].parse().unwrap()
    }

    /// The units that are part of the session, with what is expected of them.
    fn present(&self) -> impl Iterator<Item = (UnitKey, &Expected)> {
        self.reference.units.iter().enumerate().filter(|(_, unit)| !unit.gone)
    }

    fn compare(&mut self) {
        let mut told = std::mem::take(&mut *self.told.lock().unwrap());
        let mut expected = std::mem::take(&mut self.reference.answers);
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "answers");
        for (key, unit) in self.present() {
            let id = self.unit_id(key).unwrap_or_else(|| panic!("{} has lost its id", unit_name(key)));
            assert_eq!(stage(&self.state.unit(id).phase), unit.stage, "{}", unit_name(key));
        }
        for Job { key, id } in &self.jobs {
            assert_eq!(self.key_of(*id), *key, "the id of a unit that somebody works on is another's");
        }
        self.compare_symbols();
        self.compare_dropped();
        self.compare_help();
        assert_eq!(self.state.is_quiescent(), self.reference.is_quiescent());
    }

    fn compare_symbols(&self) {
        for dylib in 0..DYLIBS {
            for (index, name) in self.names.iter().enumerate() {
                let own = [SearchEntry { dylib: DylibId(dylib as u32), all_symbols: true }];
                let found = self.state.find(&own, *name).map(|id| *self.state.symbol(id));
                let expected = self.reference.find(&[(dylib, true)], index).map(|sym| &self.reference.syms[sym]);
                assert_eq!(found.is_some(), expected.is_some(), "n{index} of d{dylib}");
                let (Some(found), Some(expected)) = (found, expected) else { continue };
                assert_eq!(found.exported, self.reference.is_visible(expected), "n{index} of d{dylib}");
                match expected.owner {
                    Owner::Unit(unit) => assert_eq!(self.key_of(found.unit), unit, "n{index} of d{dylib}"),
                    owner => assert!(owner == Owner::Outside && found.unit == NO_UNIT),
                }
                let id = self.state.dylib(own[0].dylib).table.get(*name).unwrap();
                if let Some(known) = self.state.published.known(id, *name) {
                    assert_eq!((known.address, known.exported), (found.address, found.exported));
                    assert!(self.state.is_ready(found.unit), "n{index} of d{dylib} is known too early");
                }
            }
        }
    }

    fn compare_dropped(&self) {
        let dropped = self.dropped.lock().unwrap();
        let set = |keys: &[UnitKey]| {
            let set: BTreeSet<UnitKey> = keys.iter().copied().collect();
            assert_eq!(set.len(), keys.len(), "something was dropped twice");
            set
        };
        let (clients, kept) = (set(&dropped.clients), set(&dropped.kept));
        for (key, unit) in self.reference.units.iter().enumerate() {
            if !self.has_run.contains(&key) {
                assert_eq!(clients.contains(&key), !unit.client, "the client of {}", unit_name(key));
            }
            if self.has_kept.contains(&key) {
                assert_eq!(kept.contains(&key), !unit.kept, "what is kept for {}", unit_name(key));
            }
        }
    }

    /// Whether a waiting thread finds something to do exactly if something that it waits for has not been started.
    fn compare_help(&self) {
        for (key, id) in &self.waiters {
            let reached = self.reference.awaited(*key);
            let unstarted = |unit: &UnitKey| {
                let unit = &self.reference.units[*unit];
                unit.client && unit.stage == Stage::Materializing
            };
            let helps = self.state.helpful_task(*id, &[], None).unwrap().is_some();
            assert_eq!(helps, reached.iter().any(unstarted), "help for query {key}");
        }
    }

    /// Ends all work and removes everything: no id may be in use any more, and none lost.
    fn finish(mut self) {
        while !self.tasks.is_empty() {
            self.start(0, false);
            self.settle();
        }
        while !self.jobs.is_empty() {
            self.work(&Op::Fail { which: 0 });
        }
        while !self.pins.is_empty() {
            self.unpin(0);
        }
        (0..DYLIBS).for_each(|dylib| self.apply(&Op::Clear { dylib }));
        // Units that were given back anew have been removed with the rest; queries for them have failed.
        std::mem::take(&mut self.running).into_iter().for_each(|task| self.state.end_task(task));
        for (_, id) in std::mem::take(&mut self.waiters) {
            drop(self.state.cancel(id));
        }
        self.settle();
        let Model { state, reference, dropped, has_kept, .. } = self;
        assert!(state.is_quiescent() && reference.is_quiescent());
        let Population { units, symbols, queries, tasks, .. } = state.population();
        assert_eq!([units, symbols, queries, tasks, state.lots.len()], [0; 5]);
        assert_eq!((state.rivals.len(), state.free_pins.len()), (0, state.pins as usize));
        assert_eq!(dropped.lock().unwrap().kept.len(), has_kept.len());
    }
}

fn stage(phase: &Phase) -> Stage {
    match phase {
        Phase::Waiting => Stage::Waiting,
        Phase::Materializing => Stage::Materializing,
        Phase::Resolved => Stage::Resolved,
        Phase::Emitted => Stage::Emitted,
        Phase::Ready => Stage::Ready,
        Phase::Failed(_) => Stage::Failed,
    }
}

fn run(ops: &[Op]) {
    let mut model = Model::new();
    ops.iter().for_each(|op| model.apply(op));
    model.finish();
}

/// How many sequences are tried.
fn cases() -> u32 {
    std::env::var("URUK_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

#[test]
fn a_state_does_what_the_reference_says() {
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 20_000, ..Default::default() };
    let sequences = prop::collection::vec(any::<u64>().prop_map(Op::decode), 1..80);
    proptest!(config, |(ops in sequences)| run(&ops));
}
