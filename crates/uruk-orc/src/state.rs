//! The session's state: dylibs, symbols, units, queries and tasks, as a plain value. No thread, no callback and no I/O
//! in here: what has to happen outside is an effect, which the session carries out once its lock is free.
//!
//! A *unit* is what is materialized as a whole: an object, or a client's own. A symbol belongs to the unit that won
//! its definition. Phases of a unit: waiting → materializing → resolved (addresses known) → emitted (bytes final) →
//! ready (all that it reaches is emitted too), or failed. Dependences are kept by unit, and only on units that were
//! not ready when the dependant was emitted ([`readiness`]). What goes together when a tracker is removed is a *lot*
//! ([`lots`]).

mod adopt;
mod coalesce;
mod collection;
mod define;
mod effects;
mod fork;
mod limbo;
mod lots;
mod places;
mod published;
mod query;
mod readiness;
mod responsibility;
mod suspend;
mod terms;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use collection::Collection;
pub use collection::GcRoots;
pub(crate) use effects::Effects;
pub(crate) use lots::LotId;
pub(crate) use published::{Known, NO_PINS, PinsId, Published};
pub use query::{Answer, Required};
pub(crate) use query::{Consumer, QueryId, Want};
pub(crate) use work::{News, TaskId, Work};

use crate::error::Error;
use crate::objects::{Linked, Object};
use crate::unit::MaterializationUnit;
use limbo::{Epoch, Limbo};
use lots::Lot;
use published::NameTable;
use query::Query;
use slotmap::SlotMap;
use std::collections::HashMap;
use std::sync::Arc;
use uruk_jitlink::format::Convention;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::interface::Rival;
use uruk_jitlink::memory::{Placement, Segment};
use uruk_jitlink::names::{Name, Names};
use uruk_jitlink::tls::Question;
use work::Task;

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
slotmap::new_key_type! {
    /// What was added to a dylib together and goes together.
    pub struct TrackerId;
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

impl UnitId {
    /// The id as a number, for messages and for other languages.
    pub fn number(self) -> u32 {
        self.0
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
    /// They would, if it were the only definition of its name.
    own_exported: bool,
    /// Somebody was given this definition, so that it cannot be replaced any more.
    pub bound: bool,
    /// Somebody outside of its batch asks for it, so that a collection keeps it.
    pub wanted: bool,
    /// A collection has dropped what it stands for.
    pub collected: bool,
    /// Several objects define it, so several know its id.
    pub contested: bool,
    /// It stands for what its unit does and has no address.
    pub side_effects_only: bool,
    /// A client's unit has said where it is.
    pub resolved: bool,
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
    /// What a client's unit is made by, until it is materialized.
    pub client: Option<Box<dyn MaterializationUnit>>,
    /// What a client's unit defines; an object knows its own.
    pub symbols: Vec<SymbolId>,
    /// Somebody is at work on it, whatever has happened to it meanwhile.
    busy: bool,
    /// It was removed, and its id is for others once nobody is at work on it.
    gone: bool,
    /// Its memory and registrations.
    pub linked: Option<Linked>,
    /// What it is removed with.
    lot: LotId,
    /// The task that materializes it.
    pub task: Option<TaskId>,
    /// What it cannot go on without.
    awaits: Option<QueryId>,
    /// Lazy functions that its code refers to, if that is of interest.
    pub callees: Vec<(DylibId, Name)>,
    /// Where its thread-local variables lie.
    pub threads: Option<ThreadModule>,
    /// Units that were not ready when this one was emitted, with their generations.
    needs: Vec<(UnitId, u32)>,
    /// How many units have had this id before.
    generation: u32,
    /// The emitted units that need it, as long as it is not ready, each with the symbol through which it does.
    dependants: Vec<(UnitId, SymbolId)>,
    /// Queries that wait for it, with the symbol they ask for, if any.
    asked: Vec<(QueryId, Option<SymbolId>)>,
    tree: readiness::Node,
}

/// A loaded thread-local image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadModule {
    /// What `__tls_get_addr` calls it.
    pub module: u64,
    /// Offset of the image in its module, as tables hold it: not 0 where the image is a part of the program's.
    pub first: u64,
    /// Offset of the image from the thread pointer, if it is the same in all threads.
    pub base: Option<u64>,
}

/// A place in a dylib's search order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SearchEntry {
    /// The dylib.
    pub dylib: DylibId,
    /// Hidden symbols match too.
    pub all_symbols: bool,
}

/// The dylibs behind one whose functions are made on demand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bodies {
    /// Has the code, which refers to what the dylib itself would refer to.
    pub code: DylibId,
    /// Has ways to that code, and finds nothing else.
    pub entries: DylibId,
    /// Has better versions of that code.
    pub improved: DylibId,
}

pub(crate) struct Dylib {
    pub name: Arc<str>,
    pub table: Arc<NameTable>,
    pub order: Vec<SearchEntry>,
    /// COMDAT groups without global symbols: who brought each first.
    pub groups: HashMap<Name, UnitId>,
    /// What its objects want of the link as a whole.
    pub terms: terms::Terms,
    /// Whole inputs, whose initialisers are roots.
    pub roots: Vec<UnitId>,
    /// Linked units whose initialisers have not run.
    pub uninitialised: Vec<UnitId>,
    /// What belongs to no other tracker belongs to this one.
    pub tracker: TrackerId,
    /// How its sections are collected, if they are.
    pub collection: Option<Collection>,
    pub placement: Option<Placement>,
    /// The dylib that decides about this one's placement.
    pub placed_with: DylibId,
    /// Where the bodies of its functions are that are made on demand.
    pub bodies: Option<Bodies>,
    /// Only objects with this calling convention are bound to what it defines.
    pub convention: Option<Convention>,
    /// It is no longer part of the program.
    pub removed: bool,
    /// The latest of the [`walks`](State::walks) that came by.
    pub mark: u64,
}

pub(crate) struct State {
    pub names: Arc<Names>,
    /// What is read without the lock.
    pub published: Arc<Published>,
    pub dylibs: Vec<Dylib>,
    pub symbols: Vec<Symbol>,
    /// What is compared with further definitions of symbols that are not the first one's for good.
    choices: HashMap<SymbolId, Rival>,
    pub units: Vec<Unit>,
    queries: SlotMap<QueryId, Query>,
    tasks: SlotMap<TaskId, Task>,
    /// How many tasks are not waiting for anything.
    active: usize,
    /// The task of the batch that takes in what is compiled, as long as it does not run.
    pending: Option<TaskId>,
    lots: SlotMap<LotId, Lot>,
    trackers: SlotMap<TrackerId, lots::Tracker>,
    /// Lots that were removed and whose memory somebody still holds.
    retired: Vec<LotId>,
    /// How much is being given back at this moment.
    freeing: usize,
    /// Memory that goes with the session.
    pub kept: Vec<Segment>,
    /// Counters that no lot has.
    free_pins: Vec<PinsId>,
    /// How many counters there are.
    pins: u32,
    /// What has to happen outside of the lock.
    effects: Effects,
    /// What happens to those who wait.
    pub news: News,
    /// How many threads wait for progress.
    pub watchers: usize,
    limbo: Limbo,
    places: places::Places,
    /// Largest size and alignment that any object asks for, of symbols that are common in some object.
    commons: HashMap<SymbolId, (u64, u64)>,
    /// The dylib whose search order decides which weak definitions of others count.
    pub root: Option<DylibId>,
    /// Weak definitions that stand for another dylib's, and the other way round.
    coalesced: HashMap<SymbolId, SymbolId>,
    sharers: HashMap<SymbolId, Vec<SymbolId>>,
    /// What contested symbols would be for those that define them and did not win them.
    rivals: HashMap<SymbolId, Vec<Symbol>>,
    /// What the definitions that are being added have done to others.
    changes: Vec<(SymbolId, define::Change)>,
    /// What the latest regrouping marks units with.
    stamp: u32,
    /// How many batches have been given their places.
    pub batches: usize,
    /// How often dylibs were walked along their search orders.
    pub walks: u64,
    /// The session accepts no more work.
    ended: bool,
}

impl State {
    pub fn new(names: Arc<Names>) -> State {
        State {
            names,
            published: Arc::default(),
            dylibs: Vec::new(),
            symbols: Vec::new(),
            choices: HashMap::new(),
            units: Vec::new(),
            queries: SlotMap::with_key(),
            tasks: SlotMap::with_key(),
            active: 0,
            pending: None,
            lots: SlotMap::with_key(),
            trackers: SlotMap::with_key(),
            retired: Vec::new(),
            freeing: 0,
            kept: Vec::new(),
            free_pins: Vec::new(),
            pins: 0,
            effects: Effects::default(),
            news: News::default(),
            watchers: 0,
            limbo: Limbo::default(),
            places: places::Places::default(),
            commons: HashMap::new(),
            rivals: HashMap::new(),
            root: None,
            coalesced: HashMap::new(),
            sharers: HashMap::new(),
            changes: Vec::new(),
            stamp: 0,
            batches: 0,
            walks: 0,
            ended: false,
        }
    }

    pub fn add_dylib(&mut self, name: &str) -> Result<DylibId, Error> {
        if self.dylib_named(name).is_some() {
            return Err(Error::DylibExists(name.to_string()));
        }
        let id = DylibId(self.dylibs.len() as u32);
        let tracker = self.add_tracker(id);
        let table = Arc::default();
        self.published.add_dylib(id, &table);
        self.dylibs.push(Dylib {
            name: name.into(),
            table,
            order: vec![SearchEntry { dylib: id, all_symbols: true }],
            groups: HashMap::new(),
            terms: terms::Terms::default(),
            roots: Vec::new(),
            uninitialised: Vec::new(),
            tracker,
            collection: None,
            placement: None,
            placed_with: id,
            bodies: None,
            convention: None,
            removed: false,
            mark: 0,
        });
        Ok(id)
    }

    /// Where references of objects with a calling convention are looked for from a dylib.
    pub fn order_for(&self, dylib: DylibId, convention: Convention) -> Vec<SearchEntry> {
        let serves = |entry: &SearchEntry| self.dylib(entry.dylib).convention.is_none_or(|own| own == convention);
        self.dylib(dylib).order.iter().copied().filter(serves).collect()
    }

    /// Says where references from a dylib, and from what is made for it on demand, are looked for.
    pub fn set_order(&mut self, id: DylibId, order: Vec<SearchEntry>) {
        if let Some(Bodies { code, improved, .. }) = self.dylib(id).bodies {
            let all = |dylib| SearchEntry { dylib, all_symbols: true };
            for own in [code, improved] {
                // Functions of the dylib first: they are not to be made before they are called.
                let others = order.iter().copied().filter(|entry| entry.dylib != id);
                self.dylibs[own.index()].order = [all(id), all(own)].into_iter().chain(others).collect();
            }
        }
        self.dylibs[id.index()].order = order;
    }

    /// The dylibs for what is made for one on demand.
    pub fn bodies_of(&mut self, id: DylibId) -> Result<Bodies, Error> {
        if let Some(bodies) = self.live_dylib(id)?.bodies {
            return Ok(bodies);
        }
        let name = self.dylib(id).name.clone();
        let code = self.add_dylib(&format!("{name} <bodies>"))?;
        let entries = self.add_dylib(&format!("{name} <entries>"))?;
        let improved = self.add_dylib(&format!("{name} <improved bodies>"))?;
        for own in [code, entries, improved] {
            self.dylibs[own.index()].placed_with = self.dylib(id).placed_with;
        }
        let order = [entries, code].map(|dylib| SearchEntry { dylib, all_symbols: true });
        self.dylibs[entries.index()].order = order.to_vec();
        let bodies = Bodies { code, entries, improved };
        self.dylibs[id.index()].bodies = Some(bodies);
        self.set_order(id, self.dylib(id).order.clone());
        Ok(bodies)
    }

    pub fn dylib_named(&self, name: &str) -> Option<DylibId> {
        let position = self.dylibs.iter().position(|dylib| &*dylib.name == name && !dylib.removed)?;
        Some(DylibId(position as u32))
    }

    pub fn dylib(&self, id: DylibId) -> &Dylib {
        &self.dylibs[id.index()]
    }

    /// The dylib, if it is still part of the program.
    pub fn live_dylib(&mut self, id: DylibId) -> Result<&mut Dylib, Error> {
        let dylib = &mut self.dylibs[id.index()];
        if dylib.removed { Err(Error::Removed { unit: dylib.name.to_string() }) } else { Ok(dylib) }
    }

    /// Where a dylib's memory lies; near as long as nothing has decided otherwise.
    pub fn placement(&self, id: DylibId) -> Placement {
        self.dylib(self.dylib(id).placed_with).placement.unwrap_or_default()
    }

    pub fn unit(&self, id: UnitId) -> &Unit {
        &self.units[id.index()]
    }

    /// Whether a unit has failed; what needs it does, too.
    pub fn has_failed(&self, id: UnitId) -> bool {
        self.units.get(id.index()).is_some_and(|unit| matches!(unit.phase, Phase::Failed(_)))
    }

    fn unit_mut(&mut self, id: UnitId) -> &mut Unit {
        &mut self.units[id.index()]
    }

    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }

    pub fn symbol_text(&self, id: SymbolId) -> String {
        self.names.text(self.symbol(id).name)
    }

    /// Has something foreign dropped once the lock is free.
    pub fn drop_later(&mut self, dropped: impl Send + 'static) {
        self.effects.dropped.push(Box::new(dropped));
    }

    /// What is to happen outside, since it was last asked.
    pub fn take_effects(&mut self) -> Effects {
        let mut effects = std::mem::take(&mut self.effects);
        // Telling nobody is a system call all the same.
        effects.progress &= self.watchers != 0;
        effects
    }

    /// What is known of a thread-local variable of an earlier batch; `None` for one of a library.
    pub fn thread_answer(&self, id: SymbolId, question: Question) -> Option<[u64; 2]> {
        let symbol = self.symbol(id);
        if symbol.unit == NO_UNIT {
            return None;
        }
        let module = self.unit(symbol.unit).threads?;
        match question {
            Question::ModuleAndOffset => Some([module.module, module.first.wrapping_add(symbol.address)]),
            Question::ThreadOffset => Some([module.base?.wrapping_add(symbol.address), 0]),
            Question::Descriptor => None,
        }
    }

    /// The definition that a reference from a dylib binds to, as far as it is known without generators.
    pub fn find(&self, order: &[SearchEntry], name: Name) -> Option<SymbolId> {
        order.iter().find_map(|entry| {
            let id = self.dylib(entry.dylib).table.get(name)?;
            let symbol = self.symbol(id);
            ((entry.all_symbols || symbol.exported) && symbol.unit != REMOVED).then_some(id)
        })
    }

    /// The lazy functions that the code of a symbol refers to; they are told once.
    pub fn take_callees(&mut self, source: DylibId, name: Name) -> Vec<(DylibId, Name)> {
        let found = self.find(&self.dylib(source).order, name).map(|symbol| self.symbol(symbol).unit);
        let unit = found.and_then(|unit| self.units.get_mut(unit.index()));
        unit.map(|unit| std::mem::take(&mut unit.callees)).unwrap_or_default()
    }

    /// The names of the dylibs of a search order, for messages.
    pub fn searched(&self, order: &[SearchEntry]) -> Vec<String> {
        order.iter().map(|entry| self.dylib(entry.dylib).name.to_string()).collect()
    }
}
