//! Readiness of many units that need each other; a model of everything in [`model`].

mod model;
mod ops;
mod reference;

use super::*;
use crate::responsibility::Responsibility;
use crate::unit::{Definition, Promises};

struct Never;

impl MaterializationUnit for Never {
    fn name(&self) -> String {
        "a unit".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        Vec::new()
    }

    fn materialize(self: Box<Self>, _: Responsibility) {}
}

/// A state with units of one symbol each, all claimed.
fn claimed(count: usize) -> (State, Vec<UnitId>, Vec<SymbolId>) {
    let names = Arc::new(Names::default());
    let mut state = State::new(names.clone());
    let dylib = state.add_dylib("test").unwrap();
    let tracker = state.dylib(dylib).tracker;
    let mut symbols = Vec::new();
    for number in 0..count {
        let name = names.intern(format!("s{number}").as_bytes());
        let definitions = vec![Definition::function(name)];
        let promises = Promises { name: "a unit".into(), definitions, initialiser: false };
        state.add_client(dylib, tracker, Box::new(Never), &promises).unwrap();
        symbols.push(state.dylib(dylib).table.get(name).unwrap());
    }
    let units: Vec<UnitId> = symbols.iter().map(|symbol| state.symbol(*symbol).unit).collect();
    for unit in &units {
        assert!(state.claim(*unit));
    }
    (state, units, symbols)
}

/// Emits units in an order, each with the need of the next one, and the last with that of the first if it is a ring.
fn emit_linked(count: usize, ring: bool, order: impl Iterator<Item = usize>) -> (State, Vec<UnitId>) {
    let (mut state, units, symbols) = claimed(count);
    for number in order {
        let next = if number + 1 < count { Some(number + 1) } else { ring.then_some(0) };
        state.emit(vec![(units[number], next.map(|next| symbols[next]).into_iter().collect())]);
    }
    (state, units)
}

fn scattered(count: usize) -> impl Iterator<Item = usize> {
    // 7,919 is prime to the counts used, so every number comes once.
    (0..count).map(move |number| number * 7919 % count)
}

fn all_ready(state: &State, units: &[UnitId]) -> bool {
    units.iter().all(|unit| matches!(state.unit(*unit).phase, Phase::Ready))
}

#[test]
fn chains_and_rings_become_ready_in_any_order_of_emission() {
    const COUNT: usize = 100_000;
    for ring in [false, true] {
        let (state, units) = emit_linked(COUNT, ring, 0..COUNT);
        assert!(all_ready(&state, &units));
        let (state, units) = emit_linked(COUNT, ring, (0..COUNT).rev());
        assert!(all_ready(&state, &units));
        let (state, units) = emit_linked(COUNT, ring, scattered(COUNT));
        assert!(all_ready(&state, &units));
    }
}

#[test]
fn a_ring_is_not_ready_before_its_last_unit() {
    let (state, units) = emit_linked(1000, true, scattered(1000).take(999));
    assert!(units.iter().all(|unit| !matches!(state.unit(*unit).phase, Phase::Ready)));
}

#[test]
fn a_failure_reaches_all_that_need_it_and_nothing_else() {
    const COUNT: usize = 100_000;
    let (mut state, units, symbols) = claimed(COUNT);
    for number in 0..COUNT - 1 {
        let needs = if number == COUNT / 2 { Vec::new() } else { vec![symbols[number + 1]] };
        state.emit(vec![(units[number], needs)]);
    }
    assert!(all_ready(&state, &units[..COUNT / 2]));
    state.fail(vec![(units[COUNT - 1], Error::Ended)]);
    assert!(all_ready(&state, &units[..=COUNT / 2]));
    let failed = |unit: &UnitId| matches!(state.unit(*unit).phase, Phase::Failed(_));
    assert!(units[COUNT / 2 + 1..].iter().all(failed));
}
