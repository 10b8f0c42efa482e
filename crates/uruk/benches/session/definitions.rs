//! Absolute symbols and what they take, sessions, and units that depend on each other.

use std::hint::black_box;
use std::sync::Arc;

use uruk::Jit;
use uruk_jitlink::names::Name;
use uruk_orc::dispatch::ThreadPool;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::unit::{Definition, MaterializationUnit};

use crate::{Program, print, report, resident, session};

/// Prints what an absolute symbol takes, its name included.
pub fn memory() {
    const COUNT: usize = 1_000_000;
    let before = resident();
    let program = Program::new(COUNT);
    let define = |names: &[Name]| {
        let definitions: Vec<_> = names.iter().map(|name| (Definition::function(*name), 0x1000)).collect();
        program.session.define_addresses(program.dylib, None, &definitions).expect("no name is defined");
    };
    program.names.chunks(1000).for_each(define);
    // The benchmark's own list of names is not the session's.
    let own = size_of_val(&*program.names) as u64;
    let each = |now: u64| vec![(now - before - own) as f64 / COUNT as f64];
    print("memory of an absolute symbol, bytes", each(resident()));
    for name in &program.names {
        black_box(program.session.address(&program.order, *name).expect("it is defined"));
    }
    print("the same once it was looked up, bytes", each(resident()));
}

pub fn measure() {
    for (label, count) in [("10,000", 10_000), ("1,000,000", 1_000_000)] {
        let one_by_one = |program: &Program| {
            for (definition, address) in program.definitions() {
                program.session.define_addresses(program.dylib, None, &[(definition, address)]).expect("it is new");
            }
        };
        report(&format!("absolute symbol defined, {label}"), count, || Program::new(count), one_by_one);
        let in_one_call = format!("absolute symbol defined in one call, {label}");
        report(&in_one_call, count, || Program::new(count), Program::define_all);
    }
    report("query for 100,000 absolute symbols, each", 100_000, || Program::defined(100_000), Program::ask_all);
    sessions();
}

fn sessions() {
    const COUNT: usize = 100;
    report("session made", COUNT, || (), |_| (0..COUNT).for_each(|_| drop(black_box(session()))));
    let jit = |_| drop(black_box(Jit::new().expect("nothing fails")));
    report("JIT made", COUNT, || (), |_| (0..COUNT).for_each(jit));
}

pub fn units() {
    let first = |program: &Program| {
        program.session.address(&program.order, program.names[0]).expect("all can be had");
    };
    for (label, count) in [("10,000", 10_000), ("100,000", 100_000)] {
        report(&format!("chain of {label} units, each"), count, || linked(count, false), first);
        report(&format!("ring of {label} units, each"), count, || linked(count, true), first);
    }
    let pooled = || {
        let program = linked(100_000, false);
        program.session.set_dispatcher(Arc::new(ThreadPool::new(2)));
        program
    };
    report("chain of 100,000 units on a pool of 2 threads, each", 100_000, pooled, first);
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
