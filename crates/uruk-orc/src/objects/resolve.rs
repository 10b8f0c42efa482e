//! Finding what a batch refers to: the graphs of its units, and of whatever else has to be linked with them.

use super::Object;
use super::passes::Passes;
use crate::error::{Error, Missing};
use crate::generator::{LookupKind, Wanted};
use crate::session::Session;
use crate::state::{DylibId, NO_UNIT, Phase, Required, SearchEntry, State, SymbolId, TaskId, UnitId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uruk_jitlink::coff::IMAGE_BASE;
use uruk_jitlink::format::Convention;
use uruk_jitlink::graph::{LinkGraph, SymbolKind, Visibility};
use uruk_jitlink::interface::{Fallback, Global, Strength};
use uruk_jitlink::layout::gathered_name;
use uruk_jitlink::names::Name;

/// What a global symbol of a job was found to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reference {
    /// A definition of the session.
    Symbol(SymbolId),
    /// A weak symbol that nobody defines.
    Null,
    /// Something that the linker itself defines.
    Linker,
    /// A local symbol that a plugin has added among the global ones.
    Own,
    /// Nothing, so far.
    Unknown,
}

/// A unit on its way through a batch.
pub(super) struct Job {
    pub unit: UnitId,
    pub object: Arc<Object>,
    pub graph: LinkGraph,
    /// One for each global of the graph.
    pub references: Vec<Reference>,
    /// Which of the globals that others fall back on are looked for.
    pub wanted: HashSet<usize>,
    /// A collection has dropped blocks of the graph.
    pub swept: bool,
}

/// The jobs of a batch, and the units that could not become one.
#[derive(Default)]
pub(super) struct Closure {
    pub jobs: Vec<Job>,
    pub failed: Vec<(UnitId, Error)>,
    pub passes: Passes,
    /// The executor was lost while names were looked for, so that nobody knows whether it has them.
    lost: Option<Error>,
}

impl Closure {
    pub fn new(session: &Session) -> Closure {
        Closure { passes: Passes::new(session), ..Closure::default() }
    }

    /// Reads claimed units and everything that they pull in, as part of a task. `awaits` gets the symbols that they are
    /// bound to and that clients have yet to make.
    pub fn extend(&mut self, session: &Session, task: TaskId, claimed: Vec<UnitId>, awaits: &mut Vec<SymbolId>) {
        let mut frontier = claimed;
        while !frontier.is_empty() {
            let first = self.jobs.len();
            self.read(session, &frontier);
            self.pre_prune(session, first);
            frontier = self.bind(session, task, first, awaits);
        }
    }

    /// Takes in what another batch has read.
    pub fn absorb(&mut self, other: Closure) {
        self.jobs.extend(other.jobs);
        self.failed.extend(other.failed);
        self.passes.absorb(other.passes);
        self.lost = self.lost.take().or(other.lost);
    }

    fn read(&mut self, session: &Session, frontier: &[UnitId]) {
        let objects: Vec<_> = {
            let state = session.lock();
            let object = |id: &UnitId| match &state.unit(*id).object {
                Some(object) => Ok((*id, object.clone())),
                None => Err((*id, Error::Removed { unit: state.unit(*id).name.to_string() })),
            };
            let (objects, removed): (Vec<_>, Vec<_>) = frontier.iter().map(object).partition(Result::is_ok);
            self.failed.extend(removed.into_iter().filter_map(Result::err));
            objects.into_iter().filter_map(Result::ok).collect()
        };
        let cost = objects.iter().map(|(_, object)| object.interface.cost).sum();
        let graphs = session.parallel(cost, &objects, |(_, object)| {
            let graph = object.graph(session.names())?;
            if LARGE_BYTES <= cost {
                graph.input.set_aside(graph.end_of_content());
            }
            Ok::<_, Error>(graph)
        });
        for ((unit, object), graph) in objects.into_iter().zip(graphs) {
            match graph {
                Ok(graph) => {
                    let references = object.references();
                    self.jobs.push(Job { unit, object, graph, references, wanted: HashSet::new(), swept: false });
                }
                Err(error) => self.failed.push((unit, error)),
            }
        }
    }

    /// Binds the references of the jobs from `first` on; returns the units that were claimed for them.
    fn bind(&mut self, session: &Session, task: TaskId, first: usize, awaits: &mut Vec<SymbolId>) -> Vec<UnitId> {
        let mut claimed = Vec::new();
        self.coalesce(session, first);
        let mut asked: HashSet<(DylibId, Convention, Name, bool)> = HashSet::new();
        let mut falls_back = self.jobs[first..].iter().all(|job| job.object.interface.fallbacks().is_empty());
        loop {
            // Names that nothing defines yet, by the dylib and convention that ask, with whether they are required.
            let mut missing: HashMap<(DylibId, Convention), Vec<(Name, bool)>> = HashMap::new();
            session.update(|state| {
                let before = claimed.len();
                for job in &mut self.jobs[first..] {
                    let dylib = state.unit(job.unit).dylib;
                    let convention = job.graph.format.container.convention();
                    let order = state.order_for(dylib, convention);
                    if falls_back {
                        job.fall_back();
                    }
                    job.bind(state, task, &order, &mut claimed, awaits, |name, required| {
                        if asked.insert((dylib, convention, name, required)) {
                            missing.entry((dylib, convention)).or_default().push((name, required));
                        }
                    });
                }
                state.claim_companions(&mut claimed);
                state.assign(task, &claimed[before..]);
            });
            // Only once nothing has been found for a reference, what it falls back on counts.
            if missing.is_empty() && std::mem::replace(&mut falls_back, true) {
                break;
            }
            for ((dylib, convention), names) in missing {
                let order = session.lock().order_for(dylib, convention);
                let wanted = Wanted { kind: LookupKind::Static, names: &names };
                match session.generate_in(&order, wanted) {
                    Err(error) if error.executor_lost().is_some() => self.lost = Some(error),
                    Err(error) => session.report(error),
                    Ok(()) => {}
                }
            }
        }
        // With a collection only the names count that something reached refers to.
        if !session.lock().collects() {
            self.settle_unknown(session, first);
        }
        claimed
    }

    /// Lets weak definitions be those of the first dylib in the root's order that has them too, and weak variables that
    /// a library of the process exports as well be the library's: inline variables, function-local statics and type
    /// information are one for the whole program.
    fn coalesce(&self, session: &Session, first: usize) {
        let mut candidates = Vec::new();
        {
            let mut state = session.lock();
            let mut scopes = HashMap::new();
            for job in &self.jobs[first..] {
                let dylib = state.unit(job.unit).dylib;
                let convention = job.graph.format.container.convention();
                let scope = scopes.entry(convention).or_insert_with(|| state.scope(convention));
                let before = scope.iter().position(|other| *other == dylib).map_or(&[][..], |at| &scope[..at]);
                for (global, symbol) in job.object.interface.globals.iter().zip(job.object.symbols()) {
                    let Some(symbol) = *symbol else { continue };
                    let found = state.symbol(symbol);
                    if global.strength != Strength::Weak
                        || global.visibility != Visibility::Default
                        || found.unit != job.unit
                        || !found.exported
                    {
                        continue;
                    }
                    if let Some(other) = state.first_shown(before, global.name) {
                        state.coalesce(symbol, other);
                    } else if global.kind == SymbolKind::Object || global.unique {
                        candidates.push((symbol, job.unit, global.name));
                    }
                }
            }
        }
        let texts: Vec<_> = candidates.iter().map(|(.., name)| session.names().bytes(*name)).collect();
        let texts: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
        if texts.is_empty() {
            return;
        }
        // A process that does not answer answers nothing later on either.
        let found = session.executor().find(&texts).unwrap_or_default();
        for ((symbol, unit, _), found) in candidates.iter().zip(found) {
            if let Some(found) = found.filter(|found| !found.thread_local) {
                session.lock().bind_to_address(*symbol, *unit, found.address);
            }
        }
    }

    /// Decides about bounds of sections that no object of the batch has: tables of functions are empty then, weak
    /// names null, others missing.
    pub fn settle_bounds(&mut self, session: &Session) {
        let mut sections: HashMap<Vec<u8>, bool> = HashMap::new();
        let mut bounds = Vec::new();
        for (index, job) in self.jobs.iter().enumerate() {
            for (number, reference) in job.references.iter().enumerate() {
                if *reference == Reference::Linker
                    && let Some((name, _)) = bound(&session.names().bytes(job.object.interface.globals[number].name))
                {
                    sections.entry(name.clone()).or_insert(false);
                    bounds.push((index, number, name));
                }
            }
        }
        if bounds.is_empty() {
            return;
        }
        for graph in self.jobs.iter().map(|job| &job.graph) {
            for block in &graph.blocks {
                if let Some(exists) = sections.get_mut(gathered_name(graph, block.section)) {
                    *exists |= block.live;
                }
            }
        }
        let mut missing: HashMap<usize, Vec<Missing>> = HashMap::new();
        for (index, number, name) in bounds.into_iter().filter(|(_, _, name)| !sections[name]) {
            let job = &mut self.jobs[index];
            let global = &job.object.interface.globals[number];
            job.references[number] = Reference::Null;
            if global.strength == Strength::Undefined && !name.starts_with(b".") {
                let referrer = first_reference(&job.graph, job.graph.first_global.0 + number as u32);
                let symbol = session.names().text(global.name);
                missing.entry(index).or_default().push(Missing { symbol, referrer });
            }
        }
        let mut failed: Vec<_> = missing.into_iter().collect();
        failed.sort_by_key(|(index, _)| *index);
        self.remove_missing(session, failed);
    }

    /// Decides about names that no generator knows.
    pub(super) fn settle_unknown(&mut self, session: &Session, first: usize) {
        let mut failed = Vec::new();
        for (index, job) in self.jobs[first..].iter_mut().enumerate() {
            let mut missing = Vec::new();
            job.settle_fallbacks();
            let Job { references, object, graph, .. } = job;
            for (number, (reference, global)) in (0..).zip(references.iter_mut().zip(&object.interface.globals)) {
                if *reference != Reference::Unknown {
                    continue;
                }
                *reference = match global.strength {
                    _ if is_linker_defined(&session.names().bytes(global.name)) => Reference::Linker,
                    Strength::UndefinedWeak | Strength::Fallback => Reference::Null,
                    _ => {
                        let referrer = first_reference(graph, graph.first_global.0 + number);
                        missing.push(Missing { symbol: session.names().text(global.name), referrer });
                        Reference::Unknown
                    }
                };
            }
            if !missing.is_empty() {
                failed.push((first + index, missing));
            }
        }
        self.remove_missing(session, failed);
    }

    /// Fails jobs, given in order of their indices, because of what they miss.
    fn remove_missing(&mut self, session: &Session, failed: Vec<(usize, Vec<Missing>)>) {
        let Some((first, _)) = failed.first() else { return };
        let searched = Arc::new(session.searched(self.jobs[*first].unit));
        let mut failed = failed.into_iter().peekable();
        let jobs = std::mem::take(&mut self.jobs);
        for (index, job) in jobs.into_iter().enumerate() {
            match failed.next_if(|(failing, _)| *failing == index) {
                None => self.jobs.push(job),
                Some((_, missing)) => {
                    let (missing, searched) = (Arc::new(missing), searched.clone());
                    let error = self.lost.clone().unwrap_or(Error::Missing { missing, searched });
                    self.failed.push((job.unit, error));
                }
            }
        }
    }

    /// The jobs that reach something of others that has no address yet.
    pub fn waiting(&self, session: &Session) -> HashSet<UnitId> {
        let state = session.lock();
        let own: HashSet<UnitId> = self.jobs.iter().map(|job| job.unit).collect();
        let mut referrers: HashMap<UnitId, Vec<UnitId>> = HashMap::new();
        let mut open = Vec::new();
        for job in &self.jobs {
            for (unit, _) in job.needs(&state) {
                if own.contains(&unit) {
                    referrers.entry(unit).or_default().push(job.unit);
                } else if state.units.get(unit.index()).is_some_and(|unit| !Required::Resolved.is_past(&unit.phase)) {
                    open.push(job.unit);
                }
            }
        }
        let mut waiting = HashSet::new();
        while let Some(unit) = open.pop() {
            if waiting.insert(unit) {
                open.extend(referrers.get(&unit).into_iter().flatten());
            }
        }
        waiting
    }

    /// Fails the jobs that refer to failed ones; what is left depends on none of these.
    pub fn fail_dependants(&mut self, session: &Session) {
        if self.failed.is_empty() {
            return;
        }
        let state = session.lock();
        let mut failed: HashMap<UnitId, Error> = self.failed.iter().cloned().collect();
        loop {
            let before = failed.len();
            let jobs = std::mem::take(&mut self.jobs);
            for job in jobs {
                let cause = job.needs(&state).find_map(|(unit, symbol)| Some((unit, symbol, failed.get(&unit)?)));
                match cause {
                    None => self.jobs.push(job),
                    Some((whose, symbol, cause)) => {
                        let error = state.dependency(job.unit, symbol, whose, cause.clone());
                        failed.insert(job.unit, error.clone());
                        self.failed.push((job.unit, error));
                    }
                }
            }
            if failed.len() == before {
                break;
            }
        }
    }
}

impl Job {
    /// Looks for what references fall back on for which nothing has been found.
    fn fall_back(&mut self) {
        for (position, fallback) in self.object.interface.fallbacks() {
            if let (Reference::Unknown, Fallback::Global(other) | Fallback::Own(other)) =
                (self.references[*position as usize], fallback)
            {
                self.wanted.insert(*other as usize);
            }
        }
    }

    /// Lets references for which nothing has been found be what they fall back on.
    fn settle_fallbacks(&mut self) {
        let found = |reference: Reference| reference != Reference::Unknown;
        for (position, fallback) in self.object.interface.fallbacks() {
            let position = *position as usize;
            if found(self.references[position]) {
                continue;
            }
            self.references[position] = match *fallback {
                Fallback::Null => Reference::Null,
                Fallback::Own(other) if found(self.references[other as usize]) => Reference::Own,
                Fallback::Own(_) => Reference::Unknown,
                Fallback::Global(other) => self.references[other as usize],
            };
        }
    }

    fn bind(
        &mut self,
        state: &mut State,
        task: TaskId,
        order: &[SearchEntry],
        claimed: &mut Vec<UnitId>,
        awaits: &mut Vec<SymbolId>,
        mut ask: impl FnMut(Name, bool),
    ) {
        let object = self.object.clone();
        let symbols = object.symbols();
        let globals = &object.interface.globals;
        for (index, (reference, global)) in self.references.iter_mut().zip(globals).enumerate() {
            if index.is_multiple_of(FETCHED) {
                fetch(state, order, &globals[index..globals.len().min(index + FETCHED)]);
            }
            if *reference != Reference::Unknown
                || global.strength == Strength::Fallback && !self.wanted.contains(&index)
            {
                continue;
            }
            let found = match symbols.get(index).copied().flatten() {
                Some(own) => {
                    state.take_over(own, self.unit);
                    Some(state.representative_of(own))
                }
                None => state.find(order, global.name),
            };
            let Some(id) = found else {
                if global.kind != SymbolKind::File {
                    ask(global.name, matches!(global.strength, Strength::Undefined | Strength::Fallback));
                }
                continue;
            };
            *reference = Reference::Symbol(id);
            let symbol = &mut state.symbols[id.index()];
            symbol.bound = true;
            let unit = symbol.unit;
            if unit == self.unit || unit == NO_UNIT {
                continue;
            }
            let is_waiting = matches!(state.unit(unit).phase, Phase::Waiting);
            if !is_waiting {
                awaits.extend(state.may_join(unit, task).then_some(id));
            } else if state.unit(unit).object.is_none() {
                state.demand([unit]);
                awaits.push(id);
            } else if state.claim(unit) {
                claimed.push(unit);
            }
        }
    }

    /// The units that this one refers to.
    fn needs<'a>(&'a self, state: &'a State) -> impl Iterator<Item = (UnitId, SymbolId)> + 'a {
        self.references.iter().filter_map(|reference| match reference {
            Reference::Symbol(id) => {
                let unit = state.symbol(*id).unit;
                (unit != self.unit && unit != NO_UNIT).then_some((unit, *id))
            }
            _ => None,
        })
    }
}

/// Of objects of this size in all, memory is worth more than the time it takes to let go of the tables that have been read.
const LARGE_BYTES: usize = 64 << 20;

/// How many symbols are fetched at a time.
const FETCHED: usize = 64;

/// Brings the symbols that names most likely stand for into the caches. They lie all over the session's, and what is done
/// with each depends on it; looked at without a decision in between, their cache misses overlap.
fn fetch(state: &State, order: &[SearchEntry], globals: &[Global]) {
    let Some(own) = order.first() else { return };
    let table = &state.dylib(own.dylib).table;
    let mut ids = [None; FETCHED];
    for (id, global) in ids.iter_mut().zip(globals) {
        *id = table.get(global.name);
    }
    let seen = ids.iter().flatten().fold(0, |seen, id| seen ^ state.symbol(*id).unit.0);
    std::hint::black_box(seen);
}

/// The first place in an object that refers to a symbol.
pub(super) fn first_reference(graph: &LinkGraph, symbol: u32) -> String {
    let blocks = graph.blocks.iter().filter(|block| block.live);
    let edges = blocks.flat_map(|block| graph.edges(block).iter().map(move |edge| (block, edge)));
    let mut edges = edges.filter(|(_, edge)| edge.target.0 == symbol);
    match edges.next() {
        Some((block, edge)) => graph.place(block, u64::from(edge.offset)),
        None => graph.input.name().to_string(),
    }
}

/// The start of an object's own thread-local image (psABI §4.4.1, local dynamic model with descriptors).
pub(super) const THREAD_IMAGE: &[u8] = b"_TLS_MODULE_BASE_";

/// The start of an object's own slots.
pub(super) const GOT: &[u8] = b"_GLOBAL_OFFSET_TABLE_";

/// Whether a name is one that the linker itself defines for the objects that it links, so that no generator need.
pub fn is_linker_defined(name: &[u8]) -> bool {
    name == GOT || name == THREAD_IMAGE || name == IMAGE_BASE || bound(name).is_some()
}

/// The section whose bound a name stands for, and whether it is the upper one.
pub(super) fn bound(name: &[u8]) -> Option<(Vec<u8>, bool)> {
    for (prefix, end) in [(&b"__start_"[..], false), (b"__stop_", true)] {
        if let Some(section) = name.strip_prefix(prefix) {
            let identifier = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            return (!section.is_empty() && section.iter().all(identifier)).then(|| (section.to_vec(), end));
        }
    }
    // Darwin's, which are named in assembly: `section$start$SEGMENT$section`.
    for (prefix, end) in [(&b"\x01section$start$"[..], false), (b"\x01section$end$", true)] {
        if let Some(names) = name.strip_prefix(prefix) {
            let at = names.iter().position(|byte| *byte == b'$')?;
            return Some(([&names[..at], b",", &names[at + 1..]].concat(), end));
        }
    }
    for table in ["preinit_array", "init_array", "fini_array"] {
        for (suffix, end) in [("_start", false), ("_end", true)] {
            if name == format!("__{table}{suffix}").as_bytes() {
                return Some((format!(".{table}").into_bytes(), end));
            }
        }
    }
    None
}
