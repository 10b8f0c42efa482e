//! Other names for definitions: aliases, re-exports, and libraries of which some names are offered.

use crate::support::{Body, Program, Unit, settle};
use std::sync::Arc;
use uruk_orc::SearchEntry;
use uruk_orc::error::Error;
use uruk_orc::generator::LibrarySymbols;
use uruk_orc::reexports::{Aliases, Filtered, Reexports};
use uruk_orc::session::Request;
use uruk_orc::unit::Definition;

fn alias(program: &Program, aliases: &[(&str, &str)]) {
    let names = |(alias, target): &(&str, &str)| (Definition::function(program.name(alias)), program.name(target));
    let unit = Aliases::new(program.dylib, aliases.iter().map(names).collect());
    program.session.define(program.dylib, None, Box::new(unit)).unwrap();
}

#[test]
fn an_alias_is_its_target_and_fails_with_it() {
    let program = Program::new();
    program.define(&["f"], |responsibility| settle(responsibility, 7));
    program.define(&["bad"], drop);
    program.define(&["unused"], |_| panic!("nobody asks for the alias of this"));
    alias(&program, &[("one", "f"), ("other", "unused"), ("worse", "bad")]);
    alias(&program, &[("two", "one")]);
    assert_eq!(program.lookup("two").unwrap(), 7);
    assert_eq!(program.lookup("worse").unwrap_err().to_string(), "unit was given up without a reason");
    alias(&program, &[("lost", "nowhere")]);
    assert!(matches!(program.lookup("lost"), Err(Error::Missing { .. })));
}

#[test]
fn aliases_in_a_circle_are_an_error() {
    let program = Program::new();
    alias(&program, &[("a", "b")]);
    alias(&program, &[("b", "c")]);
    alias(&program, &[("c", "a")]);
    alias(&program, &[("own", "own")]);
    for name in ["a", "b", "c", "own"] {
        let error = program.lookup(name).unwrap_err().to_string();
        assert!(error.contains("waits for something that waits for aliases"), "{name}: {error}");
    }
}

#[test]
fn an_alias_is_ready_when_its_target_is() {
    let program = Program::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    program.define(&["f"], move |responsibility| {
        responsibility.resolve(&[(responsibility.owed()[0], 3)]).unwrap();
        sender.send(responsibility).unwrap();
    });
    alias(&program, &[("g", "f")]);
    let g = [program.name("g")];
    let ready = program.session.start(&Request::new(&program.order(), &g));
    let resolved = program.session.start(&Request::new(&program.order(), &g).resolved());
    assert_eq!(resolved.wait().unwrap(), [Some(3)]);
    let (told, answers) = std::sync::mpsc::channel();
    program.session.start_with(&Request::new(&program.order(), &g), move |answer| told.send(answer).unwrap());
    assert!(answers.try_recv().is_err());
    receiver.recv().unwrap().emit(&[]).unwrap();
    assert_eq!(ready.wait().unwrap(), [Some(3)]);
    assert_eq!(answers.recv().unwrap().unwrap(), [Some(3)]);
}

#[test]
fn a_dylib_offers_what_another_one_shows() {
    let program = Program::new();
    let session = &program.session;
    let source = session.create_dylib("source").unwrap();
    let shown = Definition::function(program.name("shown"));
    let hidden = Definition::function(program.name("hidden")).hidden();
    let body: Body = Box::new(|responsibility| settle(responsibility, 5));
    session.define(source, None, Box::new(Unit { definitions: vec![shown, hidden], body, dropped: None })).unwrap();
    session.add_generator(program.dylib, Arc::new(Reexports::new(source)));
    assert_eq!(program.lookup("shown").unwrap(), 5);
    assert!(matches!(program.lookup("hidden"), Err(Error::Missing { .. })));
    // Linked against, hidden symbols match if the entry says so.
    let entry = |all_symbols| [SearchEntry { dylib: source, all_symbols }];
    assert!(session.lookup(&entry(false), &["hidden"]).is_err());
    assert_eq!(session.lookup(&entry(true), &["hidden"]).unwrap(), [5]);
}

#[test]
fn a_library_can_be_offered_in_part() {
    let program = Program::new();
    let library = LibrarySymbols::load(&program.session, "libm.so.6").unwrap();
    let filtered = Filtered::new(library, |name| name.starts_with(b"cos"));
    program.session.add_generator(program.dylib, Arc::new(filtered));
    let cos = program.lookup("cos").unwrap();
    // SAFETY: that is how the C library declares it.
    let cos: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(cos as *const ()) };
    assert_eq!(cos(0.0), 1.0);
    assert!(matches!(program.lookup("sin"), Err(Error::Missing { .. })));
    assert!(LibrarySymbols::load(&program.session, "libnothing.so.0").is_err());
}
