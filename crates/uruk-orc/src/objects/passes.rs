//! Plugins in a batch: when they are called, and what becomes of what they say.
//!
//! Data flow: graphs as read → plugins before pruning → the objects' interfaces, with what was added → … → pruned
//! graphs → plugins after pruning → … → addresses and bytes, which plugins are shown. Failures go where the linker's
//! own go. Invariants: a batch keeps the plugins that it began with; without any, nothing is done here.

use super::batch::{Batch, split};
use super::finish::Farewell;
use super::resolve::{Closure, Job, Reference};
use crate::error::Error;
use crate::plugin::{Context, PassResult, Plugin, Plugins};
use crate::session::{Session, Shared};
use crate::state::{DylibId, Phase, UnitId};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use uruk_jitlink::edit::Stage;
use uruk_jitlink::fixup::Window;
use uruk_jitlink::graph::{Definition, Entry, LinkGraph, SymbolId};
use uruk_jitlink::layout::Member;
use uruk_jitlink::memory::Lane;
use uruk_jitlink::placed::{Placed, Working};
use uruk_jitlink::prune;

/// The plugins of a batch, and the objects that they have met.
#[derive(Default)]
pub(super) struct Passes {
    plugins: Option<Plugins>,
    contexts: BTreeMap<UnitId, Context>,
    /// Those that they were told are linked.
    linked: Mutex<BTreeSet<UnitId>>,
}

impl Passes {
    pub fn new(session: &Session) -> Passes {
        Passes { plugins: session.wishes().plugins(), ..Passes::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.plugins.is_none()
    }

    /// Takes in the objects of another batch.
    pub fn absorb(&mut self, other: Passes) {
        self.contexts.extend(other.contexts);
    }

    fn meet(&mut self, session: &Session, jobs: &[Job]) {
        let state = session.lock();
        for job in jobs {
            let unit = state.unit(job.unit);
            let (dylib, object, names) = (unit.dylib, unit.name.clone(), state.names.clone());
            let dylib_name = state.dylib(dylib).name.clone();
            self.contexts.insert(job.unit, Context { unit: job.unit, dylib, dylib_name, object, names });
        }
    }

    /// Calls the plugins for one object, until one of them fails.
    fn call(
        &self,
        unit: UnitId,
        phase: &'static str,
        mut f: impl FnMut(&dyn Plugin, &Context) -> PassResult,
    ) -> Result<(), Error> {
        let Some(context) = self.contexts.get(&unit) else { return Ok(()) };
        for plugin in self.plugins.iter().flat_map(|plugins| plugins.iter()) {
            let failed = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Plugin {
                object: context.object.to_string(),
                plugin: plugin.name().to_string(),
                phase,
                cause: cause.into(),
            };
            match catch_unwind(AssertUnwindSafe(|| f(&**plugin, context))) {
                Ok(result) => result.map_err(failed)?,
                Err(_) => return Err(failed("it panicked".into())),
            }
        }
        Ok(())
    }

    /// Tells the plugins that an object is linked; what is returned tells them when it goes.
    pub fn linked(&self, session: &Session, unit: UnitId, graph: &Placed<'_>) -> Option<Farewell> {
        let (plugins, context) = (self.plugins.as_ref()?, self.contexts.get(&unit)?);
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).insert(unit);
        tell(session.shared(), plugins, |plugin| plugin.linked(context, graph));
        let (plugins, context) = (plugins.clone(), context.clone());
        Some(Box::new(move |reports| tell(reports, &plugins, |plugin| plugin.removing(&context))))
    }

    /// Tells the plugins which of the objects that they have met have failed and will not be linked.
    pub fn report_failed(&self, session: &Session) {
        let Some(plugins) = &self.plugins else { return };
        let failed: Vec<(&Context, Error)> = {
            let linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
            let state = session.lock();
            let unlinked = self.contexts.values().filter(|context| !linked.contains(&context.unit));
            let phases = unlinked.map(|context| (context, &state.unit(context.unit).phase));
            let failed = phases.filter_map(|(context, phase)| match phase {
                Phase::Failed(error) => Some((context, error.clone())),
                _ => None,
            });
            failed.collect()
        };
        for (context, error) in failed {
            tell(session.shared(), plugins, |plugin| plugin.failed(context, &error));
        }
    }
}

/// Tells all plugins something; a panic of one is reported and goes no further.
fn tell(reports: &Shared, plugins: &Plugins, notice: impl Fn(&dyn Plugin)) {
    for plugin in plugins.iter() {
        if catch_unwind(AssertUnwindSafe(|| notice(&**plugin))).is_err() {
            reports.report(Error::Panicked { unit: format!("plugin `{}`", plugin.name()) });
        }
    }
}

impl Closure {
    /// Lets plugins edit the jobs from `first` on, whose references are not bound yet.
    pub fn pre_prune(&mut self, session: &Session, first: usize) {
        if self.passes.is_empty() {
            return;
        }
        self.passes.meet(session, &self.jobs[first..]);
        self.edit(session, first, |passes, job| {
            let mut editor = job.graph.edit(Stage::BeforePruning);
            passes.call(job.unit, "before pruning", |plugin, context| plugin.pre_prune(context, &mut editor))?;
            let changed = editor.is_changed();
            drop(editor);
            if changed { job.enter_edits(session) } else { Ok(()) }
        });
    }

    /// Prunes, and lets plugins edit what is left.
    pub fn post_prune(&mut self, session: &Session) {
        if self.passes.is_empty() {
            return;
        }
        self.drop_groups(session);
        let failures = self.failed.len();
        self.edit(session, 0, |passes, job| {
            prune::drop_unwind_records(&mut job.graph)?;
            let mut editor = job.graph.edit(Stage::AfterPruning);
            passes.call(job.unit, "after pruning", |plugin, context| plugin.post_prune(context, &mut editor))?;
            drop(editor);
            job.note_dropped(session);
            Ok(())
        });
        if failures != self.failed.len() {
            self.fail_dependants(session);
        }
    }

    /// Changes the jobs from `first` on; those where that fails leave the batch.
    fn edit(
        &mut self,
        session: &Session,
        first: usize,
        edit: impl Fn(&Passes, &mut Job) -> Result<(), Error> + Send + Sync,
    ) {
        let mut jobs = self.jobs.split_off(first);
        let cost = jobs.iter().map(|job| job.object.interface.cost).sum();
        let results = session.parallel_mut(cost, &mut jobs, |_, job| edit(&self.passes, job));
        for (job, result) in jobs.into_iter().zip(results) {
            match result {
                Ok(()) => self.jobs.push(job),
                Err(error) => self.failed.push((job.unit, error)),
            }
        }
    }
}

impl Job {
    /// Makes the object's interface what its edited graph defines and refers to.
    fn enter_edits(&mut self, session: &Session) -> Result<(), Error> {
        let interface = self.object.interface.edited(&self.graph, session.names());
        let (object, defined) = session.update(|state| {
            if let Phase::Failed(removed) = &state.unit(self.unit).phase {
                return Err(removed.clone());
            }
            let mut symbols = self.object.symbols().to_vec();
            let defined = state.define(self.unit, &interface, &mut symbols);
            // Also where that failed: what was defined is to be forgotten with the unit.
            let object = Arc::new(self.object.edited(interface));
            let _ = object.symbols.set(symbols);
            state.units[self.unit.index()].object = Some(object.clone());
            Ok((object, defined))
        })?;
        self.references = object.references();
        self.object = object;
        defined
    }

    /// Marks the symbols that the object defined until a plugin dropped what they stand for.
    fn note_dropped(&self, session: &Session) {
        let mut state = session.lock();
        for (reference, (_, symbol)) in self.references.iter().zip(self.graph.globals()) {
            let dropped = match symbol.definition {
                Definition::Block(block) => !self.graph.block(block).live,
                Definition::Undefined => true,
                Definition::Absolute | Definition::Common => false,
            };
            if let (true, Reference::Symbol(id)) = (dropped, *reference)
                && state.symbol(id).unit == self.unit
            {
                state.symbols[id.index()].collected = true;
            }
        }
    }
}

impl Batch {
    /// Shows plugins every object that has not failed, with its addresses; `complete` says whether those of what it
    /// refers to are among them.
    pub fn show(
        &mut self,
        session: &Session,
        phase: &'static str,
        complete: bool,
        f: impl Fn(&dyn Plugin, &Context, &Placed<'_>) -> PassResult + Send + Sync,
    ) {
        if self.passes.is_empty() {
            return;
        }
        let whole: Vec<usize> = (0..self.units.len()).filter(|index| !self.has_failed(*index)).collect();
        let results = session.parallel(self.cost, &whole, |index| {
            let placed = Placed::new(&self.members[*index].graph, &self.addresses[*index], complete);
            self.passes.call(self.units[*index], phase, |plugin, context| f(plugin, context, &placed))
        });
        let failures = whole.into_iter().zip(results);
        self.failures.extend(failures.filter_map(|(index, result)| Some((index, result.err()?))));
    }

    /// Gives plugins the bytes of every object that has not failed.
    pub fn post_fixup(&mut self, session: &Session) {
        if self.passes.is_empty() {
            return;
        }
        let bases = Lane::ALL.map(|lane| self.allocation.address(lane));
        let failed: Vec<bool> = (0..self.units.len()).map(|index| self.has_failed(index)).collect();
        let (passes, units, members, addresses) = (&self.passes, &self.units, &self.members, &self.addresses);
        let give = |index: usize, windows: &mut [Window<'_>; 3]| {
            if failed[index] {
                return Ok(());
            }
            let graph = &members[index].graph;
            let placed = Placed::new(graph, &addresses[index], true);
            passes.call(units[index], "after fix-up", |plugin, context| {
                plugin.post_fixup(context, &placed, &mut Working::new(graph, windows))
            })
        };
        let results: Vec<Result<(), Error>> = if !self.layout.has_shared() {
            let mut windows = split(self.allocation.working(), bases, members);
            session.parallel_mut(self.cost, &mut windows, give)
        } else {
            // Gathered blocks lie outside of their objects' shares.
            let mut bytes = self.allocation.working().into_iter();
            let mut whole = bases.map(|address| Window { address, bytes: bytes.next().unwrap_or_default() });
            (0..units.len()).map(|index| give(index, &mut whole)).collect()
        };
        let failures = results.into_iter().enumerate();
        self.failures.extend(failures.filter_map(|(index, result)| Some((index, result.err()?))));
    }
}

/// The graph of a linked object as it was once pruned: before instructions were relaxed or sent through thunks, and
/// before fix-ups. It goes with the object.
pub struct Retained {
    /// The object's id.
    pub unit: UnitId,
    /// The dylib that it belongs to.
    pub dylib: DylibId,
    graph: LinkGraph,
    addresses: Vec<u64>,
    /// Table entries with their addresses.
    entries: Vec<(SymbolId, Entry, u64)>,
}

impl Retained {
    /// Of a graph whose blocks have no addresses yet, with those that they got in the end, and the symbols'.
    pub(super) fn new(unit: UnitId, dylib: DylibId, mut graph: LinkGraph, linked: &Member, symbols: &[u64]) -> Self {
        for (block, linked) in graph.blocks.iter_mut().zip(&linked.graph.blocks) {
            block.address = linked.address;
        }
        let addresses = symbols[..graph.symbols.len()].to_vec();
        let own = |(symbol, ..): &(SymbolId, Entry, u64)| (symbol.0 as usize) < graph.symbols.len();
        let entries = linked.entries().filter(own).collect();
        Retained { unit, dylib, graph, addresses, entries }
    }

    /// What messages call the object.
    pub fn object(&self) -> &Arc<str> {
        self.graph.input.name()
    }

    /// The GOT slots and stubs that were made for its symbols, with their addresses; see
    /// [`show_entries`](Session::show_entries).
    pub fn entries(&self) -> &[(SymbolId, Entry, u64)] {
        &self.entries
    }

    /// The graph with its final addresses.
    pub fn graph(&self) -> Placed<'_> {
        Placed::new(&self.graph, &self.addresses, true)
    }
}
