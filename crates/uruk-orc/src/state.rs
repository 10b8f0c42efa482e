//! The session's state: dylibs, symbols and units, as a plain value. No thread, no callback and no I/O in here.
//!
//! A *unit* is what is materialized as a whole: an object, or a client's own. A symbol belongs to the unit that won
//! its definition. Phases of a unit: waiting → materializing → resolved (addresses known) → emitted (bytes final) →
//! ready (all that it reaches is emitted too), or failed. Dependences are kept by unit, and only on units that were
//! not ready when the dependant was emitted.

mod settle;
mod table;

use crate::error::Error;
use crate::objects::Object;
use std::collections::HashMap;
use std::sync::Arc;
use table::NameTable;
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
    /// Somebody outside of its batch asks for it, so that a collection keeps it.
    pub wanted: bool,
    /// A collection has dropped what it stands for.
    pub collected: bool,
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

/// Which symbols of a dylib keep what they reach when its sections are collected. Symbols that were looked up before
/// keep it in any case.
#[derive(Clone, Debug)]
pub enum GcRoots {
    /// All that other dylibs see, as in a shared library.
    Exported,
    /// These, and what the process's libraries import, as in an executable.
    Named(Vec<Name>),
}

/// The collection of a dylib's sections.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    pub roots: GcRoots,
    /// Generators have been asked for the roots.
    pub sought: bool,
    /// What defines the roots has been claimed.
    pub rooted: bool,
    /// How many of the dylib's whole inputs have been claimed with others.
    pub claimed: usize,
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
    /// How its sections are collected, if they are.
    pub collection: Option<Collection>,
    pub placement: Option<Placement>,
    /// The dylib that decides about this one's placement.
    pub placed_with: DylibId,
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
            collection: None,
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
        if let Some(collection) = &mut dylib.collection {
            collection.claimed = 0;
        }
        dylib.groups.retain(|_, owner| *owner != id);
        self.free_units.push(id);
    }

    /// Takes over a definition that was removed, for another unit that has one.
    pub fn take_over(&mut self, symbol: SymbolId, unit: UnitId) {
        let symbol = &mut self.symbols[symbol.index()];
        if symbol.unit == REMOVED {
            (symbol.unit, symbol.collected) = (unit, false);
        }
    }

    /// Enters a unit's definitions; `symbols`, which may hold those of its first globals already, receives the symbol of
    /// each global, whoever won it, and `None` where the unit only refers to it. Strong replaces common replaces weak as long as nobody was bound to it.
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
                Strength::Undefined | Strength::UndefinedWeak | Strength::Local => {
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
                wanted: false,
                collected: false,
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
            wanted: false,
            collected: false,
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

    /// Whether sections of any dylib are collected.
    pub fn collects(&self) -> bool {
        self.dylibs.iter().any(|dylib| dylib.collection.is_some())
    }

    /// The roots that a dylib's collection names, as far as they are defined.
    pub fn named_roots(&self, dylib: DylibId) -> Vec<SymbolId> {
        let Dylib { collection, order, .. } = self.dylib(dylib);
        match collection.as_ref().map(|collection| &collection.roots) {
            Some(GcRoots::Named(names)) => names.iter().filter_map(|name| self.find(order, *name)).collect(),
            _ => Vec::new(),
        }
    }

    /// Claims what has to be in one batch with claimed units: a collection must see all whole inputs of a dylib, and
    /// what defines its roots, or it would drop what the rest of them needs.
    pub fn claim_companions(&mut self, claimed: &mut Vec<UnitId>) {
        let mut at = 0;
        while let Some(unit) = claimed.get(at) {
            let dylib = self.unit(*unit).dylib.index();
            at += 1;
            let Dylib { collection: Some(collection), roots, .. } = &mut self.dylibs[dylib] else { continue };
            let mut units = roots[collection.claimed..].to_vec();
            collection.claimed += units.len();
            if !std::mem::replace(&mut collection.rooted, true) {
                let found = self.named_roots(DylibId(dylib as u32));
                units.extend(found.iter().map(|symbol| self.symbol(*symbol).unit));
            }
            units.retain(|unit| {
                let is_object = self.units.get(unit.index()).is_some_and(|unit| unit.object.is_some());
                is_object && self.claim(*unit)
            });
            claimed.extend(units);
        }
    }
}
