//! Weak definitions that several dylibs have.

use crate::support::{Program, compile_all};
use uruk_orc::SearchEntry;
use uruk_orc::error::Error;
use uruk_orc::unit::Definition;

#[test]
fn a_weak_definition_is_one_for_all_until_the_first_is_removed() {
    let program = Program::new();
    let Program { session, dylib: main, .. } = &program;
    let library = session.create_dylib("library").unwrap();
    session.set_root(*main);
    let mut order = program.order();
    order.push(SearchEntry { dylib: library, all_symbols: false });
    session.set_search_order(*main, order.clone());
    let objects = compile_all(&[
        ("main.c".into(), "__attribute__((weak)) int shared = 1;".into()),
        ("library.c".into(), "__attribute__((weak)) int shared = 2; int *get(void) { return &shared; }".into()),
    ]);
    let tracker = session.create_tracker(*main);
    session.add_objects(*main, Some(tracker), &objects[..1]).unwrap();
    session.add_objects(library, None, &objects[1..]).unwrap();
    let in_library = |name: &str| Ok::<_, Error>(session.lookup(&session.search_order(library), &[name])?[0]);
    let shared = program.lookup("shared").unwrap();
    in_library("get").unwrap();
    assert_eq!(in_library("shared").unwrap(), shared);
    session.remove(tracker);
    assert!(matches!(in_library("shared"), Err(Error::Missing { .. })));
    // Nor does the library take what has the removed symbol's place for it.
    let others = (0..100).map(|number| (Definition::data(program.name(&format!("other_{number}"))), 7));
    session.define_addresses(*main, None, &others.collect::<Vec<_>>()).unwrap();
    assert!(matches!(in_library("shared"), Err(Error::Missing { .. })));
    // The library's own goes with its code only, which still uses the other.
    assert_eq!(session.dylib_containing(shared), Some(*main));
    session.clear(library);
    session.quiesce();
    assert_eq!(session.dylib_containing(shared), None);
}
