//! Compilers that ask a cache first.

use crate::functions::{Assembler, Numbered};
use crate::toy::{C, Source};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uruk::Jit;
use uruk::cache::{Directory, Key, Memory, ObjectCache};

type Number = extern "C" fn() -> i32;

/// What a program comes to with a cache: its result, how often it compiled, and what was reported.
fn run(cache: Arc<dyn ObjectCache>, flags: &'static [&'static str]) -> (i32, usize, Vec<String>) {
    let jit = Jit::builder().cache(cache).build().unwrap();
    let layer = Arc::new(jit.compile_layer(C { flags, ..C::default() }));
    let (session, main) = (jit.session(), jit.main());
    main.add(&layer, Source::new(session, "f.c", &["f"], "int g(void); int f(void) { return g() + 1; }")).unwrap();
    main.add(&layer, Source::new(session, "g.c", &["g"], "int g(void) { return 41; }")).unwrap();
    // SAFETY: as declared.
    let result = unsafe { main.function::<Number>("f").unwrap() }();
    let reports = session.take_reports().iter().map(ToString::to_string).collect();
    (result, layer.compiler().compiled.load(Ordering::Relaxed), reports)
}

fn folder(path: &Path) -> Arc<Directory> {
    Arc::new(Directory::new(path, 1 << 20))
}

#[test]
fn a_second_run_compiles_nothing_unless_the_options_differ() {
    let path = tempfile::tempdir().unwrap();
    let none = Vec::new();
    assert_eq!(run(folder(path.path()), &[]), (42, 2, none.clone()));
    assert_eq!(run(folder(path.path()), &[]), (42, 0, none.clone()));
    assert_eq!(run(folder(path.path()), &["-O1"]), (42, 2, none.clone()));
    let memory: Arc<Memory> = Arc::new(Memory::new(1 << 20));
    assert_eq!(run(memory.clone(), &[]), (42, 2, none.clone()));
    assert_eq!(run(memory, &[]), (42, 0, none));
}

#[test]
fn graphs_are_cached_too() {
    type Walk = extern "C" fn(u32) -> u32;
    let cache: Arc<Memory> = Arc::new(Memory::new(1 << 20));
    for compiled in [3, 0] {
        let jit = Jit::builder().cache(cache.clone()).build().unwrap();
        let layer = Arc::new(jit.compile_layer(Assembler::default()));
        for number in 0..3 {
            jit.main().add(&layer, Numbered::new(number, vec![(number + 1) % 3])).unwrap();
        }
        // SAFETY: as declared.
        let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
        assert_eq!((first(1), first(5)), (1, 2));
        assert_eq!(layer.compiler().compiled.load(Ordering::Relaxed), compiled);
    }
}

#[test]
fn a_cache_that_is_out_of_order_costs_time_and_one_report() {
    let path = tempfile::tempdir().unwrap();
    run(folder(path.path()), &[]);
    let objects = path.path().join("objects-0");
    let mut bytes = fs::read(&objects).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(&objects, bytes).unwrap();
    let (result, compiled, reports) = run(folder(path.path()), &[]);
    assert_eq!((result, compiled, reports.len()), (42, 2, 1));
    assert!(reports[0].contains("an object's checksum is wrong"), "{reports:?}");
    assert_eq!(run(folder(path.path()), &[]), (42, 0, Vec::new()), "it was put there anew");

    let file = path.path().join("file");
    fs::write(&file, "").unwrap();
    let (result, compiled, reports) = run(folder(&file.join("cache")), &[]);
    assert_eq!((result, compiled, reports.len()), (42, 2, 1));
}

/// Has the same bytes for everything.
struct Liar;

impl ObjectCache for Liar {
    fn get(&self, _: &Key) -> Result<Option<Vec<u8>>, uruk::cache::CacheError> {
        Ok(Some(b"no object".to_vec()))
    }

    fn put(&self, _: &Key, _: &[u8]) -> Result<(), uruk::cache::CacheError> {
        Ok(())
    }
}

#[test]
fn what_a_cache_says_is_read_as_carefully_as_any_object() {
    let jit = Jit::builder().cache(Arc::new(Liar)).build().unwrap();
    let layer = Arc::new(jit.compile_layer(C::default()));
    jit.main().add(&layer, Source::new(jit.session(), "f.c", &["f"], "int f(void) { return 1; }")).unwrap();
    // SAFETY: as declared.
    assert_eq!(unsafe { jit.main().function::<Number>("f").unwrap() }(), 1, "it was compiled");
    let reports = jit.session().take_reports();
    assert_eq!(reports[0].to_string(), "a packed graph is damaged at byte 0; make it anew");
}
