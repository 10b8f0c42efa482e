//! What operations of the session cost, in nanoseconds each: one line per figure, as `name<TAB>median<TAB>best`.
//! `cargo xtask bench session` runs this beside its peer.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::names::Name;
use uruk_orc::dispatch::ThreadPool;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Request, Session};
use uruk_orc::unit::{Definition, MaterializationUnit};
use uruk_orc::{DylibId, SearchEntry};

/// Rounds of each measurement; the median counts.
const SAMPLES: usize = 9;

struct Program {
    session: Session,
    dylib: DylibId,
    order: Vec<SearchEntry>,
    names: Vec<Name>,
}

impl Program {
    /// A dylib with absolute symbols.
    fn new(count: usize) -> Program {
        let session = session();
        let dylib = session.create_dylib("main").expect("the name is free");
        let names: Vec<Name> = (0..count).map(|number| session.names().intern(symbol(number).as_bytes())).collect();
        let order = session.search_order(dylib);
        Program { session, dylib, order, names }
    }

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
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |number| number.wrapping_mul(7_919_777) % count)
}

/// Prints the cost of each of `count` operations that `run` does with what `prepare` makes.
fn report<T>(name: &str, count: usize, mut prepare: impl FnMut() -> T, mut run: impl FnMut(&T)) {
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let prepared = prepare();
            let start = Instant::now();
            run(&prepared);
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    println!("{name}\t{:.1}\t{:.1}", samples[SAMPLES / 2], samples[0]);
}

/// A unit of one function that needs the next one.
struct Link {
    own: Name,
    next: Option<Name>,
}

impl MaterializationUnit for Link {
    fn name(&self) -> String {
        String::new()
    }

    fn definitions(&self) -> Vec<Definition> {
        vec![Definition::function(self.own)]
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        let dylib = responsibility.dylib();
        let needs: Vec<_> = self.next.map(|next| (dylib, next)).into_iter().collect();
        let done = responsibility.resolve(&[(self.own, 0x1000)]).and_then(|()| responsibility.emit(&needs));
        done.expect("nothing fails");
    }
}

fn linked(count: usize, ring: bool) -> Program {
    let program = Program::new(count);
    for (number, own) in program.names.iter().enumerate() {
        let next = if number + 1 < count { Some(number + 1) } else { ring.then_some(0) };
        let unit = Link { own: *own, next: next.map(|next| program.names[next]) };
        program.session.define(program.dylib, None, Box::new(unit)).expect("no name is defined");
    }
    program
}

fn lookups() {
    for (label, count) in [("10,000", 10_000), ("1,000,000", 1_000_000)] {
        let program = Program::defined(count);
        program.ask_all();
        let order: Vec<usize> = scattered(count).take(100_000).collect();
        let address = |number: &usize| {
            black_box(program.session.address(&program.order, program.names[*number]).expect("it is defined"));
        };
        report(
            &format!("look-up of a ready symbol by name, {label}"),
            order.len(),
            || (),
            |_| {
                order.iter().for_each(address);
            },
        );
        report(
            &format!("the same from two threads at once, {label}"),
            order.len(),
            || (),
            |_| {
                std::thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| order.iter().for_each(address));
                    }
                });
            },
        );
        report(
            &format!("the same with a handle that pins it, {label}"),
            order.len(),
            || (),
            |_| {
                for number in &order {
                    black_box(program.session.pin(&program.order, program.names[*number]));
                }
            },
        );
        let texts: Vec<String> = order.iter().map(|number| symbol(*number)).collect();
        report(
            &format!("look-up of a ready symbol by string, {label}"),
            order.len(),
            || (),
            |_| {
                for text in &texts {
                    let name = program.session.names().find(text.as_bytes()).expect("it is interned");
                    black_box(program.session.address(&program.order, name).expect("it is defined"));
                }
            },
        );
    }
    let program = Program::defined(10_000);
    let absent = program.session.names().intern(b"absent");
    report(
        "look-up of an absent name",
        100_000,
        || (),
        |_| {
            for _ in 0..100_000 {
                black_box(program.session.address_if_defined(&program.order, absent)).expect("nothing fails");
            }
        },
    );
    program.session.add_generator(program.dylib, Arc::new(uruk_orc::generator::ProcessSymbols));
    report(
        "look-up of an absent name with the process generator",
        100_000,
        || (),
        |_| {
            for _ in 0..100_000 {
                black_box(program.session.address_if_defined(&program.order, absent)).expect("nothing fails");
            }
        },
    );
}

fn definitions() {
    for (label, count) in [("10,000", 10_000), ("1,000,000", 1_000_000)] {
        let one_by_one = |program: &Program| {
            for (definition, address) in program.definitions() {
                program.session.define_addresses(program.dylib, None, &[(definition, address)]).expect("it is new");
            }
        };
        report(&format!("absolute symbol defined, {label}"), count, || Program::new(count), one_by_one);
        report(&format!("the same in one call, {label}"), count, || Program::new(count), Program::define_all);
    }
    report("query for 100,000 absolute symbols, each", 100_000, || Program::defined(100_000), Program::ask_all);
    report(
        "session made",
        100,
        || (),
        |_| {
            for _ in 0..100 {
                black_box(session());
            }
        },
    );
    const COUNT: usize = 100_000;
    let first = |program: &Program| {
        program.session.address(&program.order, program.names[0]).expect("all can be had");
    };
    report("chain of 100,000 units, each", COUNT, || linked(COUNT, false), first);
    report("ring of 100,000 units, each", COUNT, || linked(COUNT, true), first);
    let pooled = || {
        let program = linked(COUNT, false);
        program.session.set_dispatcher(Arc::new(ThreadPool::new(2)));
        program
    };
    report("chain of 100,000 units on a pool of 2 threads, each", COUNT, pooled, first);
}

fn main() {
    lookups();
    definitions();
}
