//! What the object layer needs of the session: its lock, its units' phases, and threads to work on.

use super::Session;
use crate::dispatch::COMPILE_STACK_BYTES;
use crate::error::Error;
use crate::state::{SymbolId, UnitId};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use uruk_jitlink::memory::Placement;

/// Work below this many input bytes is not worth waking other threads (about 2 ms of linking).
const PARALLEL_BYTES: usize = 3 << 20;

impl Session {
    /// Fails units that a batch has claimed and gives up.
    pub(crate) fn fail_all(&self, units: &[UnitId], error: &Error) {
        self.update(|state| state.give_up(units.iter().map(|unit| (*unit, error.clone())).collect()));
    }

    /// Decides where the dylibs of these units lie, where that is not decided: low if any of them needs it.
    pub(crate) fn decide_placement(&self, units: impl Iterator<Item = (UnitId, bool)> + Clone) {
        let mut state = self.lock();
        let needy = units.clone().filter(|(_, needs_low)| *needs_low).map(|(unit, _)| (unit, Placement::Low));
        for (unit, placement) in needy.chain(units.map(|(unit, _)| (unit, Placement::Near))) {
            let leader = state.dylib(state.unit(unit).dylib).placed_with;
            state.dylibs[leader.index()].placement.get_or_insert(placement);
        }
    }

    /// Where a unit's memory has to lie.
    pub(crate) fn placement(&self, unit: UnitId) -> Placement {
        let state = self.lock();
        state.placement(state.unit(unit).dylib)
    }

    /// The dylibs that a unit's references are looked for in, by name.
    pub(crate) fn searched(&self, unit: UnitId) -> Vec<String> {
        let state = self.lock();
        let order = &state.dylib(state.unit(unit).dylib).order;
        order.iter().map(|entry| state.dylib(entry.dylib).name.to_string()).collect()
    }

    pub(crate) fn symbol_name(&self, symbol: SymbolId) -> Vec<u8> {
        let name = self.lock().symbol(symbol).name;
        self.names().bytes(name)
    }

    /// Maps items, on several threads if their `cost` in input bytes to be linked is worth it.
    pub fn parallel<T: Sync, R: Send>(&self, cost: usize, items: &[T], f: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
        let mut items: Vec<&T> = items.iter().collect();
        self.parallel_mut(cost, &mut items, |_, item| f(item))
    }

    /// The same over items that change.
    pub fn parallel_mut<T: Send, R: Send>(
        &self,
        cost: usize,
        items: &mut [T],
        f: impl Fn(usize, &mut T) -> R + Send + Sync,
    ) -> Vec<R> {
        let Some(pool) = self.pool_for(cost, items.len()) else {
            return items.iter_mut().enumerate().map(|(index, item)| f(index, item)).collect();
        };
        let slots: Vec<_> = items.iter_mut().map(|item| Mutex::new((item, None))).collect();
        let work = |index: usize| {
            let mut slot = slots[index].lock().unwrap_or_else(PoisonError::into_inner);
            let (item, result) = &mut *slot;
            *result = Some(f(index, item));
        };
        pool.install(|| spread(0..slots.len(), &work));
        let results = slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner).1);
        results.map(|result| result.expect("each index was worked on")).collect()
    }

    fn pool_for(&self, cost: usize, items: usize) -> Option<&rayon_core::ThreadPool> {
        let forked = self.shared.forked.load(Ordering::Relaxed);
        if forked || self.shared.threads == Some(1) || items < 2 || cost < PARALLEL_BYTES {
            return None;
        }
        let make = || {
            let threads = self.shared.threads.or_else(|| Some(std::thread::available_parallelism().ok()?.get()))?;
            let builder = rayon_core::ThreadPoolBuilder::new().num_threads(threads).stack_size(COMPILE_STACK_BYTES);
            (1 < threads).then(|| builder.build().ok()).flatten()
        };
        self.shared.pool.get_or_init(make).as_ref()
    }
}

/// Does work for each of these indices, on whatever threads of the pool are idle. One function for all kinds of work: the
/// pool's machinery costs much to compile.
fn spread(indices: Range<usize>, work: &(dyn Fn(usize) + Sync)) {
    if indices.len() <= 1 {
        return indices.for_each(work);
    }
    let middle = indices.start + indices.len() / 2;
    rayon_core::join(|| spread(indices.start..middle, work), || spread(middle..indices.end, work));
}
