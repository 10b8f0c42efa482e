//! Look-ups: names → symbols, with the help of generators → a query → addresses.

use super::Session;
use crate::error::{Error, Missing};
use crate::generator::{DefinitionGenerator, Generator, LookupKind, Wanted};
use crate::state::*;
use crate::sync::{thread, thread_local};
use crate::unit::Definition;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::Name;

/// What to look up, where, and how far it has to be.
#[derive(Clone, Debug)]
pub struct Request {
    kind: LookupKind,
    order: Vec<SearchEntry>,
    names: Vec<(Name, bool)>,
    required: Required,
}

impl Request {
    /// Names that have to be there, to be found along a search order and to be ready.
    pub fn new(order: &[SearchEntry], names: &[Name]) -> Request {
        let names = names.iter().map(|name| (*name, true)).collect();
        Request { kind: LookupKind::Static, order: order.to_vec(), names, required: Required::Ready }
    }

    /// A name besides, which may be missing: weakly referenced, it is no reason to take an archive's member in.
    pub fn weak(mut self, name: Name) -> Request {
        self.names.push((name, false));
        self
    }

    /// As the running program would, by `dlsym`: archives add nothing.
    pub fn dynamic(mut self) -> Request {
        self.kind = LookupKind::Dynamic;
        self
    }

    /// Content with addresses: the code may not be called yet.
    pub fn resolved(mut self) -> Request {
        self.required = Required::Resolved;
        self
    }
}

/// A look-up under way. It goes on whatever becomes of this handle, which can be waited for or awaited.
pub struct Lookup {
    session: Session,
    query: QueryId,
    taken: bool,
}

impl Lookup {
    /// Waits for the addresses, in the order of the names; `None` for weak references that nothing defines and for
    /// names that stand for side effects only. Errors if something is missing or has failed, or if this thread
    /// materializes what is asked for.
    pub fn wait(mut self) -> Result<Vec<Option<u64>>, Error> {
        self.taken = true;
        self.session.wait_for(self.query)
    }
}

impl Future for Lookup {
    type Output = Result<Vec<Option<u64>>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let (answer, replaced) = {
            let mut state = self.session.lock();
            match state.take_answer(self.query) {
                Some(answer) => (Some(answer), None),
                None => (None, state.wake_when_answered(self.query, waker)),
            }
        };
        drop(replaced);
        self.taken = answer.is_some();
        answer.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if !self.taken {
            let cancelled = self.session.lock().cancel(self.query);
            drop(cancelled);
        }
    }
}

impl Session {
    /// The addresses of symbols, in the order of the names, linked and ready to be used. Fails if one is missing or
    /// cannot be linked.
    pub fn lookup(&self, order: &[SearchEntry], names: &[&str]) -> Result<Vec<u64>, Error> {
        let names: Vec<Name> = names.iter().map(|name| self.names().intern(name.as_bytes())).collect();
        let known = names.iter().map(|name| Some(self.known(order, *name)?.1.address));
        if let Some(known) = known.collect() {
            return Ok(known);
        }
        let addresses = self.start(&Request::new(order, &names)).wait()?;
        Ok(addresses.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// The address of one symbol, linked and ready to be used. That of one which was looked up before is found without
    /// a lock.
    pub fn address(&self, order: &[SearchEntry], name: Name) -> Result<u64, Error> {
        if let Some((_, known)) = self.known(order, name) {
            return Ok(known.address);
        }
        let addresses = self.start(&Request::new(order, &[name])).wait()?;
        Ok(addresses.first().copied().flatten().unwrap_or_default())
    }

    /// The same, or `None` if no dylib of the order defines the name and no generator does.
    pub fn address_if_defined(&self, order: &[SearchEntry], name: Name) -> Result<Option<u64>, Error> {
        if let Some((_, known)) = self.known(order, name) {
            return Ok(Some(known.address));
        }
        let absent = || {
            let mut tables = order.iter().map(|entry| self.shared.published.table(entry.dylib));
            tables.all(|table| table.is_none_or(|table| table.get(name).is_none()))
        };
        if absent() && self.generate_now(order, name)? && absent() {
            return Ok(None);
        }
        match self.start(&Request::new(order, &[name])).wait() {
            Ok(addresses) => Ok(addresses.first().copied().flatten()),
            Err(Error::Missing { missing, .. }) if missing.iter().all(|missing| missing.referrer.is_empty()) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the generators along a search order, as far as they answer at once; false if one does not.
    fn generate_now(&self, order: &[SearchEntry], name: Name) -> Result<bool, Error> {
        let mut walk = Walk::new(LookupKind::Static, order, vec![(name, true)]);
        while let Some((dylib, generator)) = walk.next(self) {
            let Generator::Now(generator) = generator else { return Ok(false) };
            walk.call(self, dylib, &*generator)?;
        }
        Ok(true)
    }

    /// A ready symbol, and what is known of it without asking for the lock.
    pub(super) fn known(&self, order: &[SearchEntry], name: Name) -> Option<(SymbolId, Known)> {
        for entry in order {
            let Some(symbol) = self.shared.published.table(entry.dylib)?.get(name) else { continue };
            let known = self.shared.published.known(symbol, name)?;
            if entry.all_symbols || known.exported {
                return Some((symbol, known));
            }
        }
        None
    }

    /// Starts a look-up.
    pub fn start(&self, request: &Request) -> Lookup {
        let query = self.begin(request, Consumer::Waiter, None);
        Lookup { session: self.clone(), query, taken: false }
    }

    /// Starts a look-up whose answer a function is told, on whatever thread it is known first.
    pub fn start_with(&self, request: &Request, told: impl FnOnce(Answer) + Send + 'static) {
        self.begin(request, Consumer::Callback(Box::new(told)), None);
    }

    /// The same for a unit that cannot go on without the answer.
    pub(crate) fn start_for(&self, unit: UnitId, request: &Request, told: Box<dyn FnOnce(Answer) + Send>) {
        self.begin(request, Consumer::Callback(told), Some(unit));
    }

    fn begin(&self, request: &Request, consumer: Consumer, unit: Option<UnitId>) -> QueryId {
        let Request { kind, order, names, required } = request;
        let (query, missing, collects) = {
            let mut state = self.lock();
            let query = state.open_query(*required, false, consumer);
            if let Some(unit) = unit {
                state.set_awaits(unit, query);
            }
            let missing: Vec<_> =
                names.iter().filter(|(name, _)| state.find(order, *name).is_none()).copied().collect();
            (query, missing, state.collects())
        };
        if missing.is_empty() && !collects {
            self.update(|state| state.ask_names(query, order, names));
            return query;
        }
        let request = request.clone();
        let then = move |session: &Session, result: Result<(), Error>| match result {
            Err(error) => session.update(|state| state.answer(query, Err(error))),
            Ok(()) => session.ask_found(query, &request),
        };
        self.search(Walk::new(*kind, order, missing), Box::new(then));
        query
    }

    /// Goes on with a query once generators have had their say.
    fn ask_found(&self, query: QueryId, request: &Request) {
        let units = {
            let state = self.lock();
            if !state.collects() {
                Vec::new()
            } else {
                let found = request.names.iter().filter_map(|(name, _)| state.find(&request.order, *name));
                found.map(|symbol| state.symbol(symbol).unit).filter(|unit| unit.index() < state.units.len()).collect()
            }
        };
        match self.seek_roots(&units) {
            Ok(()) => self.update(|state| state.ask_names(query, &request.order, &request.names)),
            Err(error) => self.update(|state| state.answer(query, Err(error))),
        }
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
        loop {
            self.materialize_present_roots(dylibs)?;
            // Units may have given parts of themselves back that have initialisers, too.
            let state = self.lock();
            if dylibs.iter().all(|dylib| state.dylibs[dylib.index()].roots.is_empty()) {
                return Ok(());
            }
        }
    }

    fn materialize_present_roots(&self, dylibs: &[DylibId]) -> Result<(), Error> {
        let mut roots = Vec::new();
        // Opened before the lock is freed: it keeps the units' ids from being given to others.
        let query = {
            let mut state = self.lock();
            state.check_open()?;
            for dylib in dylibs {
                let dylib = &mut state.dylibs[dylib.index()];
                roots.append(&mut dylib.roots);
                if let Some(collection) = &mut dylib.collection {
                    collection.claimed = 0;
                }
            }
            state.open_query(Required::Ready, false, Consumer::Waiter)
        };
        let sought = self.seek_roots(&roots);
        self.update(|state| match sought {
            Ok(()) => state.ask(query, roots.into_iter().map(Want::Unit).collect()),
            Err(error) => state.answer(query, Err(error)),
        });
        self.wait_for(query).map(drop)
    }

    /// The address of what a search order's own dylibs define under a name, linked, without asking generators;
    /// thread-local variables have none.
    pub fn lookup_defined(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names().find(name)?;
        let query = self.update(|state| {
            state.check_open().ok()?;
            let symbol = state.find(order, name).filter(|id| state.symbol(*id).exported)?;
            if state.symbol(symbol).kind == SymbolKind::ThreadLocal {
                return None;
            }
            let query = state.open_query(Required::Ready, false, Consumer::Waiter);
            state.ask(query, vec![Want::Symbol(symbol)]);
            Some(query)
        })?;
        self.wait_for(query).ok()?.pop()?
    }

    /// The same for strong definitions of linked units only.
    pub fn lookup_strong(&self, order: &[SearchEntry], name: &[u8]) -> Option<u64> {
        let name = self.names().find(name)?;
        let state = self.lock();
        let symbol = state.symbol(state.find(order, name)?);
        let strong = symbol.strength == Rank::Strong && symbol.kind != SymbolKind::ThreadLocal && !symbol.collected;
        (strong && symbol.unit != NO_UNIT && matches!(state.unit(symbol.unit).phase, Phase::Ready))
            .then_some(symbol.address)
    }

    /// Asks the generators along a dylib's search order for names that it lacks, and waits for them.
    pub(crate) fn generate(&self, dylib: DylibId, names: &[(Name, bool)]) -> Result<(), Error> {
        self.generate_in(&self.search_order(dylib), Wanted { kind: LookupKind::Static, names })
    }

    /// The same along any search order.
    pub fn generate_in(&self, order: &[SearchEntry], wanted: Wanted<'_>) -> Result<(), Error> {
        let mut walk = Walk::new(wanted.kind, order, wanted.names.to_vec());
        walk.drop_found(self);
        let query = self.lock().open_query(Required::Resolved, false, Consumer::Waiter);
        let then = move |session: &Session, result: Result<(), Error>| {
            session.update(|state| state.answer(query, result.map(|()| Vec::new())));
        };
        self.search(walk, Box::new(then));
        self.wait_for(query).map(drop)
    }

    /// What the dylibs of a search order define of these names, generators aside.
    pub fn definitions(&self, order: &[SearchEntry], names: impl Iterator<Item = Name>) -> Vec<Definition> {
        let state = self.lock();
        let symbols = names.filter_map(|name| state.find(order, name)).map(|symbol| state.symbol(symbol));
        symbols.map(Symbol::definition).collect()
    }

    fn search(&self, walk: Walk, then: Then) {
        Search { session: self.clone(), walk, then }.advance(Ok(()));
    }
}

/// How many generators may be at work on top of each other on one thread. One that looks for what it is asked for comes
/// here instead of to the end of the stack.
const MAX_NESTED: u32 = 64;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// The generators of a search order, one after the other, as long as something is missing.
struct Walk {
    kind: LookupKind,
    order: Vec<SearchEntry>,
    missing: Vec<(Name, bool)>,
    entry: usize,
    generator: usize,
}

impl Walk {
    fn new(kind: LookupKind, order: &[SearchEntry], missing: Vec<(Name, bool)>) -> Walk {
        Walk { kind, order: order.to_vec(), missing, entry: 0, generator: 0 }
    }

    fn next(&mut self, session: &Session) -> Option<(DylibId, Generator)> {
        while !self.missing.is_empty() {
            let dylib = self.order.get(self.entry)?.dylib;
            if let Some(generator) = session.generator(dylib, self.generator) {
                self.generator += 1;
                return Some((dylib, generator));
            }
            (self.entry, self.generator) = (self.entry + 1, 0);
        }
        None
    }

    /// Lets a generator define what it can.
    fn call(&mut self, session: &Session, dylib: DylibId, generator: &dyn DefinitionGenerator) -> Result<(), Error> {
        let name = || name_of(|| generator.name());
        if MAX_NESTED <= NESTED.with(Cell::get) {
            return Err(Error::Endless { generator: name() });
        }
        NESTED.with(|nested| nested.set(nested.get() + 1));
        let wanted = Wanted { kind: self.kind, names: &self.missing };
        let called = catch_unwind(AssertUnwindSafe(|| generator.generate(session, dylib, wanted)));
        NESTED.with(|nested| nested.set(nested.get() - 1));
        called.unwrap_or_else(|_| Err(Error::Panicked { unit: name() }))?;
        self.drop_found(session);
        Ok(())
    }

    fn drop_found(&mut self, session: &Session) {
        let state = session.lock();
        self.missing.retain(|(name, _)| state.find(&self.order, *name).is_none());
    }
}

/// What a generator calls itself.
fn name_of(name: impl FnOnce() -> String) -> String {
    catch_unwind(AssertUnwindSafe(name)).unwrap_or_else(|_| "a generator".into())
}

type Then = Box<dyn FnOnce(&Session, Result<(), Error>) + Send>;

/// A walk that any of the generators may suspend.
pub(crate) struct Search {
    session: Session,
    walk: Walk,
    then: Then,
}

impl Search {
    /// Goes on after a generator has finished.
    fn advance(mut self, mut result: Result<(), Error>) {
        loop {
            if let Err(error) = result {
                return (self.then)(&self.session, Err(error));
            }
            match self.walk.next(&self.session) {
                None => return (self.then)(&self.session, Ok(())),
                Some((dylib, Generator::Now(generator))) => {
                    result = self.walk.call(&self.session, dylib, &*generator);
                }
                Some((dylib, Generator::Later(generator))) => {
                    let suspended = Suspended { dylib, name: name_of(|| generator.name()), search: Some(self) };
                    // A panic drops the suspended look-up, which ends it.
                    let _ = catch_unwind(AssertUnwindSafe(|| generator.generate(suspended)));
                    return;
                }
            }
        }
    }
}

/// A look-up that waits for a generator. It goes on when this is [finished](Suspended::finish), on whatever thread, and
/// fails if it is dropped.
pub struct Suspended {
    dylib: DylibId,
    search: Option<Search>,
    name: String,
}

impl Suspended {
    /// The session, to define things in.
    pub fn session(&self) -> Session {
        self.search.as_ref().expect("a search is taken out only by what consumes this").session.clone()
    }

    /// The dylib that lacks the names.
    pub fn dylib(&self) -> DylibId {
        self.dylib
    }

    /// What it lacks.
    pub fn wanted(&self) -> Wanted<'_> {
        let walk = self.search.as_ref().map(|search| &search.walk);
        walk.map_or(Wanted { kind: LookupKind::Static, names: &[] }, |walk| Wanted {
            kind: walk.kind,
            names: &walk.missing,
        })
    }

    /// Lets the look-up go on, with what has been defined meanwhile, or fail.
    pub fn finish(mut self, result: Result<(), Error>) {
        if let Some(mut search) = self.search.take() {
            search.walk.drop_found(&search.session);
            search.advance(result);
        }
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        if let Some(search) = self.search.take() {
            let unit = std::mem::take(&mut self.name);
            let panicked = thread::panicking();
            search.advance(Err(if panicked { Error::Panicked { unit } } else { Error::Abandoned { unit } }));
        }
    }
}

impl State {
    /// Says which names, found along a search order, a query asks for; fails it if some are missing.
    pub(crate) fn ask_names(&mut self, query: QueryId, order: &[SearchEntry], names: &[(Name, bool)]) {
        if let Err(error) = self.check_open() {
            return self.answer(query, Err(error));
        }
        let mut wants = Vec::with_capacity(names.len());
        let mut missing = Vec::new();
        for (name, required) in names {
            match self.find(order, *name) {
                Some(symbol) => wants.push(Want::Symbol(symbol)),
                None if *required => {
                    missing.push(Missing { symbol: self.names.text(*name), referrer: String::new() });
                }
                None => wants.push(Want::Nothing),
            }
        }
        if missing.is_empty() {
            self.ask(query, wants);
        } else {
            let searched = Arc::new(self.searched(order));
            self.answer(query, Err(Error::Missing { missing: Arc::new(missing), searched }));
        }
    }
}
