//! Collection of sections as clients of a session see it: what stays, what is refused, what it saves.

use std::process::Command;
use std::sync::Arc;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::input::Input;
use uruk_orc::error::Error;
use uruk_orc::session::Session;
use uruk_orc::{DylibId, GcRoots, SearchEntry};

/// An object in which each function and variable has a section of its own.
fn compile(name: &str, source: &str) -> Input {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("test.c"), folder.path().join("test.o"));
    std::fs::write(&input, source).unwrap();
    let mut command = Command::new("gcc");
    command.args(["-c", "-O1", "-ffunction-sections", "-fdata-sections"]).arg(&input).arg("-o").arg(&output);
    assert!(command.status().unwrap().success());
    Input::from_bytes(name, std::fs::read(&output).unwrap())
}

struct Program {
    session: Session,
    executor: Arc<InProcess>,
    dylib: DylibId,
}

impl Program {
    /// A dylib of these objects, collected with these roots, if with any.
    fn new(roots: Option<&[&str]>, collect: bool, sources: &[&str]) -> Program {
        let executor = Arc::new(InProcess::new(Options::default()));
        let session = Session::new(executor.clone(), Some(1));
        let dylib = session.create_dylib("test").unwrap();
        if collect {
            let named = |names: &[&str]| names.iter().map(|name| session.names().intern(name.as_bytes())).collect();
            session.collect_sections(dylib, roots.map_or(GcRoots::Exported, |names| GcRoots::Named(named(names))));
        }
        let program = Program { session, executor, dylib };
        program.add(sources).unwrap();
        program
    }

    fn add(&self, sources: &[&str]) -> Result<(), Error> {
        let inputs = sources.iter().enumerate().map(|(number, source)| compile(&format!("{number}.o"), source));
        self.session.add_objects(self.dylib, None, &inputs.collect::<Vec<_>>())
    }

    fn find(&self, name: &str) -> Result<u64, Error> {
        Ok(self.session.lookup(&self.session.search_order(self.dylib), &[name])?[0])
    }

    /// Bytes of memory in use.
    fn live(&self) -> u64 {
        self.executor.memory().statistics().live.iter().sum()
    }
}

fn is_collected(result: Result<u64, Error>, name: &str) -> bool {
    matches!(result, Err(Error::Collected { symbol, .. }) if symbol == name)
}

const MAIN: &str = "int helper(void); int run(void) { return helper(); }
    __attribute__((visibility(\"hidden\"))) int hidden(void) { extern int missing(void); return missing(); }
    int shown = 1;";
const OTHER: &str = "int table[100000] = { 1 }; int unused(void) { return table[0]; } int helper(void) { return 2; }";

#[test]
fn exported_symbols_are_roots_and_hidden_ones_are_not() {
    let program = Program::new(None, true, &[MAIN, OTHER]);
    for name in ["run", "shown", "unused", "helper"] {
        assert_ne!(program.find(name).unwrap(), 0);
    }
    let program = Program::new(None, true, &[MAIN, OTHER]);
    // Looked up first, it is a root, and what it reaches is missing.
    assert!(matches!(program.find("hidden"), Err(Error::Missing { .. })));
    let program = Program::new(None, false, &[MAIN, OTHER]);
    assert!(matches!(program.find("run"), Err(Error::Missing { .. })), "nothing is dropped unless it is asked for");
}

#[test]
fn named_roots_and_earlier_lookups_keep_what_they_reach_and_nothing_else() {
    let program = Program::new(Some(&["run"]), true, &[MAIN, OTHER]);
    program.find("run").unwrap();
    program.find("helper").unwrap();
    for name in ["shown", "unused", "table", "hidden"] {
        assert!(is_collected(program.find(name), name), "{name}");
    }
    let order = program.session.search_order(program.dylib);
    assert_eq!(program.session.lookup_defined(&order, b"shown"), None);
    assert_eq!(program.session.lookup_strong(&order, b"shown"), None);
    assert!(program.live() < 4096, "{}", program.live());
    // The same with a look-up that comes first.
    let program = Program::new(Some(&["run"]), true, &[MAIN, OTHER]);
    program.find("unused").unwrap();
    program.find("run").unwrap();
    assert!(is_collected(program.find("shown"), "shown"));
    assert!((400_000..404_096).contains(&program.live()), "{}", program.live());
}

#[test]
fn whichever_object_is_asked_for_first_all_whole_inputs_are_linked_with_it() {
    // Neither `helper` nor the root would keep what the second object's table needs.
    let root = "int run(void) { return 1; }";
    let table = "int late(void); __attribute__((constructor)) static void before(void) { late(); }";
    let other = "int helper(void) { return 2; } int late(void) { return 3; }";
    let program = Program::new(Some(&["run"]), true, &[root, table, other]);
    program.find("helper").unwrap();
    program.session.materialize_all_roots(&[program.dylib]).unwrap();
    program.find("late").unwrap();
}

#[test]
fn what_comes_later_is_refused_what_was_dropped_and_gets_the_rest() {
    let program = Program::new(Some(&["run"]), true, &["int kept = 1; int run(void) { return kept; } int gone = 2;"]);
    program.find("run").unwrap();
    program.add(&["extern int kept; int good(void) { return kept; }"]).unwrap();
    program.find("good").unwrap();
    program.add(&["extern int gone; int bad(void) { return gone; }"]).unwrap();
    let error = program.find("bad").unwrap_err();
    let text = "symbol `gone`, which 0.o(.text.bad+";
    assert!(matches!(error, Error::Collected { .. }) && error.to_string().starts_with(text), "{error}");
    program.add(&["extern int gone; int dead(void) { return gone; } int fine(void) { return 1; }"]).unwrap();
    program.find("fine").unwrap();
}

#[test]
fn common_symbols_that_nothing_reaches_take_no_memory() {
    let source = "__attribute__((common)) char used[64], unused[1000000]; char *run(void) { return used; }";
    let program = Program::new(Some(&["run"]), true, &[source]);
    program.find("run").unwrap();
    assert!(program.live() < 4096, "{}", program.live());
    assert!(is_collected(program.find("unused"), "unused"));
    assert_ne!(program.find("used").unwrap(), 0);
}

#[test]
fn a_dylib_that_another_refers_to_is_linked_whole_as_well() {
    let program = Program::new(None, true, &["int shared(void); int run(void) { return shared(); }"]);
    let session = &program.session;
    let other = session.create_dylib("other").unwrap();
    session.collect_sections(other, GcRoots::Exported);
    let hidden = "__attribute__((visibility(\"hidden\"))) int late(void)";
    let first = format!("int shared(void) {{ return 1; }} {hidden} {{ return 2; }}");
    let second = format!("{hidden}; int user(void) {{ return late(); }}");
    let inputs = [compile("first.o", &first), compile("second.o", &second)];
    session.add_objects(other, None, &inputs).unwrap();
    let mut order = session.search_order(program.dylib);
    order.push(SearchEntry { dylib: other, all_symbols: false });
    session.set_search_order(program.dylib, order);
    program.find("run").unwrap();
    program.find("user").unwrap();
}

#[test]
fn dropped_blocks_have_no_table_entries() {
    let mut source = String::from("int run(void) { return 1; }\n");
    for number in 0..1000 {
        source += &format!("int missing{number}(void); int dead{number}(void) {{ return missing{number}(); }}\n");
    }
    let program = Program::new(Some(&["run"]), true, &[&source]);
    program.find("run").unwrap();
    assert!(program.live() < 4096, "{}", program.live());
}
