//! Functions whose bodies come later, or change: lazy re-exports and redirectable symbols.
//!
//! Data flow: a name is defined as a stub → its first call asks `Stubs` of the session → that looks the body up,
//! which materializes it, and the stub leads there from then on. Other threads that call meanwhile wait for the same
//! look-up.
//! Invariants: stubs go with the lot of their names, and that lot holds what the stubs lead to. The session is not kept
//! by its stubs.

use crate::dispatch::Priority;
use crate::error::Error;
use crate::executor::{Resolver, Stub, StubId, StubSetup, Stubs as ExecutorStubs};
use crate::responsibility::Responsibility;
use crate::session::{Request, Session, WeakSession};
use crate::state::{Answer, DylibId, SearchEntry, TrackerId, UnitId};
use crate::unit::{Definition, MaterializationUnit};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_executor::at_fork;
use uruk_jitlink::memory::Placement;
use uruk_jitlink::names::Name;

/// The body that a stub stands for.
#[derive(Clone)]
struct Body {
    /// The unit of the stub.
    unit: UnitId,
    /// Where the body is looked for.
    source: DylibId,
    name: Name,
    /// What it is called in the next run of the same program, before anything is materialized.
    lasting: (DylibId, Name),
    /// Told of the first call.
    hook: Option<Hook>,
}

/// Called by the thread that is first to call one of some lazy functions, with the body's name, before the call goes on.
pub(crate) type Hook = Arc<dyn Fn(&Session, Name) + Send + Sync>;

/// What is done before a lazy function's first call.
pub(crate) type BeforeFirstCall = dyn Fn(DylibId) -> Result<(), Error> + Send + Sync;

/// A session's stubs.
pub(crate) struct Stubs {
    pool: Box<dyn ExecutorStubs>,
    bodies: Arc<Bodies>,
}

struct Bodies {
    session: WeakSession,
    known: Arc<Mutex<Known>>,
}

/// Of numbers that nobody outside chooses.
type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

#[derive(Default)]
struct Known {
    /// Of the stubs that are lazy.
    lazy: Map<StubId, Body>,
    /// All stubs by address.
    by_address: Map<u64, StubId>,
    /// Where those lead that have been redirected.
    redirected: Map<StubId, u64>,
    /// Which of them lead to which.
    onward: Map<StubId, StubId>,
    /// Bodies in the order of their first calls.
    called: Vec<Body>,
}

impl Known {
    /// Notes where a stub leads, and says whether calls arrive anywhere.
    fn lead(&mut self, stub: StubId, address: u64) -> bool {
        let Some(next) = self.by_address.get(&address).copied() else { return true };
        let mut onward = std::iter::successors(Some(next), |stub| self.onward.get(stub).copied());
        let arrives = onward.all(|passed| passed != stub);
        if arrives {
            self.onward.insert(stub, next);
        }
        arrives
    }
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for Bodies {
    fn resolve(&self, stub: StubId) -> Option<u64> {
        let session = self.session.upgrade()?;
        let body = self.lock().lazy.get(&stub)?.clone();
        let (source, name) = (body.source, body.name);
        let found = session.body(body.unit, &session.search_order(source), name).and_then(|address| {
            let arrives = self.lock().lead(stub, address);
            arrives.then_some(address).ok_or_else(|| Error::EndlessCall { symbol: session.names().text(name) })
        });
        match found.and_then(|address| session.prepare_first_call(source).map(|()| address)) {
            Ok(address) => {
                if let Some(hook) = body.hook {
                    hook(&session, name);
                    return Some(address);
                }
                self.lock().called.push(body);
                session.speculate(source, name);
                Some(address)
            }
            Err(error) => {
                session.report(error);
                None
            }
        }
    }
}

impl Stubs {
    pub fn new(session: &Session, failure: Option<u64>) -> Result<Stubs, Error> {
        let bodies =
            Arc::new(Bodies { session: session.downgrade(), known: at_fork::hold_while_alive(Mutex::default()) });
        let setup = StubSetup { resolver: bodies.clone(), failure, placement: Placement::Near };
        Ok(Stubs { pool: session.executor().stubs(setup)?, bodies })
    }

    fn redirect(&self, targets: &[(StubId, u64)]) -> Result<(), Error> {
        self.pool.redirect(targets)?;
        self.bodies.lock().redirected.extend(targets.iter().copied());
        Ok(())
    }
}

/// Stubs that are freed when this is dropped.
struct Owned {
    stubs: Arc<Stubs>,
    made: Vec<Stub>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        {
            let mut known = self.stubs.bodies.lock();
            for Stub { id, address } in &self.made {
                known.lazy.remove(id);
                known.redirected.remove(id);
                known.onward.remove(id);
                known.by_address.remove(address);
            }
        }
        let ids: Vec<StubId> = self.made.iter().map(|stub| stub.id).collect();
        // They exist; an executor that is gone has none.
        let _ = self.stubs.pool.free(&ids);
    }
}

/// Functions of another dylib, materialized by their first calls.
struct LazyReexports {
    stubs: Arc<Stubs>,
    source: DylibId,
    /// Each with the name of its body, sorted by its own.
    functions: Vec<(Definition, Name)>,
    /// The bodies are where nobody finds them before their stubs are made.
    hidden: bool,
    hook: Option<Hook>,
}

impl LazyReexports {
    fn new(stubs: Arc<Stubs>, source: DylibId, mut functions: Vec<(Definition, Name)>) -> LazyReexports {
        functions.sort_by_key(|(definition, _)| definition.name);
        functions.dedup_by_key(|(definition, _)| definition.name);
        LazyReexports { stubs, source, functions, hidden: false, hook: None }
    }

    fn body(&self, name: Name) -> Option<Name> {
        let at = self.functions.binary_search_by_key(&name, |(definition, _)| definition.name).ok()?;
        Some(self.functions[at].1)
    }
}

impl MaterializationUnit for LazyReexports {
    fn name(&self) -> String {
        "lazy re-exports".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.functions.iter().map(|(definition, _)| *definition).collect()
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        let owed = responsibility.owed();
        let made = match self.stubs.pool.make(owed.len()) {
            Ok(made) => made,
            Err(error) => return responsibility.fail(error),
        };
        let (unit, dylib) = (responsibility.unit(), responsibility.dylib());
        {
            let mut known = self.stubs.bodies.lock();
            known.lazy.reserve(made.len());
            known.by_address.reserve(made.len());
            for (Stub { id, address }, name) in made.iter().zip(&owed) {
                let (source, body) = (self.source, self.body(*name).expect("a unit owes what it has promised"));
                let lasting = if self.hidden { (dylib, *name) } else { (source, body) };
                known.lazy.insert(*id, Body { unit, source, name: body, lasting, hook: self.hook.clone() });
                known.by_address.insert(*address, *id);
            }
        }
        let addresses: Vec<_> = owed.iter().zip(&made).map(|(name, stub)| (*name, stub.address)).collect();
        let memory = made.iter().map(|stub| stub.address..stub.address + 1).collect();
        let owned = Owned { stubs: self.stubs, made };
        // Errors mean that the unit was removed, which those who asked are told; dropped stubs are freed.
        if responsibility.keep_memory(owned, memory).is_ok() && responsibility.resolve(&addresses).is_ok() {
            let _ = responsibility.emit(&[]);
        }
    }
}

/// Functions that can be replaced while others call them. They go with their tracker.
#[derive(Clone)]
pub struct Redirectable {
    session: Session,
    stubs: Arc<Stubs>,
    unit: UnitId,
    ids: Arc<HashMap<Name, StubId>>,
}

impl Redirectable {
    /// Lets functions lead to other addresses, all or, if one of the names is not theirs or they have been removed, none.
    /// A call goes to the old body or to the new one; of several functions, one that is called by running code may be
    /// new before another, so callees are best named before their callers.
    ///
    /// The caller keeps the new bodies for as long as they are used.
    pub fn redirect(&self, targets: &[(Name, u64)]) -> Result<(), Error> {
        let mut redirected = Vec::with_capacity(targets.len());
        for (name, target) in targets {
            let Some(id) = self.ids.get(name) else {
                let symbol = self.session.names().text(*name);
                return Err(Error::NotPromised { unit: "redirectable symbols".into(), symbol });
            };
            redirected.push((*id, *target));
        }
        self.stubs.redirect(&redirected)
    }

    /// The same to symbols that a dylib's search order finds, which are materialized first and kept for as long as these
    /// functions are.
    pub fn redirect_to(&self, source: DylibId, targets: &[(Name, Name)]) -> Result<(), Error> {
        let mut addresses = Vec::with_capacity(targets.len());
        let order = self.session.search_order(source);
        for (name, target) in targets {
            addresses.push((*name, self.session.body(self.unit, &order, *target)?));
        }
        self.redirect(&addresses)
    }
}

impl Session {
    /// Says where calls go whose body cannot be had, in the place of a message and the end of the process: to code that
    /// is entered with the arguments of the call, and may throw into its caller. To be said before the first stub is made.
    pub fn set_lazy_failure(&self, address: u64) {
        // The first one counts.
        let _ = self.shared.lazy_failure.compare_exchange(0, address, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Has a function called before each first call of a lazy function, once its body is linked, with the dylib where that
    /// was looked for: to run initialisers, say. An error fails the call. No lock of the session is held. The first
    /// function that is given counts.
    pub fn before_first_calls(&self, prepare: impl Fn(DylibId) -> Result<(), Error> + Send + Sync + 'static) {
        let _ = self.shared.before_first_call.set(Box::new(prepare));
    }

    fn prepare_first_call(&self, source: DylibId) -> Result<(), Error> {
        self.shared.before_first_call.get().map_or(Ok(()), |prepare| prepare(source))
    }

    /// The stubs of the session, which it has from the first use on.
    fn stubs(&self) -> Result<Arc<Stubs>, Error> {
        if let Some(stubs) = self.existing_stubs() {
            return Ok(stubs);
        }
        let failure = Some(self.shared.lazy_failure.load(Ordering::Relaxed)).filter(|address| *address != 0);
        let made = Arc::new(Stubs::new(self, failure)?);
        // Another thread may have been faster; its stubs are the session's then.
        let mut stubs = self.shared.stubs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(stubs.get_or_insert(made).clone())
    }

    /// Defines functions, in the place of those of a dylib's search order beside them, that are materialized when they
    /// are called first. Looking such a function up, or pointing to it, materializes nothing.
    pub fn define_lazy_reexports(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        source: DylibId,
        functions: &[(Definition, Name)],
    ) -> Result<(), Error> {
        let unit = LazyReexports::new(self.stubs()?, source, functions.to_vec());
        self.define(dylib, tracker, Box::new(unit))
    }

    /// The unit of such functions, whose bodies are where nobody finds them before.
    pub(crate) fn lazy_reexports(
        &self,
        source: DylibId,
        functions: Vec<(Definition, Name)>,
    ) -> Result<Box<dyn MaterializationUnit>, Error> {
        let unit = LazyReexports::new(self.stubs()?, source, functions);
        Ok(Box::new(LazyReexports { hidden: true, ..unit }))
    }

    /// The same with somebody who is told of first calls.
    pub(crate) fn hooked_reexports(
        &self,
        source: DylibId,
        functions: Vec<(Definition, Name)>,
        hook: Hook,
    ) -> Result<Box<dyn MaterializationUnit>, Error> {
        let unit = LazyReexports::new(self.stubs()?, source, functions);
        Ok(Box::new(LazyReexports { hook: Some(hook), ..unit }))
    }

    /// Lets the lazy function at an address lead to what a dylib itself has under a name, which is materialized first and
    /// kept for as long as the function is.
    pub(crate) fn redirect_lazy(&self, function: u64, source: DylibId, name: Name) -> Result<(), Error> {
        let stubs = self.stubs()?;
        let found = {
            let known = stubs.bodies.lock();
            let id = known.by_address.get(&function).copied();
            id.and_then(|id| Some((id, known.lazy.get(&id)?.unit)))
        };
        let (id, unit) = found.ok_or_else(|| Error::Removed { unit: self.names().text(name) })?;
        let address = self.body(unit, &[SearchEntry { dylib: source, all_symbols: true }], name)?;
        stubs.bodies.lock().onward.remove(&id);
        stubs.redirect(&[(id, address)])
    }

    /// Where calls of a lazy or a redirectable function arrive, which has this address: a lazy one is materialized, and not called. `None`
    /// if there is no such function.
    pub fn function_behind(&self, address: u64) -> Result<Option<u64>, Error> {
        let Some(stubs) = self.existing_stubs() else { return Ok(None) };
        let body = {
            let known = stubs.bodies.lock();
            let Some(id) = known.by_address.get(&address) else { return Ok(None) };
            match (known.redirected.get(id), known.lazy.get(id)) {
                (Some(target), _) => return Ok(Some(*target)),
                (None, Some(body)) => body.clone(),
                (None, None) => return Ok(None),
            }
        };
        self.body(body.unit, &self.search_order(body.source), body.name).map(Some)
    }

    /// Defines functions at addresses that can be changed while others call them.
    pub fn define_redirectable(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        functions: &[(Definition, u64)],
    ) -> Result<Redirectable, Error> {
        let stubs = self.stubs()?;
        let made = stubs.pool.make(functions.len())?;
        let owned = Owned { stubs: stubs.clone(), made: made.clone() };
        let targets: Vec<_> = made.iter().zip(functions).map(|(stub, (_, target))| (stub.id, *target)).collect();
        stubs.bodies.lock().by_address.extend(made.iter().map(|stub| (stub.address, stub.id)));
        stubs.redirect(&targets)?;
        let placed: Vec<_> =
            functions.iter().zip(&made).map(|((definition, _), stub)| (*definition, stub.address)).collect();
        let unit = self.define_owned(dylib, tracker, &placed, Box::new(owned))?;
        let ids = functions.iter().zip(&made).map(|((definition, _), stub)| (definition.name, stub.id)).collect();
        Ok(Redirectable { session: self.clone(), stubs, unit, ids: Arc::new(ids) })
    }

    /// Materializes, when a lazy function is first called, also the lazy functions that its code refers to: they are
    /// likely to be called next. This is idle work of the dispatcher, which had better have threads for it. To be said
    /// before that code is linked.
    pub fn set_speculation(&self, speculate: bool) {
        self.shared.speculates.store(speculate, Ordering::Relaxed);
    }

    /// The bodies of lazy functions in the order of their first calls: the dylib where each was looked for, and its name.
    pub fn first_calls(&self) -> Vec<(DylibId, Name)> {
        self.called(|body| (body.source, body.name))
    }

    /// The same by the names that the next run has for them before anything is materialized.
    pub(crate) fn lasting_calls(&self) -> Vec<(DylibId, Name)> {
        self.called(|body| body.lasting)
    }

    fn called(&self, name: impl Fn(&Body) -> (DylibId, Name)) -> Vec<(DylibId, Name)> {
        let stubs = self.existing_stubs();
        stubs.map(|stubs| stubs.bodies.lock().called.iter().map(name).collect()).unwrap_or_default()
    }

    /// Materializes symbols, each found along a dylib's search order, in this order and as idle work of the dispatcher.
    /// What cannot be had is reported when it is called.
    pub fn prefetch(&self, bodies: &[(DylibId, Name)]) {
        self.prefetch_then(bodies, drop);
    }

    /// The same, and of the symbols that are lazy functions then also the bodies.
    pub(crate) fn prefetch_through(&self, functions: &[(DylibId, Name)]) {
        let session = self.downgrade();
        self.prefetch_then(functions, move |answer| {
            if let (Some(session), Ok(addresses)) = (session.upgrade(), answer) {
                session.prefetch(&session.lazy_among(addresses.into_iter().flatten()));
            }
        });
    }

    fn prefetch_then(&self, bodies: &[(DylibId, Name)], then: impl Fn(Answer) + Clone + Send + 'static) {
        for (source, name) in bodies.iter().copied() {
            let then = then.clone();
            self.spawn(Priority::Idle, move |session| {
                let request = Request::new(&session.search_order(source), &[name]);
                session.start_with(&request, then);
            });
        }
    }

    /// The lazy functions among addresses that an object refers to, if anybody wants to know.
    pub(crate) fn lazy_among(&self, addresses: impl Iterator<Item = u64>) -> Vec<(DylibId, Name)> {
        let Some(stubs) = self.existing_stubs() else { return Vec::new() };
        let known = stubs.bodies.lock();
        let ids = addresses.filter_map(|address| known.by_address.get(&address));
        let bodies = ids.filter_map(|id| known.lazy.get(id));
        bodies.map(|body| (body.source, body.name)).collect()
    }

    pub(crate) fn speculates(&self) -> bool {
        self.shared.speculates.load(Ordering::Relaxed)
    }

    /// Prefetches what the code of a body refers to.
    fn speculate(&self, source: DylibId, name: Name) {
        if self.speculates() {
            let callees = self.lock().take_callees(source, name);
            self.prefetch(&callees);
        }
    }

    fn existing_stubs(&self) -> Option<Arc<Stubs>> {
        self.shared.stubs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of a body that a stub leads to, ready and kept for as long as the stub is.
    fn body(&self, stub: UnitId, order: &[SearchEntry], name: Name) -> Result<u64, Error> {
        loop {
            let address = self.address(order, name)?;
            let held = self.update(|state| state.refer_to(stub, order, name, address));
            // It may have been removed or redefined just now.
            if held {
                return Ok(address);
            }
        }
    }
}
