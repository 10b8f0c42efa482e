//! A batch's end: its bytes become final, are registered, and its units are handed over.
//!
//! Data flow: addresses of everything → bytes → finished memory → what each unit owns ([`Linked`]) → unwinders, debuggers,
//! indirect functions, plugins → emitted units. Invariant: from the moment its memory is finished, whatever happens each
//! byte of a batch belongs to one unit, or to the session where units share it.

use super::batch::{Batch, has_failed};
use super::finish::{Linked, function_tables, thread_variables};
use super::passes::{Passes, Retained};
use super::resolve::Reference;
use super::threads::Loaded;
use super::{Object, actions, shown};
use crate::error::Error;
use crate::executor::Resource;
use crate::listener;
use crate::session::Session;
use crate::state::{NO_UNIT, Phase, State, SymbolId, ThreadModule, UnitId};
use std::collections::HashSet;
use std::sync::Arc;
use uruk_jitlink::debug::{Origin, Places};
use uruk_jitlink::error::LinkError;
use uruk_jitlink::fixup::{self, Threads, Window};
use uruk_jitlink::graph::{LinkGraph, SymbolKind};
use uruk_jitlink::layout::{Layout, Member};
use uruk_jitlink::memory::{Lane, Segment};
use uruk_jitlink::placed::Placed;
use uruk_jitlink::resolve::Targets;

impl Batch {
    /// Fixes up, finalizes, registers and emits.
    pub fn finish(mut self, session: &Session) -> Result<(), Error> {
        self.fill_addresses(session);
        if session.speculates() {
            self.note_callees(session);
        }
        self.show(session, "before fix-up", true, |plugin, context, graph| plugin.pre_fixup(context, graph));
        let Loaded { questions, answers, module, resource } = self.load_threads(session)?;
        self.write(session, Threads { questions: &questions, answers: &answers });
        self.post_fixup(session);
        let functions: Vec<_> = {
            let data = self.allocation.address(Lane::Data);
            let [_, _, bytes] = self.allocation.working();
            let window = Window { address: data, bytes };
            self.members.iter().map(|member| function_tables(member, &window)).collect()
        };
        let Batch { units, members, objects, references, targets, needs, layout, allocation, addresses, image, .. } =
            self;
        let (failures, passes) = (self.failures, self.passes);
        let cause = |index| failures.iter().find(|(failed, _)| *failed == index).map(|(_, error)| error.clone());
        let failed: Option<Vec<_>> = (0..).zip(&units).map(|(index, unit)| Some((*unit, cause(index)?))).collect();
        if let Some(failed) = failed {
            // Nothing comes of it, so its manager gets the memory back as it is.
            drop(allocation);
            session.update(|state| state.give_up(failed));
            return Ok(());
        }
        let lanes = Lane::ALL.map(|lane| allocation.address(lane));
        allocation.finalize().map_err(LinkError::from)?;
        session.keep_segments(between(&layout, &members, lanes));
        let gathered = !layout.gathered.is_empty();
        let shared: Option<Arc<Resource>> = resource.map(Arc::new);
        let linked = members.iter().zip(functions);
        let linked =
            linked.map(|(member, functions)| Linked::new(member, shared.clone(), functions, gathered)).collect();
        let mut finished = Finished {
            units,
            members,
            objects,
            references,
            targets,
            addresses,
            needs,
            failures,
            passes,
            linked,
            image,
        };
        finished.retain(session, self.retained);
        let registered = finished.register(session, module);
        session.release_scratch(&layout.scratch);
        if let Err(error) = registered {
            session.give_back(finished.linked);
            return Err(error);
        }
        finished.emit(session);
        Ok(())
    }
}

/// The bytes of a batch's lanes that are no member's: gathered sections.
fn between(layout: &Layout, members: &[Member], lanes: [u64; 3]) -> Vec<Segment> {
    let (Some(first), Some(last)) = (members.first(), members.last()) else { return Vec::new() };
    let runs = Lane::ALL.map(|lane| {
        let end = match lane {
            Lane::Data => first.share.zero.start,
            Lane::ReadOnly => layout.scratch.start,
            Lane::Code => lanes[lane as usize] + layout.demand.lanes[lane as usize].size,
        };
        let address = last.share.lanes[lane as usize].end;
        Segment { lane, address, size: end - address }
    });
    runs.into_iter().filter(|segment| segment.size != 0).collect()
}

/// A batch whose bytes are final.
struct Finished {
    units: Vec<UnitId>,
    members: Vec<Member>,
    objects: Vec<Arc<Object>>,
    references: Vec<Vec<Reference>>,
    targets: Vec<Targets>,
    /// What each member's symbols were taken for.
    addresses: Vec<Vec<u64>>,
    needs: Vec<Vec<SymbolId>>,
    failures: Vec<(usize, Error)>,
    passes: Arc<Passes>,
    /// By member.
    linked: Vec<Linked>,
    /// What function records count from.
    image: u64,
}

impl Finished {
    /// Keeps the graphs that somebody wants.
    fn retain(&mut self, session: &Session, graphs: Vec<Option<Box<LinkGraph>>>) {
        for (index, graph) in graphs.into_iter().enumerate() {
            let Some(graph) = graph else { continue };
            let dylib = session.lock().unit(self.units[index]).dylib;
            let (member, addresses) = (&self.members[index], &self.addresses[index]);
            let retained = Retained::new(self.units[index], dylib, *graph, member, addresses);
            self.linked[index].retained = Some(Arc::new(retained));
        }
    }

    /// Tells debuggers, unwinders and plugins, and has indirect functions decided.
    fn register(&mut self, session: &Session, threads: Option<ThreadModule>) -> Result<(), Error> {
        let executor = session.executor();
        let Finished { units, members, objects, targets, addresses, failures, passes, linked, image, .. } = self;
        let lots: Vec<_> = {
            let state = session.lock();
            units.iter().map(|unit| state.lot_of(*unit)).collect()
        };
        let places = |index: usize| Places::new(&members[index], &targets[index], &addresses[index]);
        let base = threads.and_then(|threads| threads.base);
        let shown = shown::show(executor, objects, &lots, places, |index| has_failed(failures, index), base);
        linked.iter_mut().zip(shown).for_each(|(linked, shown)| linked.shown = shown);
        let mut slots = Vec::new();
        for (member, linked) in members.iter().zip(linked.iter_mut()) {
            for (number, indirect) in (0u64..).zip(&member.tables.indirect) {
                let slot = member.share.indirect + number * member.graph.arch().slot_size;
                slots.push((slot, fixup::resolver(&member.graph, indirect.symbol)));
            }
            let unwind = &member.share.unwind;
            if !unwind.is_empty() {
                linked.unwind[0] = Some(executor.register_unwind(member.share.lanes[0].clone(), unwind.clone())?);
            }
            let functions = &member.share.functions;
            if !functions.is_empty() {
                linked.unwind[1] = executor.register_functions(*image, functions.clone())?;
            }
            if let Some(threads) = threads {
                linked.variables = thread_variables(member).map(|range| (threads.module, range)).collect();
            }
        }
        executor.run_resolvers(&slots)?;
        for (index, linked) in linked.iter_mut().enumerate() {
            if !has_failed(failures, index) {
                let done = actions::run(executor, &members[index].graph, &addresses[index], &mut linked.departures);
                failures.extend(done.err().map(|error| (index, error)));
            }
        }
        let listeners = session.wishes().listeners();
        for (index, linked) in linked.iter_mut().enumerate().filter(|(index, _)| !has_failed(failures, *index)) {
            let graph = Placed::new(&members[index].graph, &addresses[index], true);
            linked.farewells.extend(passes.linked(session, units[index], &graph));
            if let Some(listeners) = &listeners {
                let dylib = session.dylib_of(units[index]);
                let (code, places) = (members[index].share.lanes[0].clone(), places(index));
                let image = || shown::image(&[(objects[index].clone(), places.clone())], Origin::default());
                linked.farewells.push(listener::load(listeners, session.shared(), &dylib, code, graph, &image));
            }
        }
        Ok(())
    }

    /// Hands the finished members over; those that failed, and what needs them, are given up.
    fn emit(mut self, session: &Session) {
        session.update(|state| {
            let failures = std::mem::take(&mut self.failures).into_iter();
            let mut failed: Vec<_> = failures.map(|(index, error)| (self.units[index], error)).collect();
            let was_removed = |unit: &UnitId| matches!(state.unit(*unit).phase, Phase::Failed(_));
            let waits = self.needs.iter().any(|needs| !needs.is_empty());
            if waits || !failed.is_empty() || self.units.iter().any(was_removed) {
                // Only now does it matter who in the batch needs whom.
                failed.extend(self.add_inner_needs(state));
            }
            for (unit, linked) in self.units.iter().zip(self.linked) {
                state.keep_linked(*unit, linked);
            }
            state.fail(failed);
            state.emit(self.units.iter().copied().zip(self.needs).collect());
            self.units.iter().for_each(|unit| state.end_unit(*unit));
        });
    }

    /// Enters what members need of each other. Returns those that refer to what another definition has replaced.
    fn add_inner_needs(&mut self, state: &State) -> Vec<(UnitId, Error)> {
        let mut stale = Vec::new();
        for (index, (unit, needs)) in self.units.iter().zip(&mut self.needs).enumerate() {
            let mut seen: HashSet<UnitId> = needs.iter().map(|symbol| state.symbol(*symbol).unit).collect();
            let first = self.members[index].graph.first_global.0 as usize;
            for (reference, used) in self.references[index].iter().zip(&self.addresses[index][first..]) {
                let Reference::Symbol(id) = reference else { continue };
                let symbol = state.symbol(*id);
                if symbol.unit == *unit || symbol.unit == NO_UNIT {
                    continue;
                }
                if symbol.kind != SymbolKind::ThreadLocal && symbol.address != *used {
                    stale.push((*unit, Error::Removed { unit: state.symbol_text(*id) }));
                } else if seen.insert(symbol.unit) {
                    needs.push(*id);
                }
            }
        }
        stale
    }
}
