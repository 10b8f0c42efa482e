//! Listeners: what they are told of loads is true, and each load is freed once.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use support::compile;
use uruk::Jit;
use uruk::listener::*;

type Number = extern "C" fn(i32) -> i32;

/// What is known of an object that is loaded.
struct Seen {
    object: String,
    dylib: String,
    /// By name.
    symbols: BTreeMap<String, (u64, u64, SymbolKind)>,
    code: std::ops::Range<u64>,
    image: Vec<u8>,
}

#[derive(Default)]
struct Record {
    loaded: BTreeMap<LoadId, Seen>,
    freed: Vec<Seen>,
}

#[derive(Default)]
struct Recorder(Mutex<Record>);

impl Listener for Recorder {
    fn loaded(&self, object: &Loaded<'_>) {
        let symbols = object.symbols().map(|symbol| {
            let name = String::from_utf8(symbol.name.to_vec()).unwrap();
            (name, (symbol.address, symbol.size, symbol.kind))
        });
        let seen = Seen {
            object: object.object().to_string(),
            dylib: object.dylib().to_string(),
            symbols: symbols.collect(),
            code: object.code(),
            image: object.debug_image().unwrap(),
        };
        assert!(self.0.lock().unwrap().loaded.insert(object.id(), seen).is_none(), "a number is one load's");
    }

    fn freed(&self, id: LoadId) {
        let mut record = self.0.lock().unwrap();
        let seen = record.loaded.remove(&id).expect("what is freed was loaded, and is freed once");
        // The memory is still there.
        for (address, _, _) in seen.symbols.values().filter(|(_, _, kind)| *kind == SymbolKind::Function) {
            // SAFETY: a readable byte of linked code.
            assert_ne!(unsafe { (*address as *const u8).read_volatile() }, 0);
        }
        record.freed.push(seen);
    }
}

impl Recorder {
    fn objects(&self) -> (Vec<String>, Vec<String>) {
        let record = self.0.lock().unwrap();
        let name = |seen: &Seen| seen.object.clone();
        (record.loaded.values().map(name).collect(), record.freed.iter().map(name).collect())
    }
}

fn recorded() -> (Arc<Recorder>, Jit) {
    let recorder = Arc::new(Recorder::default());
    let jit = Jit::builder().listener(recorder.clone()).build().unwrap();
    (recorder, jit)
}

#[test]
fn a_load_says_where_everything_is() {
    let (recorder, jit) = recorded();
    let source = "int shown[3]; static int twice(int x) { return x + x; } __thread int own;
                  __attribute__((weak)) int weak(void) { return 1; }
                  int (*escape)(int) = twice; int shout(int x) { return escape(x) + shown[1] + own + weak(); }";
    let objects =
        [compile("shout.c", source, &["-g", "-fno-common"]), compile("strong.c", "int weak(void) { return 2; }", &[])];
    jit.main().add_objects(&objects).unwrap();
    assert_eq!(recorder.objects(), (vec![], vec![]));
    // SAFETY: as declared.
    assert_eq!(unsafe { jit.main().function::<Number>("shout").unwrap() }(4), 10);
    let record = recorder.0.lock().unwrap();
    let seen = record.loaded.values().find(|seen| seen.object == "shout.c").unwrap();
    assert_eq!(seen.dylib, "main");
    let names: Vec<&str> = seen.symbols.keys().map(String::as_str).collect();
    assert_eq!(names, ["escape", "shout", "shown", "twice"]);
    for (name, kind, size) in [("shown", SymbolKind::Object, 12), ("escape", SymbolKind::Object, 8)] {
        assert_eq!(seen.symbols[name], (jit.main().address(name).unwrap(), size, kind));
    }
    let (address, size, kind) = seen.symbols["shout"];
    assert_eq!((address, kind), (jit.main().address("shout").unwrap(), SymbolKind::Function));
    assert!(size != 0 && seen.code.start <= address && address + size <= seen.code.end);
    let has = |text: &[u8]| seen.image.windows(text.len()).any(|bytes| bytes == text);
    assert!(seen.image.starts_with(b"\x7fELF") && has(b".debug_line") && has(b"shout.c") && has(b"twice"));
}

#[test]
fn removal_and_the_jits_end_free_what_was_loaded() {
    let (recorder, jit) = recorded();
    let main = jit.main();
    let gone = main.add_tracked(&[compile("gone.c", "int gone(int x) { return x; }", &[])]).unwrap();
    main.add_objects(&[compile("stays.c", "int gone(int); int stays(int x) { return gone(x); }", &[])]).unwrap();
    let forced = main.add_tracked(&[compile("forced.c", "int forced(int x) { return x; }", &[])]).unwrap();
    for name in ["gone", "stays", "forced"] {
        main.address(name).unwrap();
    }
    jit.session().remove_forced(forced.id());
    assert_eq!(recorder.objects(), (vec!["gone.c".into(), "stays.c".into()], vec!["forced.c".into()]));
    gone.remove();
    assert_eq!(recorder.objects().1.len(), 1, "other code holds it");
    drop((gone, forced));
    drop(jit);
    let (loaded, mut freed) = recorder.objects();
    freed.sort();
    assert_eq!((loaded.len(), freed), (0, vec!["forced.c".into(), "gone.c".into(), "stays.c".into()]));
}

#[test]
fn what_cannot_be_linked_is_not_loaded() {
    let (recorder, jit) = recorded();
    let main = jit.main();
    main.add_member(&compile("lacks.c", "int absent(int); int lacks(int x) { return absent(x); }", &[])).unwrap();
    main.add_member(&compile("good.c", "int good(int x) { return x; }", &[])).unwrap();
    assert!(main.address("lacks").is_err());
    main.address("good").unwrap();
    assert_eq!(recorder.objects(), (vec!["good.c".into()], vec![]));
    drop(jit);
    assert_eq!(recorder.objects(), (vec![], vec!["good.c".into()]));
}

struct Panics;

impl Listener for Panics {
    fn loaded(&self, _: &Loaded<'_>) {
        panic!("as a test wants it");
    }

    fn freed(&self, _: LoadId) {
        panic!("as a test wants it");
    }
}

#[test]
fn a_listener_that_panics_is_reported_and_the_next_is_told() {
    let recorder = Arc::new(Recorder::default());
    let jit = Jit::builder().listener(Arc::new(Panics)).listener(recorder.clone()).build().unwrap();
    let object = jit.main().add_tracked(&[compile("f.c", "int f(int x) { return x; }", &[])]).unwrap();
    jit.main().address("f").unwrap();
    object.remove().wait();
    assert_eq!(recorder.objects(), (vec![], vec!["f.c".into()]));
    let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report.contains("a listener")), "{reports:?}");
}

#[test]
fn loads_and_frees_match_when_threads_link_and_remove() {
    const ROUNDS: usize = 40;
    let (recorder, jit) = recorded();
    let objects: Vec<_> = (0..3)
        .map(|number| compile(&format!("f{number}.c"), &format!("int f{number}(int x) {{ return x; }}"), &[]))
        .collect();
    thread::scope(|scope| {
        for (number, object) in objects.iter().enumerate() {
            let jit = &jit;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let tracker = jit.main().add_tracked(std::slice::from_ref(object)).unwrap();
                    jit.main().address(&format!("f{number}")).unwrap();
                    tracker.remove().wait();
                }
            });
        }
    });
    let (loaded, freed) = recorder.objects();
    assert_eq!((loaded.len(), freed.len()), (0, objects.len() * ROUNDS));
}
