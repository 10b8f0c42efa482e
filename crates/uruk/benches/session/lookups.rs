//! Look-ups of symbols that are ready, and of names that nothing defines.

use std::hint::black_box;
use std::sync::Arc;

use uruk_orc::generator::ProcessSymbols;

use crate::{Program, report, scattered, symbol};

/// Look-ups in a round, scattered over the symbols.
const LOOKUPS: usize = 100_000;

pub fn measure() {
    for (label, count) in [("10,000", 10_000), ("1,000,000", 1_000_000)] {
        ready(label, count);
    }
}

fn ready(label: &str, count: usize) {
    let program = Program::defined(count);
    let Program { session, order, names, .. } = &program;
    program.ask_all();
    let numbers: Vec<usize> = scattered(count).cycle().take(LOOKUPS).collect();
    let look_up = || {
        for number in &numbers {
            black_box(session.address(order, names[*number]).expect("it is defined"));
        }
    };
    let none = || ();
    report(&format!("look-up by name, {label}"), LOOKUPS, none, |_| look_up());
    let from_two = |_: &()| {
        std::thread::scope(|scope| {
            scope.spawn(look_up);
            scope.spawn(look_up);
        });
    };
    report(&format!("look-up by name from two threads, {label}"), LOOKUPS, none, from_two);
    report(&format!("handle by name, {label}"), LOOKUPS, none, |_| {
        for number in &numbers {
            black_box(session.pin(order, names[*number]));
        }
    });
    let texts: Vec<String> = numbers.iter().map(|number| symbol(*number)).collect();
    report(&format!("look-up by string, {label}"), LOOKUPS, none, |_| {
        for text in &texts {
            let name = session.names().find(text.as_bytes()).expect("it is interned");
            black_box(session.address(order, name).expect("it is defined"));
        }
    });
}

pub fn absent() {
    let program = Program::defined(10_000);
    let absent = program.session.names().intern(b"absent");
    let look_up = |_: &()| {
        for _ in 0..LOOKUPS {
            black_box(program.session.address_if_defined(&program.order, absent)).expect("nothing fails");
        }
    };
    report("absent name", LOOKUPS, || (), look_up);
    program.session.add_generator(program.dylib, Arc::new(ProcessSymbols));
    report("absent name with the process's symbols", LOOKUPS, || (), look_up);
}
