//! Link graphs that a compiler has made, as units of a session.

use crate::support::{Program, function};
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::graph::{SectionKind, SymbolKind};
use uruk_jitlink::x86_64::ABS64;

fn call(program: &Program, name: &str) -> i32 {
    let address = program.lookup(name).unwrap();
    // SAFETY: what is called is one of these functions.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(address as *const ()) };
    function()
}

#[test]
fn graphs_refer_to_each_other_and_are_linked_when_they_are_asked_for() {
    let program = Program::new();
    let graphs = [function("f", Some("g"), 1), function("g", Some("h"), 2), function("h", None, 4)];
    program.session.add_graphs(program.dylib, None, graphs).unwrap();
    assert_eq!((call(&program, "f"), call(&program, "h")), (7, 4));
    let twice = program.session.add_graphs(program.dylib, None, [function("f", None, 1)]).unwrap_err();
    assert!(twice.to_string().contains("`f`"), "{twice}");
}

#[test]
fn a_graph_that_refers_to_nothing_says_where() {
    let program = Program::new();
    program.session.add_graphs(program.dylib, None, [function("f", Some("absent"), 1)]).unwrap();
    let error = program.lookup("f").unwrap_err().to_string();
    assert_eq!(error, "symbol `absent`, which f(.text+0x2) refers to, is not defined (searched: main)");
}

#[test]
fn graphs_are_removed_with_their_tracker() {
    let program = Program::new();
    let tracker = program.session.create_tracker(program.dylib);
    program.session.add_graphs(program.dylib, Some(tracker), [function("f", None, 1)]).unwrap();
    assert_eq!(call(&program, "f"), 1);
    program.session.remove(tracker);
    assert!(program.lookup("f").is_err());
    program.session.add_graphs(program.dylib, None, [function("f", None, 2)]).unwrap();
    assert_eq!(call(&program, "f"), 2);
}

#[test]
fn graphs_hold_data_that_points_to_functions() {
    let program = Program::new();
    let mut graph = function("f", None, 3);
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(".data", SectionKind::Data).unwrap();
    let table = editor.add_block(section, &[0; 8], 8).unwrap();
    let f = editor.find_symbol(b"f").unwrap();
    editor.add_symbol(NewSymbol::global("table", table, 0).kind(SymbolKind::Object).size(8)).unwrap();
    editor.add_edge(table, 0, ABS64, f, 0).unwrap();
    drop(editor);
    program.session.add_graphs(program.dylib, None, [graph]).unwrap();
    let table = program.lookup("table").unwrap() as *const u64;
    // SAFETY: the table has one entry.
    assert_eq!(unsafe { *table }, program.lookup("f").unwrap());
}
