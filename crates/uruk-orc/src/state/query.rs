//! Queries: who waits for which symbols, and what they are told.
//!
//! Invariants: a query is answered exactly once. What it waits for is counted by entry in the units' `asked` lists;
//! entries of queries that are gone are ignored.

use super::effects::Callback;
use super::{Epoch, Known, NO_UNIT, Phase, State, SymbolId, TaskId, UnitId};
use crate::error::Error;
use slotmap::new_key_type;
use std::task::Waker;
use uruk_jitlink::graph::SymbolKind;

new_key_type! {
    /// A query of a session.
    pub(crate) struct QueryId;
}

/// What a query is told: the address of each thing that it asked for, `None` for weak references that nothing defines
/// and for what has no address.
pub type Answer = Result<Vec<Option<u64>>, Error>;

/// How far units have to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Required {
    /// Addresses are known.
    Resolved,
    /// Its bytes are final.
    Emitted,
    /// The code can be called, and so can all that it reaches.
    Ready,
}

impl Required {
    /// Whether nothing more is to be waited for, as it is met or never will be.
    pub(crate) fn is_past(self, phase: &Phase) -> bool {
        matches!(phase, Phase::Failed(_)) || self.is_met(phase)
    }

    fn is_met(self, phase: &Phase) -> bool {
        match phase {
            Phase::Ready => true,
            Phase::Emitted => self != Required::Ready,
            Phase::Resolved => self == Required::Resolved,
            Phase::Waiting | Phase::Materializing | Phase::Failed(_) => false,
        }
    }
}

/// Something that a query asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    Symbol(SymbolId),
    Unit(UnitId),
    /// A weak reference that nothing defines.
    Nothing,
}

/// Who is told.
pub(crate) enum Consumer {
    /// A thread that waits, or will ask later.
    Waiter,
    /// A future, once it has been polled.
    Future(Option<Waker>),
    Callback(Callback),
    /// A task that is suspended until then.
    Task(TaskId),
}

pub(crate) struct Query {
    wants: Vec<Want>,
    /// Entries in `asked` lists of units that are not far enough.
    outstanding: usize,
    required: Required,
    /// Units that fail count as done.
    tolerant: bool,
    /// The unit that cannot go on without the answer.
    unit: Option<UnitId>,
    consumer: Consumer,
    answer: Option<Answer>,
    epoch: Epoch,
}

impl State {
    /// A query that does not ask for anything yet.
    pub fn open_query(&mut self, required: Required, tolerant: bool, consumer: Consumer) -> QueryId {
        let epoch = self.limbo.enter();
        let (wants, unit, answer) = (Vec::new(), None, None);
        self.queries.insert(Query { wants, outstanding: 0, required, tolerant, unit, consumer, answer, epoch })
    }

    /// Notes that a unit cannot go on before a query is answered.
    pub fn set_awaits(&mut self, unit: UnitId, query: QueryId) {
        self.unit_mut(unit).awaits = Some(query);
        self.news.needs += 1;
        if let Some(query) = self.queries.get_mut(query) {
            query.unit = Some(unit);
        }
    }

    /// Says what a query asks for, and has it materialized.
    pub fn ask(&mut self, id: QueryId, wants: Vec<Want>) {
        let Some(query) = self.queries.get(id) else { return };
        let (required, tolerant) = (query.required, query.tolerant);
        let mut outstanding = 0;
        let mut failures = Vec::new();
        let mut waiting = Vec::new();
        for want in &wants {
            let (unit, symbol) = match *want {
                Want::Symbol(symbol) => {
                    let wanted = &mut self.symbols[symbol.index()];
                    (wanted.bound, wanted.wanted) = (true, true);
                    (wanted.unit, Some(symbol))
                }
                Want::Unit(unit) => (unit, None),
                Want::Nothing => continue,
            };
            if unit == NO_UNIT {
                continue;
            }
            let Some(unit_state) = self.units.get_mut(unit.index()) else {
                failures.extend(symbol.map(|symbol| Error::Removed { unit: self.symbol_text(symbol) }));
                continue;
            };
            match &unit_state.phase {
                Phase::Failed(error) if !tolerant => failures.push(error.clone()),
                Phase::Failed(_) => {}
                phase if required.is_met(phase) => {}
                phase => {
                    if matches!(phase, Phase::Waiting) {
                        waiting.push(unit);
                    }
                    outstanding += 1;
                    unit_state.asked.push((id, symbol));
                }
            }
        }
        if let Some(query) = self.queries.get_mut(id) {
            (query.wants, query.outstanding) = (wants, outstanding);
        }
        if !failures.is_empty() {
            return self.answer(id, Error::of_many(failures).map(|()| Vec::new()));
        }
        self.demand(waiting);
        if outstanding == 0 {
            self.complete(id);
        } else if let Some(unit) = self.queries.get(id).and_then(|query| query.unit)
            && self.reaches(id, unit)
        {
            self.answer(id, Err(Error::Deadlock { unit: self.unit(unit).name.to_string() }));
        }
    }

    /// Ends a query that nobody waits for any more; what it leaves is to be dropped with the lock free.
    pub fn cancel(&mut self, id: QueryId) -> Option<Query> {
        let query = self.queries.remove(id)?;
        self.limbo.leave(query.epoch);
        Some(query)
    }

    /// The answer of a query, if there is one; the query is over then.
    pub fn take_answer(&mut self, id: QueryId) -> Option<Answer> {
        let Some(query) = self.queries.get_mut(id) else { return Some(Err(Error::Ended)) };
        let answer = query.answer.take()?;
        // It has been woken, so nothing foreign is left of it.
        drop(self.cancel(id));
        Some(answer)
    }

    /// Has a future woken when its query is answered, which it is not yet. Returns the consumer from before, to be
    /// dropped with the lock free.
    pub fn wake_when_answered(&mut self, id: QueryId, waker: Waker) -> Option<Consumer> {
        let query = self.queries.get_mut(id)?;
        Some(std::mem::replace(&mut query.consumer, Consumer::Future(Some(waker))))
    }

    /// Whether a query has been answered, or is gone.
    pub fn is_answered(&self, id: QueryId) -> bool {
        self.queries.get(id).is_none_or(|query| query.answer.is_some())
    }

    /// Answers a query, unless it has been.
    pub fn answer(&mut self, id: QueryId, answer: Answer) {
        let Some(query) = self.queries.get_mut(id).filter(|query| query.answer.is_none()) else { return };
        match &mut query.consumer {
            Consumer::Waiter => query.answer = Some(answer),
            Consumer::Task(task) => {
                let task = *task;
                query.answer = Some(answer);
                self.resume(task);
            }
            Consumer::Future(waker) => {
                self.effects.wakers.extend(waker.take());
                query.answer = Some(answer);
            }
            Consumer::Callback(_) => {
                let Some(query) = self.queries.remove(id) else { return };
                self.limbo.leave(query.epoch);
                if let Some(unit) = query.unit {
                    self.unit_mut(unit).awaits = None;
                }
                if let Consumer::Callback(callback) = query.consumer {
                    self.effects.answers.push((callback, answer));
                }
            }
        }
        self.effects.progress = true;
    }

    /// In the child of a fork: answers the queries that no thread waits for, but a function or a future, which nobody
    /// will work for.
    pub(super) fn answer_unattended(&mut self) {
        let is_unattended = |query: &Query| match &query.consumer {
            Consumer::Waiter | Consumer::Task(_) => false,
            Consumer::Future(waker) => waker.is_some(),
            Consumer::Callback(_) => true,
        };
        let unattended = self.queries.iter().filter(|(_, query)| is_unattended(query)).map(|(id, _)| id);
        for query in unattended.collect::<Vec<_>>() {
            self.answer(query, Err(Error::Forked { what: "a look-up".into() }));
        }
    }

    /// Tells the queries that wait for a unit that it has come as far as its phase says.
    pub(super) fn tell(&mut self, unit: UnitId) {
        if self.unit(unit).asked.is_empty() {
            return;
        }
        let phase = self.unit(unit).phase.clone();
        let asked = std::mem::take(&mut self.unit_mut(unit).asked);
        for (id, symbol) in asked {
            let Some(query) = self.queries.get_mut(id) else { continue };
            if !query.required.is_met(&phase) {
                self.unit_mut(unit).asked.push((id, symbol));
                continue;
            }
            query.outstanding -= 1;
            if query.outstanding == 0 {
                self.complete(id);
            }
        }
    }

    /// Tells the queries that wait for units that these have failed.
    pub(super) fn tell_failures(&mut self, units: &[UnitId]) {
        let mut told: Vec<(QueryId, Error)> = Vec::new();
        for unit in units {
            let Phase::Failed(error) = self.unit(*unit).phase.clone() else { continue };
            for (id, _) in std::mem::take(&mut self.unit_mut(*unit).asked) {
                let Some(query) = self.queries.get_mut(id) else { continue };
                query.outstanding -= 1;
                if !query.tolerant {
                    told.push((id, error.clone()));
                } else if query.outstanding == 0 {
                    self.complete(id);
                }
            }
        }
        told.sort_by_key(|(id, _)| *id);
        for errors in told.chunk_by(|one, other| one.0 == other.0) {
            let all = errors.iter().map(|(_, error)| error.clone()).collect();
            self.answer(errors[0].0, Error::of_many(all).map(|()| Vec::new()));
        }
    }

    /// Moves the waiting queries of symbols from one unit to another.
    pub(super) fn move_asked(&mut self, from: UnitId, to: UnitId) {
        let asked = std::mem::take(&mut self.unit_mut(from).asked);
        for (query, symbol) in asked {
            let unit = if symbol.is_some_and(|symbol| self.symbol(symbol).unit == to) { to } else { from };
            self.unit_mut(unit).asked.push((query, symbol));
        }
    }

    /// The units that a query still waits for.
    pub(super) fn outstanding(&self, id: QueryId) -> impl Iterator<Item = UnitId> + '_ {
        let wants = self.queries.get(id).filter(|query| query.answer.is_none());
        let required = wants.map_or(Required::Ready, |query| query.required);
        wants.into_iter().flat_map(|query| &query.wants).filter_map(move |want| {
            let unit = match *want {
                Want::Symbol(symbol) => self.symbol(symbol).unit,
                Want::Unit(unit) => unit,
                Want::Nothing => return None,
            };
            let far = match &self.units.get(unit.index())?.phase {
                Phase::Failed(_) => true,
                phase => required.is_met(phase),
            };
            (!far).then_some(unit)
        })
    }

    fn complete(&mut self, id: QueryId) {
        let Some(query) = self.queries.get(id) else { return };
        let address = |want: &Want| match *want {
            Want::Symbol(id) => self.found(self.representative_of(id), query.required),
            Want::Unit(_) | Want::Nothing => Ok(None),
        };
        let answer = query.wants.iter().map(address).collect();
        if query.required == Required::Ready {
            for want in &query.wants {
                if let Want::Symbol(symbol) = *want {
                    self.publish(symbol);
                }
            }
        }
        self.answer(id, answer);
    }

    /// What a query is told of a symbol. Since the symbol was far enough, its unit may have been removed or have failed,
    /// and the name may be another's.
    fn found(&self, id: SymbolId, required: Required) -> Result<Option<u64>, Error> {
        let symbol = self.symbol(id);
        if symbol.collected {
            return Err(Error::Collected { symbol: self.symbol_text(id), referrer: "a look-up".into() });
        }
        match self.units.get(symbol.unit.index()).map(|unit| &unit.phase) {
            Some(Phase::Failed(error)) => return Err(error.clone()),
            Some(phase) if required.is_met(phase) => {}
            None if symbol.unit == NO_UNIT => {}
            _ => return Err(Error::Removed { unit: self.symbol_text(id) }),
        }
        Ok((!symbol.side_effects_only).then_some(symbol.address))
    }

    /// Lets look-ups find a symbol without the lock, if it is ready and has an address.
    pub fn publish(&self, id: SymbolId) -> Option<Known> {
        let id = self.representative_of(id);
        let symbol = self.symbol(id);
        let addressless = symbol.side_effects_only || symbol.kind == SymbolKind::ThreadLocal;
        if addressless || symbol.collected || !self.is_ready(symbol.unit) {
            return None;
        }
        let known = Known { address: symbol.address, exported: symbol.exported, pins: self.pins_of(symbol.unit) };
        self.published.publish(id, symbol.name, known);
        Some(known)
    }
}
