//! Functions that are linked by their first calls, that can be replaced, and that handles keep.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use support::compile;
use uruk::{Definition, FunctionPointer, Jit, MaterializationUnit, Name, Responsibility};

type Number = extern "C" fn(i32) -> i32;

/// A function at a fixed address, made when it is asked for; counts how often that was.
struct Counted {
    name: Name,
    address: u64,
    count: Arc<AtomicUsize>,
}

impl MaterializationUnit for Counted {
    fn name(&self) -> String {
        "counted".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        vec![Definition::function(self.name)]
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        self.count.fetch_add(1, Ordering::Relaxed);
        responsibility.resolve(&[(self.name, self.address)]).unwrap();
        responsibility.emit(&[]).unwrap();
    }
}

extern "C" fn increment(number: i32) -> i32 {
    number + 1
}

extern "C" fn double(number: i32) -> i32 {
    number * 2
}

fn used(jit: &Jit) -> u64 {
    jit.memory_statistics().live.iter().sum()
}

#[test]
fn a_first_call_links_the_body_once() {
    for threads in [1, 8] {
        let jit = Jit::builder().compile_threads(2).build().unwrap();
        let bodies = jit.create_dylib("bodies").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let name = jit.session().names().intern(b"f");
        let address = (increment as Number).to_address();
        bodies.define_unit(Box::new(Counted { name, address, count: count.clone() })).unwrap();
        jit.main().lazy_reexport(&bodies, &["f"]).unwrap();
        let caller = "int f(int); int (*pointer(void))(int) { return f; } int call(int x) { return f(x); }";
        jit.main().add_objects(&[compile("caller.c", caller, &["-O1"])]).unwrap();
        // SAFETY: as declared.
        let (f, call) =
            unsafe { (jit.main().handle::<Number>("f").unwrap(), jit.main().handle::<Number>("call").unwrap()) };
        assert_eq!(count.load(Ordering::Relaxed), 0, "neither looking up nor linking calls it");
        assert_ne!(f.address(), address);
        thread::scope(|scope| {
            for number in 0..threads {
                let call = &call;
                scope.spawn(move || assert_eq!(call(number), number + 1));
            }
        });
        assert_eq!((f(1), count.load(Ordering::Relaxed)), (2, 1));
    }
}

#[test]
fn the_body_of_a_stub_stays_as_long_as_the_stub() {
    let jit = Jit::new().unwrap();
    let bodies = jit.create_dylib("bodies").unwrap();
    let body = bodies.add_tracked(&[compile("body.c", "int f(int x) { return x + 40; }", &["-O1"])]).unwrap();
    jit.main().lazy_reexport(&bodies, &["f"]).unwrap();
    // SAFETY: as declared.
    let f = unsafe { jit.main().handle::<Number>("f").unwrap() };
    assert_eq!(f(2), 42);
    body.remove();
    assert!(bodies.find("f").is_err());
    assert_eq!(f(2), 42);
    let full = used(&jit);
    let gone = jit.main().clear();
    assert_eq!(f(2), 42, "the handle keeps the stub, and the stub the body");
    drop(f);
    gone.wait();
    assert!(used(&jit) < full);
}

#[test]
fn a_call_that_cannot_be_linked_goes_to_the_failure_handler() {
    extern "C" fn failed(number: i32) -> i32 {
        -number
    }
    let jit = Jit::builder().lazy_failure((failed as Number).to_address()).build().unwrap();
    let bodies = jit.create_dylib("bodies").unwrap();
    bodies.add_objects(&[compile("bad.c", "int gone(int); int f(int x) { return gone(x); }", &["-O1"])]).unwrap();
    jit.main().lazy_reexport(&bodies, &["f", "absent"]).unwrap();
    // SAFETY: as declared.
    let (f, absent) =
        unsafe { (jit.main().handle::<Number>("f").unwrap(), jit.main().handle::<Number>("absent").unwrap()) };
    assert_eq!((f(3), absent(4)), (-3, -4));
    let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
    assert!(reports[0].contains("symbol `gone`, which "), "{reports:?}");
    assert!(reports[1].starts_with("symbol `absent` is not defined"), "{reports:?}");
    // What was missing may come later.
    let define = |name: &str, source: &str| bodies.add_objects(&[compile(name, source, &["-O1"])]).unwrap();
    define("absent.c", "int absent(int x) { return x * 10; }");
    assert_eq!(absent(4), 40);
}

/// Of stubs that lead to each other, the first call that would never arrive fails.
#[test]
fn a_call_that_leads_back_to_itself_goes_to_the_failure_handler() {
    extern "C" fn failed(number: i32) -> i32 {
        -number
    }
    let jit = Jit::builder().lazy_failure((failed as Number).to_address()).build().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| jit.create_dylib(name).unwrap());
    one.lazy_reexport(&one, &["own"]).unwrap();
    one.lazy_reexport(&two, &["far"]).unwrap();
    two.lazy_reexport(&three, &["far"]).unwrap();
    three.lazy_reexport(&one, &["far"]).unwrap();
    for (name, function) in [("own", 1), ("far", 2)] {
        // SAFETY: as declared.
        assert_eq!(unsafe { one.handle::<Number>(name) }.unwrap()(function), -function);
        let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert!(report.starts_with(&format!("`{name}`, called through lazy")), "{report}");
    }
}

#[test]
fn functions_are_replaced_together_while_others_call_them() {
    let jit = Jit::new().unwrap();
    let (one, two) = ((increment as Number).to_address(), (double as Number).to_address());
    let redirectable = jit.main().redirectable(&[("f", one), ("g", two)]).unwrap();
    let source = "int f(int); int g(int); int call(int x) { return f(g(x)); }";
    jit.main().add_objects(&[compile("caller.c", source, &["-O1"])]).unwrap();
    // SAFETY: as declared.
    let call = unsafe { jit.main().handle::<Number>("call").unwrap() };
    assert_eq!(call(10), 21);
    let name = |name: &str| jit.session().names().intern(name.as_bytes());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Either is old or new in each call: 2x+1, 4x, x+2 or 2(x+1).
                    assert!([21, 40, 12, 22].contains(&call(10)));
                }
            });
        }
        for _ in 0..10_000 {
            redirectable.redirect(&[(name("f"), two), (name("g"), one)]).unwrap();
            redirectable.redirect(&[(name("f"), one), (name("g"), two)]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(redirectable.redirect(&[(name("f"), two), (name("other"), one)]).is_err());
    assert_eq!(call(10), 21, "none was changed");
    let bodies = jit.create_dylib("bodies").unwrap();
    let tracker = bodies.add_tracked(&[compile("body.c", "int h(int x) { return x + 100; }", &["-O1"])]).unwrap();
    redirectable.redirect_to(bodies.id(), &[(name("f"), name("h"))]).unwrap();
    tracker.remove();
    assert_eq!(call(10), 120, "what it leads to stays");
}

#[test]
fn a_handle_keeps_what_its_code_needs() {
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let callee =
        main.add_tracked(&[compile("callee.c", "int number = 7; int f(int x) { return x + number; }", &[])]).unwrap();
    let caller =
        main.add_tracked(&[compile("caller.c", "int f(int); int g(int x) { return f(x) + 1; }", &[])]).unwrap();
    // SAFETY: as declared.
    let g = unsafe { main.handle::<Number>("g").unwrap() };
    let before = used(&jit);
    callee.remove();
    caller.remove();
    assert!(main.find("g").is_err());
    assert_eq!((g(1), used(&jit)), (9, before));
    drop(g);
    jit.session().quiesce();
    assert!(used(&jit) < before);
}

#[test]
fn callees_are_linked_ahead_and_first_calls_recorded() {
    let jit = Jit::builder().compile_threads(2).build().unwrap();
    let session = jit.session();
    session.set_speculation(true);
    let bodies = jit.create_dylib("bodies").unwrap();
    let lazy = jit.create_dylib("lazy").unwrap();
    lazy.lazy_reexport(&bodies, &["f", "g", "h"]).unwrap();
    bodies.link_against(&[lazy]);
    let count = Arc::new(AtomicUsize::new(0));
    let source = "int lazy_g(int); int f(int x) { return x < 0 ? lazy_g(x) : x; }";
    bodies.add_member(&compile("f.c", source, &["-O1"])).unwrap();
    lazy.alias(&[("lazy_g", "g")]).unwrap();
    for (name, address) in [("g", increment as Number), ("h", double as Number)] {
        let name = session.names().intern(name.as_bytes());
        let unit = Counted { name, address: address.to_address(), count: count.clone() };
        bodies.define_unit(Box::new(unit)).unwrap();
    }
    // SAFETY: as declared.
    let [f, g] = unsafe { ["f", "g"].map(|name| lazy.handle::<Number>(name).unwrap()) };
    assert_eq!(f(1), 1);
    // The body of `g` comes by itself; that of `h`, which `f` does not refer to, does not.
    while count.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    assert_eq!((g(1), count.load(Ordering::Relaxed)), (2, 1));
    let called: Vec<String> = session.first_calls().iter().map(|(_, name)| session.names().text(*name)).collect();
    assert_eq!(called, ["f", "g"]);
    session.prefetch(&[(bodies.id(), session.names().intern(b"h"))]);
    while count.load(Ordering::Relaxed) == 1 {
        thread::yield_now();
    }
}

#[test]
fn an_alias_and_a_filtered_library_serve_linked_code() {
    let jit = Jit::new().unwrap();
    jit.main().alias(&[("other", "f")]).unwrap();
    let source = "int other(int); int f(int x) { return x - 1; } int g(int x) { return other(x); } \
                  double cos(double); double zero(void) { return cos(0.0) - 1.0; }";
    jit.main().add_objects(&[compile("alias.c", source, &["-O1"])]).unwrap();
    jit.main().add_library("libm.so.6", |name| name == b"cos").unwrap();
    // SAFETY: as declared.
    let (g, zero) = unsafe {
        (jit.main().handle::<Number>("g").unwrap(), jit.main().handle::<extern "C" fn() -> f64>("zero").unwrap())
    };
    assert_eq!((g(5), zero()), (4, 0.0));
}

/// Neither another dylib nor another JIT sees what was loaded for one; what was loaded for all they see.
#[test]
fn a_library_of_one_dylib_is_that_dylibs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let library = |name: &str| {
        let (source, library) = (folder.path().join(format!("{name}.c")), folder.path().join(format!("lib{name}.so")));
        std::fs::write(&source, format!("int {name}(int x) {{ return x + 1; }}")).unwrap();
        let mut compiler = Command::new("gcc");
        assert!(compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap().success());
        library.display().to_string()
    };
    let (jit, other_jit) = (Jit::new().unwrap(), Jit::new().unwrap());
    let other = jit.create_dylib("other").unwrap();
    jit.main().add_library(&library("seen_by_one"), |_| true).unwrap();
    // SAFETY: as declared.
    assert_eq!(unsafe { jit.main().handle::<Number>("seen_by_one") }.unwrap()(1), 2);
    assert!(other.find("seen_by_one").is_err() && other_jit.main().find("seen_by_one").is_err());
    jit.load_library(&library("seen_by_all")).unwrap();
    // SAFETY: as declared.
    assert_eq!(unsafe { other.handle::<Number>("seen_by_all") }.unwrap()(1), 2);
    assert!(other_jit.main().find("seen_by_all").is_ok());
}
