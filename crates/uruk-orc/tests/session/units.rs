//! Units of clients: what they may do, what they may do wrong, and what look-ups make of it.

use crate::support::{Body, Program, Unit, settle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use uruk_jitlink::names::Name;
use uruk_orc::dispatch::ThreadPool;
use uruk_orc::error::Error;
use uruk_orc::generator::AsyncGenerator;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Request, Suspended};
use uruk_orc::unit::Definition;

/// A session with threads of its own.
fn pooled(threads: usize) -> Program {
    let program = Program::new();
    program.session.set_dispatcher(Arc::new(ThreadPool::new(threads)));
    program
}

#[test]
fn a_unit_is_materialized_once_when_it_is_asked_for() {
    let program = Program::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    program.define(&["f", "g"], move |responsibility| {
        counted.fetch_add(1, Ordering::Relaxed);
        settle(responsibility, 0x1000);
    });
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    assert_eq!(program.lookup("f").unwrap(), 0x1000);
    assert_eq!(program.lookup("g").unwrap(), 0x1000);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_unit_does_wrong_is_an_error_that_names_it() {
    let program = Program::new();
    let wrong = program.name("wrong");
    program.define(&["dropped"], drop);
    program.define(&["silent"], |responsibility| {
        let error = responsibility.emit(&[]).unwrap_err();
        assert_eq!(error.to_string(), "unit promised to define `silent` and did not");
    });
    program.define(&["panics"], |_| panic!("on purpose"));
    program.define(&["other"], move |responsibility| {
        let error = responsibility.resolve(&[(wrong, 1)]).unwrap_err();
        assert_eq!(error.to_string(), "unit did not promise to define `wrong`");
        settle(responsibility, 2);
    });
    program.define(&["refused"], |responsibility| responsibility.fail(Error::Ended));
    let message = |name: &str| program.lookup(name).unwrap_err().to_string();
    assert_eq!(message("dropped"), "unit was given up without a reason");
    assert_eq!(message("silent"), "unit promised to define `silent` and did not");
    assert_eq!(message("panics"), "unit panicked");
    assert_eq!(message("refused"), "the session has ended");
    assert_eq!(message("absent"), "symbol `absent` is not defined (searched: main)");
    assert_eq!(program.lookup("other").unwrap(), 2);
}

#[test]
fn parts_of_a_unit_can_be_delegated_given_back_and_added() {
    let program = Program::new();
    let (late, lazy, more) = (program.name("late"), program.name("lazy"), program.name("more"));
    let handed: Arc<Mutex<Option<Responsibility>>> = Arc::default();
    let keep = handed.clone();
    let replaced = Arc::new(AtomicUsize::new(0));
    let ran = replaced.clone();
    program.define(&["now", "late", "lazy"], move |responsibility| {
        *keep.lock().unwrap() = Some(responsibility.delegate(&[late]).unwrap());
        let body: Body = Box::new(move |responsibility| {
            ran.fetch_add(1, Ordering::Relaxed);
            settle(responsibility, 3);
        });
        let definitions = vec![Definition::function(lazy)];
        responsibility.replace(Box::new(Unit { definitions, body, dropped: None })).unwrap();
        responsibility.define(&[Definition::function(more)]).unwrap();
        settle(responsibility, 1);
    });
    assert_eq!(program.lookup("now").unwrap(), 1);
    assert_eq!(program.lookup("more").unwrap(), 1);
    assert_eq!(replaced.load(Ordering::Relaxed), 0);
    assert_eq!(program.lookup("lazy").unwrap(), 3);
    assert_eq!(replaced.load(Ordering::Relaxed), 1);
    let late = program.session.start(&Request::new(&program.order(), &[late]));
    settle(handed.lock().unwrap().take().unwrap(), 2);
    assert_eq!(late.wait().unwrap(), [Some(2)]);
}

#[test]
fn units_that_need_each_other_are_ready_together() {
    let program = Program::new();
    let (a, b, dylib) = (program.name("a"), program.name("b"), program.dylib);
    let (sender, receiver) = mpsc::channel();
    let body = move |need: Name, address: u64, hold: Option<mpsc::Sender<Responsibility>>| {
        move |responsibility: Responsibility| {
            let own = responsibility.owed()[0];
            responsibility.resolve(&[(own, address)]).unwrap();
            match hold {
                None => responsibility.emit(&[(dylib, need)]).unwrap(),
                Some(hold) => hold.send(responsibility).unwrap(),
            }
        }
    };
    program.define(&["a"], body(b, 1, None));
    program.define(&["b"], body(a, 2, Some(sender)));
    let (told, answers) = mpsc::channel();
    program.session.start_with(&Request::new(&program.order(), &[a]), move |answer| told.send(answer).unwrap());
    // `a` is emitted and `b` resolved, which is enough for those who only want an address.
    let resolved = program.session.start(&Request::new(&program.order(), &[a, b]).resolved());
    assert_eq!(resolved.wait().unwrap(), [Some(1), Some(2)]);
    assert!(answers.try_recv().is_err());
    receiver.recv().unwrap().emit(&[(dylib, a)]).unwrap();
    assert_eq!(answers.recv().unwrap().unwrap(), [Some(1)]);
}

#[test]
fn a_failure_reaches_what_needs_it_with_the_cause() {
    let program = Program::new();
    let (b, dylib) = (program.name("b"), program.dylib);
    program.define(&["a"], move |responsibility| {
        responsibility.resolve(&[(responsibility.owed()[0], 1)]).unwrap();
        // In place, `b` has not run yet.
        responsibility.emit(&[(dylib, b)]).unwrap();
    });
    program.define(&["b"], drop);
    let error = program.lookup("a").unwrap_err();
    assert_eq!(error.to_string(), "unit needs `b` of unit, which failed: unit was given up without a reason");
}

#[test]
fn a_wait_that_cannot_end_is_an_error() {
    for program in [Program::new(), pooled(2)] {
        let order = program.order();
        let crossed = |own: &str, other: &'static str| {
            let order = order.clone();
            program.define(&[own], move |responsibility| {
                match responsibility.session().clone().lookup(&order, &[other]) {
                    Ok(_) => settle(responsibility, 1),
                    Err(error) => responsibility.fail(error),
                }
            });
        };
        crossed("a", "b");
        crossed("b", "a");
        let error = program.lookup("a").unwrap_err().to_string();
        assert!(error.contains("waits for something that waits for"), "{error}");
    }
}

#[test]
fn a_worker_that_waits_runs_only_what_it_needs() {
    // One worker: A waits for b while C, which waits for a, is queued; running C on top of A would never end.
    for first in ["a", "c"] {
        let program = pooled(1);
        let order = program.order();
        let waiting = |own: &str, other: &'static str| {
            let order = order.clone();
            program.define(&[own], move |responsibility| {
                let address = responsibility.session().clone().lookup(&order, &[other]).unwrap()[0];
                settle(responsibility, address + 1);
            });
        };
        waiting("a", "b");
        waiting("c", "a");
        program.define(&["b"], |responsibility| settle(responsibility, 10));
        let second = if first == "a" { "c" } else { "a" };
        let lookups = [first, second].map(|name| {
            let name = program.name(name);
            program.session.start(&Request::new(&program.order(), &[name]))
        });
        let mut addresses = lookups.map(|lookup| lookup.wait().unwrap()[0].unwrap());
        addresses.sort();
        assert_eq!(addresses, [11, 12]);
    }
}

#[test]
fn a_thousand_materializers_may_wait_on_top_of_each_other() {
    for program in [Program::new(), pooled(2)] {
        let order = program.order();
        for number in 0..1000 {
            let order = order.clone();
            let next = format!("s{}", number + 1);
            program.define(&[&format!("s{number}")], move |responsibility| {
                let address = responsibility.session().clone().lookup(&order, &[&next]).unwrap()[0];
                settle(responsibility, address + 1);
            });
        }
        program.define(&["s1000"], |responsibility| settle(responsibility, 0));
        assert_eq!(program.lookup("s0").unwrap(), 1000);
    }
}

#[test]
fn removal_refuses_what_is_being_made() {
    let program = Program::new();
    let tracker = program.session.create_tracker(program.dylib);
    let (sender, receiver) = mpsc::channel();
    let body: Body = Box::new(move |responsibility| sender.send(responsibility).unwrap());
    let definitions = vec![Definition::function(program.name("f"))];
    program.session.define(program.dylib, Some(tracker), Box::new(Unit { definitions, body, dropped: None })).unwrap();
    let lookup = program.session.start(&Request::new(&program.order(), &[program.name("f")]));
    let responsibility = receiver.recv().unwrap();
    program.session.remove(tracker).wait();
    assert_eq!(lookup.wait().unwrap_err().to_string(), "unit has been removed");
    assert!(responsibility.resolve(&[(program.name("f"), 1)]).is_err());
    assert!(responsibility.emit(&[]).is_err());
    assert!(matches!(program.lookup("f"), Err(Error::Missing { .. })));
    // The name is free for another.
    program.define(&["f"], |responsibility| settle(responsibility, 5));
    assert_eq!(program.lookup("f").unwrap(), 5);
}

/// Counts how often something kept for a unit was given back.
struct Kept(Arc<AtomicUsize>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn pins_and_needs_keep_what_is_removed() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let given_back = Arc::new(AtomicUsize::new(0));
    let trackers = ["a", "b", "c"].map(|own| {
        let tracker = session.create_tracker(dylib);
        // Each needs the next, and the last the first.
        let need = program.name(match own {
            "a" => "b",
            "b" => "c",
            _ => "a",
        });
        let kept = Kept(given_back.clone());
        let body: Body = Box::new(move |responsibility| {
            responsibility.keep(kept).unwrap();
            responsibility.resolve(&[(responsibility.owed()[0], 1)]).unwrap();
            responsibility.emit(&[(dylib, need)]).unwrap();
        });
        let definitions = vec![Definition::function(program.name(own))];
        session.define(dylib, Some(tracker), Box::new(Unit { definitions, body, dropped: None })).unwrap();
        tracker
    });
    program.lookup("a").unwrap();
    let pin = session.pin(&program.order(), program.name("b")).unwrap();
    session.remove(trackers[0]);
    assert!(session.pin(&program.order(), program.name("a")).is_none());
    assert_eq!(given_back.load(Ordering::Relaxed), 0, "`c` still needs `a`");
    session.remove(trackers[1]);
    session.remove(trackers[2]);
    assert_eq!(given_back.load(Ordering::Relaxed), 0, "`b` is pinned and reaches the others");
    assert!(!session.is_quiescent());
    drop(pin.clone());
    assert!(!session.is_quiescent());
    drop(pin);
    session.quiesce();
    assert_eq!(given_back.load(Ordering::Relaxed), 3);
}

#[test]
fn what_is_transferred_goes_with_its_new_tracker() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let (from, to) = (session.create_tracker(dylib), session.create_tracker(dylib));
    let body: Body = Box::new(|responsibility| settle(responsibility, 7));
    let definitions = vec![Definition::function(program.name("f"))];
    session.define(dylib, Some(from), Box::new(Unit { definitions, body, dropped: None })).unwrap();
    program.lookup("f").unwrap();
    let pin = session.pin(&program.order(), program.name("f")).unwrap();
    session.transfer(from, to).unwrap();
    session.remove(from).wait();
    assert_eq!(program.lookup("f").unwrap(), 7);
    session.remove(to);
    assert!(!session.is_quiescent(), "the pin is from before the transfer");
    drop(pin);
    session.quiesce();
    let other = session.create_dylib("other").unwrap();
    let foreign = session.create_tracker(other);
    let error = session.transfer(to, foreign).unwrap_err().to_string();
    assert_eq!(error, "a tracker of dylib `main` cannot be transferred to one of dylib `other`");
}

#[test]
fn a_superseded_unit_is_dropped_and_a_removed_winner_inherited() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let dropped = Arc::new(AtomicUsize::new(0));
    let weak = |tracker, address| {
        let definitions = vec![Definition::function(program.name("f")).weak()];
        let body: Body = Box::new(move |responsibility| settle(responsibility, address));
        let unit = Unit { definitions, body, dropped: Some(dropped.clone()) };
        session.define(dylib, tracker, Box::new(unit)).unwrap();
    };
    weak(None, 1);
    weak(None, 2);
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "the second has nothing to define");
    program.define(&["f"], |responsibility| settle(responsibility, 3));
    assert_eq!(dropped.load(Ordering::Relaxed), 2, "the strong one replaced the first");
    assert_eq!(program.lookup("f").unwrap(), 3);
    let again = Definition::function(program.name("f"));
    let error = session.define_addresses(dylib, None, &[(again, 4)]).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
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
fn a_generator_may_answer_from_another_thread() {
    let program = Program::new();
    let (sender, suspended) = mpsc::channel();
    program.session.add_async_generator(program.dylib, Arc::new(Elsewhere(Mutex::new(sender))));
    let generator = thread::spawn(move || {
        for suspended in suspended.iter().take(2) {
            let wanted: Vec<_> = suspended.wanted().required().collect();
            let names = suspended.session().names().text(wanted[0]);
            if names == "never" {
                drop(suspended);
                continue;
            }
            let definitions: Vec<_> = wanted.iter().map(|name| (Definition::data(*name), 9)).collect();
            suspended.session().define_addresses(suspended.dylib(), None, &definitions).unwrap();
            suspended.finish(Ok(()));
        }
    });
    assert_eq!(program.lookup("later").unwrap(), 9);
    assert_eq!(program.lookup("never").unwrap_err().to_string(), "elsewhere was given up without a reason");
    generator.join().unwrap();
}

#[test]
fn a_cleared_dylib_is_empty_and_a_removed_one_refuses() {
    let program = Program::new();
    let session = &program.session;
    program.define(&["f"], |responsibility| settle(responsibility, 1));
    program.lookup("f").unwrap();
    session.clear(program.dylib).wait();
    assert!(program.lookup("f").is_err());
    program.define(&["f"], |responsibility| settle(responsibility, 2));
    assert_eq!(program.lookup("f").unwrap(), 2);
    session.remove_dylib(program.dylib).wait();
    assert_eq!(session.dylib("main"), None);
    let f = Definition::function(program.name("f"));
    let error = session.define_addresses(program.dylib, None, &[(f, 1)]).unwrap_err().to_string();
    assert_eq!(error, "main has been removed");
    assert_ne!(session.create_dylib("main").unwrap(), program.dylib);
}

#[test]
fn an_ended_session_answers_everybody() {
    let program = Program::new();
    let (sender, receiver) = mpsc::channel();
    program.define(&["f"], move |responsibility| sender.send(responsibility).unwrap());
    let lookup = program.session.start(&Request::new(&program.order(), &[program.name("f")]));
    program.session.end();
    assert_eq!(lookup.wait().unwrap_err().to_string(), "the session has ended");
    assert_eq!(program.lookup("f").unwrap_err().to_string(), "the session has ended");
    // Whoever is still at work may finish.
    settle(receiver.recv().unwrap(), 1);
}

#[test]
fn weak_references_and_side_effects_have_no_address() {
    let program = Program::new();
    let (session, order) = (&program.session, program.order());
    let effects = program.name("effects");
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let body: Body = Box::new(move |responsibility| {
        counted.fetch_add(1, Ordering::Relaxed);
        responsibility.emit(&[]).unwrap();
    });
    let definitions = vec![Definition::side_effects(effects)];
    session.define(program.dylib, None, Box::new(Unit { definitions, body, dropped: None })).unwrap();
    let request = Request::new(&order, &[effects]).weak(program.name("nobody"));
    assert_eq!(session.start(&request).wait().unwrap(), [None, None]);
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}
