//! Collection of sections: what no root of a batch reaches is dropped before anything is planned for it.
//!
//! Data flow: the jobs of a closure and the roots of their dylibs → marks ([`gc`]) → dropped blocks, references that
//! count no more, and symbols that are marked as collected. Names are resolved and archive members pulled before, as by
//! a static linker; whether a missing one matters is decided here. Invariants: nothing happens unless some dylib's
//! sections are collected; a symbol that another batch refers to is either kept or refused to it, by whoever holds the
//! session's lock first.

use super::resolve::{Closure, Job, Reference, bound, first_reference};
use crate::error::Error;
use crate::session::Session;
use crate::state::{DylibId, GcRoots, State, SymbolId};
use std::collections::HashMap;
use uruk_jitlink::gc::{self, Candidate, Reached, Referent};
use uruk_jitlink::graph::{Definition, SymbolId as LocalId};
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};

impl Closure {
    /// Drops what nothing reaches, and fails the jobs that reach something missing or something dropped earlier.
    pub fn collect(&mut self, session: &Session) {
        if self.jobs.is_empty() || !session.lock().collects() {
            return;
        }
        self.drop_groups(session);
        let collection = Collection::new(session, &self.jobs);
        let mut roots = collection.roots(&session.lock());
        let refused = loop {
            let reached = collection.mark(&self.jobs, &roots);
            let mut state = session.lock();
            // Other batches may have asked for something meanwhile.
            let now = collection.roots(&state);
            if now.len() == roots.len() {
                break self.apply(&mut state, &collection, &reached);
            }
            roots = now;
        };
        self.refuse(session, &refused);
        self.settle_unknown(session, 0);
    }

    /// Drops COMDAT groups that are another object's, which are no roots whatever they hold.
    pub(super) fn drop_groups(&mut self, session: &Session) {
        let mut state = session.lock();
        for job in self.jobs.iter_mut().filter(|job| !job.graph.groups.is_empty()) {
            let mut targets = Targets::new(&job.graph);
            for (id, reference) in (job.graph.first_global.0..).map(LocalId).zip(&job.references) {
                if !matches!(reference, Reference::Symbol(symbol) if state.symbol(*symbol).unit == job.unit) {
                    targets.set(id, Target::Known(0));
                }
            }
            let dylib = state.unit(job.unit).dylib;
            let groups = &mut state.dylibs[dylib.index()].groups;
            prune::drop_groups(&mut job.graph, &targets, |group| {
                *groups.entry(group.signature).or_insert(job.unit) == job.unit
            });
        }
    }

    /// Drops what was not reached. Returns the jobs that reach what an earlier batch has dropped, with the first.
    fn apply(&mut self, state: &mut State, collection: &Collection, reached: &[Reached]) -> Vec<(usize, LocalId)> {
        let mut refused = Vec::new();
        for (index, (job, reached)) in self.jobs.iter_mut().zip(reached).enumerate() {
            let first = job.graph.first_global.0;
            job.swept = !collection.whole[index];
            gc::sweep(&mut job.graph, reached);
            for (id, reference) in (first..).map(LocalId).zip(&mut job.references) {
                let is_reached = reached.symbols[id.0 as usize];
                let symbol = match *reference {
                    Reference::Symbol(symbol) => symbol,
                    Reference::Own => continue,
                    _ => {
                        if !is_reached {
                            *reference = Reference::Null;
                        }
                        continue;
                    }
                };
                if state.symbol(symbol).unit == job.unit {
                    let dropped = match job.graph.symbol(id).definition {
                        Definition::Block(block) => !job.graph.block(block).live,
                        Definition::Common => !is_reached,
                        _ => false,
                    };
                    state.symbols[symbol.index()].collected = dropped;
                    if dropped && job.graph.symbol(id).definition == Definition::Common {
                        *reference = Reference::Null;
                    }
                } else if !is_reached {
                    *reference = Reference::Null;
                } else if !collection.places.contains_key(&symbol) {
                    // Whether its batch is still to be collected or has been, this is the moment to say so.
                    state.symbols[symbol.index()].wanted = true;
                    if state.symbol(symbol).collected {
                        refused.push((index, id));
                    }
                }
            }
        }
        refused
    }

    /// Fails the jobs that reach dropped symbols.
    fn refuse(&mut self, session: &Session, refused: &[(usize, LocalId)]) {
        let mut refused = refused.iter().peekable();
        for (index, job) in std::mem::take(&mut self.jobs).into_iter().enumerate() {
            let mut first = None;
            while let Some((_, id)) = refused.next_if(|(failing, _)| *failing == index) {
                first.get_or_insert(*id);
            }
            let Some(id) = first else {
                self.jobs.push(job);
                continue;
            };
            let name = job.object.interface.globals[(id.0 - job.graph.first_global.0) as usize].name;
            let symbol = session.names().text(name);
            self.failed.push((job.unit, Error::Collected { symbol, referrer: first_reference(&job.graph, id.0) }));
        }
    }
}

/// What a collection is about: jobs, where their symbols are defined, and who has to be kept.
struct Collection {
    /// By job: the sections of its dylib are not collected.
    whole: Vec<bool>,
    /// The definitions of the jobs.
    places: HashMap<SymbolId, (usize, LocalId)>,
    /// By job and global.
    referents: Vec<Vec<Referent>>,
    /// Sections whose bounds are referred to.
    bounds: Vec<Vec<u8>>,
    /// Dylibs whose roots are named.
    named: Vec<DylibId>,
    /// Symbols that are roots for good: exported ones, or those that the process's libraries import.
    kept: Vec<(usize, LocalId)>,
}

impl Collection {
    fn new(session: &Session, jobs: &[Job]) -> Collection {
        let state = session.lock();
        let mut places = HashMap::new();
        let mut named = Vec::new();
        let mut kept = Vec::new();
        let mut whole = Vec::with_capacity(jobs.len());
        let mut importable = HashMap::new();
        for (index, job) in jobs.iter().enumerate() {
            let dylib = state.unit(job.unit).dylib;
            let roots = state.dylib(dylib).collection.as_ref().map(|collection| &collection.roots);
            whole.push(roots.is_none());
            if matches!(roots, Some(GcRoots::Named(_))) && !named.contains(&dylib) {
                named.push(dylib);
            }
            for (id, reference) in (job.graph.first_global.0..).map(LocalId).zip(&job.references) {
                let Reference::Symbol(symbol) = *reference else { continue };
                let found = state.symbol(symbol);
                if found.unit != job.unit {
                    continue;
                }
                places.insert(symbol, (index, id));
                match roots {
                    Some(GcRoots::Exported) if found.exported => kept.push((index, id)),
                    Some(GcRoots::Named(_)) if found.exported => {
                        importable.insert(found.name, (index, id));
                    }
                    _ => {}
                }
            }
        }
        drop(state);
        if !importable.is_empty() {
            let asked = session.executor().for_each_import(&mut |name| {
                let name = session.names().find(name);
                kept.extend(name.and_then(|name| importable.remove(&name)));
            });
            if asked.is_err() {
                // Nobody knows what is imported: anything may be.
                kept.extend(importable.values());
            }
        }
        let mut bounds = Bounds::default();
        let referents = jobs.iter().map(|job| job.referents(session, &places, &mut bounds)).collect();
        Collection { whole, places, referents, bounds: bounds.names, named, kept }
    }

    /// The roots as of now; they only become more.
    fn roots(&self, state: &State) -> Vec<(usize, LocalId)> {
        let named = self.named.iter().flat_map(|dylib| state.named_roots(*dylib));
        let named = named.filter_map(|symbol| self.places.get(&symbol));
        let wanted = self.places.iter().filter(|(symbol, _)| state.symbol(**symbol).wanted).map(|(_, place)| place);
        named.chain(wanted).chain(&self.kept).copied().collect()
    }

    fn mark(&self, jobs: &[Job], roots: &[(usize, LocalId)]) -> Vec<Reached> {
        let candidates = jobs.iter().zip(&self.whole);
        let candidates: Vec<_> =
            candidates.map(|(job, whole)| Candidate { graph: &job.graph, whole: *whole }).collect();
        gc::mark(&candidates, roots, &self.bounds, |index, id| {
            self.referents[index][(id.0 - jobs[index].graph.first_global.0) as usize]
        })
    }
}

/// Sections whose bounds are referred to, each once.
#[derive(Default)]
struct Bounds {
    names: Vec<Vec<u8>>,
    positions: HashMap<Vec<u8>, usize>,
}

impl Bounds {
    fn position(&mut self, name: Vec<u8>) -> usize {
        let next = self.names.len();
        let position = *self.positions.entry(name.clone()).or_insert(next);
        if position == next {
            self.names.push(name);
        }
        position
    }
}

impl Job {
    /// What each global is to a collection.
    fn referents(
        &self,
        session: &Session,
        places: &HashMap<SymbolId, (usize, LocalId)>,
        bounds: &mut Bounds,
    ) -> Vec<Referent> {
        let referents = self.references.iter().zip(&self.object.interface.globals).map(|(reference, global)| {
            match reference {
                Reference::Symbol(symbol) => match places.get(symbol) {
                    Some((index, id)) => Referent::Symbol(*index, *id),
                    None => Referent::Elsewhere,
                },
                // Bounds are not settled yet: nobody else defines these names.
                Reference::Unknown => match bound(&session.names().bytes(global.name)) {
                    Some((section, _)) => Referent::Bound(bounds.position(section)),
                    None => Referent::Elsewhere,
                },
                _ => Referent::Elsewhere,
            }
        });
        referents.collect()
    }
}
