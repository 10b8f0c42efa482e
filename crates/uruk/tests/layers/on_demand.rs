//! Functions that are made by their first calls, of any representation and of objects.

use crate::functions::{Assembler, Module, Numbered, OneByOne, name};
use crate::support::compile;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use uruk::orc::order_file::OrderFile;
use uruk::{CompileLayer, Jit, LazyJit, OnDemandLayer};

type Walk = extern "C" fn(u32) -> u32;
type Lazy = OnDemandLayer<OneByOne, CompileLayer<Assembler>>;

const COUNT: u32 = 200;

fn layer(refused: Option<u32>) -> Arc<Lazy> {
    let assembler = Assembler { refused, ..Assembler::default() };
    Arc::new(OnDemandLayer::new(OneByOne, Arc::new(CompileLayer::new(assembler))))
}

fn compiled(layer: &Lazy) -> usize {
    layer.base().compiler().compiled.load(Ordering::Relaxed)
}

/// A ring of functions.
fn ring() -> impl Iterator<Item = Numbered> {
    (0..COUNT).map(|number| Numbered::new(number, vec![(number + 1) % COUNT]))
}

fn jit(threads: usize) -> Jit {
    match threads {
        0 => Jit::new().unwrap(),
        _ => Jit::builder().compile_threads(threads).build().unwrap(),
    }
}

#[test]
fn a_call_makes_what_it_reaches_and_nothing_else() {
    for threads in [0, 2] {
        let jit = jit(threads);
        let layer = layer(None);
        jit.main().add(&layer, Module(ring().collect())).unwrap();
        // SAFETY: that is what the functions are.
        let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
        assert_eq!(compiled(&layer), 0, "looking up makes nothing");
        assert_eq!((first(0), compiled(&layer)), (0, 1));
        assert_eq!((first(9), compiled(&layer)), (9, 10));
        assert_eq!((first(9), compiled(&layer)), (9, 10));
        let calls = thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(move || first(COUNT + 3))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!((calls, compiled(&layer)), (vec![3; 4], COUNT as usize));
    }
}

#[test]
fn lazy_and_eager_with_one_thread_and_with_many_come_to_the_same() {
    for (lazy, threads) in [(false, 0), (false, 4), (true, 0), (true, 4)] {
        let jit = jit(threads);
        let on_demand = layer(None);
        if lazy {
            jit.main().add(&on_demand, Module(ring().collect())).unwrap();
        } else {
            ring().for_each(|function| jit.main().add(on_demand.base(), function).unwrap());
        }
        // SAFETY: as declared.
        let functions = [0, 7, 150].map(|number| unsafe { jit.main().function::<Walk>(&name(number)).unwrap() });
        assert_eq!(compiled(&on_demand), if lazy { 0 } else { COUNT as usize });
        let walk = move |_| functions.map(|function| function(2 * COUNT - 1));
        let walks = thread::scope(|scope| {
            let walks: Vec<_> = (0..threads.max(1)).map(|number| scope.spawn(move || walk(number))).collect();
            walks.into_iter().map(|walk| walk.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(walks.iter().all(|found| *found == [199, 6, 149]), "lazy: {lazy}, {threads} threads: {walks:?}");
        assert_eq!(compiled(&on_demand), COUNT as usize);
    }
}

extern "C" fn instead(number: u32) -> u32 {
    number + 1000
}

#[test]
fn a_function_that_cannot_be_made_goes_to_the_handler() {
    let handler = instead as Walk as usize as u64;
    let jit = Jit::builder().lazy_failure(handler).build().unwrap();
    let layer = layer(Some(3));
    jit.main().add(&layer, Module(ring().collect())).unwrap();
    // SAFETY: as declared.
    let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
    assert_eq!((first(2), first(5)), (2, 1002));
    let reports = jit.session().take_reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].to_string(), "f3 cannot be compiled: refused");
}

#[test]
fn bodies_go_with_the_module() {
    for called in [false, true] {
        let jit = jit(0);
        let population = || {
            let population = jit.session().population();
            (population.units, population.symbols)
        };
        let before = population();
        let layer = layer(None);
        let tracker = jit.main().create_tracker();
        tracker.add(&layer, Module(ring().collect())).unwrap();
        // SAFETY: as declared, and not called after its removal.
        let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
        if called {
            first(5);
        }
        tracker.remove().wait();
        assert!(jit.main().find("f0").is_err());
        assert_eq!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
        assert_eq!(population(), before);
        // And can be had anew.
        tracker.add(&layer, Module(ring().collect())).unwrap();
        // SAFETY: as declared.
        let again = unsafe { jit.main().function::<Walk>("f0").unwrap() };
        assert_eq!(again(6), 6);
    }
}

#[test]
fn objects_of_a_lazy_jit_are_linked_by_first_calls() {
    for threads in [0, 2] {
        let jit = match threads {
            0 => LazyJit::new().unwrap(),
            _ => LazyJit::builder().compile_threads(threads).build_lazy().unwrap(),
        };
        let main = jit.main();
        let caller = "int callee(int); extern int state; int never(void);
            int caller(int n) { return n ? callee(n) + state : -1; } int unused(void) { return never(); }";
        let callee = "int state = 5; static int own = 2; int callee(int n) { state += n; return own; }";
        let starter = "int started; __attribute__((constructor)) static void start(void) { started = 9; }
            int get(void) { return started; }";
        main.add_objects(&[compile("caller.c", caller, &[]), compile("callee.c", callee, &[])]).unwrap();
        main.add_objects(&[compile("starter.c", starter, &[])]).unwrap();
        main.add_objects(&[compile("never.c", "int absent(void); int never(void) { return absent(); }", &[])]).unwrap();
        type Number = extern "C" fn(i32) -> i32;
        // SAFETY: as declared.
        let [caller, get] = ["caller", "get"].map(|name| unsafe { main.function::<Number>(name).unwrap() });
        let linked = jit.session().batches();
        assert_eq!(caller(0), -1);
        assert!(linked < jit.session().batches());
        assert_eq!((caller(3), caller(1)), (2 + 8, 2 + 9));
        assert_eq!(get(0), 9);
        assert!(jit.session().take_reports().is_empty(), "nobody called what lacks something");
    }
}

#[test]
fn an_order_file_has_the_next_run_make_functions_before_they_are_called() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let program = |jit: &Jit| {
        let layer = layer(None);
        jit.main().add(&layer, Module(ring().collect())).unwrap();
        layer
    };
    // SAFETY: as declared.
    let walk = |jit: &Jit| unsafe { jit.main().function::<Walk>("f0").unwrap() }(4);
    let jit = jit(0);
    program(&jit);
    walk(&jit);
    std::fs::write(&path, OrderFile::record(jit.session()).to_string()).unwrap();
    drop(jit);

    let jit = Jit::builder().compile_threads(2).build().unwrap();
    let order: OrderFile = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    assert_eq!(order.len(), 5);
    order.replay(jit.session());
    jit.session().wait_until_idle();
    let layer = program(&jit);
    assert_eq!(compiled(&layer), 0, "it was replayed before there was anything");
    order.replay(jit.session());
    jit.session().wait_until_idle();
    assert_eq!(compiled(&layer), 5, "nothing has been looked up");
    assert_eq!((walk(&jit), compiled(&layer)), (4, 5));
    assert_eq!(OrderFile::record(jit.session()), order);
    assert!(jit.session().take_reports().is_empty());
}
