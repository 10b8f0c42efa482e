//! A batch's way from graphs to callable code.

use super::found::{Found, Others};
use super::gather::{Gathering, Next, gather};
use super::passes::Passes;
use super::resolve::{Closure, GOT, Job, Reference, bound, first_reference};
use crate::error::Error;
use crate::session::Session;
use crate::state::{Answer, DylibId, NO_UNIT, Phase, Required, State, SymbolId, TaskId, UnitId};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::graph::{LinkGraph, SymbolId as LocalId, SymbolKind};
use uruk_jitlink::layout::{self, Layout, Member, Share};
use uruk_jitlink::memory::origin::{self, ObjectPart, Origin};
use uruk_jitlink::memory::{self, Allocation, Lane, Placement};
use uruk_jitlink::names::Name;
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::wishes;

/// What a task of the linker does next.
pub(crate) enum Step {
    /// Puts a batch together.
    Gather(Box<Gathering>),
    /// Finishes batches that have their places.
    Finish(Box<Placed>),
}

impl Step {
    /// The units that it is about.
    pub fn units(&self) -> Vec<UnitId> {
        match self {
            Step::Gather(batch) => batch.units(),
            Step::Finish(placed) => placed.batches.iter().flat_map(|batch| batch.units.iter().copied()).collect(),
        }
    }
}

/// Does a step of a task, and the next ones, unless they have to wait, for which this returns false. `answer` is that of
/// what this step has waited for. When it is over, each of the units is emitted, has failed, or belongs to another task.
pub(crate) fn link(session: &Session, task: TaskId, step: Step, answer: Option<Answer>) -> bool {
    let hurried = matches!(answer, Some(Err(_)));
    match step {
        Step::Finish(placed) => placed.finish(session, task, answer),
        Step::Gather(batch) => match gather(session, task, batch, hurried) {
            Ok(closure) => Box::new(Placed::new(session, closure, hurried)).finish(session, task, None),
            Err(Next::Wait) => false,
            Err(_) => true,
        },
    }
}

/// Batches that have their places and whose addresses are known, by placement.
pub(crate) struct Placed {
    batches: Vec<Batch>,
    passes: Arc<Passes>,
}

impl Placed {
    /// A hurried batch has members that need what is not there yet; the others need not wait for that.
    fn new(session: &Session, mut closure: Closure, hurried: bool) -> Placed {
        closure.collect(session);
        closure.settle_bounds(session);
        closure.fail_dependants(session);
        closure.post_prune(session);
        let failed = std::mem::take(&mut closure.failed);
        session.update(|state| state.give_up(failed));
        session.decide_placement(closure.jobs.iter().map(|job| (job.unit, job.graph.needs_low)));
        let waiting = if hurried { closure.waiting(session) } else { HashSet::new() };
        // The last part is finished first.
        let alone = if session.executor().memory().each_object_alone() {
            apart(session, &closure.jobs)
        } else {
            HashSet::new()
        };
        let mut parts: BTreeMap<(bool, Placement, Option<UnitId>), Vec<Job>> = BTreeMap::new();
        for job in closure.jobs {
            let (waits, placement) = (waiting.contains(&job.unit), session.placement(job.unit));
            let alone = alone.get(&job.unit).copied();
            parts.entry((!waits, placement, alone)).or_default().push(job);
        }
        let passes = Arc::new(closure.passes);
        let mut batches = Vec::new();
        for ((_, placement, _), jobs) in parts {
            let units: Vec<UnitId> = jobs.iter().map(|job| job.unit).collect();
            match Batch::lay_out(session, jobs, placement, &passes) {
                Ok(batch) => batches.push(batch),
                Err(error) => session.fail_all(&units, &error),
            }
        }
        Placed { batches, passes }
    }

    /// Finishes the batches, the last one first, unless they have to wait.
    fn finish(mut self: Box<Self>, session: &Session, task: TaskId, mut answer: Option<Answer>) -> bool {
        while let Some(batch) = self.batches.last_mut() {
            if let Some((required, units)) = batch.awaits(session, answer.take().and_then(Result::err)) {
                session.update(|state| state.suspend(task, Step::Finish(self), required, units));
                return false;
            }
            let Some(batch) = self.batches.pop() else { break };
            let units = batch.units.clone();
            if let Err(error) = batch.finish(session) {
                session.fail_all(&units, &error);
            }
        }
        self.passes.report_failed(session);
        true
    }
}

/// The objects that make sense alone: no others share thread-local variables or gathered sections with them.
fn apart(session: &Session, jobs: &[Job]) -> HashSet<UnitId> {
    let gathers = |job: &Job| {
        let globals = job.references.iter().zip(&job.object.interface.globals);
        let mut linker = globals.filter(|(reference, _)| **reference == Reference::Linker);
        linker.any(|(_, global)| session.names().bytes(global.name) != GOT)
            || layout::groups(&job.graph).next().is_some()
    };
    if jobs.iter().any(gathers) {
        return HashSet::new();
    }
    let has_threads = |job: &Job| job.graph.symbols.iter().any(|symbol| symbol.kind == SymbolKind::ThreadLocal);
    jobs.iter().filter(|job| !has_threads(job)).map(|job| job.unit).collect()
}

/// What memory is asked for.
struct Wanted<'a> {
    session: &'a Session,
    units: &'a [UnitId],
    members: &'a [Member],
    number: u64,
}

impl Origin for Wanted<'_> {
    fn number(&self) -> u64 {
        self.number
    }

    fn architecture(&self) -> &'static Architecture {
        self.members[0].graph.arch()
    }

    fn objects(&self) -> Vec<ObjectPart> {
        let members = self.units.iter().zip(self.members);
        let part = |(unit, member): (&UnitId, &Member)| ObjectPart {
            name: member.graph.input.name().clone(),
            dylib: self.session.dylib_of(*unit),
            sections: member.sections(),
        };
        members.map(part).collect()
    }
}

/// Objects that are laid out together.
pub(super) struct Batch {
    pub units: Vec<UnitId>,
    pub members: Vec<Member>,
    pub objects: Vec<Arc<super::Object>>,
    pub references: Vec<Vec<Reference>>,
    pub targets: Vec<Targets>,
    /// Thread-local variables of libraries and other batches, by number.
    pub others: Vec<SymbolId>,
    /// Symbols that the linker itself defines: the member, and its number for it.
    bounds: Vec<(usize, LocalId)>,
    pub layout: Layout,
    pub allocation: Box<dyn Allocation>,
    /// Final addresses of each member's symbols.
    pub addresses: Vec<Vec<u64>>,
    /// For each member, symbols of the units outside of the batch that it reaches and that were not ready.
    pub needs: Vec<Vec<SymbolId>>,
    /// Members that have failed since, with the cause.
    pub failures: Vec<(usize, Error)>,
    pub passes: Arc<Passes>,
    /// The graphs that somebody wants to stay, by member.
    pub retained: Vec<Option<Box<LinkGraph>>>,
    /// Its objects' size, which says what is worth other threads.
    pub cost: usize,
    /// The start of the image that its memory is part of.
    pub image: u64,
}

impl Batch {
    /// Plans, lays out, allocates, and publishes the addresses.
    fn lay_out(session: &Session, jobs: Vec<Job>, placement: Placement, passes: &Arc<Passes>) -> Result<Batch, Error> {
        let memory = session.executor().memory();
        let span = memory.span(placement).map_err(|error| Error::from(LinkError::from(error)))?;
        let image = session.image_base(placement, &span);
        let cost: usize = jobs.iter().map(|job| job.object.interface.cost).sum();
        let mut units = Vec::with_capacity(jobs.len());
        let mut members = Vec::with_capacity(jobs.len());
        let mut objects = Vec::with_capacity(jobs.len());
        let mut references = Vec::with_capacity(jobs.len());
        let mut targets = Vec::with_capacity(jobs.len());
        let swept: Vec<bool> = jobs.iter().map(|job| job.swept).collect();
        let mut others = Others::default();
        let mut bounds = Vec::new();
        let mut gather = Vec::new();
        let wanted = session.wishes().retained();
        let mut retain = Vec::with_capacity(jobs.len());
        {
            let mut state = session.lock();
            let in_reach: Vec<bool> =
                (0..state.dylibs.len() as u32).map(|dylib| state.placement(DylibId(dylib)) == placement).collect();
            for job in jobs {
                let found = Found::new(session, &job, &state, &in_reach, image);
                let mut graph = job.graph;
                let mut target = found.targets;
                for (id, other) in found.others {
                    target.set(id, Target::ThreadLocal(others.number(other)));
                }
                for (id, symbol) in found.commons {
                    let (size, align) = state.common(symbol);
                    graph.allocate_common(id, size, align);
                }
                bounds.extend(found.bounds.into_iter().map(|id| (units.len(), id)));
                gather.extend(found.gathered);
                gather.extend(layout::groups(&graph));
                let dylib = state.unit(job.unit).dylib;
                let groups = &mut state.dylibs[dylib.index()].groups;
                prune::drop_groups(&mut graph, &target, |group| {
                    *groups.entry(group.signature).or_insert(job.unit) == job.unit
                });
                retain.push(wanted.contains(&dylib));
                units.push(job.unit);
                members.push(Member { graph, tables: Tables::default(), share: Share::default() });
                objects.push(job.object);
                references.push(job.references);
                targets.push(target);
            }
        }
        let others = others.symbols;
        let spare = session.wishes().shows_entries();
        let planned = session.parallel_mut(cost, &mut members, |index, member| {
            prune::drop_unwind_records(&mut member.graph)?;
            if swept[index] {
                wishes::gather(&mut member.graph);
            }
            let retained = retain[index].then(|| Box::new(member.graph.clone()));
            if let Some(rewrite) = member.graph.arch().rewrite {
                rewrite(&mut member.graph, &targets[index], &span)?;
            }
            member.tables = Tables::plan(&member.graph, &targets[index], &span);
            if spare {
                member.tables.plan_spare(&member.graph, &targets[index]);
            }
            Ok::<_, LinkError>(retained)
        });
        let retained = planned.into_iter().collect::<Result<_, _>>()?;
        let mut layout = Layout::new(&mut members, &gather, placement)?;
        let origin = Wanted { session, units: &units, members: &members, number: origin::next_number() };
        let allocation = memory.allocate_for(&layout.demand, &origin);
        let allocation =
            allocation.and_then(|given| memory::checked(given, &layout.demand)).map_err(LinkError::from)?;
        layout.place(&mut members, Lane::ALL.map(|lane| allocation.address(lane)));
        let addresses =
            session.parallel_mut(cost, &mut members, |index, member| fixup::addresses(member, &targets[index]));
        let needs = vec![Vec::new(); units.len()];
        let mut batch = Batch {
            units,
            members,
            objects,
            references,
            targets,
            others,
            bounds,
            layout,
            allocation,
            addresses,
            needs,
            failures: Vec::new(),
            passes: passes.clone(),
            retained,
            cost,
            image,
        };
        batch.show(session, "after allocation", false, |plugin, context, graph| plugin.post_allocation(context, graph));
        batch.publish(session);
        Ok(batch)
    }

    /// Enters the addresses of everything that the batch defines.
    fn publish(&self, session: &Session) {
        session.update(|state| {
            state.batches += 1;
            for (index, unit) in self.units.iter().enumerate() {
                let first = self.members[index].graph.first_global.0;
                let addresses = &self.addresses[index][first as usize..];
                let globals = self.references[index].iter().zip(self.targets[index].iter());
                for ((reference, (_, target)), address) in globals.zip(addresses) {
                    if let (Reference::Symbol(symbol), Target::Own) = (reference, target)
                        && let symbol = &mut state.symbols[symbol.index()]
                        && symbol.unit == *unit
                    {
                        symbol.address = *address;
                    }
                }
                state.resolved(*unit);
            }
        });
    }

    /// The units that others have to bring further before this batch can be finished: those that it refers to have to
    /// have addresses, and those of thread-local variables an image. If that cannot be, as `error` says, members fail.
    fn awaits(&mut self, session: &Session, error: Option<Error>) -> Option<(Required, HashSet<UnitId>)> {
        let own = Own::new(&self.units);
        let state = session.lock();
        let failed: HashSet<usize> = self.failures.iter().map(|(index, _)| *index).collect();
        let foreign = self.fill_settled(&state, &own).into_iter().filter(|(index, ..)| !failed.contains(index));
        let awaited = foreign.filter_map(|(index, id, symbol)| {
            let unit = state.symbol(symbol).unit;
            let thread_local = matches!(self.targets[index].get(id), Target::ThreadLocal(_));
            let required = if thread_local { Required::Emitted } else { Required::Resolved };
            let far =
                own.contains(unit) || state.units.get(unit.index()).is_none_or(|unit| required.is_past(&unit.phase));
            (!far).then_some((index, unit, required))
        });
        let awaited: Vec<(usize, UnitId, Required)> = awaited.collect();
        let required = awaited.iter().map(|(_, _, required)| *required).max()?;
        if let Some(error) = error {
            let failed: BTreeSet<usize> = awaited.iter().map(|(index, ..)| *index).collect();
            self.failures.extend(failed.into_iter().map(|index| (index, error.clone())));
            return None;
        }
        Some((required, awaited.into_iter().map(|(_, unit, _)| unit).collect()))
    }

    /// Fills in the addresses of what is defined elsewhere, and notes what has to become ready or to stay for it.
    pub fn fill_addresses(&mut self, session: &Session) {
        let own = Own::new(&self.units);
        let mut state = session.lock();
        let foreign = self.fill_settled(&state, &own);
        let mut needed = HashSet::new();
        for (index, id, symbol) in foreign {
            let found = *state.symbol(symbol);
            if found.collected {
                self.failures.push((index, collected(session, &self.members[index], id, found.name)));
            }
            let phase = state.units.get(found.unit.index()).map(|unit| &unit.phase);
            if let Some(Phase::Failed(cause)) = phase {
                // Its address is nothing to be fixed up with.
                let error = state.dependency(self.units[index], symbol, found.unit, cause.clone());
                self.failures.push((index, error));
                continue;
            }
            state.refer(self.units[index], found.unit);
            if !own.contains(found.unit) && !state.is_ready(found.unit) && needed.insert((index, found.unit)) {
                self.needs[index].push(symbol);
            }
        }
        drop(state);
        for (index, id) in std::mem::take(&mut self.bounds) {
            self.addresses[index][id.0 as usize] = self.linker_defined(session, index, id);
        }
    }

    /// Fills in the addresses as they are known. Returns the references, with their member, that need more thought: to
    /// units outside of the batch, or of another lot, and to what was dropped.
    fn fill_settled(&mut self, state: &State, own: &Own) -> Vec<(usize, LocalId, SymbolId)> {
        let lot = self.units.first().map(|unit| state.lot_of(*unit));
        let one_lot = self.units.iter().all(|unit| Some(state.lot_of(*unit)) == lot);
        let mut foreign = Vec::new();
        let members = self.members.iter().zip(&mut self.addresses);
        let globals = self.references.iter().zip(&self.targets);
        for (index, ((member, addresses), (references, targets))) in members.zip(globals).enumerate() {
            let addresses = &mut addresses[member.graph.first_global.0 as usize..];
            for ((reference, (id, target)), address) in references.iter().zip(targets.iter()).zip(addresses) {
                let Reference::Symbol(symbol) = reference else { continue };
                let near = matches!(target, Target::Near | Target::Far);
                if !near && !matches!(target, Target::ThreadLocal(_)) {
                    continue;
                }
                let found = state.symbol(*symbol);
                if near {
                    *address = found.address;
                }
                let settled = found.unit == NO_UNIT || one_lot && own.contains(found.unit);
                if found.collected || !settled {
                    foreign.push((index, id, *symbol));
                }
            }
        }
        foreign
    }

    /// Notes which lazy functions each member refers to.
    pub fn note_callees(&self, session: &Session) {
        for (index, unit) in self.units.iter().enumerate() {
            let first = self.members[index].graph.first_global.0 as usize;
            let globals = self.targets[index].iter().zip(&self.addresses[index][first..]);
            let outside = globals.filter(|((_, target), _)| matches!(target, Target::Near | Target::Far));
            let callees = session.lazy_among(outside.map(|(_, address)| *address));
            session.lock().units[unit.index()].callees = callees;
        }
    }

    /// The address of a symbol that the linker itself defines.
    fn linker_defined(&self, session: &Session, index: usize, id: LocalId) -> u64 {
        let member = &self.members[index];
        let global = &self.objects[index].interface.globals[(id.0 - member.graph.first_global.0) as usize];
        match bound(&session.names().bytes(global.name)) {
            None => member.share.got,
            Some((name, end)) => self.layout.bounds(&name).map_or(0, |range| if end { range.end } else { range.start }),
        }
    }

    /// Whether a member has failed since the batch was laid out.
    pub fn has_failed(&self, index: usize) -> bool {
        has_failed(&self.failures, index)
    }

    /// Writes every member's bytes.
    pub fn write(&mut self, session: &Session, threads: Threads<'_>) {
        let bases = Lane::ALL.map(|lane| self.allocation.address(lane));
        let (members, targets, addresses, image) = (&self.members, &self.targets, &self.addresses, self.image);
        let fixup = |index: usize| Fixup {
            member: &members[index],
            targets: &targets[index],
            addresses: &addresses[index],
            threads,
            image,
        };
        let mut windows = split(self.allocation.working(), bases, members);
        let results = session.parallel_mut(self.cost, &mut windows, |index, windows| fixup(index).write(windows));
        for (index, result) in results.into_iter().enumerate() {
            self.failures.extend(result.err().map(|error| (index, error.into())));
        }
        if self.layout.has_shared() {
            let mut bytes = self.allocation.working().into_iter();
            let mut windows = bases.map(|address| Window { address, bytes: bytes.next().unwrap_or_default() });
            for index in 0..members.len() {
                let result = fixup(index).write_gathered(&mut windows);
                self.failures.extend(result.err().map(|error| (index, error.into())));
            }
        }
    }
}

/// That a member refers to something that was dropped after it had been bound to it.
fn collected(session: &Session, member: &Member, id: LocalId, name: Name) -> Error {
    Error::Collected { symbol: session.names().text(name), referrer: first_reference(&member.graph, id.0) }
}

pub(super) fn has_failed(failures: &[(usize, Error)], index: usize) -> bool {
    failures.iter().any(|(failed, _)| *failed == index)
}

/// The units of a batch, as a set; they mostly have consecutive ids.
pub(super) struct Own {
    range: Range<u32>,
    scattered: HashSet<UnitId>,
}

impl Own {
    pub fn new(units: &[UnitId]) -> Own {
        let first = units.iter().min().map_or(0, |unit| unit.0);
        let last = units.iter().max().map_or(0, |unit| unit.0 + 1);
        let whole = (last - first) as usize == units.len();
        Own { range: first..last, scattered: if whole { HashSet::new() } else { units.iter().copied().collect() } }
    }

    pub fn contains(&self, unit: UnitId) -> bool {
        self.range.contains(&unit.0) && (self.scattered.is_empty() || self.scattered.contains(&unit))
    }
}

/// Cuts the lanes' working bytes into each member's own.
pub(super) fn split<'a>(working: [&'a mut [u8]; 3], bases: [u64; 3], members: &[Member]) -> Vec<[Window<'a>; 3]> {
    let mut rest = working;
    let mut at = bases;
    members
        .iter()
        .map(|member| {
            Lane::ALL.map(|lane| {
                let lane = lane as usize;
                let range = &member.share.lanes[lane];
                let bytes = std::mem::take(&mut rest[lane]);
                let (_, bytes) = bytes.split_at_mut((range.start - at[lane]) as usize);
                let (own, bytes) = bytes.split_at_mut((range.end - range.start) as usize);
                rest[lane] = bytes;
                at[lane] = range.end;
                Window { address: range.start, bytes: own }
            })
        })
        .collect()
}
