//! What generators are asked for, and what is found by address.

use crate::support::{Body, Program, Unit, compile_all, settle};
use std::sync::{Arc, Mutex};
use uruk_orc::DylibId;
use uruk_orc::error::Error;
use uruk_orc::generator::{AsyncGenerator, DefinitionGenerator, Wanted};
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Session, Suspended};
use uruk_orc::unit::Definition;

/// Defines one name, and notes what it is asked for.
struct Defines(&'static str, Arc<Mutex<Vec<String>>>);

impl Defines {
    fn answer(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) {
        let names: Vec<String> = wanted.names.iter().map(|(name, _)| session.names().text(*name)).collect();
        self.1.lock().unwrap().push(names.join(" "));
        let own = Definition::data(session.names().intern(self.0.as_bytes()));
        session.define_addresses(dylib, None, &[(own, 1)]).unwrap();
    }
}

impl DefinitionGenerator for Defines {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        self.answer(session, dylib, wanted);
        Ok(())
    }

    fn name(&self) -> String {
        self.0.into()
    }
}

impl AsyncGenerator for Defines {
    fn generate(&self, suspended: Suspended) {
        self.answer(&suspended.session(), suspended.dylib(), suspended.wanted());
        suspended.finish(Ok(()));
    }

    fn name(&self) -> String {
        self.0.into()
    }
}

#[test]
fn each_generator_is_asked_for_what_those_before_it_have_not_defined() {
    let program = Program::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let defines = |name| Arc::new(Defines(name, asked.clone()));
    program.session.add_generator(program.dylib, defines("a"));
    program.session.add_async_generator(program.dylib, defines("b"));
    program.session.add_generator(program.dylib, defines("c"));
    program.session.add_generator(program.dylib, defines("d"));
    assert_eq!(program.session.lookup(&program.order(), &["c", "b", "a"]).unwrap(), [1, 1, 1]);
    // Nothing is missing any more when it is the last one's turn.
    assert_eq!(*asked.lock().unwrap(), ["c b a", "c b", "c"]);
}

#[test]
fn an_address_leads_to_its_dylib_for_as_long_as_its_memory_is_there() {
    let program = Program::new();
    let Program { session, dylib, .. } = &program;
    let source = |name: &str| (format!("{name}.c"), format!("int {name}_room[9]; int {name}(void) {{ return 1; }}"));
    let objects = compile_all(&[source("f"), source("g")]);
    let trackers = [(); 2].map(|()| session.create_tracker(*dylib));
    session.add_objects(*dylib, Some(trackers[0]), &objects[..1]).unwrap();
    let f = program.lookup("f").unwrap();
    let described = |address: u64| session.describe(address).map(|it| it.symbol.unwrap());
    assert_eq!(described(f + 1), Some((b"f".to_vec(), f)));
    // From here on the session keeps an index.
    let other = session.create_dylib("other").unwrap();
    session.add_objects(other, None, &objects[1..]).unwrap();
    let g = session.lookup(&session.search_order(other), &["g"]).unwrap()[0];
    let keeps = |responsibility: Responsibility| {
        responsibility.keep_memory((), vec![0x1000..0x2000, 0x3000..0x4000]).unwrap();
        settle(responsibility, 0x1000);
    };
    let body: Body = Box::new(keeps);
    let unit = Unit { definitions: vec![Definition::function(program.name("own"))], body, dropped: None };
    session.define(*dylib, Some(trackers[1]), Box::new(unit)).unwrap();
    program.lookup("own").unwrap();
    assert_eq!(described(g), Some((b"g".to_vec(), g)));
    let homes = |addresses: &[u64]| addresses.iter().map(|at| session.dylib_containing(*at)).collect::<Vec<_>>();
    let addresses = [f, g, 0xfff, 0x1000, 0x1fff, 0x2000, 0x3fff];
    let (main, other) = (Some(*dylib), Some(other));
    assert_eq!(homes(&addresses), [main, other, None, main, main, None, main]);
    trackers.into_iter().for_each(|tracker| drop(session.remove(tracker)));
    assert_eq!(homes(&addresses), [None, other, None, None, None, None, None]);
}
