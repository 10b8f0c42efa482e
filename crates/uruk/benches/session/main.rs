//! What operations of the session cost: one line per figure, as `name<TAB>median<TAB>best`, in nanoseconds each unless the
//! name says otherwise. `cargo xtask bench session` runs this beside its peer, whose lines have the same names. Arguments
//! choose parts: memory, lookups, absent, definitions, units, lazy, handles.

mod definitions;
mod lazy;
mod lookups;

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::names::Name;
use uruk_orc::session::{Request, Session};
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, SearchEntry};

/// Rounds of each measurement; the median counts.
const SAMPLES: usize = 9;

/// The parts; memory first, since what was given back to the allocator would hide some of it.
const PARTS: &[(&str, fn())] = &[
    ("memory", definitions::memory),
    ("lookups", lookups::measure),
    ("absent", lookups::absent),
    ("definitions", definitions::measure),
    ("units", definitions::units),
    ("lazy", lazy::measure),
    ("handles", lazy::handles),
];

fn main() {
    // Cargo adds `--bench`.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    for (name, measure) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            measure();
        }
    }
}

struct Program {
    session: Session,
    dylib: DylibId,
    order: Vec<SearchEntry>,
    names: Vec<Name>,
}

impl Program {
    /// A dylib without symbols, and names for so many.
    fn new(count: usize) -> Program {
        let session = session();
        let dylib = session.create_dylib("main").expect("the name is free");
        let names: Vec<Name> = (0..count).map(|number| session.names().intern(symbol(number).as_bytes())).collect();
        let order = session.search_order(dylib);
        Program { session, dylib, order, names }
    }

    /// A dylib with absolute symbols.
    fn defined(count: usize) -> Program {
        let program = Program::new(count);
        program.define_all();
        program
    }

    fn definitions(&self) -> Vec<(Definition, u64)> {
        self.names.iter().map(|name| (Definition::function(*name), 0x1000)).collect()
    }

    fn define_all(&self) {
        self.session.define_addresses(self.dylib, None, &self.definitions()).expect("no name is defined");
    }

    fn ask_all(&self) {
        let lookup = self.session.start(&Request::new(&self.order, &self.names));
        black_box(lookup.wait().expect("all are defined"));
    }
}

fn session() -> Session {
    Session::new(Arc::new(InProcess::new(Options::default())), Some(1))
}

fn symbol(number: usize) -> String {
    format!("a_function_of_the_program_{number}")
}

/// Numbers in an order that caches cannot guess.
fn scattered(count: usize) -> impl Iterator<Item = usize> + Clone {
    (0..count).map(move |number| number.wrapping_mul(7_919_777) % count)
}

/// Prints the cost of each of `count` operations that `run` does with what `prepare` makes.
fn report<T>(name: &str, count: usize, mut prepare: impl FnMut() -> T, mut run: impl FnMut(&T)) {
    let samples = (0..SAMPLES).map(|_| {
        let prepared = prepare();
        let start = Instant::now();
        run(&prepared);
        start.elapsed().as_nanos() as f64 / count as f64
    });
    print(name, samples.collect());
}

fn print(name: &str, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    println!("{name}\t{:.1}\t{:.1}", samples[samples.len() / 2], samples[0]);
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let statm = fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("the second number are pages") * PAGE
}
