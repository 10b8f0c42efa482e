//! Functions compiled by their first calls.

mod programs;
mod support;

use programs::{C, CXX_RESULT, FLAGS, clang, cxx};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use support::parse;
use uruk::{Builder, Jit};
use uruk_llvm::{Options, ThreadSafeModule};

fn jit(builder: Builder, modules: Vec<ThreadSafeModule>) -> Jit {
    let jit = builder.build().unwrap();
    jit.load_libraries_on_demand(&["libstdc++.so.6"]);
    modules.into_iter().for_each(|module| jit.main().add_lazy_ir_module(module).unwrap());
    jit
}

fn call(jit: &Jit, name: &str) -> i32 {
    // SAFETY: every function that is called so takes nothing and returns a number.
    let function = unsafe { jit.main().handle::<extern "C" fn() -> i32>(name) };
    function.map_or_else(|error| panic!("{error}"), |function| function())
}

#[test]
fn programs_of_c_and_cxx_run_lazily() {
    for (flags, level) in FLAGS.into_iter().zip(['0', '2', '0', '1']) {
        let builder = || Jit::builder().llvm_options(Options::optimized(level).unwrap());
        assert_eq!(call(&jit(builder(), vec![clang("test.c", C, flags)]), "test"), 0, "{flags:?}");
        let modules = cxx().iter().map(|source| clang("test.cpp", source, flags)).collect();
        assert_eq!(call(&jit(builder().compile_threads(2), modules), "test"), CXX_RESULT, "{flags:?}");
    }
}

const CHAIN: &str = "
    define i32 @first() {\n %r = call i32 @second()\n ret i32 %r }
    define i32 @second() {\n ret i32 2 }
    define i32 @never() {\n call void asm \"gibberish\", \"\"()\n ret i32 3 }
    define ptr @pointer() {\n ret ptr @never }
";

#[test]
fn what_is_not_called_is_not_compiled() {
    let jit = jit(Jit::builder(), vec![parse("chain", CHAIN)]);
    assert_eq!(call(&jit, "first"), 2);
    // SAFETY: as declared.
    let pointer = unsafe { jit.main().handle::<extern "C" fn() -> usize>("pointer").unwrap() };
    assert_eq!(pointer() as u64, jit.main().find("never").unwrap(), "the stub's address");
    let calls = jit.session().first_calls().into_iter();
    let called: Vec<_> = calls.map(|(_, name)| jit.session().names().text(name)).collect();
    assert_eq!(called, ["first.body", "second.body", "pointer.body"]);
}

#[test]
fn a_function_has_one_address() {
    let text = "
        @kept = global ptr @me
        define i1 @me(ptr %p) {\n %same = icmp eq ptr %p, @me\n ret i1 %same }
        define ptr @other() {\n ret ptr @me }
        define i32 @test() {
          %a = load ptr, ptr @kept\n %b = call ptr @other()
          %x = call i1 @me(ptr %a)\n %y = call i1 @me(ptr %b)
          %both = and i1 %x, %y\n %r = zext i1 %both to i32\n ret i32 %r }";
    assert_eq!(call(&jit(Jit::builder(), vec![parse("m", text)]), "test"), 1);
}

static FAILURES: AtomicU32 = AtomicU32::new(0);

extern "C" fn failed() -> i32 {
    FAILURES.fetch_add(1, Ordering::Relaxed);
    -7
}

#[test]
fn a_call_of_what_cannot_be_had_goes_to_the_handler() {
    let text = "
        declare i32 @missing()
        define i32 @calls_missing() {\n %r = call i32 @missing()\n ret i32 %r }
        define i32 @bad() {\n call void asm \"gibberish\", \"\"()\n ret i32 3 }
        define i32 @good() {\n ret i32 1 }";
    let handler = failed as extern "C" fn() -> i32 as usize as u64;
    let jit = jit(Jit::builder().lazy_failure(handler), vec![parse("m.ll", text)]);
    assert_eq!((call(&jit, "calls_missing"), call(&jit, "bad"), call(&jit, "good")), (-7, -7, 1));
    assert_eq!(FAILURES.load(Ordering::Relaxed), 2);
    let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(reports.len(), 2);
    assert!(reports[0].contains("`missing`"), "{reports:?}");
    assert!(reports[1].contains("m.ll(bad)") && reports[1].contains("cannot be compiled"), "{reports:?}");
}

#[test]
fn lazy_and_eager_modules_call_each_other_from_many_threads() {
    const FUNCTIONS: usize = 40;
    const THREADS: usize = 4;
    for threads in [0, 4] {
        let builder = if threads == 0 { Jit::builder() } else { Jit::builder().compile_threads(threads) };
        let jit = builder.build().unwrap();
        for number in 0..FUNCTIONS {
            let next = number + 1;
            let text = if next == FUNCTIONS {
                format!("define i32 @f{number}() {{\n ret i32 0 }}")
            } else {
                format!(
                    "declare i32 @f{next}()\n define i32 @f{number}() {{
                       %r = call i32 @f{next}()\n %s = call i32 @add_one{number}(i32 %r)\n ret i32 %s }}
                     define internal i32 @add_one{number}(i32 %x) {{\n %y = add i32 %x, 1\n ret i32 %y }}"
                )
            };
            let module = parse("chain", &text);
            let added =
                if number % 3 == 0 { jit.main().add_ir_module(module) } else { jit.main().add_lazy_ir_module(module) };
            added.unwrap();
        }
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (jit, barrier) = (&jit, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let start = thread * 5;
                    assert_eq!(call(jit, &format!("f{start}")), (FUNCTIONS - 1 - start) as i32);
                });
            }
        });
    }
}

#[test]
fn dylibs_find_what_they_link_against() {
    let jit = Jit::new().unwrap();
    let library = jit.create_dylib("library").unwrap();
    let hidden =
        "define i32 @exported() {\n %r = call i32 @own()\n ret i32 %r }\n define internal i32 @own() {\n ret i32 5 }";
    library.add_lazy_ir_module(parse("library", hidden)).unwrap();
    jit.main().link_against(&[library]);
    let caller = "declare i32 @exported()\n define i32 @test() {\n %r = call i32 @exported()\n ret i32 %r }";
    jit.main().add_lazy_ir_module(parse("caller", caller)).unwrap();
    assert_eq!(call(&jit, "test"), 5);
}
