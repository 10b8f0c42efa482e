//! Functions that refer to each other, each a unit of its own: however many, they are linked in few batches.

use crate::functions::{Assembler, Numbered, name};
use crate::support::compile;
use crate::toy::{C, Source};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use uruk::orc::error::Error;
use uruk::orc::session::{Lookup, Request};
use uruk::{CompileLayer, Definition, Jit, MaterializationUnit, Responsibility};
use uruk_jitlink::graph::SymbolKind;

const COUNT: u32 = 10_000;

type Walk = extern "C" fn(u32) -> u32;

/// The callees of each function.
type Shape = fn(u32) -> Vec<u32>;

fn chain(number: u32) -> Vec<u32> {
    if number + 1 < COUNT { vec![number + 1] } else { Vec::new() }
}

fn ring(number: u32) -> Vec<u32> {
    vec![(number + 1) % COUNT]
}

fn random(number: u32) -> Vec<u32> {
    let spread = |salt: u32| number.wrapping_add(salt).wrapping_mul(2_654_435_761) % COUNT;
    vec![(number + 1) % COUNT, spread(1), spread(77), spread(4711)]
}

fn jit(threads: usize) -> Jit {
    match threads {
        0 => Jit::new().unwrap(),
        _ => Jit::builder().compile_threads(threads).build().unwrap(),
    }
}

fn add_all(jit: &Jit, layer: &Arc<CompileLayer<Assembler>>, shape: Shape) {
    for number in 0..COUNT {
        jit.main().add(layer, Numbered::new(number, shape(number))).unwrap();
    }
}

#[test]
fn ten_thousand_functions_that_need_each_other_are_few_batches() {
    for (what, shape) in [("chain", chain as Shape), ("ring", ring), ("random", random)] {
        for threads in [0, 2, 4] {
            let jit = jit(threads);
            let layer = Arc::new(CompileLayer::new(Assembler::default()));
            add_all(&jit, &layer, shape);
            let start = Instant::now();
            // SAFETY: that is what the functions are.
            let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
            let each = start.elapsed() / COUNT;
            assert_eq!((first(0), first(COUNT - 1)), (0, COUNT - 1));
            assert_eq!(layer.compiler().compiled.load(Ordering::Relaxed), COUNT as usize);
            let batches = jit.session().batches();
            println!("{what}, {threads} threads: {each:?} a function, {batches} batches");
            assert!(batches <= if threads == 0 { 1 } else { 100 }, "{what}, {threads} threads: {batches} batches");
            jit.session().wait_until_idle();
            assert_eq!(jit.session().population().queries, 0);
        }
    }
}

#[test]
fn a_function_that_cannot_be_compiled_fails_only_what_needs_it() {
    const REFUSED: u32 = COUNT / 2;
    for threads in [0, 2] {
        let jit = jit(threads);
        let layer = Arc::new(CompileLayer::new(Assembler { refused: Some(REFUSED), ..Assembler::default() }));
        add_all(&jit, &layer, chain);
        let behind = jit.main().find(&name(REFUSED + 1)).unwrap();
        let Err(uruk::Error::Session(error)) = jit.main().find("f0") else { panic!("it needs what is refused") };
        let text = error.to_string();
        assert!(text.ends_with("f5000 cannot be compiled: refused"), "{text}");
        assert_eq!(jit.main().find(&name(REFUSED + 1)).unwrap(), behind);
        // What was linked with the failed ones, and does not need them, is there.
        jit.main().add(&layer, Numbered::new(COUNT, vec![0, COUNT + 1])).unwrap();
        jit.main().add(&layer, Numbered::new(COUNT + 1, vec![REFUSED + 2])).unwrap();
        assert!(jit.main().find(&name(COUNT)).is_err());
        // SAFETY: as declared.
        let fine = unsafe { jit.main().function::<Walk>(&name(COUNT + 1)).unwrap() };
        assert_eq!(fine(1), REFUSED + 2);
    }
}

/// A unit of one function that does what a closure says.
struct Custom<F> {
    definitions: Vec<Definition>,
    body: F,
}

impl<F: FnOnce(Responsibility) + Send> MaterializationUnit for Custom<F> {
    fn name(&self) -> String {
        "custom".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.definitions.clone()
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        (self.body)(responsibility);
    }
}

fn define(jit: &Jit, names: &[&str], body: impl FnOnce(Responsibility) + Send + 'static) {
    let definitions = names.iter().map(|name| Definition::function(jit.session().mangle(name))).collect();
    jit.main().define_unit(Box::new(Custom { definitions, body })).unwrap();
}

/// A unit whose responsibility is held until it is asked for.
fn hold(jit: &Jit, names: &[&str]) -> mpsc::Receiver<Responsibility> {
    let (sender, receiver) = mpsc::channel();
    define(jit, names, move |responsibility| sender.send(responsibility).unwrap());
    receiver
}

fn start(jit: &Jit, name: &str) -> Lookup {
    let session = jit.session();
    session.start(&Request::new(&session.search_order(jit.main().id()), &[session.mangle(name)]))
}

/// Code for `f` of a name, which returns a number.
fn constant(name: &str, number: i32) -> uruk::Input {
    compile(&format!("{name}.c"), &format!("int {name}(void) {{ return {number}; }}"), &[])
}

#[test]
fn a_unit_that_waits_for_the_batch_that_waits_for_it_gets_its_addresses() {
    for (threads, blocks) in [(0, true), (0, false), (1, true), (2, true), (2, false), (4, true)] {
        let jit = jit(threads);
        let layer = Arc::new(CompileLayer::new(Assembler::default()));
        // f0 and f1 are one batch, which waits for f2.
        jit.main().add(&layer, Numbered::new(0, vec![1])).unwrap();
        jit.main().add(&layer, Numbered::new(1, vec![2, 3])).unwrap();
        jit.main().add(&layer, Numbered::new(3, vec![0])).unwrap();
        define(&jit, &["f2"], move |responsibility| {
            let session = responsibility.session().clone();
            let order = session.search_order(responsibility.dylib());
            let request = Request::new(&order, &[session.mangle("f0")]).resolved();
            let settle = |responsibility: Responsibility, answer: Result<Vec<Option<u64>>, Error>| {
                assert_ne!(answer.unwrap()[0].unwrap(), 0);
                responsibility.link(constant("f2", 2)).unwrap();
            };
            if blocks {
                let answer = session.start(&request).wait();
                settle(responsibility, answer);
            } else {
                responsibility.look_up_then(&request, settle);
            }
        });
        // SAFETY: as declared.
        let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
        assert_eq!((first(0), first(1), first(2)), (0, 1, 2), "{threads} threads, blocks: {blocks}");
    }
}

#[test]
fn a_unit_that_wants_to_call_what_needs_it_is_told_so() {
    for threads in [0, 1, 2] {
        let jit = jit(threads);
        let layer = Arc::new(CompileLayer::new(Assembler::default()));
        jit.main().add(&layer, Numbered::new(0, vec![1])).unwrap();
        define(&jit, &["f1"], |responsibility| {
            let session = responsibility.session().clone();
            let order = session.search_order(responsibility.dylib());
            match session.lookup(&order, &["f0"]) {
                Ok(_) => responsibility.link(constant("f1", 1)).unwrap(),
                Err(error) => responsibility.fail(error),
            }
        });
        let error = jit.main().find("f0").unwrap_err().to_string();
        assert!(error.contains("waits for something that waits for"), "{error}");
    }
}

#[test]
fn a_batch_waits_without_a_thread_and_what_is_awaited_may_change_hands() {
    let jit = jit(1);
    let layer = Arc::new(CompileLayer::new(Assembler::default()));
    jit.main().add(&layer, Numbered::new(0, vec![1, 2, 8])).unwrap();
    jit.main().add(&layer, Numbered::new(7, vec![7])).unwrap();
    jit.main().add(&layer, Numbered::new(8, vec![7])).unwrap();
    let held = hold(&jit, &["f1", "f2"]);
    let lookup = start(&jit, "f0");
    let responsibility = held.recv().unwrap();
    // The pool's only thread is free for others, and what needs nothing more is not held up, whoever refers to it.
    assert!(start(&jit, "f8").wait().is_ok());
    assert!(start(&jit, "f7").wait().is_ok());
    let [one, two] = ["f1", "f2"].map(|name| jit.session().mangle(name));
    let delegated = responsibility.delegate(&[one]).unwrap();
    let body = move |responsibility: Responsibility| responsibility.link(constant("f2", 2)).unwrap();
    let given_back = Custom { definitions: vec![Definition::function(two)], body };
    responsibility.replace(Box::new(given_back)).unwrap();
    responsibility.emit(&[]).unwrap();
    delegated.link(constant("f1", 1)).unwrap();
    lookup.wait().unwrap();
    // SAFETY: as declared.
    let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
    assert_eq!((first(0), first(1)), (0, 1));
}

#[test]
fn removing_or_giving_up_what_a_batch_waits_for_frees_everything() {
    for (threads, gives_up) in [(0, true), (0, false), (2, true), (2, false)] {
        let jit = jit(threads);
        let layer = Arc::new(CompileLayer::new(Assembler::default()));
        let tracker = jit.main().create_tracker();
        tracker.add(&layer, Numbered::new(0, vec![1, 2])).unwrap();
        tracker.add(&layer, Numbered::new(1, vec![0])).unwrap();
        let held = hold(&jit, &["f2"]);
        let lookup = start(&jit, "f0");
        let responsibility = held.recv().unwrap();
        if gives_up {
            drop(responsibility);
            let error = lookup.wait().unwrap_err().to_string();
            assert!(error.ends_with("custom was given up without a reason"), "{error}");
            tracker.remove().wait();
        } else {
            tracker.remove();
            assert_eq!(lookup.wait().unwrap_err().to_string(), "f0 has been removed");
            responsibility.link(constant("f2", 2)).unwrap();
            assert!(jit.main().find("f2").is_ok());
            jit.main().clear();
        }
        jit.session().quiesce();
        jit.session().wait_until_idle();
        let population = jit.session().population();
        assert_eq!((population.tasks, population.queries), (0, 0));
        assert_eq!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
    }
}

#[test]
fn a_jit_that_goes_while_a_batch_waits_answers_everybody() {
    let jit = jit(0);
    let layer = Arc::new(CompileLayer::new(Assembler::default()));
    jit.main().add(&layer, Numbered::new(0, vec![1])).unwrap();
    let held = hold(&jit, &["f1"]);
    let lookup = start(&jit, "f0");
    let responsibility = held.recv().unwrap();
    jit.session().end();
    assert_eq!(lookup.wait().unwrap_err().to_string(), "the session has ended");
    drop(jit);
    drop(responsibility);
}

#[test]
fn thread_local_variables_of_one_unit_are_those_of_others() {
    for threads in [0, 2] {
        let jit = jit(threads);
        let (session, main) = (jit.session(), jit.main());
        let layer = Arc::new(CompileLayer::new(C { flags: &["-O1", "-fPIC"], ..C::default() }));
        let owner = "int user(void); __thread int own = 4; int both(void) { return user() + own; }";
        let mut source = Source::new(session, "owner.c", &["both"], owner);
        source
            .definitions
            .push(Definition { kind: SymbolKind::ThreadLocal, ..Definition::data(session.mangle("own")) });
        main.add(&layer, source).unwrap();
        let user = "extern __thread int own; int user(void) { own += 1; return own; }";
        main.add(&layer, Source::new(session, "user.c", &["user"], user)).unwrap();
        // SAFETY: as declared.
        let both = unsafe { main.function::<extern "C" fn() -> i32>("both").unwrap() };
        assert_eq!(both(), 10);
        let lookup = std::thread::spawn(move || both()).join().unwrap();
        assert_eq!(lookup, 10, "another thread has another variable");
    }
}
