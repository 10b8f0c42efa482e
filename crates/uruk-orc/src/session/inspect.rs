//! What a session knows of its symbols and addresses, for `dladdr`, messages and initialisation.

use super::Session;
use crate::error::Error;
use crate::state::{DylibId, Phase, SearchEntry, State};
use uruk_jitlink::graph::{FunctionTable, SymbolKind};

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

/// Functions that run before `main` and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// In the order in which they run: `.preinit_array`, then by priority, then in order of the objects.
    pub initialisers: Vec<u64>,
    /// In the order in which they run: the reverse of the initialisers'.
    pub finalisers: Vec<u64>,
}

/// How much a session keeps account of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// Units that have been added and not removed, or are still being worked on.
    pub units: usize,
    /// Symbols of all dylibs.
    pub symbols: usize,
    /// Look-ups whose answer is not known or not taken.
    pub queries: usize,
    /// Tasks that wait or run.
    pub tasks: usize,
    /// Room for units that was ever needed at once.
    pub unit_slots: usize,
    /// Room for symbols.
    pub symbol_slots: usize,
}

/// A symbol of a dylib, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolState {
    /// Its name.
    pub name: Vec<u8>,
    /// Its address, once it has one.
    pub address: Option<u64>,
    /// Other dylibs see it.
    pub exported: bool,
    /// How far its unit is, in a word: `waiting`, `materializing`, `resolved`, `emitted`, `ready`, `failed`.
    pub state: &'static str,
}

impl State {
    fn dylibs_to_initialise(&mut self, dylib: DylibId) -> Vec<DylibId> {
        self.walks += 1;
        let mut done = Vec::new();
        let mut initialised = true;
        // Each with the position in its search order where the walk goes on.
        let mut open = vec![(dylib, 0)];
        self.dylibs[dylib.index()].mark = self.walks;
        while let Some((id, position)) = open.last_mut() {
            let dylib = &self.dylibs[id.index()];
            let Some(entry) = dylib.order.get(*position) else {
                initialised &= dylib.roots.is_empty() && dylib.uninitialised.is_empty();
                done.push(*id);
                open.pop();
                continue;
            };
            *position += 1;
            let next = entry.dylib;
            if std::mem::replace(&mut self.dylibs[next.index()].mark, self.walks) != self.walks {
                open.push((next, 0));
            }
        }
        if initialised { Vec::new() } else { done }
    }
}

impl Session {
    /// The dylib whose memory an address lies in.
    pub fn dylib_containing(&self, address: u64) -> Option<DylibId> {
        let mut state = self.lock();
        let unit = state.unit_containing(address)?;
        Some(state.unit(unit).dylib)
    }

    /// What lies at an address: the dylib's name, the start of its object's memory, and the symbol at or before it.
    pub fn describe(&self, address: u64) -> Option<Description> {
        let mut state = self.lock();
        let id = state.unit_containing(address)?;
        let unit = state.unit(id);
        let base = unit.linked.as_ref()?.memory().map(|range| range.start).min()?;
        let object = unit.object.clone()?;
        let own = object.symbols().iter().flatten().map(|id| state.symbol(*id));
        let own = own.filter(|symbol| symbol.unit == id && symbol.kind != SymbolKind::ThreadLocal && !symbol.collected);
        let nearest = own.filter(|symbol| symbol.address <= address).max_by_key(|symbol| symbol.address);
        let symbol = nearest.map(|symbol| (self.names().bytes(symbol.name), symbol.address));
        Some(Description { dylib: state.dylib(unit.dylib).name.to_string(), base, symbol })
    }

    /// How much the session keeps account of.
    pub fn population(&self) -> Population {
        self.lock().population()
    }

    /// In how many batches objects have been linked so far.
    pub fn batches(&self) -> usize {
        self.lock().batches
    }

    /// Waits until no task waits or runs. A task that calls this waits for ever.
    pub fn wait_until_idle(&self) {
        self.sleep_while(|state| state.population().tasks != 0);
    }

    /// A dylib's name.
    pub fn dylib_name(&self, dylib: DylibId) -> String {
        self.lock().dylib(dylib).name.to_string()
    }

    /// The symbols of a dylib, by name.
    pub fn symbol_states(&self, dylib: DylibId) -> Vec<SymbolState> {
        let state = self.lock();
        let own = state.symbols.iter().filter(|symbol| symbol.dylib == dylib);
        // What was removed is not in the table any more, or belongs to nobody.
        let here = [SearchEntry { dylib, all_symbols: true }];
        let own = own.filter(|symbol| state.find(&here, symbol.name).is_some());
        let states = own.map(|symbol| {
            let phase = state.units.get(symbol.unit.index()).map(|unit| &unit.phase);
            let (known, word) = match phase {
                None | Some(Phase::Ready) => (true, "ready"),
                Some(Phase::Emitted) => (true, "emitted"),
                Some(Phase::Resolved) => (true, "resolved"),
                Some(Phase::Failed(_)) => (false, "failed"),
                Some(Phase::Waiting) => (false, "waiting"),
                Some(Phase::Materializing) => (false, "materializing"),
            };
            let name = self.names().bytes(symbol.name);
            SymbolState { name, address: known.then_some(symbol.address), exported: symbol.exported, state: word }
        });
        let mut states: Vec<SymbolState> = states.collect();
        states.sort_by(|left, right| left.name.cmp(&right.name));
        states
    }

    /// The names of all dylibs' definitions, for messages.
    pub fn defined_names(&self) -> Vec<String> {
        let state = self.lock();
        state.symbols.iter().map(|symbol| self.names().text(symbol.name)).collect()
    }

    /// The dylibs whose initialisers run when this one is initialised, in their order: those that its search order reaches
    /// come before it. None if all of them are initialised. Errors if the session has ended.
    pub fn dylibs_to_initialise(&self, dylib: DylibId) -> Result<Vec<DylibId>, Error> {
        let mut state = self.lock();
        state.check_open()?;
        Ok(state.dylibs_to_initialise(dylib))
    }

    /// The functions of a dylib's tables that have not been taken yet, as far as their units are ready. They count as
    /// having run from now on.
    pub fn take_functions(&self, dylib: DylibId) -> Functions {
        let mut state = self.lock();
        let units = std::mem::take(&mut state.dylibs[dylib.index()].uninitialised);
        let (mut units, rest) = units.into_iter().partition::<Vec<_>, _>(|unit| state.is_ready(*unit));
        state.dylibs[dylib.index()].uninitialised = rest;
        units.sort_unstable();
        let mut functions = Vec::new();
        for (position, unit) in (0i64..).zip(units) {
            let taken = state.units[unit.index()].linked.iter_mut().flat_map(|linked| linked.functions.drain(..));
            functions.extend(taken.map(|function| (if function.backwards { -position } else { position }, function)));
        }
        drop(state);
        functions.sort_by_key(|(position, function)| (function.table, function.priority, *position));
        let functions = functions.into_iter().map(|(_, function)| function);
        let (last, first): (Vec<_>, Vec<_>) = functions.partition(|function| function.table == FunctionTable::Fini);
        Functions {
            initialisers: first.into_iter().map(|function| function.address).collect(),
            finalisers: last.into_iter().rev().map(|function| function.address).collect(),
        }
    }
}
