//! The execution session: dylibs, their symbols, and the look-ups that bring code into being.
//!
//! Invariants: one mutex guards the [`State`]; it is never held while a generator, an executor, a materializer or the
//! linker runs. Whoever claims a unit links it on its own thread and tells everybody when it is done.

use crate::error::{Error, Missing};
use crate::executor::Executor;
use crate::generator::DefinitionGenerator;
use crate::objects::{self, Linked, Object};
use crate::state::*;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, RwLock};
use uruk_jitlink::elf::Interface;
use uruk_jitlink::graph::{FunctionTable, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::memory::{Placement, Segment};
use uruk_jitlink::names::{Name, Names};

/// Work below this many input bytes is not worth waking other threads (about 2 ms of linking).
const PARALLEL_BYTES: usize = 3 << 20;

/// What lies at an address of linked code or data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The dylib's name.
    pub dylib: String,
    /// Where the memory of the object begins.
    pub base: u64,
    /// The symbol at or before the address, and its address.
    pub symbol: Option<(Vec<u8>, u64)>,
}

/// A program that is being put together and run.
pub struct Session {
    names: Arc<Names>,
    state: Mutex<State>,
    progress: Condvar,
    executor: Arc<dyn Executor>,
    generators: RwLock<HashMap<DylibId, Vec<Arc<dyn DefinitionGenerator>>>>,
    linked: Mutex<HashMap<UnitId, Linked>>,
    /// Units whose initialisers have not run, by dylib, in order of linking.
    uninitialised: Mutex<HashMap<DylibId, Vec<UnitId>>>,
    threads: usize,
    pool: OnceLock<Option<rayon::ThreadPool>>,
    reports: Mutex<Vec<Error>>,
}

impl Session {
    /// A session without dylibs that links on `threads` threads, the calling one among them.
    pub fn new(executor: Arc<dyn Executor>, threads: usize) -> Session {
        let names = Arc::new(Names::default());
        Session {
            state: Mutex::new(State::new(names.clone())),
            names,
            progress: Condvar::new(),
            executor,
            generators: RwLock::default(),
            linked: Mutex::default(),
            uninitialised: Mutex::default(),
            threads,
            pool: OnceLock::new(),
            reports: Mutex::default(),
        }
    }

    /// The names of this session.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The process where code runs.
    pub fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    /// Makes a dylib, which at first searches itself only. Errors if the name is taken.
    pub fn create_dylib(&self, name: &str) -> Result<DylibId, Error> {
        self.lock().add_dylib(name)
    }

    /// The dylib of a name.
    pub fn dylib(&self, name: &str) -> Option<DylibId> {
        let state = self.lock();
        let position = state.dylibs.iter().position(|dylib| &*dylib.name == name)?;
        Some(DylibId(position as u32))
    }

    /// Where references from a dylib are looked for, in this order. The dylib itself, with hidden symbols, is
    /// usually the first.
    pub fn set_search_order(&self, dylib: DylibId, order: Vec<SearchEntry>) {
        self.lock().dylibs[dylib.index()].order = order;
    }

    /// Where references from a dylib are looked for.
    pub fn search_order(&self, dylib: DylibId) -> Vec<SearchEntry> {
        self.lock().dylib(dylib).order.clone()
    }

    /// Makes a dylib's memory lie where another's does, in reach of it. To be said before either has code.
    pub fn place_with(&self, dylib: DylibId, leader: DylibId) {
        self.lock().dylibs[dylib.index()].placed_with = leader;
    }

    /// Lets a generator define what is missing in a dylib, after those that it has.
    pub fn add_generator(&self, dylib: DylibId, generator: Arc<dyn DefinitionGenerator>) {
        let mut generators = self.generators.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        generators.entry(dylib).or_default().push(generator);
    }

    /// Adds objects as whole inputs of one static link: order among them does not matter, and their initialisers
    /// run with their dylib's. Nothing is linked before somebody asks for it.
    pub fn add_objects(&self, dylib: DylibId, tracker: Option<TrackerId>, inputs: &[Input]) -> Result<(), Error> {
        let units = self.define_objects(dylib, tracker, inputs)?;
        self.lock().dylibs[dylib.index()].roots.extend(units);
        Ok(())
    }

    /// Adds objects that are linked only if something refers to them.
    pub fn add_members(&self, dylib: DylibId, inputs: &[Input]) -> Result<(), Error> {
        self.define_objects(dylib, None, inputs).map(drop)
    }

    /// Makes a tracker: what is added with it can be removed together.
    pub fn create_tracker(&self) -> TrackerId {
        self.lock().add_tracker()
    }

    /// Removes what was added with a tracker: symbols, code, data and everything that was registered for them. The
    /// tracker can be used again.
    ///
    /// The caller upholds that none of its code runs or will, and that nothing that stays refers to it; this is the
    /// forced form, which frees regardless.
    pub fn remove_forced(&self, tracker: TrackerId) {
        let mut removed = Vec::new();
        {
            let mut state = self.lock();
            let mut linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let mut uninitialised = self.uninitialised.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for unit in state.take_tracked(tracker) {
                if let Some(linked) = linked.remove(&unit) {
                    if !linked.functions.is_empty()
                        && let Some(units) = uninitialised.get_mut(&state.unit(unit).dylib)
                    {
                        units.retain(|other| *other != unit);
                    }
                    removed.push(linked);
                }
                state.remove_unit(unit);
            }
        }
        self.give_back(removed.into_iter());
    }

    fn define_objects(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        inputs: &[Input],
    ) -> Result<Vec<UnitId>, Error> {
        let cost = inputs.iter().map(|input| input.len()).sum();
        let read = self.parallel(cost, inputs, |input| Interface::read(input, &self.names));
        let mut interfaces = Vec::with_capacity(inputs.len());
        for interface in read {
            interfaces.push(interface?);
        }
        let mut units = Vec::with_capacity(inputs.len());
        let mut state = self.lock();
        for interface in interfaces {
            let object = Arc::new(Object::new(interface));
            let unit = state.add_unit(dylib, tracker, object.clone());
            let mut symbols = Vec::new();
            let defined = state.define(unit, &object.interface, &mut symbols);
            let _ = object.symbols.set(symbols);
            units.push(unit);
            if let Err(error) = defined {
                // One add call is one static link: what was part of it goes.
                for unit in units {
                    state.remove_unit(unit);
                }
                return Err(error);
            }
        }
        Ok(units)
    }

    /// Defines names at fixed addresses; names that the dylib has already keep their definition.
    pub fn define_absolute(&self, dylib: DylibId, definitions: &[(Name, u64, SymbolKind)]) {
        let mut state = self.lock();
        for (name, address, kind) in definitions {
            state.define_absolute(dylib, *name, *address, *kind);
        }
    }

    /// Whether a dylib defines a name.
    pub fn defines(&self, dylib: DylibId, name: Name) -> bool {
        self.lock().dylib(dylib).table.get(name).is_some()
    }

    /// The addresses of symbols, in the order of the names, linked and ready to be used. Fails if one is missing or
    /// cannot be linked.
    pub fn lookup(&self, order: &[SearchEntry], names: &[&str]) -> Result<Vec<u64>, Error> {
        let names: Vec<Name> = names.iter().map(|name| self.names.intern(name.as_bytes())).collect();
        let symbols = self.find_all(order, &names)?;
        self.materialize(symbols.iter().map(|symbol| self.lock().symbol(*symbol).unit).collect())?;
        let state = self.lock();
        Ok(symbols.iter().map(|symbol| state.symbol(*symbol).address).collect())
    }

    /// Links units, and waits until they are ready.
    fn materialize(&self, mut units: Vec<UnitId>) -> Result<(), Error> {
        units.retain(|unit| *unit != NO_UNIT);
        let claimed: Vec<UnitId> = {
            let mut state = self.lock();
            units.iter().copied().filter(|unit| state.claim(*unit)).collect()
        };
        if !claimed.is_empty() {
            objects::link(self, claimed);
        }
        let mut failures = Vec::new();
        let mut state = self.lock();
        for unit in units {
            loop {
                match &state.unit(unit).phase {
                    Phase::Ready => break,
                    Phase::Failed(error) => {
                        failures.push(error.clone());
                        break;
                    }
                    _ => state = self.wait(state),
                }
            }
        }
        Error::of_many(failures)
    }

    /// Links whole inputs of several dylibs in one batch.
    pub fn materialize_all_roots(&self, dylibs: &[DylibId]) -> Result<(), Error> {
        let mut roots = Vec::new();
        {
            let mut state = self.lock();
            for dylib in dylibs {
                roots.append(&mut state.dylibs[dylib.index()].roots);
            }
        }
        self.materialize(roots)
    }

    /// The address of what a search order's own dylibs define under a name, linked, without asking generators;
    /// thread-local variables have none.
    pub fn lookup_defined(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names.find(name)?;
        let (symbol, unit) = {
            let state = self.lock();
            let id = state.find(order, name).filter(|id| state.symbol(*id).exported)?;
            (id, state.symbol(id).unit)
        };
        self.materialize(vec![unit]).ok()?;
        let state = self.lock();
        let symbol = state.symbol(symbol);
        (symbol.kind != SymbolKind::ThreadLocal).then_some(symbol.address)
    }

    /// The same for strong definitions of linked units only.
    pub fn lookup_strong(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names.find(name)?;
        let state = self.lock();
        let symbol = state.symbol(state.find(order, name)?);
        let strong = symbol.strength == Rank::Strong && symbol.kind != SymbolKind::ThreadLocal;
        (strong && symbol.unit != NO_UNIT && matches!(state.unit(symbol.unit).phase, Phase::Ready))
            .then_some(symbol.address)
    }

    /// The dylib and the unit's memory that an address lies in.
    pub fn dylib_containing(&self, address: u64) -> Option<DylibId> {
        let unit = self.unit_containing(address)?;
        Some(self.lock().unit(unit).dylib)
    }

    fn unit_containing(&self, address: u64) -> Option<UnitId> {
        let linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let inside = |segment: &Segment| address.wrapping_sub(segment.address) < segment.size;
        linked.iter().find(|(_, linked)| linked.segments.iter().any(inside)).map(|(unit, _)| *unit)
    }

    /// What lies at an address: the dylib's name, the start of its object's memory, and the symbol at or before it.
    pub fn describe(&self, address: u64) -> Option<Description> {
        let unit = self.unit_containing(address)?;
        let base = {
            let linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            linked.get(&unit)?.segments.iter().map(|segment| segment.address).min()?
        };
        let state = self.lock();
        let object = state.unit(unit).object.clone()?;
        let own = object.symbols().iter().flatten().map(|id| state.symbol(*id));
        let own = own.filter(|symbol| symbol.unit == unit && symbol.kind != SymbolKind::ThreadLocal);
        let nearest = own.filter(|symbol| symbol.address <= address).max_by_key(|symbol| symbol.address);
        let symbol = nearest.map(|symbol| (self.names.bytes(symbol.name), symbol.address));
        Some(Description { dylib: state.dylib(state.unit(unit).dylib).name.to_string(), base, symbol })
    }

    /// The names of all dylibs' definitions, for messages.
    pub fn defined_names(&self) -> Vec<String> {
        let state = self.lock();
        state.symbols.iter().map(|symbol| self.names.text(symbol.name)).collect()
    }

    fn find_all(&self, order: &[SearchEntry], names: &[Name]) -> Result<Vec<SymbolId>, Error> {
        let missing: Vec<(Name, bool)> = {
            let state = self.lock();
            names.iter().filter(|name| state.find(order, **name).is_none()).map(|name| (*name, true)).collect()
        };
        if !missing.is_empty() {
            self.generate_in(order, &missing)?;
        }
        let mut state = self.lock();
        let mut found = Vec::with_capacity(names.len());
        let mut missing = Vec::new();
        for name in names {
            match state.find(order, *name) {
                Some(symbol) => found.push(symbol),
                None => missing.push(Missing { symbol: self.names.text(*name), referrer: String::new() }),
            }
        }
        if !missing.is_empty() {
            let searched = order.iter().map(|entry| state.dylib(entry.dylib).name.to_string()).collect();
            return Err(Error::Missing { missing: Arc::new(missing), searched: Arc::new(searched) });
        }
        for symbol in &found {
            state.symbols[symbol.index()].bound = true;
        }
        Ok(found)
    }

    /// Asks the generators along a dylib's search order for names that it lacks.
    pub(crate) fn generate(&self, dylib: DylibId, wanted: &[(Name, bool)]) -> Result<(), Error> {
        let order = self.lock().dylib(dylib).order.clone();
        self.generate_in(&order, wanted)
    }

    fn generate_in(&self, order: &[SearchEntry], wanted: &[(Name, bool)]) -> Result<(), Error> {
        let mut wanted = wanted.to_vec();
        for entry in order {
            let generators = {
                let generators = self.generators.read().unwrap_or_else(|poisoned| poisoned.into_inner());
                generators.get(&entry.dylib).cloned().unwrap_or_default()
            };
            for generator in generators {
                if wanted.is_empty() {
                    return Ok(());
                }
                generator.generate(self, entry.dylib, &wanted)?;
                let state = self.lock();
                wanted.retain(|(name, _)| state.find(order, *name).is_none());
            }
        }
        Ok(())
    }

    /// The functions of a dylib's tables that have not run yet, in the order in which they run: `.preinit_array`,
    /// then by priority, then in order of the objects. They count as having run from now on.
    pub fn take_initialisers(&self, dylib: DylibId) -> Vec<u64> {
        let mut uninitialised = self.uninitialised.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut units = uninitialised.remove(&dylib).unwrap_or_default();
        units.sort_unstable();
        let linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let functions = units.iter().filter_map(|unit| linked.get(unit)).flat_map(|linked| &linked.functions);
        let mut functions: Vec<_> = functions.filter(|function| function.table != FunctionTable::Fini).collect();
        functions.sort_by_key(|function| (function.table, function.priority));
        functions.into_iter().map(|function| function.address).collect()
    }

    /// The finalisers of a dylib that have not been taken yet, in the order in which they run: the reverse of the
    /// initialisers'.
    pub fn take_finalisers(&self, dylib: DylibId) -> Vec<u64> {
        let state = self.lock();
        let mut linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut units: Vec<_> = linked.iter_mut().filter(|(unit, _)| state.unit(**unit).dylib == dylib).collect();
        units.sort_by_key(|(unit, _)| **unit);
        let mut functions: Vec<_> = units
            .into_iter()
            .flat_map(|(_, linked)| linked.functions.extract_if(.., |function| function.table == FunctionTable::Fini))
            .collect();
        functions.sort_by_key(|function| function.priority);
        functions.into_iter().rev().map(|function| function.address).collect()
    }

    /// Problems of generators that did not fail a look-up, since the session's start or the last call.
    pub fn take_reports(&self) -> Vec<Error> {
        std::mem::take(&mut self.reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// What the object layer needs of the session.
impl Session {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for a unit to change its phase.
    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn notify(&self) {
        self.progress.notify_all();
    }

    pub(crate) fn report(&self, error: Error) {
        self.reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(error);
    }

    pub(crate) fn fail(&self, unit: UnitId, error: Error) {
        self.lock().fail(unit, error);
        self.notify();
    }

    pub(crate) fn fail_all(&self, units: &[UnitId], error: &Error) {
        for unit in units {
            self.fail(*unit, error.clone());
        }
    }

    /// Decides where the dylibs of these units lie, where that is not decided: low if any of them needs it.
    pub(crate) fn decide_placement(&self, units: impl Iterator<Item = (UnitId, bool)> + Clone) {
        let mut state = self.lock();
        let needy = units.clone().filter(|(_, needs_low)| *needs_low).map(|(unit, _)| (unit, Placement::Low));
        for (unit, placement) in needy.chain(units.map(|(unit, _)| (unit, Placement::Near))) {
            let leader = state.dylib(state.unit(unit).dylib).placed_with;
            state.dylibs[leader.index()].placement.get_or_insert(placement);
        }
    }

    /// Where a unit's memory has to lie.
    pub(crate) fn placement(&self, unit: UnitId) -> Placement {
        let state = self.lock();
        state.placement(state.unit(unit).dylib)
    }

    /// The dylibs that a unit's references are looked for in, by name.
    pub(crate) fn searched(&self, unit: UnitId) -> Vec<String> {
        let state = self.lock();
        let order = &state.dylib(state.unit(unit).dylib).order;
        order.iter().map(|entry| state.dylib(entry.dylib).name.to_string()).collect()
    }

    pub(crate) fn symbol_name(&self, symbol: SymbolId) -> Vec<u8> {
        let name = self.lock().symbol(symbol).name;
        self.names.bytes(name)
    }

    /// Keeps what was linked.
    pub(crate) fn keep(&self, units: Vec<(UnitId, Linked)>) {
        let state = self.lock();
        let mut uninitialised = self.uninitialised.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut kept = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (unit, linked) in units {
            if !linked.functions.is_empty() {
                uninitialised.entry(state.unit(unit).dylib).or_default().push(unit);
            }
            kept.insert(unit, linked);
        }
    }

    /// Gives back what was linked in vain.
    pub(crate) fn give_back(&self, units: impl Iterator<Item = Linked>) {
        // What units share goes with the last of them, and before the memory of any can be another's.
        let segments = units.map(|linked| {
            drop((linked.shown, linked.unwind, linked.threads));
            linked.segments
        });
        let segments: Vec<Vec<Segment>> = segments.collect();
        for segments in segments {
            self.executor.memory().release(&segments);
        }
    }

    /// Maps items, on several threads if their `cost` in input bytes is worth it.
    pub(crate) fn parallel<T: Sync, R: Send>(
        &self,
        cost: usize,
        items: &[T],
        f: impl Fn(&T) -> R + Send + Sync,
    ) -> Vec<R> {
        match self.pool_for(cost, items.len()) {
            Some(pool) => pool.install(|| items.par_iter().map(f).collect()),
            None => items.iter().map(f).collect(),
        }
    }

    /// The same over items that change.
    pub(crate) fn parallel_mut<T: Send, R: Send>(
        &self,
        cost: usize,
        items: &mut [T],
        f: impl Fn(usize, &mut T) -> R + Send + Sync,
    ) -> Vec<R> {
        match self.pool_for(cost, items.len()) {
            Some(pool) => {
                let items = items.par_iter_mut().enumerate();
                pool.install(|| items.map(|(index, item)| f(index, item)).collect())
            }
            None => items.iter_mut().enumerate().map(|(index, item)| f(index, item)).collect(),
        }
    }

    fn pool_for(&self, cost: usize, items: usize) -> Option<&rayon::ThreadPool> {
        if self.threads < 2 || items < 2 || cost < PARALLEL_BYTES {
            return None;
        }
        let make = || rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().ok();
        self.pool.get_or_init(make).as_ref()
    }
}
