//! Asking the generators along a search order for names that are missing, with pauses wherever one takes its time.
//!
//! Invariants: a walk asks each generator at most once, in order, as long as something is missing. A search ends exactly
//! once, whatever generators do.

use super::Session;
use crate::error::Error;
use crate::generator::{DefinitionGenerator, Generator, LookupKind, Wanted};
use crate::state::*;
use crate::sync::{thread, thread_local};
use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uruk_jitlink::names::Name;

impl Session {
    /// Asks the generators along a search order, as far as they answer at once; false if one does not.
    pub(super) fn generate_now(&self, order: &[SearchEntry], name: Name) -> Result<bool, Error> {
        let mut walk = Walk::new(LookupKind::Static, Cow::Borrowed(order), vec![(name, true)]);
        while let Some((dylib, generator)) = walk.next(self) {
            let Generator::Now(generator) = generator else { return Ok(false) };
            walk.call(self, dylib, &*generator)?;
        }
        Ok(true)
    }

    /// Asks the generators along a dylib's search order for names that it lacks, and waits for them.
    pub(crate) fn generate(&self, dylib: DylibId, names: &[(Name, bool)]) -> Result<(), Error> {
        self.generate_in(&self.search_order(dylib), Wanted { kind: LookupKind::Static, names })
    }

    /// The same along any search order.
    pub fn generate_in(&self, order: &[SearchEntry], wanted: Wanted<'_>) -> Result<(), Error> {
        let mut missing = wanted.names.to_vec();
        self.drop_found(order, &mut missing);
        let query = self.lock().open_query(Required::Resolved, false, Consumer::Waiter);
        let then = move |session: &Session, result: Result<(), Error>| {
            session.update(|state| state.answer(query, result.map(|()| Vec::new())));
        };
        self.search(wanted.kind, order, missing, Box::new(then));
        self.wait_for(query).map(drop)
    }

    /// Asks generators for names that are missing, and then does something.
    pub(super) fn search(&self, kind: LookupKind, order: &[SearchEntry], missing: Vec<(Name, bool)>, then: Then) {
        let walk = Walk::new(kind, Cow::Owned(order.to_vec()), missing);
        Search { session: self.clone(), walk, then }.advance(Ok(()));
    }

    /// Lets names that nothing defines be what objects say that they stand for then.
    fn use_alternatives(&self, order: &[SearchEntry], missing: &mut Vec<(Name, bool)>) {
        let required: Vec<Name> = missing.iter().filter(|(_, required)| *required).map(|(name, _)| *name).collect();
        match self.update(|state| state.use_alternatives(order, &required)) {
            Ok(()) => self.drop_found(order, missing),
            Err(error) => self.report(error),
        }
    }

    /// Forgets those of the missing names that are defined by now.
    fn drop_found(&self, order: &[SearchEntry], missing: &mut Vec<(Name, bool)>) {
        if missing.iter().all(|(name, _)| self.is_absent(order, *name)) {
            return;
        }
        let state = self.lock();
        missing.retain(|(name, _)| state.find(order, *name).is_none());
    }
}

/// How many generators may be at work on top of each other on one thread. One that looks for what it is asked for comes
/// here instead of to the end of the stack.
const MAX_NESTED: u32 = 64;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// The generators of a search order, one after the other, as long as something is missing.
struct Walk<'a> {
    kind: LookupKind,
    order: Cow<'a, [SearchEntry]>,
    missing: Vec<(Name, bool)>,
    entry: usize,
    generator: usize,
}

impl<'a> Walk<'a> {
    fn new(kind: LookupKind, order: Cow<'a, [SearchEntry]>, missing: Vec<(Name, bool)>) -> Walk<'a> {
        Walk { kind, order, missing, entry: 0, generator: 0 }
    }

    fn next(&mut self, session: &Session) -> Option<(DylibId, Generator)> {
        while !self.missing.is_empty() {
            let Some(SearchEntry { dylib, .. }) = self.order.get(self.entry).copied() else {
                session.use_alternatives(&self.order, &mut self.missing);
                return None;
            };
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
        session.drop_found(&self.order, &mut self.missing);
        Ok(())
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
    walk: Walk<'static>,
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
            search.session.drop_found(&search.walk.order, &mut search.walk.missing);
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
