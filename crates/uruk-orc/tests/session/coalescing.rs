//! Weak definitions that several dylibs have.

use crate::support::{Program, compile_all};

use uruk_orc::error::Error;
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, SearchEntry, TrackerId};

/// A main dylib and a library with one weak definition each, and the trackers of these.
fn sharing() -> (Program, DylibId, [TrackerId; 2]) {
    let program = Program::new();
    let Program { session, dylib: main, .. } = &program;
    let library = session.create_dylib("library").unwrap();
    session.set_root(*main);
    let mut order = program.order();
    order.push(SearchEntry { dylib: library, all_symbols: false });
    session.set_search_order(*main, order);
    let objects = compile_all(&[
        ("main.c".into(), "__attribute__((weak)) int shared = 1;".into()),
        ("library.c".into(), "__attribute__((weak)) int shared = 2; int *get(void) { return &shared; }".into()),
    ]);
    let trackers = [*main, library].map(|dylib| session.create_tracker(dylib));
    session.add_objects(*main, Some(trackers[0]), &objects[..1]).unwrap();
    session.add_objects(library, Some(trackers[1]), &objects[1..]).unwrap();
    let shared = program.lookup("shared").unwrap();
    session.lookup(&session.search_order(library), &["get"]).unwrap();
    assert_eq!(session.lookup(&session.search_order(library), &["shared"]).unwrap(), [shared]);
    (program, library, trackers)
}

/// As many new symbols as take the place of all that were removed.
fn others(program: &Program) -> Vec<(Definition, u64)> {
    (0..100).map(|number| (Definition::data(program.name(&format!("other_{number}"))), 7)).collect()
}

#[test]
fn a_weak_definition_is_one_for_all_until_the_first_is_removed() {
    let (program, library, [tracker, _]) = sharing();
    let Program { session, dylib: main, .. } = &program;
    let shared = program.lookup("shared").unwrap();
    let in_library = || session.lookup(&session.search_order(library), &["shared"]);
    session.remove(tracker);
    assert!(matches!(in_library(), Err(Error::Missing { .. })));
    // Nor does the library take what has the removed symbol's place for it.
    session.define_addresses(*main, None, &others(&program)).unwrap();
    assert!(matches!(in_library(), Err(Error::Missing { .. })));
    // The library's code still uses it.
    assert_eq!(session.dylib_containing(shared), Some(*main));
    session.clear(library);
    session.quiesce();
    assert_eq!(session.dylib_containing(shared), None);
}

#[test]
fn a_definition_whose_sharer_went_takes_nobody_else_with_it() {
    let (program, library, [tracker, sharer]) = sharing();
    let session = &program.session;
    session.remove(sharer).wait();
    let others = others(&program);
    session.define_addresses(library, None, &others).unwrap();
    session.remove(tracker).wait();
    for (other, address) in others {
        assert_eq!(session.address(&session.search_order(library), other.name).unwrap(), address);
    }
}
