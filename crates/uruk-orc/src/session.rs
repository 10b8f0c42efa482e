//! The execution session: dylibs, their symbols, and the look-ups that bring code into being.
//!
//! Invariants: one mutex guards the `State`; it is never held while a generator, an executor, a materializer or the
//! linker runs. Whoever claims a unit links it on its own thread and tells everybody when it is done.

mod layer;
mod passes;

use crate::error::{Error, Missing};
use crate::executor::Executor;
use crate::generator::DefinitionGenerator;
use crate::objects::{self, Linked, Object};
use crate::plugin::Wishes;
use crate::state::*;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, RwLock};
use uruk_jitlink::elf::Interface;
use uruk_jitlink::graph::{FunctionTable, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::memory::Segment;
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
    threads: Option<usize>,
    pool: OnceLock<Option<rayon::ThreadPool>>,
    reports: Mutex<Vec<Error>>,
    pub(crate) wishes: Wishes,
}

impl Session {
    /// A session without dylibs that links large inputs on `threads` threads, the calling one among them; as many as
    /// there are processors if not said.
    pub fn new(executor: Arc<dyn Executor>, threads: Option<usize>) -> Session {
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
            wishes: Wishes::default(),
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

    /// Links of a dylib only the sections that are reached from roots, as `ld --gc-sections` does: its whole inputs are
    /// linked together, and what is added later cannot refer to what was dropped. To be said before it has code.
    pub fn collect_sections(&self, dylib: DylibId, roots: GcRoots) {
        let collection = Collection { roots, sought: false, rooted: false, claimed: 0 };
        self.lock().dylibs[dylib.index()].collection = Some(collection);
    }

    /// Lets a generator define what is missing in a dylib, after those that it has.
    pub fn add_generator(&self, dylib: DylibId, generator: Arc<dyn DefinitionGenerator>) {
        let mut generators = self.generators.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        generators.entry(dylib).or_default().push(generator);
    }

    /// Forgets a dylib's generators, and with them the archives that it would take more members from.
    pub fn remove_generators(&self, dylib: DylibId) {
        let removed = {
            let mut generators = self.generators.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            generators.remove(&dylib)
        };
        drop(removed);
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
        self.give_back(removed);
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
        if let Some(symbol) = symbols.iter().find(|symbol| state.symbol(**symbol).collected) {
            let symbol = self.names.text(state.symbol(*symbol).name);
            return Err(Error::Collected { symbol, referrer: "a look-up".into() });
        }
        Ok(symbols.iter().map(|symbol| state.symbol(*symbol).address).collect())
    }

    /// Links units, and waits until they are ready.
    fn materialize(&self, mut units: Vec<UnitId>) -> Result<(), Error> {
        units.retain(|unit| *unit != NO_UNIT);
        self.seek_roots(&units)?;
        let claimed: Vec<UnitId> = {
            let mut state = self.lock();
            let mut claimed = units.iter().copied().filter(|unit| state.claim(*unit)).collect();
            state.claim_companions(&mut claimed);
            claimed
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

    /// Lets generators define the roots that collections name, before anything of their dylibs is linked.
    fn seek_roots(&self, units: &[UnitId]) -> Result<(), Error> {
        let mut sought = Vec::new();
        {
            let mut state = self.lock();
            if !state.collects() {
                return Ok(());
            }
            for unit in units {
                let dylib = state.unit(*unit).dylib;
                let Some(collection) = &mut state.dylibs[dylib.index()].collection else { continue };
                if let (GcRoots::Named(names), false) = (&collection.roots, collection.sought) {
                    sought.push((dylib, names.iter().map(|name| (*name, true)).collect::<Vec<_>>()));
                    collection.sought = true;
                }
            }
            for (dylib, names) in &mut sought {
                let order = state.dylib(*dylib).order.clone();
                names.retain(|(name, _)| state.find(&order, *name).is_none());
            }
        }
        for (dylib, names) in sought {
            self.generate(dylib, &names)?;
        }
        Ok(())
    }

    /// Links whole inputs of several dylibs in one batch.
    pub fn materialize_all_roots(&self, dylibs: &[DylibId]) -> Result<(), Error> {
        let mut roots = Vec::new();
        {
            let mut state = self.lock();
            for dylib in dylibs {
                let dylib = &mut state.dylibs[dylib.index()];
                roots.append(&mut dylib.roots);
                if let Some(collection) = &mut dylib.collection {
                    collection.claimed = 0;
                }
            }
        }
        self.materialize(roots)
    }

    /// The address of what a search order's own dylibs define under a name, linked, without asking generators;
    /// thread-local variables have none.
    pub fn lookup_defined(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names.find(name)?;
        let (symbol, unit) = {
            let mut state = self.lock();
            let id = state.find(order, name).filter(|id| state.symbol(*id).exported)?;
            state.symbols[id.index()].wanted = true;
            (id, state.symbol(id).unit)
        };
        self.materialize(vec![unit]).ok()?;
        let state = self.lock();
        let symbol = state.symbol(symbol);
        (symbol.kind != SymbolKind::ThreadLocal && !symbol.collected).then_some(symbol.address)
    }

    /// The same for strong definitions of linked units only.
    pub fn lookup_strong(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names.find(name)?;
        let state = self.lock();
        let symbol = state.symbol(state.find(order, name)?);
        let strong = symbol.strength == Rank::Strong && symbol.kind != SymbolKind::ThreadLocal && !symbol.collected;
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
        let own =
            own.filter(|symbol| symbol.unit == unit && symbol.kind != SymbolKind::ThreadLocal && !symbol.collected);
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
            let symbol = &mut state.symbols[symbol.index()];
            (symbol.bound, symbol.wanted) = (true, true);
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
