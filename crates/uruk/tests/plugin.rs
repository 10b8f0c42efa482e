//! Plugins: what they add, change and drop takes part in the link, and what they are shown is true.

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

#[test]
fn calls_are_wrapped_by_added_code_with_an_edge_to_the_process() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let abs = graph.external("abs")?;
        let section = graph.add_section(".text.wrap", SectionKind::Code)?;
        // sub $8,%rsp; call abs; add $100,%eax; add $8,%rsp; ret
        let code = [0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x83, 0xc0, 100, 0x48, 0x83, 0xc4, 8, 0xc3];
        let wrapper = graph.add_block(section, &code, 16)?;
        let symbol = graph.add_symbol(NewSymbol::local("abs wrapped", wrapper, 0).kind(SymbolKind::Function))?;
        assert_eq!(graph.redirect(abs, symbol)?, 1);
        graph.add_edge(wrapper, 5, x86_64::BRANCH32, abs, -4)?;
        Ok(())
    });
    let jit = jit(plugin);
    let source = "int abs(int); int f(int n) { return abs(n) + 1; }";
    jit.main().add_objects(&[compile("f.c", source, &["-O1", "-fno-builtin", "-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", -3), 104);
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
fn added_references_pull_what_defines_them_and_added_definitions_are_found() {
    let plugin = Before(|context: &Context, graph: &mut Editor<'_>| -> PassResult {
        if &*context.object == "f.c" {
            add_pointer(graph, "to_getpid", "getpid")?;
            add_pointer(graph, "to_g", "g")?;
        }
        Ok(())
    });
    let jit = jit(plugin);
    let user = "int f(int n) { return n; }";
    let other = "int hidden_count = 7; int g(int n) { return n + 1; }
        extern int (*to_g)(int); int through(int n) { return to_g(n); }";
    jit.main().add_objects(&[compile("f.c", user, &[]), compile("g.c", other, &["-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", 3), 3);
    assert_eq!(word(jit.main().find("to_getpid").unwrap()), jit.main().find("getpid").unwrap());
    assert_eq!(word(jit.main().find("to_g").unwrap()), jit.main().find("g").unwrap());
    assert_eq!(call(&jit, "through", 4), 5);
    assert_eq!(jit.session().describe(jit.main().find("to_g").unwrap()).unwrap().symbol.unwrap().0, b"to_g");
}

#[test]
fn an_added_reference_that_nothing_defines_is_reported_with_its_place() {
    let jit =
        jit(Before(|_: &Context, graph: &mut Editor<'_>| Ok(add_pointer(graph, "to_nothing", "nothing_at_all")?)));
    jit.main().add_objects(&[compile("f.c", "int f(int n) { return n; }", &[])]).unwrap();
    let error = jit.main().find("f").unwrap_err();
    let (missing, _) = error.missing().unwrap();
    assert_eq!(
        (missing[0].symbol.as_str(), missing[0].referrer.as_str()),
        ("nothing_at_all", "f.c(.data.pointer+0x0)")
    );
}

#[test]
fn an_added_definition_that_exists_already_is_a_duplicate() {
    let jit = jit(Before(|_: &Context, graph: &mut Editor<'_>| Ok(add_pointer(graph, "g", "getpid")?)));
    let objects = ["int f(int n) { return n; }", "int g(int n) { return n; }"];
    jit.main().add_objects(&objects.map(|source| compile("twice.c", source, &[]))).unwrap();
    let error = jit.main().find("f").unwrap_err();
    let text = "duplicate definition of `g` in dylib `main`: twice.c and twice.c both define it";
    assert!(error.to_string().starts_with(text), "{error}");
}

/// What a plugin is shown at each phase.
#[derive(Default)]
struct Observe {
    bounds: Mutex<Vec<(std::ops::Range<u64>, usize)>>,
    phases: Mutex<Vec<&'static str>>,
}

impl Plugin for Observe {
    fn pre_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("pre_prune");
        let (one, other) = (graph.add_section("one", SectionKind::Data)?, graph.add_section("two", SectionKind::Data)?);
        for number in 0..10u8 {
            graph.add_block(one, &[number; 8], 8)?;
            graph.add_block(other, &[number; 16], 16)?;
        }
        Ok(())
    }

    fn post_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_prune");
        Ok(())
    }

    fn post_allocation(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_allocation");
        assert_eq!(graph.address(graph.find_symbol(b"other").unwrap()), None);
        assert_ne!(graph.address(graph.find_symbol(b"f").unwrap()), None);
        for name in ["one", "two"] {
            let section = graph.sections_named(name.as_bytes()).next().unwrap();
            let size = graph.blocks_of(section).map(|(_, block)| block.size as usize).sum();
            self.bounds.lock().unwrap().push((graph.section_range(section).unwrap(), size));
        }
        Ok(())
    }

    fn pre_fixup(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("pre_fixup");
        assert!(graph.address(graph.find_symbol(b"other").unwrap()).is_some_and(|address| address != 0));
        Ok(())
    }

    fn post_fixup(&self, context: &Context, graph: &Placed<'_>, bytes: &mut Working<'_, '_>) -> PassResult {
        if &*context.object != "f.c" {
            return Ok(());
        }
        self.phases.lock().unwrap().push("post_fixup");
        let f = graph.find_symbol(b"f").unwrap();
        let code = bytes.block(graph.block_of(f).unwrap()).unwrap();
        // mov $42,%eax
        let at = code.windows(5).position(|code| code == [0xb8, 42, 0, 0, 0]).ok_or("no 42")?;
        code[at + 1] = 43;
        let pointer = graph.find_symbol(b"pointer").unwrap();
        let stored = bytes.block(graph.block_of(pointer).unwrap()).unwrap();
        assert_eq!(stored, graph.address(graph.find_symbol(b"other").unwrap()).unwrap().to_le_bytes());
        Ok(())
    }

    fn linked(&self, context: &Context, graph: &Placed<'_>) {
        if &*context.object != "f.c" {
            return;
        }
        self.phases.lock().unwrap().push("linked");
        let pointer = graph.address(graph.find_symbol(b"pointer").unwrap()).unwrap();
        assert_ne!(word(pointer), 0);
    }
}

#[test]
fn plugins_are_shown_addresses_bounds_and_bytes_in_order() {
    let observe = Arc::new(Observe::default());
    let jit = Jit::builder().plugin(observe.clone()).build().unwrap();
    let source = "int other(void); int (*pointer)(void) = other; int f(int n) { return 42; }";
    jit.main().add_objects(&[compile("f.c", source, &["-O1", "-fdata-sections"])]).unwrap();
    jit.main().add_objects(&[compile("other.c", "int other(void) { return 1; }", &["-O1"])]).unwrap();
    assert_eq!(call(&jit, "f", 0), 43);
    let phases = ["pre_prune", "post_prune", "post_allocation", "pre_fixup", "post_fixup", "linked"];
    assert_eq!(*observe.phases.lock().unwrap(), phases);
    let bounds = observe.bounds.lock().unwrap();
    assert_eq!(bounds.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [80, 160]);
    for (range, size) in bounds.iter() {
        assert_eq!((range.end - range.start) as usize, *size, "a section in pieces");
        assert_eq!(word(range.start + *size as u64 - 8), u64::from_le_bytes([9; 8]));
    }
}

#[test]
fn bounds_of_added_sections_enclose_those_of_all_objects() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let section = graph.add_section("table", SectionKind::Data)?;
        graph.add_block(section, &5u64.to_le_bytes(), 8)?;
        Ok(())
    });
    let jit = jit(plugin);
    let walker = "extern long __start_table[], __stop_table[];
        int other(int); int f(int n) { long *p = __start_table; for (; p != __stop_table; p++) n += *p; return other(n); }";
    let objects = [("walk.c", walker), ("other.c", "int other(int n) { return n + 1000; }")];
    jit.main().add_objects(&objects.map(|(name, source)| compile(name, source, &["-O1", "-fPIC"]))).unwrap();
    assert_eq!(call(&jit, "f", 1), 1011);
}

/// Fails for one object, at one phase.
struct Fail {
    phase: usize,
    told: Mutex<Vec<String>>,
}

impl Fail {
    fn at(&self, phase: usize, context: &Context) -> PassResult {
        if phase == self.phase && &*context.object == "bad.c" { Err("no such luck".into()) } else { Ok(()) }
    }
}

impl Plugin for Fail {
    fn name(&self) -> &str {
        "fail"
    }

    fn pre_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        self.at(0, context)
    }

    fn post_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        self.at(1, context)
    }

    fn post_allocation(&self, context: &Context, _: &Placed<'_>) -> PassResult {
        self.at(2, context)
    }

    fn pre_fixup(&self, context: &Context, _: &Placed<'_>) -> PassResult {
        self.at(3, context)
    }

    fn post_fixup(&self, context: &Context, _: &Placed<'_>, _: &mut Working<'_, '_>) -> PassResult {
        self.at(4, context)
    }

    fn linked(&self, context: &Context, _: &Placed<'_>) {
        self.told.lock().unwrap().push(format!("{} linked", context.object));
    }

    fn failed(&self, context: &Context, error: &Error) {
        assert!(error.to_string().ends_with("no such luck"), "{error}");
        self.told.lock().unwrap().push(format!("{} failed", context.object));
    }

    fn removing(&self, context: &Context) {
        self.told.lock().unwrap().push(format!("{} removing", context.object));
    }
}

#[test]
fn what_a_plugin_refuses_fails_alone_with_what_needs_it() {
    let phases = ["before pruning", "after pruning", "after allocation", "before fix-up", "after fix-up"];
    for (phase, text) in phases.into_iter().enumerate() {
        let fail = Arc::new(Fail { phase, told: Mutex::default() });
        let jit = Jit::builder().plugin(fail.clone()).build().unwrap();
        let sources = [
            ("bad.c", "int bad(int n) { return n; }"),
            ("user.c", "int bad(int); int user(int n) { return bad(n); }"),
            ("good.c", "int good(int n) { return n + 1; }"),
        ];
        jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, &["-fPIC"]))).unwrap();
        let error = jit.link(&[jit.main()]).unwrap_err();
        assert_eq!(error.to_string(), format!("bad.c: plugin `fail` failed {text}: no such luck"));
        let error = jit.main().find("user").unwrap_err().to_string();
        assert!(error.starts_with("user.c needs `bad` of bad.c") && error.ends_with("no such luck"), "{error}");
        assert_eq!(call(&jit, "good", 1), 2);
        // Who needs whom in a batch matters once it is written.
        let told: &[&str] = match phase {
            0 | 1 => &["good.c linked", "bad.c failed", "user.c failed"],
            _ => &["user.c linked", "good.c linked", "user.c removing", "bad.c failed"],
        };
        assert_eq!(*fail.told.lock().unwrap(), told);
    }
}

#[test]
fn a_plugin_that_panics_fails_its_object_and_nothing_else() {
    struct Panic;
    impl Plugin for Panic {
        fn pre_fixup(&self, context: &Context, _: &Placed<'_>) -> PassResult {
            assert_ne!(&*context.object, "bad.c", "as planned");
            Ok(())
        }

        fn linked(&self, _: &Context, _: &Placed<'_>) {
            panic!("as planned");
        }
    }
    let jit = jit(Panic);
    let sources = [("bad.c", "int bad(int n) { return n; }"), ("good.c", "int good(int n) { return n + 1; }")];
    jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, &[]))).unwrap();
    let error = jit.link(&[jit.main()]).unwrap_err().to_string();
    assert!(
        error.starts_with("bad.c: plugin `plugin::") && error.ends_with("failed before fix-up: it panicked"),
        "{error}"
    );
    assert_eq!(call(&jit, "good", 1), 2);
    let reports: Vec<String> = jit.session().take_reports().iter().map(|report| report.to_string()).collect();
    assert!(reports.len() == 1 && reports[0].ends_with("Panic` panicked"), "{reports:?}");
}

#[test]
fn blocks_live_with_what_they_are_tied_to() {
    const MARK: u64 = 0x5a5a_0001;
    struct Tie(Mutex<Vec<u64>>);
    impl Plugin for Tie {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let function = graph.find_symbol(b"_Z6commoni").ok_or("no inline function")?;
            let body = graph.block_of(function).ok_or("not defined")?;
            let section = graph.add_section(".rodata.note", SectionKind::ReadOnly)?;
            let note = graph.add_block(section, &MARK.to_le_bytes(), 8)?;
            graph.tie(note, body)?;
            assert_eq!(graph.tie(note, body), Err(EditError::Grouped(note)));
            Ok(())
        }

        fn linked(&self, _: &Context, graph: &Placed<'_>) {
            let section = graph.sections_named(b".rodata.note").next().unwrap();
            self.0.lock().unwrap().extend(graph.section_range(section).map(|range| range.start));
        }
    }
    let plugin = Arc::new(Tie(Mutex::default()));
    let jit = Jit::builder().plugin(plugin.clone()).build().unwrap();
    let object = |name: &str| {
        let source = format!(
            "inline int common(int n) {{ return n * 3; }} extern \"C\" int {name}(int n) {{ return common(n); }}"
        );
        compile(&format!("{name}.cpp"), &source, &["-O0", "-fPIC"])
    };
    jit.main().add_objects(&[object("one"), object("other")]).unwrap();
    assert_eq!(call(&jit, "one", 2) + call(&jit, "other", 3), 15);
    let notes = plugin.0.lock().unwrap();
    assert_eq!(notes.iter().map(|note| word(*note)).collect::<Vec<_>>(), [MARK], "one group of two stays");
}

#[test]
fn a_collection_keeps_what_is_needed_retained_or_tied() {
    struct Sections(Mutex<Vec<String>>);
    impl Plugin for Sections {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let f = graph.find_symbol(b"f").ok_or("no `f`")?;
            let (f, unused) =
                (graph.block_of(f).unwrap(), graph.block_of(graph.find_symbol(b"unused").unwrap()).unwrap());
            for name in ["needed", "retained", "tied", "tied to nothing", "alone"] {
                let section = graph.add_section(name, SectionKind::Data)?;
                let block = graph.add_block(section, &[1; 8], 8)?;
                match name {
                    "needed" => {
                        let symbol = graph.add_symbol(NewSymbol::local("needed", block, 0))?;
                        let pointer = graph.add_section("pointer", SectionKind::Data)?;
                        let pointer = graph.add_block(pointer, &[0; 8], 8)?;
                        graph.add_edge(pointer, 0, x86_64::ABS64, symbol, 0)?;
                        graph.tie(pointer, f)?;
                    }
                    "retained" => graph.retain_section(section)?,
                    "tied" => graph.tie(block, f)?,
                    "tied to nothing" => graph.tie(block, unused)?,
                    _ => {}
                }
            }
            Ok(())
        }

        fn linked(&self, _: &Context, graph: &Placed<'_>) {
            let kept = ["needed", "retained", "tied", "tied to nothing", "alone"].into_iter();
            let kept =
                kept.filter(|name| graph.sections_named(name.as_bytes()).any(|id| graph.section_range(id).is_some()));
            self.0.lock().unwrap().extend(kept.map(str::to_string));
        }
    }
    let plugin = Arc::new(Sections(Mutex::default()));
    let jit = Jit::builder().gc_sections(true).gc_roots(["f"]).plugin(plugin.clone()).build().unwrap();
    let source = "int f(int n) { return n; } int unused(int n) { return n; }";
    jit.main().add_objects(&[compile("f.c", source, &["-ffunction-sections"])]).unwrap();
    assert_eq!(call(&jit, "f", 8), 8);
    assert_eq!(*plugin.0.lock().unwrap(), ["needed", "retained", "tied"]);
}

#[test]
fn what_a_plugin_drops_is_refused_to_others_and_gone_with_its_unwind_records() {
    for late in [false, true] {
        let drop = |_: &Context, graph: &mut Editor<'_>| -> PassResult {
            if let Some(block) = graph.find_symbol(b"dropped").and_then(|id| graph.block_of(id)) {
                graph.drop_block(block)?;
            }
            Ok(())
        };
        let jit = if late { jit(After(drop)) } else { jit(Before(drop)) };
        let sources = [
            ("own.c", "int dropped(int n) { return n; } int kept(int n) { return n + 1; }"),
            ("user.c", "int dropped(int); int user(int n) { return dropped(n); }"),
        ];
        let flags = &["-ffunction-sections", "-fPIC"];
        jit.main().add_objects(&sources.map(|(name, source)| compile(name, source, flags))).unwrap();
        assert!(jit.main().find("kept").is_ok());
        for (name, referrer) in [("user", "user.c("), ("dropped", "a look-up")] {
            let error = jit.main().find(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("symbol `dropped`, which {referrer}")), "{error}");
        }
    }
}

#[test]
fn symbols_that_are_dropped_need_no_definition() {
    let plugin = Before(|_: &Context, graph: &mut Editor<'_>| -> PassResult {
        let (missing, own) = (graph.external("missing")?, graph.find_symbol(b"own").ok_or("no `own`")?);
        graph.redirect(missing, own)?;
        Ok(graph.drop_symbol(missing)?)
    });
    let jit = jit(plugin);
    let source = "int missing(int); int own(int n) { return n * 2; } int f(int n) { return missing(n); }";
    jit.main().add_objects(&[compile("f.c", source, &["-fPIC"])]).unwrap();
    assert_eq!(call(&jit, "f", 21), 42);
}

#[test]
fn global_symbols_come_too_late_after_pruning() {
    let jit = jit(After(|_: &Context, graph: &mut Editor<'_>| {
        assert_eq!(graph.add_symbol(NewSymbol::external("getpid")), Err(EditError::TooLate));
        Ok(add_pointer(graph, "late", "getpid")?)
    }));
    jit.main().add_objects(&[compile("f.c", "int f(int n) { return n; }", &[])]).unwrap();
    let error = jit.main().find("f").unwrap_err().to_string();
    assert!(error.contains("failed after pruning: symbols that other objects see are added"), "{error}");
}

#[test]
fn many_objects_on_several_threads() {
    const OBJECTS: usize = 24;
    let counts = Arc::new(CountEntries::default());
    let jit = Jit::builder().threads(2).plugin(counts.clone()).build().unwrap();
    let object = |number: usize| {
        // Large enough that a batch of them is worth two threads.
        let pad = "char pad_NUMBER[300000] = { 1 }; int f_NUMBER(int n) { return n + pad_NUMBER[0]; }";
        compile(&format!("{number}.c"), &pad.replace("NUMBER", &number.to_string()), &["-fPIC"])
    };
    let objects: Vec<_> = (0..OBJECTS).map(object).collect();
    let other = jit.create_dylib("other").unwrap();
    let tracker = jit.main().add_tracked(&objects[..OBJECTS / 2]).unwrap();
    other.add_objects(&objects[OBJECTS / 2..]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| jit.link(&[jit.main()]).unwrap());
        scope.spawn(|| jit.link(&[other]).unwrap());
    });
    for number in 0..OBJECTS {
        let dylib = if number < OBJECTS / 2 { jit.main() } else { other };
        // SAFETY: as declared.
        let f = unsafe { dylib.function::<Number>(&format!("f_{number}")).unwrap() };
        assert_eq!((f(1), f(2)), (2, 3));
        assert_eq!(counts.count(&format!("f_{number}")), Some(2));
    }
    // SAFETY: nothing of it is used any more.
    unsafe { tracker.remove() };
    assert_eq!(counts.removed.load(Relaxed), OBJECTS / 2);
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
        // SAFETY: nothing of it is used any more.
        unsafe { tracker.remove() };
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
