//! Removal, the end of a session, and its disappearance while work is under way.

use crate::support::{Body, OnDrop, Program, Unit, compile_all, settle};
use std::sync::{Arc, mpsc};
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_orc::dispatch::{Dispatcher, Runnable, ThreadPool};
use uruk_orc::error::Error;
use uruk_orc::session::{Request, Session};
use uruk_orc::unit::Definition;

#[test]
fn an_answer_has_nothing_that_was_removed_meanwhile() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let [f, g] = ["f", "g"].map(|name| program.name(name));
    let tracker = session.create_tracker(dylib);
    let removed = Definition::function(f);
    session.define_addresses(dylib, Some(tracker), &[(removed, 1)]).unwrap();
    // The weak one inherits the name, but nobody has asked for it.
    let body: Body = Box::new(|responsibility| settle(responsibility, 3));
    let unit = Unit { definitions: vec![removed.weak(), Definition::function(program.name("h"))], body, dropped: None };
    let (sender, receiver) = mpsc::channel();
    program.define(&["g"], move |responsibility| sender.send(responsibility).unwrap());
    session.define(dylib, None, Box::new(unit)).unwrap();
    let lookup = session.start(&Request::new(&program.order(), &[f, g]));
    session.remove(tracker);
    settle(receiver.recv().unwrap(), 2);
    assert!(matches!(lookup.wait(), Err(Error::Removed { .. })));
    assert_eq!(session.lookup(&program.order(), &["f", "g"]).unwrap(), [3, 2]);
}

#[test]
fn a_need_that_was_met_stays_met() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let tracker = session.create_tracker(dylib);
    let [early, late] = ["early", "late"].map(|name| program.name(name));
    let body: Body = Box::new(|responsibility| settle(responsibility, 1));
    let definitions = vec![Definition::function(early)];
    session.define(dylib, Some(tracker), Box::new(Unit { definitions, body, dropped: None })).unwrap();
    let (sender, receiver) = mpsc::channel();
    program.define(&["late"], move |responsibility| sender.send(responsibility).unwrap());
    program.define(&["f"], move |responsibility| {
        responsibility.resolve(&[(responsibility.owed()[0], 5)]).unwrap();
        responsibility.emit(&[(dylib, early), (dylib, late)]).unwrap();
    });
    let lookup = session.start(&Request::new(&program.order(), &[program.name("f")]));
    session.lookup(&program.order(), &["early"]).unwrap();
    session.remove(tracker);
    // The name is another's now, which `f` does not need.
    program.define(&["early"], drop);
    settle(receiver.recv().unwrap(), 2);
    assert_eq!(lookup.wait().unwrap(), [Some(5)]);
}

#[test]
fn a_need_that_was_met_stays_met_when_it_is_forced_out() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let tracker = session.create_tracker(dylib);
    let [early, late, f] = ["early", "late", "f"].map(|name| program.name(name));
    let body: Body = Box::new(|responsibility| settle(responsibility, 1));
    let definitions = vec![Definition::function(early)];
    session.define(dylib, Some(tracker), Box::new(Unit { definitions, body, dropped: None })).unwrap();
    let (sender, receiver) = mpsc::channel();
    program.define(&["late"], move |responsibility| sender.send(responsibility).unwrap());
    program.define(&["f"], move |responsibility| {
        responsibility.resolve(&[(f, 5)]).unwrap();
        responsibility.emit(&[(dylib, early), (dylib, late)]).unwrap();
    });
    drop(session.start(&Request::new(&program.order(), &[f])));
    program.lookup("early").unwrap();
    let units = session.population().unit_slots;
    session.remove_forced(tracker);
    // Nobody is active, so this has the id of what was removed. It is never ready.
    program.define(&["another"], drop);
    assert_eq!(session.population().unit_slots, units);
    settle(receiver.recv().unwrap(), 2);
    assert_eq!(session.pin(&program.order(), f).map(|pin| pin.address()), Some(5));
}

#[test]
fn a_session_that_goes_while_a_pool_works_gives_everything_back() {
    let executor = Arc::new(InProcess::new(Options::default()));
    let session = Session::new(executor.clone(), Some(1));
    session.set_dispatcher(Arc::new(ThreadPool::new(2)));
    let dylib = session.create_dylib("main").unwrap();
    let object = compile_all(&[("g.c".into(), "int room[50]; int g(void) { return room[3]; }".into())]);
    session.add_objects(dylib, None, &object).unwrap();
    let [f, never] = ["f", "never"].map(|name| session.names().intern(name.as_bytes()));
    let (entered, at_work) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (gone, is_gone) = mpsc::channel();
    let body: Body = Box::new(move |responsibility| {
        responsibility.keep(OnDrop(Some(move || gone.send(()).unwrap()))).unwrap();
        entered.send(()).unwrap();
        may_go.recv().unwrap();
        settle(responsibility, 1);
    });
    let define = |name, body| {
        let definitions = vec![Definition::function(name)];
        session.define(dylib, None, Box::new(Unit { definitions, body, dropped: None })).unwrap();
    };
    define(f, body);
    define(never, Box::new(|_| ()));
    let order = session.search_order(dylib);
    session.lookup(&order, &["g"]).unwrap();
    let (told, answers) = mpsc::channel();
    session.start_with(&Request::new(&order, &[f]), move |answer| told.send(answer).unwrap());
    at_work.recv().unwrap();
    drop(session);
    go.send(()).unwrap();
    assert_eq!(answers.recv().unwrap().unwrap(), [Some(1)]);
    is_gone.recv().unwrap();
    // The executor is given back last.
    while Arc::strong_count(&executor) != 1 {
        std::thread::yield_now();
    }
    assert_eq!(executor.memory().statistics().live, [0; 3]);
}

/// Loses every task.
struct Loses;

impl Dispatcher for Loses {
    fn dispatch(&self, _: Runnable) {}
}

#[test]
fn a_session_that_goes_answers_whoever_still_asks() {
    let program = Program::new();
    program.session.set_dispatcher(Arc::new(Loses));
    program.define(&["f", "g"], |responsibility| settle(responsibility, 1));
    let (told, answers) = mpsc::channel();
    let request = Request::new(&program.order(), &[program.name("f")]);
    program.session.start_with(&request, move |answer| told.send(answer).unwrap());
    assert!(answers.try_recv().is_err());
    drop(program);
    assert!(matches!(answers.recv().unwrap(), Err(Error::Ended)));
}

#[test]
fn a_lost_task_is_run_by_whoever_waits_for_it() {
    let program = Program::new();
    program.session.set_dispatcher(Arc::new(Loses));
    program.define(&["f"], |responsibility| settle(responsibility, 1));
    assert_eq!(program.lookup("f").unwrap(), 1);
}
