//! Removal: what was added together goes together, and everything is given back.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use support::compile;
use uruk::Jit;

type Number = extern "C" fn() -> i32;

#[test]
fn a_removed_name_can_be_defined_anew() {
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let tracker = main.add_tracked(&[compile("one.c", "int f(void) { return 1; }", &[])]).unwrap();
    // SAFETY: this is how the functions are declared; none is called after its removal.
    unsafe {
        assert_eq!(main.function::<Number>("f").unwrap()(), 1);
        tracker.remove();
        assert!(main.function::<Number>("f").is_err());
        tracker.add_objects(&main, &[compile("two.c", "int f(void) { return 2; }", &[])]).unwrap();
        assert_eq!(main.function::<Number>("f").unwrap()(), 2);
    }
}

#[test]
fn a_weak_definition_takes_over_from_a_removed_one() {
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let strong = main.add_tracked(&[compile("strong.c", "int f(void) { return 2; }", &[])]).unwrap();
    let weak = "__attribute__((weak)) int f(void) { return 1; } int g(void) { return f(); }";
    main.add_objects(&[compile("weak.c", weak, &[])]).unwrap();
    // SAFETY: as declared; the strong definition is removed before anything has been bound to it.
    unsafe {
        strong.remove();
        assert_eq!(main.function::<Number>("g").unwrap()(), 1);
    }
}

#[test]
fn memory_ends_where_it_began() {
    const ROUNDS: usize = 2000;
    let source = "static int counter = 3; int room[64]; int f(void) { return counter + room[5]; }";
    let object = compile("round.c", source, &["-O1", "-fno-common"]);
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let tracker = main.add_tracked(&[]).unwrap();
    let round = || {
        tracker.add_objects(&main, std::slice::from_ref(&object)).unwrap();
        // SAFETY: as declared, and not called after its removal.
        unsafe {
            assert_eq!(main.function::<Number>("f").unwrap()(), 3);
            tracker.remove();
        }
    };
    round();
    let before = jit.memory_statistics();
    for _ in 0..ROUNDS {
        round();
    }
    let after = jit.memory_statistics();
    assert_eq!(before.live, after.live);
    assert_eq!(before.committed, after.committed);
    assert_eq!(after.live, [0; 3]);
}

#[test]
fn objects_that_were_linked_together_leave_nothing_between_them() {
    let part = |name: &str, other: &str| {
        let source = format!(
            "char {name}_room[3]; static char data[5] = {{1}}; static const char text[7] = \"odd\";
             extern int {other}(int); int {name}(int n) {{ return n ? {other}(n - 1) : text[n] + data[n] + {name}_room[n]; }}"
        );
        compile(&format!("{name}.c"), &source, &["-O1", "-fno-common"])
    };
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let tracker = main.add_tracked(&[part("a", "b"), part("b", "c"), part("c", "a")]).unwrap();
    // SAFETY: as declared, and not called after its removal.
    unsafe {
        assert_eq!(main.function::<extern "C" fn(i32) -> i32>("a").unwrap()(5), i32::from(b'o') + 1);
        tracker.remove();
    }
    assert_eq!(jit.memory_statistics().live, [0; 3]);
}

#[test]
fn code_is_removed_while_others_run_it() {
    const ROUNDS: i32 = 150;
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let objects = [1, 2].map(|number| {
        let source =
            format!("static int value = {number}; int g(void) {{ return value; }} int f(void) {{ return g(); }}");
        compile("version.c", &source, &["-O0"])
    });
    let tracker = main.add_tracked(&[]).unwrap();
    let calls = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: as declared.
                    if let Ok(f) = unsafe { main.handle::<Number>("f") } {
                        for _ in 0..10 {
                            assert!([1, 2].contains(&f()));
                        }
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for round in 0..ROUNDS {
            tracker.add_objects(&main, std::slice::from_ref(&objects[round as usize % 2])).unwrap();
            let before = calls.load(Ordering::Relaxed);
            while calls.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
            tracker.remove();
        }
        done.store(true, Ordering::Relaxed);
    });
    jit.session().quiesce();
    assert_eq!(jit.memory_statistics().live, [0; 3]);
}

#[test]
fn an_owned_handle_outlives_its_jit() {
    let jit = Jit::new().unwrap();
    let object = compile("kept.c", "static int value = 7; int f(void) { return value; }", &["-O1"]);
    jit.main().add_objects(&[object]).unwrap();
    // SAFETY: as declared.
    let f = unsafe { jit.main().handle::<Number>("f") }.unwrap().into_owned();
    let session = jit.session().downgrade();
    drop(jit);
    let other = f.clone();
    drop(f);
    assert_eq!(other(), 7);
    assert!(session.upgrade().is_some());
    drop(other);
    assert!(session.upgrade().is_none());
}
