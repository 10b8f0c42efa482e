//! Tasks: who materializes what, who waits for whom meanwhile, and what a thread that waits may do instead.
//!
//! Invariants: a unit is claimed once. A task that has not started can be run by the thread that it was dispatched to
//! or by any that waits for it, whoever comes first. A waiting thread runs only what its own query transitively needs:
//! anything else might wait for what lies beneath it on the same stack.

use super::effects::Call;
use super::{Answer, DylibId, Epoch, Phase, QueryId, SearchEntry, State, SymbolId, UnitId};
use crate::dispatch::Priority;
use crate::error::Error;
use crate::objects::{Gathering, Step};
use crate::session::Population;
use crate::unit::MaterializationUnit;
use slotmap::new_key_type;
use std::collections::HashSet;
use std::thread::{self, ThreadId};
use uruk_jitlink::names::Name;

new_key_type! {
    /// A task of a session.
    pub(crate) struct TaskId;
}

/// What a task does.
pub(crate) enum Work {
    /// Does a step of a batch's link.
    Link(Step),
    /// Materializes a client's unit.
    Unit(UnitId, Box<dyn MaterializationUnit>),
    /// Anything else.
    Call(Call),
}

pub(crate) struct Task {
    /// `None` once it runs.
    work: Option<Work>,
    /// What the thread that runs it waits for, in this task or in one on top of it, or what it waits for without one.
    pub(super) blocked: Option<QueryId>,
    /// It waits without a thread.
    pub(super) suspended: bool,
    epoch: Epoch,
    priority: Priority,
    /// The thread that runs it.
    thread: Option<ThreadId>,
}

impl Task {
    /// Takes the thread away from a task, which goes on with this work when a query is answered.
    pub(super) fn suspend(&mut self, work: Work, query: QueryId) {
        (self.work, self.blocked, self.suspended, self.thread) = (Some(work), Some(query), true, None);
    }

    /// Whether somebody works on it, or can.
    pub(super) fn is_active(&self) -> bool {
        !self.suspended && (self.work.is_some() || self.blocked.is_none())
    }

    /// Whether it waits for more to do than it has, and could go on.
    fn is_patient(&self) -> bool {
        self.suspended && matches!(self.work, Some(Work::Link(Step::Gather(_))))
    }

    /// The batch that it puts together, if it is not at it.
    pub(super) fn gathering(&mut self) -> Option<&mut Gathering> {
        match &mut self.work {
            Some(Work::Link(Step::Gather(batch))) => Some(batch),
            _ => None,
        }
    }
}

/// How often something has changed that a thread which waits may have to look at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct News {
    /// Tasks were added, or can go on.
    pub tasks: u64,
    /// Units need more than before.
    pub needs: u64,
}

impl State {
    /// Claims a unit for materialization, if nobody has.
    pub fn claim(&mut self, id: UnitId) -> bool {
        let unit = self.unit_mut(id);
        let waiting = matches!(unit.phase, Phase::Waiting);
        if waiting {
            unit.phase = Phase::Materializing;
            unit.busy = true;
        }
        waiting
    }

    /// Has units materialized that nobody has claimed: objects in one batch, others each in a task of its own.
    pub fn demand(&mut self, units: impl IntoIterator<Item = UnitId>) {
        let mut objects = Vec::new();
        for id in units {
            if !self.claim(id) {
                continue;
            }
            match self.unit_mut(id).client.take() {
                None => objects.push(id),
                Some(client) => {
                    let task = self.add_task(Work::Unit(id, client), Priority::Normal);
                    self.unit_mut(id).task = Some(task);
                }
            }
        }
        if objects.is_empty() {
            return;
        }
        self.claim_companions(&mut objects);
        let task = self.add_task(Work::Link(Step::Gather(Gathering::of(objects.clone()))), Priority::Normal);
        self.assign(task, &objects);
    }

    /// Notes that a task materializes these units, too.
    pub fn assign(&mut self, task: TaskId, units: &[UnitId]) {
        self.news.needs += 1;
        for id in units {
            self.unit_mut(*id).task = Some(task);
        }
    }

    pub fn add_task(&mut self, work: Work, priority: Priority) -> TaskId {
        let epoch = self.limbo.enter();
        let (blocked, suspended, thread) = (None, false, None);
        let task = self.tasks.insert(Task { work: Some(work), blocked, suspended, epoch, priority, thread });
        self.active += 1;
        self.effects.tasks.push(task);
        self.effects.progress = true;
        self.news.tasks += 1;
        task
    }

    pub fn priority(&self, task: TaskId) -> Priority {
        self.tasks.get(task).map_or(Priority::Normal, |task| task.priority)
    }

    /// What a task is to do, unless another thread does it or it waits, and the answer of what it has waited for.
    pub fn start_task(&mut self, id: TaskId) -> Option<(Work, Option<Answer>)> {
        let started = self.change_task(id, |task| {
            let work = if task.suspended { None } else { task.work.take() }?;
            task.thread = Some(thread::current().id());
            Some((work, task.blocked.take()))
        });
        let (work, query) = started.flatten()?;
        let answer = query.and_then(|query| {
            let answer = self.take_answer(query);
            // It may have been resumed for another reason.
            drop(self.cancel(query));
            answer
        });
        if self.pending == Some(id) {
            self.pending = None;
        }
        Some((work, answer))
    }

    /// Whether a task exists that is not over.
    pub(super) fn has_task(&self, id: TaskId) -> bool {
        self.tasks.contains_key(id)
    }

    /// In the child of a fork: ends the tasks that other threads were running.
    pub(super) fn end_lost_tasks(&mut self) {
        let own = thread::current().id();
        let is_lost = |task: &Task| task.thread.is_some_and(|thread| thread != own);
        let lost: Vec<TaskId> = self.tasks.iter().filter(|(_, task)| is_lost(task)).map(|(id, _)| id).collect();
        lost.into_iter().for_each(|task| self.end_task(task));
    }

    pub fn end_task(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.remove(id) {
            self.active -= usize::from(task.is_active());
            self.limbo.leave(task.epoch);
            self.effects.progress = true;
            if let Some(query) = task.blocked {
                // Nothing foreign waits for it.
                drop(self.cancel(query));
            }
        }
        if self.pending == Some(id) {
            self.pending = None;
        }
        self.hurry_if_idle();
    }

    /// Tasks that have not started are dropped, and their units fail.
    pub fn drop_tasks(&mut self) {
        let ids: Vec<TaskId> = self.tasks.keys().collect();
        let mut failures = Vec::new();
        for id in ids {
            match self.change_task(id, |task| task.work.take()).flatten() {
                None => continue,
                Some(Work::Link(step)) => {
                    failures.extend(step.units().into_iter().map(|unit| (unit, Error::Ended)));
                    self.drop_later(step);
                }
                Some(Work::Unit(unit, client)) => {
                    failures.push((unit, Error::Ended));
                    self.drop_later(client);
                }
                Some(Work::Call(call)) => self.drop_later(call),
            }
            self.end_task(id);
        }
        self.give_up(failures);
    }

    /// Fails what a task has not finished.
    pub fn abandon(&mut self, task: TaskId, error: &Error) {
        let ids = (0..self.units.len() as u32).map(UnitId);
        let own = ids.filter(|id| self.unit(*id).task == Some(task) && self.unit(*id).busy);
        let failures = own.map(|id| (id, error.clone())).collect();
        self.give_up(failures);
    }

    /// Notes for each of the tasks on a thread's stack what has to be answered before it can go on, and returns what
    /// was noted before in the same place.
    pub fn swap_blocked(&mut self, tasks: &[TaskId], queries: &mut [Option<QueryId>]) {
        for (task, query) in tasks.iter().zip(queries) {
            self.change_task(*task, |task| std::mem::swap(&mut task.blocked, query));
        }
        self.hurry_if_idle();
    }

    /// What a thread may do while it waits for a query: run a task that the query needs and that has not started. `own`
    /// are the tasks on its stack. Errors if it would wait for itself.
    ///
    /// After a first look and some news, what other threads wait for is of interest only if the news says that somebody
    /// needs more: otherwise these threads help themselves, and whoever closes a circle by waiting sees it.
    pub fn helpful_task(&self, query: QueryId, own: &[TaskId], before: Option<News>) -> Result<Option<TaskId>, Error> {
        let thorough = before.is_none_or(|before| before.needs != self.news.needs);
        let mut helpful = None;
        for (id, surely) in self.awaited(query, thorough) {
            let unit = self.unit(id);
            let Some((number, task)) = unit.task.and_then(|task| Some((task, self.tasks.get(task)?))) else { continue };
            if task.work.is_some() && !task.suspended {
                helpful = Some(number);
            } else if surely && own.contains(&number) {
                return Err(Error::Deadlock { unit: unit.name.to_string() });
            }
        }
        Ok(helpful)
    }

    /// Whether a query cannot be answered before a unit has gone on.
    pub(super) fn reaches(&self, query: QueryId, unit: UnitId) -> bool {
        self.awaited(query, true).any(|awaited| awaited == (unit, true))
    }

    /// The units that have to go on before a query can be answered; those besides, marked by `false`, that a batch waits
    /// for which could also go on without them. If not `thorough`, without what threads wait for.
    fn awaited(&self, query: QueryId, thorough: bool) -> impl Iterator<Item = (UnitId, bool)> + '_ {
        let mut seen: HashSet<UnitId, foldhash::fast::RandomState> = HashSet::default();
        let mut open: Vec<UnitId> = self.outstanding(query).collect();
        // A query often asks for many symbols of one unit.
        open.dedup();
        let mut hoped: Vec<UnitId> = Vec::new();
        std::iter::from_fn(move || {
            loop {
                let surely = !open.is_empty();
                let list = if surely { &mut open } else { &mut hoped };
                let id = list.pop()?;
                if !seen.insert(id) {
                    continue;
                }
                let unit = self.unit(id);
                if matches!(unit.phase, Phase::Emitted) {
                    list.extend(self.needed(id));
                    continue;
                }
                let task = unit.task.and_then(|task| self.tasks.get(task));
                let blocked = task.filter(|task| thorough || task.suspended).and_then(|task| task.blocked);
                for query in blocked.into_iter().chain(unit.awaits) {
                    let patient = task.is_some_and(Task::is_patient);
                    let list = if surely && !patient { &mut open } else { &mut hoped };
                    list.extend(self.outstanding(query));
                }
                return Some((id, surely));
            }
        })
    }

    /// Enters the need of one unit for symbols, each found along a dylib's search order, which are materialized.
    pub fn bind_all(&mut self, needs: &[(DylibId, Name)]) -> Result<Vec<SymbolId>, Error> {
        let mut symbols = Vec::with_capacity(needs.len());
        for (dylib, name) in needs {
            let found = self.need(&self.dylib(*dylib).order, *name)?;
            symbols.push(self.bind(found));
        }
        self.demand_all(&symbols);
        Ok(symbols)
    }

    /// The same for symbols that are found along one order.
    pub fn bind_along(&mut self, order: &[SearchEntry], needs: &[Name]) -> Result<Vec<SymbolId>, Error> {
        let mut symbols = Vec::with_capacity(needs.len());
        for name in needs {
            let found = self.need(order, *name)?;
            symbols.push(self.bind(found));
        }
        self.demand_all(&symbols);
        Ok(symbols)
    }

    fn need(&self, order: &[SearchEntry], name: Name) -> Result<SymbolId, Error> {
        self.find(order, name).ok_or_else(|| Error::missing(self.names.text(name), self.searched(order)))
    }

    fn bind(&mut self, symbol: SymbolId) -> SymbolId {
        self.symbols[symbol.index()].bound = true;
        symbol
    }

    fn demand_all(&mut self, symbols: &[SymbolId]) {
        let units = symbols.iter().map(|symbol| self.symbol(*symbol).unit);
        let units: Vec<UnitId> = units.filter(|unit| unit.index() < self.units.len()).collect();
        self.demand(units);
    }

    /// Ends the session: what was not started is not, and every query is answered.
    pub fn end(&mut self) {
        self.ended = true;
        self.drop_tasks();
        let open: Vec<QueryId> = self.queries.keys().collect();
        for query in open {
            self.answer(query, Err(Error::Ended));
        }
    }

    /// Gives everything up that a session still has.
    pub fn dissolve(&mut self) {
        self.end();
        for unit in 0..self.units.len() {
            let unit = &mut self.units[unit];
            let (client, linked) = (unit.client.take(), unit.linked.take());
            client.into_iter().for_each(|client| self.drop_later(client));
            self.free(linked);
        }
    }

    /// How much there is of everything.
    pub fn population(&self) -> Population {
        let (symbols, units) = self.limbo.unused();
        Population {
            units: self.units.len() - units,
            symbols: self.symbols.len() - symbols,
            queries: self.queries.len(),
            tasks: self.tasks.len(),
            unit_slots: self.units.len(),
            symbol_slots: self.symbols.len(),
        }
    }

    pub fn check_open(&self) -> Result<(), Error> {
        if self.ended { Err(Error::Ended) } else { Ok(()) }
    }
}
