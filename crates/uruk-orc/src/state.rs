//! The session's state: dylibs, symbols and units, as a plain value. No thread, no callback and no I/O in here.
//!
//! A *unit* is what is materialized as a whole: an object, or a client's own. A symbol belongs to the unit that won
//! its definition. Phases of a unit: waiting → materializing → resolved (addresses known) → emitted (bytes final) →
//! ready (all that it reaches is emitted too), or failed. Dependences are kept by unit, and only on units that were
//! not ready when the dependant was emitted.

use crate::error::Error;
use crate::objects::Object;
use std::collections::HashMap;
use std::sync::Arc;
use uruk_jitlink::elf::{Interface, Strength};
use uruk_jitlink::graph::{SymbolKind, Visibility};
use uruk_jitlink::memory::Placement;
use uruk_jitlink::names::{Name, Names};
use uruk_jitlink::tls::Question;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub(crate) u32);

        impl $name {
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A dylib of a session.
    DylibId
}
id! {
    /// A unit of a session.
    UnitId
}
id! {
    /// A symbol of a session's dylib.
    SymbolId
}
id! {
    /// What was added to a dylib together and goes together.
    TrackerId
}

impl DylibId {
    /// The id as a number, for handles.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The id that [`number`](DylibId::number) was asked for.
    pub fn from_number(number: u32) -> DylibId {
        DylibId(number)
    }
}

/// The unit of symbols that are just addresses.
pub(crate) const NO_UNIT: UnitId = UnitId(u32::MAX);
/// The unit of symbols whose definition was removed; another object that defines the name may take it over.
const REMOVED: UnitId = UnitId(u32::MAX - 1);

/// A symbol of a dylib.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    /// Its address once its unit is resolved; of a thread-local one the offset in its module's image.
    pub address: u64,
    pub name: Name,
    pub unit: UnitId,
    pub dylib: DylibId,
    pub strength: Rank,
    pub kind: SymbolKind,
    /// Other dylibs see it.
    pub exported: bool,
    /// Somebody was given this definition, so that it cannot be replaced any more.
    pub bound: bool,
    /// Several objects define it, so several know its id.
    pub contested: bool,
}

/// How strong the definition that a symbol has is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rank {
    Weak,
    Common,
    Strong,
}

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Waiting,
    Materializing,
    Resolved,
    Emitted,
    Ready,
    Failed(Error),
}

pub(crate) struct Unit {
    pub name: Arc<str>,
    pub dylib: DylibId,
    pub phase: Phase,
    pub object: Option<Arc<Object>>,
    /// Units that were not ready when this one was emitted, with a symbol through which each is needed.
    pub needs: Vec<(UnitId, SymbolId)>,
    /// Where its thread-local variables lie.
    pub threads: Option<ThreadModule>,
    /// What it is removed with.
    pub tracker: Option<TrackerId>,
}

/// A loaded thread-local image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadModule {
    /// What `__tls_get_addr` calls it.
    pub module: u64,
    /// Offset of the image from the thread pointer, if it is the same in all threads.
    pub base: Option<u64>,
}

/// A place in a dylib's search order.
#[derive(Clone, Copy, Debug)]
pub struct SearchEntry {
    /// The dylib.
    pub dylib: DylibId,
    /// Hidden symbols match too.
    pub all_symbols: bool,
}

pub(crate) struct Dylib {
    pub name: Arc<str>,
    pub table: NameTable,
    pub order: Vec<SearchEntry>,
    /// COMDAT groups without global symbols: who brought each first.
    pub groups: HashMap<Name, UnitId>,
    /// Whole inputs, whose initialisers are roots.
    pub roots: Vec<UnitId>,
    pub placement: Option<Placement>,
    /// The dylib that decides about this one's placement.
    pub placed_with: DylibId,
}

/// Symbols by name: pages of a flat array, since names are dense and come in order.
#[derive(Default)]
pub(crate) struct NameTable {
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

const PAGE: usize = 256;

impl NameTable {
    pub fn get(&self, name: Name) -> Option<SymbolId> {
        let page = self.pages.get(name.index() / PAGE)?.as_ref()?;
        page[name.index() % PAGE].checked_sub(1).map(SymbolId)
    }

    pub fn set(&mut self, name: Name, symbol: Option<SymbolId>) {
        let index = name.index() / PAGE;
        if self.pages.len() <= index {
            self.pages.resize_with(index + 1, || None);
        }
        self.pages[index].get_or_insert_with(|| Box::new([0; PAGE]))[name.index() % PAGE] =
            symbol.map_or(0, |symbol| symbol.0 + 1);
    }
}

pub(crate) struct State {
    pub names: Arc<Names>,
    pub dylibs: Vec<Dylib>,
    pub symbols: Vec<Symbol>,
    pub units: Vec<Unit>,
    free_symbols: Vec<SymbolId>,
    free_units: Vec<UnitId>,
    trackers: Vec<Vec<UnitId>>,
    /// Largest size and alignment that any object asks for, of symbols that are common in some object.
    commons: HashMap<SymbolId, (u64, u64)>,
    /// Emitted units that wait for others.
    waiting: Vec<UnitId>,
}

impl State {
    pub fn new(names: Arc<Names>) -> State {
        State {
            names,
            dylibs: Vec::new(),
            symbols: Vec::new(),
            units: Vec::new(),
            free_symbols: Vec::new(),
            free_units: Vec::new(),
            trackers: Vec::new(),
            commons: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    pub fn add_dylib(&mut self, name: &str) -> Result<DylibId, Error> {
        if self.dylibs.iter().any(|dylib| &*dylib.name == name) {
            return Err(Error::DylibExists(name.to_string()));
        }
        let id = DylibId(self.dylibs.len() as u32);
        self.dylibs.push(Dylib {
            name: name.into(),
            table: NameTable::default(),
            order: vec![SearchEntry { dylib: id, all_symbols: true }],
            groups: HashMap::new(),
            roots: Vec::new(),
            placement: None,
            placed_with: id,
        });
        Ok(id)
    }

    pub fn dylib(&self, id: DylibId) -> &Dylib {
        &self.dylibs[id.index()]
    }

    /// Where a dylib's memory lies; near as long as nothing has decided otherwise.
    pub fn placement(&self, id: DylibId) -> Placement {
        self.dylib(self.dylib(id).placed_with).placement.unwrap_or_default()
    }

    pub fn unit(&self, id: UnitId) -> &Unit {
        &self.units[id.index()]
    }

    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    /// Makes a tracker.
    pub fn add_tracker(&mut self) -> TrackerId {
        self.trackers.push(Vec::new());
        TrackerId(self.trackers.len() as u32 - 1)
    }

    /// The units of a tracker, which it gives up.
    pub fn take_tracked(&mut self, tracker: TrackerId) -> Vec<UnitId> {
        std::mem::take(&mut self.trackers[tracker.index()])
    }

    /// Adds an object whose symbols are defined by [`define`](State::define).
    pub fn add_unit(&mut self, dylib: DylibId, tracker: Option<TrackerId>, object: Arc<Object>) -> UnitId {
        let name = object.interface.input.name().clone();
        let (phase, object, needs, threads) = (Phase::Waiting, Some(object), Vec::new(), None);
        let unit = Unit { name, dylib, phase, object, needs, threads, tracker };
        let id = self.free_units.pop().unwrap_or(UnitId(self.units.len() as u32));
        match self.units.get_mut(id.index()) {
            Some(free) => *free = unit,
            None => self.units.push(unit),
        }
        if let Some(tracker) = tracker {
            self.trackers[tracker.index()].push(id);
        }
        id
    }

    /// Forgets a unit and its symbols. Names that other objects define too are theirs when they are linked.
    pub fn remove_unit(&mut self, id: UnitId) {
        let object = self.units[id.index()].object.take();
        for symbol_id in object.iter().flat_map(|object| object.symbols()).flatten() {
            let symbol = &mut self.symbols[symbol_id.index()];
            if symbol.unit != id {
                continue;
            }
            symbol.unit = REMOVED;
            if !symbol.contested {
                self.dylibs[symbol.dylib.index()].table.set(symbol.name, None);
                self.free_symbols.push(*symbol_id);
            }
        }
        let unit = &mut self.units[id.index()];
        unit.phase = Phase::Failed(Error::Removed { unit: unit.name.to_string() });
        let dylib = &mut self.dylibs[unit.dylib.index()];
        dylib.roots.retain(|root| *root != id);
        dylib.groups.retain(|_, owner| *owner != id);
        self.free_units.push(id);
    }

    /// Takes over a definition that was removed, for another unit that has one.
    pub fn take_over(&mut self, symbol: SymbolId, unit: UnitId) {
        let symbol = &mut self.symbols[symbol.index()];
        if symbol.unit == REMOVED {
            symbol.unit = unit;
        }
    }

    /// Enters a unit's definitions; `symbols` receives the symbol of each global, whoever won it, and `None` where
    /// the unit only refers to it. Strong replaces common replaces weak as long as nobody was bound to it.
    pub fn define(
        &mut self,
        unit: UnitId,
        interface: &Interface,
        symbols: &mut Vec<Option<SymbolId>>,
    ) -> Result<(), Error> {
        let dylib = self.unit(unit).dylib;
        let globals = &interface.globals;
        symbols.reserve_exact(globals.len());
        for (position, global) in globals.iter().enumerate() {
            let rank = match global.strength {
                Strength::Undefined | Strength::UndefinedWeak => {
                    symbols.push(None);
                    continue;
                }
                Strength::Weak => Rank::Weak,
                Strength::Common => Rank::Common,
                Strength::Strong => Rank::Strong,
            };
            let new = Symbol {
                address: 0,
                name: global.name,
                unit,
                dylib,
                strength: rank,
                kind: global.kind,
                exported: global.visibility != Visibility::Hidden,
                bound: false,
                contested: false,
            };
            let table = &mut self.dylibs[dylib.index()].table;
            let id = match table.get(global.name) {
                None => {
                    let id = self.free_symbols.pop().unwrap_or(SymbolId(self.symbols.len() as u32));
                    match self.symbols.get_mut(id.index()) {
                        Some(free) => *free = new,
                        None => self.symbols.push(new),
                    }
                    table.set(global.name, Some(id));
                    id
                }
                Some(id) => {
                    self.redefine(id, new)?;
                    id
                }
            };
            if global.strength == Strength::Common {
                let (size, align) = interface.common(position);
                let room = self.commons.entry(id).or_insert((0, 1));
                *room = (room.0.max(size), room.1.max(align));
            }
            symbols.push(Some(id));
        }
        Ok(())
    }

    /// The room for a common symbol: the largest that any object asks for.
    pub fn common(&self, id: SymbolId) -> (u64, u64) {
        self.commons.get(&id).copied().unwrap_or((0, 1))
    }

    /// What is known of a thread-local variable of an earlier batch; `None` for one of a library.
    pub fn thread_answer(&self, id: SymbolId, question: Question) -> Option<[u64; 2]> {
        let symbol = self.symbol(id);
        if symbol.unit == NO_UNIT {
            return None;
        }
        let module = self.unit(symbol.unit).threads?;
        match question {
            Question::ModuleAndOffset => Some([module.module, symbol.address]),
            Question::ThreadOffset => Some([module.base?.wrapping_add(symbol.address), 0]),
            Question::Descriptor => None,
        }
    }

    fn redefine(&mut self, id: SymbolId, new: Symbol) -> Result<(), Error> {
        let old = self.symbols[id.index()];
        // The most constraining visibility of all objects counts (gABI, "Symbol Visibility").
        let exported = old.exported && new.exported;
        let replaces = old.strength < new.strength;
        let taken = old.unit != REMOVED && (old.strength == Rank::Strong || old.bound);
        if new.strength == Rank::Strong && taken {
            let name = |unit: UnitId| match unit {
                NO_UNIT => "an absolute symbol".to_string(),
                unit => self.unit(unit).name.to_string(),
            };
            return Err(Error::Duplicate {
                symbol: self.names.text(new.name),
                dylib: self.dylib(new.dylib).name.to_string(),
                first: name(old.unit),
                second: name(new.unit),
            });
        }
        let symbol = &mut self.symbols[id.index()];
        if old.unit == REMOVED || replaces && !old.bound {
            *symbol = new;
        }
        symbol.contested = true;
        symbol.exported = exported || old.unit == REMOVED && new.exported;
        Ok(())
    }

    /// Defines a name at an address, if the dylib does not have it yet.
    pub fn define_absolute(&mut self, dylib: DylibId, name: Name, address: u64, kind: SymbolKind) -> SymbolId {
        if let Some(id) = self.dylib(dylib).table.get(name) {
            return id;
        }
        let id = SymbolId(self.symbols.len() as u32);
        let strength = Rank::Strong;
        self.symbols.push(Symbol {
            address,
            name,
            unit: NO_UNIT,
            dylib,
            strength,
            kind,
            exported: true,
            bound: true,
            contested: false,
        });
        self.dylibs[dylib.index()].table.set(name, Some(id));
        id
    }

    /// Takes a symbol away from its unit: what it stands for lies at an address outside of the session.
    pub fn bind_to_address(&mut self, id: SymbolId, address: u64) {
        let symbol = &mut self.symbols[id.index()];
        (symbol.address, symbol.unit, symbol.bound) = (address, NO_UNIT, true);
    }

    /// The definition that a reference from a dylib binds to, as far as it is known without generators.
    pub fn find(&self, order: &[SearchEntry], name: Name) -> Option<SymbolId> {
        order.iter().find_map(|entry| {
            let id = self.dylib(entry.dylib).table.get(name)?;
            let symbol = self.symbol(id);
            ((entry.all_symbols || symbol.exported) && symbol.unit != REMOVED).then_some(id)
        })
    }

    /// Claims a unit for materialization, if nobody has.
    pub fn claim(&mut self, id: UnitId) -> bool {
        let unit = &mut self.units[id.index()];
        let waiting = matches!(unit.phase, Phase::Waiting);
        if waiting {
            unit.phase = Phase::Materializing;
        }
        waiting
    }

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
        let mut held = std::collections::HashSet::new();
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
