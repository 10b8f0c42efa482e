//! The execution session: dylibs, their symbols, and the look-ups that bring code into being.
//!
//! Data flow: definitions come in (`define`) → a look-up finds names, with the help of generators (`search`), and claims
//! what has to be materialized (`lookup`) → tasks run where the dispatcher wants (`run`) → units resolve, are emitted and
//! become ready, and queries are answered. Trackers take things out again (`removal`).
//!
//! Invariants: one mutex guards the `State`; it is never held while a generator, an executor, a materializer, a
//! dispatcher, a callback or the linker runs: `Session::update` changes the state, frees the lock, and carries out
//! what the change asked for.

mod define;
mod fork;
mod inspect;
mod layer;
mod lookup;
mod passes;
mod removal;
mod run;
mod search;

pub use inspect::{Description, Functions, Population, SymbolState};
pub use lookup::{Lookup, Request};
pub use removal::{Pin, Removal};
pub use search::Suspended;

use crate::dispatch::{Dispatcher, InPlace};
use crate::error::Error;
use crate::executor::Executor;
use crate::generator::{AsyncGenerator, DefinitionGenerator, Generator};
use crate::lazy::{BeforeFirstCall, Stubs};
use crate::plugin::Wishes;
use crate::state::*;
use crate::sync::{Condvar, Mutex, MutexGuard, RwLock};
use crate::translate::Translate;
use once_cell::race::OnceBox;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use uruk_executor::at_fork;
use uruk_jitlink::fixup::image_base;
use uruk_jitlink::format::Convention;
use uruk_jitlink::memory::Placement;
use uruk_jitlink::names::{Name, Names};

/// A program that is being put together and run. Cheap to clone: all clones are the same session, which goes with the
/// last of them.
#[derive(Clone)]
pub struct Session {
    pub(crate) shared: Arc<Shared>,
}

/// A session that does not keep it alive, for what the session itself keeps: units, generators, dispatchers.
#[derive(Clone)]
pub struct WeakSession {
    shared: Weak<Shared>,
}

pub(crate) struct Shared {
    names: Arc<Names>,
    /// What of the state can be read without its lock.
    published: Arc<Published>,
    state: Mutex<State>,
    progress: Condvar,
    executor: Arc<dyn Executor>,
    dispatcher: RwLock<Arc<dyn Dispatcher>>,
    /// By dylib.
    generators: RwLock<Vec<Vec<Generator>>>,
    threads: Option<usize>,
    pool: OnceLock<Option<rayon_core::ThreadPool>>,
    /// This is the child of a fork, which has none of the pool's threads.
    forked: AtomicBool,
    reports: Mutex<Vec<Error>>,
    pub(crate) stubs: Mutex<Option<Arc<Stubs>>>,
    pub(crate) lazy_failure: AtomicU64,
    pub(crate) speculates: AtomicBool,
    pub(crate) before_first_call: OnceLock<Box<BeforeFirstCall>>,
    wishes: Wishes,
    /// How functions pass numbers, where that matters, and the first object that said so.
    pub(crate) abi: OnceBox<(&'static str, Arc<str>)>,
    pub(crate) translator: OnceLock<Arc<dyn Translate>>,
    /// The start of the image that all memory of a placement is taken for, once it is asked for.
    images: [OnceBox<u64>; 2],
}

impl Session {
    /// A session without dylibs that links large inputs on `threads` threads, the calling one among them; as many as
    /// there are processors if not said. Tasks run [in place](InPlace) at first.
    pub fn new(executor: Arc<dyn Executor>, threads: Option<usize>) -> Session {
        let names = Arc::new(Names::default());
        let state = State::new(names.clone());
        let shared = Shared {
            published: state.published.clone(),
            state: Mutex::new(state),
            names,
            progress: Condvar::new(),
            executor,
            dispatcher: RwLock::new(Arc::new(InPlace)),
            generators: RwLock::default(),
            threads,
            pool: OnceLock::new(),
            forked: AtomicBool::new(false),
            reports: Mutex::default(),
            stubs: Mutex::default(),
            lazy_failure: AtomicU64::new(0),
            speculates: AtomicBool::new(false),
            before_first_call: OnceLock::new(),
            wishes: Wishes::default(),
            abi: OnceBox::new(),
            translator: OnceLock::new(),
            images: Default::default(),
        };
        Session { shared: at_fork::hold_while_alive(shared) }
    }

    /// The names of this session.
    pub fn names(&self) -> &Names {
        &self.shared.names
    }

    /// The session's name for a function or variable of a C source. It is the same on every target: what a compiler puts
    /// before it goes when an object is read ([`Container::session_name`](uruk_jitlink::format::Container::session_name)).
    pub fn mangle(&self, name: &str) -> Name {
        self.names().intern(name.as_bytes())
    }

    /// The process where code runs.
    pub fn executor(&self) -> &dyn Executor {
        &*self.shared.executor
    }

    /// This session, without keeping it.
    pub fn downgrade(&self) -> WeakSession {
        WeakSession { shared: Arc::downgrade(&self.shared) }
    }

    /// Says where tasks run from now on.
    pub fn set_dispatcher(&self, dispatcher: Arc<dyn Dispatcher>) {
        *self.shared.dispatcher.write().unwrap_or_else(PoisonError::into_inner) = dispatcher;
    }

    fn dispatcher(&self) -> Arc<dyn Dispatcher> {
        self.shared.dispatcher.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the session: queries that wait are answered with an error, what was not started is not, and nothing more
    /// can be added or looked up. What is ready stays callable for as long as the session lives.
    pub fn end(&self) {
        self.update(State::end);
    }

    /// Makes a dylib, which at first searches itself only. Errors if the name is taken.
    pub fn create_dylib(&self, name: &str) -> Result<DylibId, Error> {
        self.lock().add_dylib(name)
    }

    /// Lets only objects of a calling convention refer to a dylib's symbols, since others could not call them. What looks
    /// them up by name still finds them.
    pub fn serve_only(&self, dylib: DylibId, convention: Convention) {
        self.lock().dylibs[dylib.index()].convention = Some(convention);
    }

    /// The start of the image that memory of a placement is taken for, which lies in a range.
    pub(crate) fn image_base(&self, placement: Placement, span: &Range<u64>) -> u64 {
        *self.shared.images[placement as usize].get_or_init(|| Box::new(image_base(span)))
    }

    /// The dylib of a name.
    pub fn dylib(&self, name: &str) -> Option<DylibId> {
        self.lock().dylib_named(name)
    }

    /// Where references from a dylib are looked for, in this order. The dylib itself, with hidden symbols, is
    /// usually the first.
    pub fn set_search_order(&self, dylib: DylibId, order: Vec<SearchEntry>) {
        self.lock().set_order(dylib, order);
    }

    /// Where references of objects with a calling convention are looked for from a dylib: without the dylibs that serve
    /// another one only.
    pub fn search_order_for(&self, dylib: DylibId, convention: Convention) -> Vec<SearchEntry> {
        self.lock().order_for(dylib, convention)
    }

    /// Where references from a dylib are looked for.
    pub fn search_order(&self, dylib: DylibId) -> Vec<SearchEntry> {
        self.lock().dylib(dylib).order.clone()
    }

    /// The dylib that stands for the program: weak definitions of the dylibs that its search order reaches are those of
    /// the first one in that order, breadth first. Without a root each dylib has its own.
    pub fn set_root(&self, dylib: DylibId) {
        self.lock().root = Some(dylib);
    }

    /// The dylibs for what is made for one on demand.
    pub(crate) fn bodies_of(&self, dylib: DylibId) -> Result<Bodies, Error> {
        let bodies = self.lock().bodies_of(dylib)?;
        let retained = self.wishes().retained();
        if retained.contains(&dylib) && !retained.contains(&bodies.code) {
            self.retain_graphs(&[bodies.code, bodies.improved]);
        }
        Ok(bodies)
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
        self.push_generator(dylib, Generator::Now(generator));
    }

    /// The same for a generator that may take its time and answer from another thread.
    pub fn add_async_generator(&self, dylib: DylibId, generator: Arc<dyn AsyncGenerator>) {
        self.push_generator(dylib, Generator::Later(generator));
    }

    fn push_generator(&self, dylib: DylibId, generator: Generator) {
        let mut generators = self.shared.generators.write().unwrap_or_else(PoisonError::into_inner);
        if generators.len() <= dylib.index() {
            generators.resize_with(dylib.index() + 1, Vec::new);
        }
        generators[dylib.index()].push(generator);
    }

    /// Forgets a dylib's generators, and with them the archives that it would take more members from.
    pub fn remove_generators(&self, dylib: DylibId) {
        let removed = {
            let mut generators = self.shared.generators.write().unwrap_or_else(PoisonError::into_inner);
            generators.get_mut(dylib.index()).map(std::mem::take)
        };
        drop(removed);
    }

    /// The generator of a dylib at a position.
    fn generator(&self, dylib: DylibId, position: usize) -> Option<Generator> {
        let generators = self.shared.generators.read().unwrap_or_else(PoisonError::into_inner);
        generators.get(dylib.index())?.get(position).cloned()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then does what the change asks for, with the lock free.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let effects = state.take_effects();
        drop(state);
        self.carry_out(effects);
        result
    }

    /// What clients want of links beside code.
    pub(crate) fn wishes(&self) -> &Wishes {
        &self.shared.wishes
    }

    pub(crate) fn report(&self, error: Error) {
        self.shared.report(error);
    }

    /// What outlives every handle of the session.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Problems of generators that did not fail a look-up, since the session's start or the last call.
    pub fn take_reports(&self) -> Vec<Error> {
        std::mem::take(&mut self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.dissolve();
        let effects = state.take_effects();
        self.perform(effects);
        let kept = std::mem::take(&mut self.state.get_mut().unwrap_or_else(PoisonError::into_inner).kept);
        self.release(&kept);
        if *self.forked.get_mut() {
            // To end its threads would be to wait for their locks.
            std::mem::forget(self.pool.take());
        }
    }
}

impl WeakSession {
    /// The session, if it still exists.
    pub fn upgrade(&self) -> Option<Session> {
        Some(Session { shared: self.shared.upgrade()? })
    }
}
