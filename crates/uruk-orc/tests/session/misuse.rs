//! What clients do wrong: definitions that collide, generators that lie, panic or look for themselves, code of clients that
//! panics, waits that cannot end. Each is an error, and the session goes on.

use crate::support::{Body, Nowhere, Program, Unit, compile_all, settle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use uruk_jitlink::input::Input;
use uruk_orc::dispatch::{Dispatcher, Priority, Runnable};
use uruk_orc::error::Error;
use uruk_orc::generator::{AsyncGenerator, DefinitionGenerator, Wanted};
use uruk_orc::session::{Request, Session, Suspended};
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, SearchEntry};

#[test]
fn definitions_that_are_refused_leave_the_others_as_they_were() {
    let program = Program::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let [f, g, taken] = ["f", "g", "taken"].map(|name| program.name(name));
    let weak = [f, g].map(|name| Definition::function(name).weak()).to_vec();
    let body: Body = Box::new(|responsibility| settle(responsibility, 1));
    let unit = Unit { definitions: weak, body, dropped: Some(dropped.clone()) };
    program.session.define(program.dylib, None, Box::new(unit)).unwrap();
    program.define(&["taken"], |responsibility| settle(responsibility, 2));
    let strong = [f, g, taken].map(Definition::function);
    let refused = Arc::new(AtomicUsize::new(0));
    let body: Body = Box::new(|responsibility| settle(responsibility, 3));
    let unit = Unit { definitions: strong.to_vec(), body, dropped: Some(refused.clone()) };
    let error = program.session.define(program.dylib, None, Box::new(unit)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { ref symbol, .. } if symbol == "taken"), "{error}");
    let error = program.session.define_addresses(program.dylib, None, &strong.map(|it| (it, 4))).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    assert_eq!((dropped.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(["f", "g", "taken"].map(|name| program.lookup(name).unwrap()), [1, 1, 2]);
}

#[test]
fn promises_made_later_may_collide_too() {
    let program = Program::new();
    let [first, taken] = ["first", "taken"].map(|name| Definition::function(program.name(name)));
    program.define(&["taken"], |responsibility| settle(responsibility, 2));
    program.define(&["f"], move |responsibility| {
        let error = responsibility.define(&[first, taken]).unwrap_err();
        assert!(matches!(error, Error::Duplicate { .. }), "{error}");
        assert_eq!(responsibility.owed().len(), 1);
        settle(responsibility, 1);
    });
    assert_eq!(program.lookup("f").unwrap(), 1);
    assert!(matches!(program.lookup("first").unwrap_err(), Error::Missing { .. }));
}

#[test]
fn objects_for_other_processors_are_refused() {
    let program = Program::new();
    let bytes = include_bytes!("../../../../fuzz/corpus/elf_reader/riscv64_align.o");
    let input = Input::from_bytes("a.o", bytes.to_vec());
    let error = program.session.add_objects(program.dylib, None, &[input]).unwrap_err().to_string();
    let hint = "compile it for the session's target, or link it with an executor of its own";
    assert_eq!(error, format!("a.o: ELF riscv64 code, which x86-64 does not run; {hint}"));
    assert!(matches!(program.lookup("f").unwrap_err(), Error::Missing { .. }));
}

/// A generator that does what a function says.
struct Says(fn(&Session, DylibId, Wanted<'_>) -> Result<(), Error>, fn() -> String);

impl DefinitionGenerator for Says {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        (self.0)(session, dylib, wanted)
    }

    fn name(&self) -> String {
        (self.1)()
    }
}

struct SaysLater(fn(Suspended));

impl AsyncGenerator for SaysLater {
    fn generate(&self, suspended: Suspended) {
        (self.0)(suspended);
    }

    fn name(&self) -> String {
        panic!("no name either")
    }
}

/// What a look-up is told if the dylib has this generator; another name can be defined and found afterwards.
fn told(generator: Says) -> String {
    let program = Program::new();
    program.session.add_generator(program.dylib, Arc::new(generator));
    let error = program.lookup("absent").unwrap_err().to_string();
    program.define(&["f"], |responsibility| settle(responsibility, 1));
    assert_eq!(program.lookup("f").unwrap(), 1);
    error
}

#[test]
fn generators_that_lie_or_panic_fail_the_look_up_only() {
    let name = || "a liar".to_string();
    assert_eq!(told(Says(|_, _, _| Ok(()), name)), "symbol `absent` is not defined (searched: main)");
    assert_eq!(told(Says(|_, _, _| panic!("on purpose"), name)), "a liar panicked");
    assert_eq!(told(Says(|_, _, _| panic!("on purpose"), || panic!("again"))), "a generator panicked");
    let itself = |session: &Session, dylib: DylibId, _: Wanted<'_>| {
        session.lookup(&session.search_order(dylib), &["absent"]).map(drop)
    };
    assert_eq!(told(Says(itself, name)), "a liar asks for something that it is asked for itself");
    type Case = (fn(Suspended), &'static str);
    let later: [Case; 3] = [
        (|suspended| suspended.finish(Ok(())), "symbol `absent` is not defined (searched: main)"),
        (drop, "a generator was given up without a reason"),
        (|_| panic!("on purpose"), "a generator panicked"),
    ];
    for (generate, expected) in later {
        let program = Program::new();
        program.session.add_async_generator(program.dylib, Arc::new(SaysLater(generate)));
        assert_eq!(program.lookup("absent").unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_generator_may_look_up_other_names() {
    let program = Program::new();
    let generate = |session: &Session, dylib: DylibId, wanted: Wanted<'_>| {
        let own = [SearchEntry { dylib, all_symbols: true }];
        let address = session.lookup(&own, &["known"])?[0];
        let definitions: Vec<_> = wanted.names.iter().map(|(name, _)| (Definition::data(*name), address + 1)).collect();
        session.define_addresses(dylib, None, &definitions).map(drop)
    };
    program.session.add_generator(program.dylib, Arc::new(Says(generate, String::new)));
    program.define(&["known"], |responsibility| settle(responsibility, 1));
    assert_eq!(program.lookup("derived").unwrap(), 2);
}

#[test]
fn callbacks_may_panic_and_look_things_up() {
    let program = Program::new();
    program.define(&["f", "g"], |responsibility| settle(responsibility, 1));
    let (session, order) = (program.session.clone(), program.order());
    let request = Request::new(&order, &[program.name("f")]);
    session.start_with(&request, |_| panic!("on purpose"));
    let (told, answers) = mpsc::channel();
    let (inner, names) = (session.clone(), order.clone());
    session.start_with(&request, move |_| told.send(inner.lookup(&names, &["g"])).unwrap());
    assert_eq!(answers.recv().unwrap().unwrap(), [1]);
    let reports: Vec<String> = session.take_reports().iter().map(Error::to_string).collect();
    assert_eq!(reports, ["a look-up's callback panicked"]);
}

#[test]
fn a_panic_while_linking_fails_what_was_claimed() {
    let session = Session::new(Arc::new(Nowhere::default()), Some(1));
    let dylib = session.create_dylib("main").unwrap();
    let source = |name: &str, body: &str| (format!("{name}.c"), body.to_string());
    // The second is claimed on the way.
    let objects = compile_all(&[
        source("f", "int g(void); int f(void) { return g(); }"),
        source("g", "int g(void) { return 1; }"),
    ]);
    session.add_objects(dylib, None, &objects).unwrap();
    for name in ["f", "g"] {
        let error = session.lookup(&session.search_order(dylib), &[name]).unwrap_err().to_string();
        assert_eq!(error, "the linker panicked");
    }
    session.clear(dylib).wait();
    assert_eq!(session.population().units, 0);
}

/// Runs each task at once, on top of whatever the thread does.
struct OnTop;

impl Dispatcher for OnTop {
    fn dispatch(&self, task: Runnable) {
        task.run();
    }
}

#[test]
fn a_task_on_top_cannot_wait_for_one_beneath() {
    let program = Program::new();
    program.session.set_dispatcher(Arc::new(OnTop));
    let order = program.order();
    let (told, answers) = mpsc::channel();
    let b = program.name("b");
    program.define(&["a"], {
        let order = order.clone();
        move |responsibility| {
            // `b` runs here, and waits for `a`, which goes on only then.
            let b = responsibility.session().start(&Request::new(&order, &[b]));
            settle(responsibility, 1);
            told.send(b.wait()).unwrap();
        }
    });
    program.define(&["b"], move |responsibility| match responsibility.session().clone().lookup(&order, &["a"]) {
        Ok(_) => settle(responsibility, 2),
        Err(error) => responsibility.fail(error),
    });
    assert_eq!(program.lookup("a").unwrap(), 1);
    assert!(matches!(answers.recv().unwrap(), Err(Error::Deadlock { .. })));
}

#[test]
fn a_unit_may_look_things_up_in_another_session() {
    let (outer, inner) = (Program::new(), Program::new());
    inner.define(&["f"], |responsibility| settle(responsibility, 1));
    let (session, order) = (inner.session.clone(), inner.order());
    outer.define(&["f"], move |responsibility| {
        let address = session.lookup(&order, &["f"]).unwrap()[0];
        settle(responsibility, address + 1);
    });
    assert_eq!(outer.lookup("f").unwrap(), 2);
}

/// Leaves each look-up to a task of the session.
struct Spawns;

impl AsyncGenerator for Spawns {
    fn generate(&self, suspended: Suspended) {
        suspended.session().spawn(Priority::Normal, move |session| {
            let definitions: Vec<_> =
                suspended.wanted().names.iter().map(|(name, _)| (Definition::data(*name), 5)).collect();
            session.define_addresses(suspended.dylib(), None, &definitions).unwrap();
            suspended.finish(Ok(()));
        });
    }

    fn name(&self) -> String {
        "one that spawns".into()
    }
}

#[test]
fn a_task_in_place_may_wait_for_one_behind_it() {
    let program = Program::new();
    program.session.add_async_generator(program.dylib, Arc::new(Spawns));
    let order = program.order();
    program.define(&["f"], move |responsibility| {
        let address = responsibility.session().clone().lookup(&order, &["later"]).unwrap()[0];
        settle(responsibility, address);
    });
    assert_eq!(program.lookup("f").unwrap(), 5);
}
