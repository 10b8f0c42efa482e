//! Small scenarios in many of the orders in which their threads can run, with `--cfg shuttle` (a step of
//! `cargo xtask test`): none may hang, and each has few outcomes.
#![cfg(shuttle)]

#[path = "session/support.rs"]
mod support;

use shuttle::sync::{Mutex, mpsc};
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::{Body, Nowhere, OnDrop, Unit, function, settle};
use uruk_orc::dispatch::{Priority, ThreadPool};
use uruk_orc::error::Error;
use uruk_orc::generator::AsyncGenerator;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Request, Session, Suspended};
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, TrackerId};

/// Tries a scenario in orders picked at random, and in such as preempt threads rarely, which finds other faults.
fn check(scenario: fn()) {
    let tries = std::env::var("URUK_INTERLEAVINGS").ok().and_then(|tries| tries.parse().ok()).unwrap_or(2000);
    shuttle::check_random(scenario, tries);
    shuttle::check_pct(scenario, tries, 3);
}

#[derive(Clone)]
struct Program {
    session: Session,
    dylib: DylibId,
}

impl Program {
    fn new() -> Program {
        let session = Session::new(Arc::new(Nowhere::with_memory()), Some(1));
        let dylib = session.create_dylib("main").unwrap();
        Program { session, dylib }
    }

    fn with_pool(threads: usize) -> Program {
        let program = Program::new();
        program.session.set_dispatcher(Arc::new(ThreadPool::new(threads)));
        program
    }

    fn definition(&self, name: &str) -> Definition {
        Definition::function(self.session.names().intern(name.as_bytes()))
    }

    fn define(&self, name: &str, tracker: Option<TrackerId>, body: impl FnOnce(Responsibility) + Send + 'static) {
        let body: Body = Box::new(body);
        let unit = Unit { definitions: vec![self.definition(name)], body, dropped: None };
        self.session.define(self.dylib, tracker, Box::new(unit)).unwrap();
    }

    /// A unit that is compiled to a graph with a function, which may call another one.
    fn define_compiled(&self, own: &'static str, callee: Option<&'static str>) {
        self.define(own, None, move |responsibility| responsibility.link(function(own, callee, 0)).unwrap());
    }

    /// A unit that waits for another one and lies behind it.
    fn define_waiting(&self, own: &str, other: &'static str) {
        let dylib = self.dylib;
        self.define(own, None, move |responsibility| {
            let session = responsibility.session().clone();
            match session.lookup(&session.search_order(dylib), &[other]) {
                Ok(addresses) => settle(responsibility, addresses[0] + 1),
                Err(error) => responsibility.fail(error),
            }
        });
    }

    fn request(&self, name: &str) -> Request {
        Request::new(&self.session.search_order(self.dylib), &[self.definition(name).name])
    }

    fn lookup(&self, name: &str) -> Result<u64, Error> {
        Ok(self.session.start(&self.request(name)).wait()?[0].unwrap())
    }

    /// Does something in a thread of its own.
    fn spawn<R: Send + 'static>(&self, call: impl FnOnce(&Program) -> R + Send + 'static) -> thread::JoinHandle<R> {
        let program = self.clone();
        thread::spawn(move || call(&program))
    }
}

#[test]
fn a_worker_that_waits_runs_only_what_it_needs() {
    fn scenario(first: &str, second: &str) {
        let program = Program::with_pool(1);
        program.define_waiting("a", "b");
        program.define_waiting("c", "a");
        program.define("b", None, |responsibility| settle(responsibility, 10));
        let lookups = [first, second].map(|name| program.session.start(&program.request(name)));
        let mut addresses = lookups.map(|lookup| lookup.wait().unwrap()[0].unwrap());
        addresses.sort();
        assert_eq!(addresses, [11, 12]);
    }
    check(|| scenario("a", "c"));
    check(|| scenario("c", "a"));
}

#[test]
fn crossing_waits_end() {
    check(|| {
        let program = Program::with_pool(2);
        program.define_waiting("a", "b");
        program.define_waiting("b", "a");
        let other = program.spawn(|program| program.lookup("b"));
        let answers = [program.lookup("a"), other.join().unwrap()];
        for answer in answers {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("waits for something that waits for"), "{error}");
        }
    });
}

#[test]
fn what_is_pinned_stays_and_what_is_not_goes() {
    check(|| {
        let program = Program::new();
        let tracker = program.session.create_tracker(program.dylib);
        let gone = Arc::new(AtomicUsize::new(0));
        let counted = gone.clone();
        program.define("f", Some(tracker), move |responsibility| {
            let drop = move || assert_eq!(counted.fetch_add(1, Ordering::Relaxed), 0);
            responsibility.keep(OnDrop(Some(drop))).unwrap();
            settle(responsibility, 1);
        });
        program.lookup("f").unwrap();
        let pins = [gone.clone(), gone.clone()].map(|gone| {
            program.spawn(move |program| {
                let order = program.session.search_order(program.dylib);
                let Some(pin) = program.session.pin(&order, program.definition("f").name) else { return };
                assert_eq!(gone.load(Ordering::Relaxed), 0);
                let other = pin.clone();
                drop(pin);
                assert_eq!(gone.load(Ordering::Relaxed), 0);
                drop(other);
            })
        });
        program.session.remove(tracker).wait();
        assert_eq!(gone.load(Ordering::Relaxed), 1);
        for pin in pins {
            pin.join().unwrap();
        }
        assert_eq!(program.session.population().units, 0);
    });
}

#[test]
fn a_look_up_meets_removal_and_definition() {
    check(|| {
        let program = Program::with_pool(1);
        let tracker = program.session.create_tracker(program.dylib);
        program.define("f", Some(tracker), |responsibility| {
            let own = responsibility.owed();
            // Its tracker may be gone by now.
            let addresses: Vec<_> = own.into_iter().map(|name| (name, 1)).collect();
            let _ = responsibility.resolve(&addresses).and_then(|()| responsibility.emit(&[]));
        });
        let looking = program.spawn(|program| program.lookup("f"));
        program.session.remove(tracker);
        program.session.define_addresses(program.dylib, None, &[(program.definition("f"), 2)]).unwrap();
        assert_eq!(program.lookup("f").unwrap(), 2);
        match looking.join().unwrap() {
            Ok(address) => assert!(address == 1 || address == 2),
            Err(error) => assert!(matches!(error, Error::Removed { .. } | Error::Missing { .. }), "{error}"),
        }
    });
}

/// Hands each look-up to a thread.
struct Elsewhere(Mutex<mpsc::Sender<Suspended>>);

impl AsyncGenerator for Elsewhere {
    fn generate(&self, suspended: Suspended) {
        self.0.lock().unwrap().send(suspended).unwrap();
    }

    fn name(&self) -> String {
        "elsewhere".into()
    }
}

#[test]
fn a_generator_answers_from_another_thread() {
    check(|| {
        let program = Program::new();
        let (sender, suspended) = mpsc::channel();
        program.session.add_async_generator(program.dylib, Arc::new(Elsewhere(Mutex::new(sender))));
        let answering = thread::spawn(move || {
            for suspended in suspended {
                let wanted = suspended.wanted().names.iter();
                let definitions: Vec<_> = wanted.map(|(name, _)| (Definition::data(*name).weak(), 9)).collect();
                suspended.session().define_addresses(suspended.dylib(), None, &definitions).unwrap();
                suspended.finish(Ok(()));
            }
        });
        let other = program.spawn(|program| program.lookup("later").unwrap());
        assert_eq!(program.lookup("later").unwrap(), 9);
        assert_eq!(other.join().unwrap(), 9);
        program.session.remove_generators(program.dylib);
        answering.join().unwrap();
    });
}

#[test]
fn the_end_answers_everybody_once() {
    check(|| {
        let program = Program::with_pool(1);
        program.define("f", None, |responsibility| settle(responsibility, 1));
        let told = Arc::new(AtomicUsize::new(0));
        let counted = told.clone();
        let looking = program.spawn(|program| program.lookup("f"));
        let ending = program.spawn(|program| program.session.end());
        program.session.start_with(&program.request("f"), move |answer| {
            assert!(matches!(answer, Ok(_) | Err(Error::Ended)));
            counted.fetch_add(1, Ordering::Relaxed);
        });
        assert!(matches!(looking.join().unwrap(), Ok(1) | Err(Error::Ended)));
        ending.join().unwrap();
        program.session.wait_until_idle();
        // The task may still be telling.
        drop(program);
        while told.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
    });
}

#[test]
fn a_session_goes_with_the_last_that_works_on_it() {
    check(|| {
        let gone = Arc::new(AtomicBool::new(false));
        let noted = gone.clone();
        {
            let program = Program::with_pool(2);
            program.define("f", None, move |responsibility| {
                let note = move || noted.store(true, Ordering::Relaxed);
                responsibility.keep(OnDrop(Some(note))).unwrap();
                settle(responsibility, 1);
            });
            program.define_waiting("g", "f");
            program.session.start_with(&program.request("g"), |answer| drop(answer.unwrap()));
        }
        while !gone.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
}

#[test]
fn a_task_in_place_waits_for_one_behind_it() {
    check(|| {
        let program = Program::new();
        let (sender, receiver) = mpsc::channel::<Responsibility>();
        program.define("late", None, move |responsibility| sender.send(responsibility).unwrap());
        program.define("f", None, move |responsibility| {
            let session = responsibility.session().clone();
            let dylib = responsibility.dylib();
            // This comes after this very unit on the same thread, unless it waits.
            session.spawn(Priority::Normal, move |_| settle(receiver.recv().unwrap(), 4));
            let late = session.lookup(&session.search_order(dylib), &["late"]).unwrap()[0];
            settle(responsibility, late);
        });
        assert_eq!(program.lookup("f").unwrap(), 4);
    });
}

#[test]
fn a_suspended_batch_goes_on() {
    check(|| {
        let program = Program::with_pool(2);
        for (own, callee) in [("f", Some("g")), ("g", Some("h")), ("h", Some("f")), ("k", Some("h"))] {
            program.define_compiled(own, callee);
        }
        let other = program.spawn(|program| program.lookup("k").unwrap());
        let mut addresses = [program.lookup("f").unwrap(), other.join().unwrap(), program.lookup("h").unwrap()];
        addresses.sort();
        assert!(addresses[0] != 0 && addresses[0] < addresses[1] && addresses[1] < addresses[2]);
    });
}

#[test]
fn a_suspended_batch_fails_with_what_it_waits_for() {
    check(|| {
        let program = Program::with_pool(2);
        program.define_compiled("f", Some("g"));
        program.define_compiled("k", Some("good"));
        program.define_compiled("good", None);
        program.define("g", None, |responsibility| responsibility.fail_to_compile("no such thing"));
        let other = program.spawn(|program| program.lookup("k"));
        let error = program.lookup("f").unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
        assert!(other.join().unwrap().is_ok());
    });
}
