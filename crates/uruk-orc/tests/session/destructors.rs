//! Foreign destructors: they run without any lock of the session, and may use it, or panic.

use crate::support::{Body, OnDrop, Program, Unit, settle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use uruk_orc::error::Error;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Request, Session};
use uruk_orc::unit::{Definition, MaterializationUnit};
use uruk_orc::{DylibId, SearchEntry, TrackerId};

/// A unit whose destructor looks something up.
struct Asks {
    session: Session,
    order: Vec<SearchEntry>,
    definitions: Vec<Definition>,
    found: Arc<AtomicUsize>,
}

impl MaterializationUnit for Asks {
    fn name(&self) -> String {
        "asking unit".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.definitions.clone()
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        settle(responsibility, 9);
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        let found = self.session.lookup(&self.order, &["known"]).is_ok();
        self.found.fetch_add(usize::from(found), Ordering::Relaxed);
    }
}

struct Yard {
    program: Program,
    /// A dylib of the known name only.
    order: Vec<SearchEntry>,
    found: Arc<AtomicUsize>,
}

impl Yard {
    fn new() -> Yard {
        let program = Program::new();
        let library = program.session.create_dylib("library").unwrap();
        let known = Definition::data(program.name("known"));
        program.session.define_addresses(library, None, &[(known, 1)]).unwrap();
        let order = program.session.search_order(library);
        Yard { program, order, found: Arc::default() }
    }

    fn unit(&self, definitions: Vec<Definition>) -> Box<Asks> {
        let (session, order, found) = (self.program.session.clone(), self.order.clone(), self.found.clone());
        Box::new(Asks { session, order, definitions, found })
    }

    fn define(&self, dylib: DylibId, tracker: Option<TrackerId>, name: &str) -> Result<(), Error> {
        self.program.session.define(dylib, tracker, self.unit(vec![Definition::function(self.program.name(name))]))
    }

    fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }
}

#[test]
fn units_that_are_not_taken_may_use_the_session() {
    let yard = Yard::new();
    let Yard { program, .. } = &yard;
    let session = &program.session;
    yard.define(program.dylib, None, "f").unwrap();
    yard.define(program.dylib, None, "f").unwrap_err();
    assert_eq!(yard.found(), 1, "a duplicate");
    let gone = session.create_dylib("gone").unwrap();
    let foreign = session.default_tracker(gone);
    yard.define(program.dylib, Some(foreign), "g").unwrap_err();
    assert_eq!(yard.found(), 2, "a tracker of another dylib");
    session.remove_dylib(gone).wait();
    yard.define(gone, None, "f").unwrap_err();
    assert_eq!(yard.found(), 3, "a dylib that is gone");
    session.clear(program.dylib).wait();
    assert_eq!(yard.found(), 4, "removed before it was asked for");
    yard.define(program.dylib, None, "f").unwrap();
    session.end();
    yard.define(program.dylib, None, "g").unwrap_err();
    assert_eq!(yard.found(), 5, "an ended session, where what is ready is still found");
}

#[test]
fn what_a_removed_unit_wants_to_keep_or_give_back_is_dropped() {
    let yard = Yard::new();
    let Yard { program, order, .. } = &yard;
    let (sender, receiver) = mpsc::channel();
    program.define(&["f"], move |responsibility| sender.send(responsibility).unwrap());
    let lookup = program.session.start(&Request::new(&program.order(), &[program.name("f")]));
    let responsibility = receiver.recv().unwrap();
    program.session.clear(program.dylib).wait();
    assert!(matches!(lookup.wait(), Err(Error::Removed { .. })));
    let f = Definition::function(program.name("f"));
    responsibility.replace(yard.unit(vec![f])).unwrap_err();
    assert_eq!(yard.found(), 1);
    let (session, order) = (program.session.clone(), order.clone());
    let (told, dropped) = mpsc::channel();
    let ask = move || told.send(session.lookup(&order, &["known"]).is_ok()).unwrap();
    responsibility.keep(OnDrop(Some(ask))).unwrap_err();
    assert!(dropped.recv().unwrap());
    assert!(responsibility.define(&[f]).is_err() && responsibility.delegate(&[]).is_err());
    assert!(responsibility.emit(&[]).is_err());
    assert_eq!(program.session.population().units, 1, "the library's");
}

#[test]
fn a_destructor_that_panics_keeps_nothing_else_from_going() {
    let program = Program::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    for number in 0..4 {
        let dropped = dropped.clone();
        program.define(&[&format!("f{number}")], move |responsibility| {
            let drop = move || {
                dropped.fetch_add(1, Ordering::Relaxed);
                assert_ne!(number % 2, 0, "on purpose");
            };
            responsibility.keep(OnDrop(Some(drop))).unwrap();
            settle(responsibility, number);
        });
        program.lookup(&format!("f{number}")).unwrap();
    }
    program.session.clear(program.dylib).wait();
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
    assert_eq!(program.session.take_reports().len(), 2);
    program.define(&["f0"], |responsibility| settle(responsibility, 7));
    assert_eq!(program.lookup("f0").unwrap(), 7);
}

#[test]
fn a_removal_is_over_when_destructors_are() {
    let program = Program::new();
    let (session, dylib) = (&program.session, program.dylib);
    let tracker = session.create_tracker(dylib);
    let (entered, in_destructor) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let slow = OnDrop(Some(move || {
        entered.send(()).unwrap();
        may_go.recv().unwrap();
    }));
    let slow = std::sync::Mutex::new(slow);
    let body: Body = Box::new(|responsibility| {
        responsibility.keep(slow).unwrap();
        settle(responsibility, 1);
    });
    let definitions = vec![Definition::function(program.name("f"))];
    session.define(dylib, Some(tracker), Box::new(Unit { definitions, body, dropped: None })).unwrap();
    program.lookup("f").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| session.remove(tracker));
        in_destructor.recv().unwrap();
        assert!(!session.is_quiescent());
        go.send(()).unwrap();
        session.quiesce();
    });
}
