//! Plugins: what they add, change and drop takes part in the link, and what they are shown is true.

mod edits;
mod phases;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use support::compile;
use uruk::Jit;
use uruk::plugin::*;

type Number = extern "C" fn(c_int) -> c_int;

/// A JIT with one plugin.
fn jit(plugin: impl Plugin + 'static) -> Jit {
    Jit::builder().plugin(Arc::new(plugin)).build().unwrap()
}

fn call(jit: &Jit, name: &str, argument: c_int) -> c_int {
    // SAFETY: all functions that these tests call so are declared so.
    unsafe { jit.main().function::<Number>(name).unwrap()(argument) }
}

fn word(address: u64) -> u64 {
    // SAFETY: the address of eight readable bytes of linked data, by the tests' own sources and plugins.
    unsafe { (address as *const u64).read_volatile() }
}

/// A plugin whose one phase is a closure.
struct Before<F>(F);

impl<F: Fn(&Context, &mut Editor<'_>) -> PassResult + Send + Sync> Plugin for Before<F> {
    fn name(&self) -> &str {
        "before"
    }

    fn pre_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        self.0(context, graph)
    }
}

/// The same after pruning.
struct After<F>(F);

impl<F: Fn(&Context, &mut Editor<'_>) -> PassResult + Send + Sync> Plugin for After<F> {
    fn post_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        self.0(context, graph)
    }
}

/// Counts how often each global function is entered.
#[derive(Default)]
struct CountEntries {
    counters: Mutex<HashMap<String, u64>>,
    removed: AtomicUsize,
}

impl CountEntries {
    fn count(&self, function: &str) -> Option<u64> {
        self.counters.lock().unwrap().get(function).map(|address| word(*address))
    }
}

impl Plugin for CountEntries {
    fn post_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
        let functions = graph.globals().map(|(id, _)| id);
        let functions: Vec<SymbolId> = functions
            .filter(|id| graph.symbol(*id).kind == SymbolKind::Function && graph.block_of(*id).is_some())
            .collect();
        let code = graph.add_section(".text.count", SectionKind::Code)?;
        let counters = graph.add_section("counters", SectionKind::Data)?;
        for function in functions {
            let (body, offset) = (graph.block_of(function).unwrap(), graph.symbol(function).value);
            let body = graph.add_symbol(NewSymbol::local("", body, offset))?;
            let counter = graph.add_block(counters, &[0; 8], 8)?;
            let name = [b"counter of ", graph.symbol_name(function)].concat();
            let counter = graph.add_symbol(NewSymbol::local(&name, counter, 0))?;
            // lock incq counter(%rip); jmp body
            let entry = graph.add_block(code, &[0xf0, 0x48, 0xff, 0x05, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0], 16)?;
            graph.add_edge(entry, 9, x86_64::BRANCH32, body, -4)?;
            graph.add_edge(entry, 4, x86_64::PC32, counter, -4)?;
            graph.move_symbol(function, entry, 0)?;
        }
        Ok(())
    }

    fn linked(&self, _: &Context, graph: &Placed<'_>) {
        for (id, _) in graph.all_symbols() {
            if let Some(function) = graph.symbol_name(id).strip_prefix(b"counter of ") {
                let name = String::from_utf8(function.to_vec()).unwrap();
                self.counters.lock().unwrap().insert(name, graph.address(id).unwrap());
            }
        }
    }

    fn removing(&self, _: &Context) {
        self.removed.fetch_add(1, Relaxed);
    }
}

// A call of a function to itself may not go through its symbol.
const FIBONACCI: &str =
    "int add(int, int), again(int); int fib(int n) { return n < 2 ? n : add(again(n - 1), again(n - 2)); }";
const ADD: &str = "int fib(int); int add(int a, int b) { return a + b; } int again(int n) { return fib(n); }";

#[test]
fn every_function_is_counted_whoever_calls_it() {
    let counts = Arc::new(CountEntries::default());
    let jit = Jit::builder().plugin(counts.clone()).build().unwrap();
    let flags = &["-O0", "-fPIC"];
    jit.main().add_objects(&[compile("fib.c", FIBONACCI, flags), compile("add.c", ADD, flags)]).unwrap();
    assert_eq!(call(&jit, "fib", 10), 55);
    assert_eq!((counts.count("fib"), counts.count("add")), (Some(177), Some(88)));
}

#[test]
fn exceptions_pass_through_counted_functions_and_merged_ones() {
    let inline = "#include <stdexcept>
        struct Tidy { int *at; ~Tidy() { ++*at; } };
        inline int check(int n) { if (n < 0) throw std::out_of_range(\"n\"); return n; }";
    let throwing = format!("{inline} extern \"C\" int step(int n, int *at) {{ Tidy tidy{{at}}; return check(n); }}");
    let catching = format!(
        "{inline} extern \"C\" int step(int, int *);
        extern \"C\" int run(int n) {{ int tidied = 0;
            try {{ return check(1) + step(n, &tidied); }} catch (const std::exception &) {{ return 100 + tidied; }} }}"
    );
    let counts = Arc::new(CountEntries::default());
    let jit = Jit::builder().plugin(counts.clone()).build().unwrap();
    jit.load_library("libstdc++.so.6").unwrap();
    let flags = &["-O0", "-fPIC"];
    let objects = [compile("throwing.cpp", &throwing, flags), compile("catching.cpp", &catching, flags)];
    jit.main().add_objects(&objects).unwrap();
    assert_eq!(call(&jit, "run", 4), 5);
    assert_eq!(call(&jit, "run", -1), 101);
    assert_eq!((counts.count("run"), counts.count("step"), counts.count("_Z5checki")), (Some(2), Some(2), Some(4)));
}

/// Adds a global variable that holds the address of another symbol.
fn add_pointer(graph: &mut Editor<'_>, name: &str, to: &str) -> Result<(), EditError> {
    let section = graph.add_section(".data.pointer", SectionKind::Data)?;
    let block = graph.add_block(section, &[0; 8], 8)?;
    graph.add_symbol(NewSymbol::global(name, block, 0).size(8).kind(SymbolKind::Object))?;
    let to = graph.external(to)?;
    graph.add_edge(block, 0, x86_64::ABS64, to, 0)
}

#[test]
fn memory_returns_and_graphs_go_with_removal() {
    let counts = Arc::new(CountEntries::default());
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| Ok(add_pointer(graph, "added", "getpid")?));
    let jit = Jit::builder().plugin(counts.clone()).plugin(Arc::new(plugin)).retain_graphs(true).build().unwrap();
    let object = compile("f.c", "int f(int n) { return n + 1; }", &["-fPIC"]);
    let tracker = jit.main().add_tracked(&[]).unwrap();
    let mut live = Vec::new();
    for round in 1..=50 {
        tracker.add_objects(&jit.main(), std::slice::from_ref(&object)).unwrap();
        assert_eq!(call(&jit, "f", 1), 2);
        assert_ne!(word(jit.main().find("added").unwrap()), 0);
        assert_eq!(counts.count("f"), Some(1));
        assert_eq!(jit.main().retained_graphs().len(), 1);
        tracker.remove();
        assert!(jit.main().retained_graphs().is_empty());
        assert!(jit.main().find("added").is_err());
        assert_eq!(counts.removed.load(Relaxed), round);
        live.push(jit.memory_statistics().live);
    }
    assert_eq!(live, vec![[0; 3]; 50]);
}

#[test]
fn retained_graphs_are_as_before_relaxation_with_final_addresses() {
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    // A load from the GOT that is relaxed, and far data of the process that goes through a thunk or the GOT.
    let source = "int variable = 3; int load(int n) { return variable + n; } extern int pruned(int);";
    jit.main().add_objects(&[compile("load.c", source, &["-O1", "-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "load", 4), 7);
    let retained = jit.main().retained_graphs();
    let [retained] = retained.as_slice() else { panic!("{} graphs", retained.len()) };
    assert_eq!(&**retained.object(), "load.c");
    let graph = retained.graph();
    for name in ["load", "variable"] {
        let id = graph.find_symbol(name.as_bytes()).unwrap();
        assert_eq!(graph.address(id), Some(jit.main().find(name).unwrap()), "{name}");
        let place = graph.block_range(graph.block_of(id).unwrap()).unwrap();
        assert_eq!(place.start + graph.symbol(id).value, graph.address(id).unwrap());
    }
    let load = graph.find_symbol(b"load").unwrap();
    let content = graph.content(graph.block(graph.block_of(load).unwrap()));
    let at = content.windows(3).position(|code| code == [0x48, 0x8b, 0x05]).expect("the load is as it was");
    let linked = word(graph.address(load).unwrap() - graph.symbol(load).value + at as u64).to_le_bytes();
    assert_eq!(linked[..3], [0x48, 0x8d, 0x05], "what runs is relaxed");
    assert_eq!(jit.session().retained_graph(retained.unit).unwrap().unit, retained.unit);
}

#[test]
fn graphs_are_not_retained_unless_asked_for() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[compile("f.c", "int f(int n) { return n; }", &[])]).unwrap();
    assert_eq!(call(&jit, "f", 5), 5);
    assert!(jit.main().retained_graphs().is_empty());
}
