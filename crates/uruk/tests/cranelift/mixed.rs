//! CLIF beside C: calls both ways, data, thread-local variables, libraries, removal, many functions, many threads.

use std::process::Command;
use std::sync::Barrier;
use std::thread;
use uruk::uruk_cranelift::{Function, OptLevel, Options};
use uruk::{Input, Jit};

type Unary = extern "C" fn(i64) -> i64;

/// An object compiled from C.
fn c(source: &str) -> Input {
    let folder = tempfile::tempdir().unwrap();
    let (file, object) = (folder.path().join("file.c"), folder.path().join("file.o"));
    std::fs::write(&file, source).unwrap();
    let status = Command::new("cc").args(["-c", "-fPIC"]).arg(&file).arg("-o").arg(&object).status();
    assert!(status.unwrap().success());
    Input::from_bytes("file.c", std::fs::read(object).unwrap())
}

/// A JIT that checks little and optimises in every way.
fn jits() -> impl Iterator<Item = Jit> {
    [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize].into_iter().map(|opt_level| {
        let options = Options { opt_level, ..Options::default() };
        Jit::builder().cranelift_options(options).build().unwrap()
    })
}

fn call(jit: &Jit, name: &str, argument: i64) -> i64 {
    // SAFETY: the tests declare these functions so.
    unsafe { jit.main().function::<Unary>(name) }.unwrap()(argument)
}

#[test]
fn text_and_c_call_each_other_and_share_data() {
    const TEXT: &str = "
        test run
        set opt_level=speed
        ; A comment.
        function %outer(i64) -> i64 {
            sig0 = (i64) -> i64
            gv0 = symbol %factor
            gv1 = symbol colocated %offset
            fn0 = %inner(i64) -> i64
            fn1 = colocated %helper(i64) -> i64
        block0(v0: i64):
            v1 = call fn0(v0)
            v2 = symbol_value.i64 gv0
            v3 = load.i64 v2
            v4 = imul v1, v3
            v5 = symbol_value.i64 gv1
            v6 = load.i64 v5
            v7 = iadd v4, v6
            v8 = func_addr.i64 fn1
            v9 = call_indirect sig0, v8(v7)
            return v9
        }
        function %helper(i64) -> i64 {
            fn0 = %labs(i64) -> i64
        block0(v0: i64):
            v1 = call fn0(v0)
            return v1
        }
        ; run: %outer(1) == 1
    ";
    let object = c("long factor = -10; long offset = 3; long outer(long); long inner(long n) { return n + 1; }
        long from_c(long n) { return outer(n) + 1000; }");
    for jit in jits() {
        jit.main().add_clif("outer.clif", TEXT).unwrap();
        jit.main().add_objects(std::slice::from_ref(&object)).unwrap();
        assert_eq!(call(&jit, "outer", 4), 47);
        assert_eq!(call(&jit, "from_c", 4), 1047);
    }
}

#[test]
fn thread_local_variables_of_c_are_seen() {
    const TEXT: &str = "
        function %count(i64) -> i64 {
            gv0 = symbol tls %counter
        block0(v0: i64):
            v1 = tls_value.i64 gv0
            v2 = load.i64 v1
            v3 = iadd v2, v0
            store v3, v1
            return v3
        }
    ";
    let jit = Jit::new().unwrap();
    jit.main().add_clif("count.clif", TEXT).unwrap();
    jit.main().add_objects(&[c("_Thread_local long counter = 40;")]).unwrap();
    // SAFETY: as the text declares it.
    let count = unsafe { jit.main().function::<Unary>("count") }.unwrap();
    assert_eq!((count(1), count(1)), (41, 42));
    assert_eq!(thread::spawn(move || count(5)).join().unwrap(), 45);
}

#[test]
fn what_cranelift_calls_by_itself_is_found() {
    const TEXT: &str = "
        function %rounded(f64) -> f64 {
        block0(v0: f64):
            v1 = ceil v0
            v2 = f64const 0x1.0p1
            v3 = fma v1, v2, v0
            v4 = nearest v3
            v5 = trunc v4
            v6 = floor v5
            return v6
        }
        function %large(i64) -> i64 {
            ss0 = explicit_slot 200000
        block0(v0: i64):
            v1 = stack_addr.i64 ss0
            store v0, v1+4096
            v2 = load.i64 v1+4096
            return v2
        }
    ";
    // A machine without the instructions for it has these done by the C library.
    let off = ["has_sse41", "has_fma", "has_avx", "has_avx2", "has_avx512f", "has_avx512vl", "has_avx512dq"];
    let off = off.into_iter().chain(["has_avx512bitalg", "has_avx512vbmi", "has_sse42", "has_popcnt"]);
    let poor: Vec<(String, String)> = off.map(|name| (name.into(), "false".into())).collect();
    for settings in [vec![], poor] {
        let probe = [("enable_probestack".into(), "true".into()), ("probestack_strategy".into(), "inline".into())];
        let settings = settings.into_iter().chain(probe).collect();
        let options = Options { settings, ..Options::default() };
        let jit = Jit::builder().cranelift_options(options).build().unwrap();
        jit.main().add_clif("rounded.clif", TEXT).unwrap();
        // SAFETY: as the text declares it.
        let rounded = unsafe { jit.main().function::<extern "C" fn(f64) -> f64>("rounded") }.unwrap();
        assert_eq!((rounded(1.25), rounded(-1.75)), (5.0, -4.0));
        assert_eq!(call(&jit, "large", 9), 9);
    }
}

#[test]
fn functions_are_removed_with_their_tracker() {
    let one =
        |number: i64| format!("function %f(i64) -> i64 {{ block0(v0: i64): v1 = iconst.i64 {number} return v1 }}");
    let jit = Jit::new().unwrap();
    let tracker = jit.main().create_tracker();
    tracker.add_clif("one.clif", &one(1)).unwrap();
    assert_eq!(call(&jit, "f", 0), 1);
    tracker.remove().wait();
    assert!(jit.main().find("f").is_err());
    tracker.add_clif("two.clif", &one(2)).unwrap();
    assert_eq!(call(&jit, "f", 0), 2);
    let weak = uruk::uruk_cranelift::read("weak.clif", &one(3), isa().as_ref()).unwrap();
    jit.main().add_functions(weak.into_iter().map(Function::weak)).unwrap();
    assert_eq!(call(&jit, "f", 0), 2, "there is one already");
}

fn isa() -> uruk::uruk_cranelift::codegen::isa::OwnedTargetIsa {
    Options::default().isa().unwrap()
}

/// `f0(n) = n`, and `fN(n) = f(N - 1)(n) + 1`.
fn chain(count: usize) -> String {
    let mut text = String::from("function %f0(i64) -> i64 { block0(v0: i64): return v0 }\n");
    for number in 1..count {
        let callee = number - 1;
        text += &format!(
            "function %f{number}(i64) -> i64 {{
                 fn0 = %f{callee}(i64) -> i64
             block0(v0: i64):
                 v1 = call fn0(v0)
                 v2 = iconst.i64 1
                 v3 = iadd v1, v2
                 return v3
             }}\n"
        );
    }
    text
}

#[test]
fn ten_thousand_functions_are_compiled_once_by_any_number_of_threads() {
    const COUNT: usize = 10_000;
    let text = chain(COUNT);
    for threads in [None, Some(2)] {
        let mut builder = Jit::builder();
        if let Some(threads) = threads {
            builder = builder.compile_threads(threads);
        }
        let options = Options { opt_level: OptLevel::None, verify: false, ..Options::default() };
        let jit = builder.cranelift_options(options).build().unwrap();
        jit.main().add_clif("chain.clif", &text).unwrap();
        let last = format!("f{}", COUNT - 1);
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(call(&jit, &last, 1), COUNT as i64);
                });
            }
        });
        assert_eq!(call(&jit, "f0", 3), 3);
    }
}
