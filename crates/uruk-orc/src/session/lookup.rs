//! Look-ups: names → symbols, with the help of generators → a query → addresses.

use super::Session;
use crate::error::{Error, Missing};
use crate::generator::LookupKind;
use crate::state::*;
use crate::unit::Definition;
use std::future::Future;
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
        if self.is_absent(order, name) && self.generate_now(order, name)? && self.is_absent(order, name) {
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

    /// Whether no dylib of a search order has anything under a name, without asking for the lock.
    pub(super) fn is_absent(&self, order: &[SearchEntry], name: Name) -> bool {
        let mut tables = order.iter().filter_map(|entry| self.shared.published.table(entry.dylib));
        tables.all(|table| table.get(name).is_none())
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
        self.search(*kind, order, missing, Box::new(then));
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

    /// What the dylibs of a search order define of these names, generators aside.
    pub fn definitions(&self, order: &[SearchEntry], names: impl Iterator<Item = Name>) -> Vec<Definition> {
        let state = self.lock();
        let symbols = names.filter_map(|name| state.find(order, name)).map(|symbol| state.symbol(symbol));
        symbols.map(Symbol::definition).collect()
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
