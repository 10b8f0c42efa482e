//! Modules in a JIT: linked with each other, run, removed, and refused.

mod programs;
mod support;

use programs::{C, CXX_RESULT, FLAGS, clang, cxx};
use support::parse;
use uruk::Jit;
use uruk_llvm::{Options, ThreadSafeContext, ThreadSafeModule};

fn call(jit: &Jit, name: &str) -> i32 {
    // SAFETY: every function that is called so takes nothing and returns a number.
    let function = unsafe { jit.main().handle::<extern "C" fn() -> i32>(name) };
    function.map_or_else(|error| panic!("{error}"), |function| function())
}

const CALLER: &str =
    "declare i32 @callee(i32)\n define i32 @caller() {\n %r = call i32 @callee(i32 41)\n ret i32 %r\n}";
const CALLEE: &str = "define i32 @callee(i32 %x) {\n %r = add i32 %x, 1\n ret i32 %r\n}";

#[test]
fn modules_call_each_other() {
    let jit = Jit::new().unwrap();
    jit.main().add_ir_module(parse("caller", CALLER)).unwrap();
    jit.main().add_ir_module(parse("callee", CALLEE)).unwrap();
    assert_eq!(call(&jit, "caller"), 42);
}

#[test]
fn interdependent_modules_of_one_context_compile_on_several_threads() {
    const MODULES: usize = 24;
    for _ in 0..4 {
        let context = ThreadSafeContext::new();
        let jit = Jit::builder().compile_threads(4).build().unwrap();
        for number in 0..MODULES {
            let next = (number + 1) % MODULES;
            let text = format!(
                "declare i32 @f{next}(i32)\n define i32 @f{number}(i32 %n) {{
                   %done = icmp eq i32 %n, 0\n br i1 %done, label %end, label %more
                 more:\n %m = sub i32 %n, 1\n %r = call i32 @f{next}(i32 %m)\n %s = add i32 %r, 1\n ret i32 %s
                 end:\n ret i32 0\n }}"
            );
            let module = ThreadSafeModule::parse_in(&context, "ring", text.as_bytes()).unwrap();
            jit.main().add_ir_module(module).unwrap();
        }
        // SAFETY: as declared.
        let f = unsafe { jit.main().handle::<extern "C" fn(i32) -> i32>("f0").unwrap() };
        assert_eq!(f(100), 100);
    }
}

#[test]
fn weak_common_and_inline_definitions_meet() {
    let jit = Jit::new().unwrap();
    for (name, value) in [("one", 1), ("two", 2)] {
        let text = format!(
            "@shared = common global i32 0\n
             define linkonce_odr i32 @inline() {{\n ret i32 7\n }}
             define weak i32 @weak() {{\n ret i32 {value}\n }}
             define i32 @{name}() {{\n %w = call i32 @weak()\n %i = call i32 @inline()\n %old = load i32, ptr @shared
               %new = add i32 %old, 1\n store i32 %new, ptr @shared\n %s = add i32 %w, %i\n %r = add i32 %s, %new\n ret i32 %r }}"
        );
        jit.main().add_ir_module(parse(name, &text)).unwrap();
    }
    assert_eq!((call(&jit, "one"), call(&jit, "two")), (1 + 7 + 1, 1 + 7 + 2));
    assert_eq!(call(&jit, "inline"), 7);
}

#[test]
fn what_is_promised_is_kept_by_passes() {
    let jit = Jit::builder().llvm_options(Options::optimized('2').unwrap()).build().unwrap();
    jit.main().add_ir_module(parse("inline", "define linkonce_odr i32 @inline() {\n ret i32 7\n }")).unwrap();
    assert_eq!(call(&jit, "inline"), 7);
}

#[test]
fn a_module_is_removed() {
    let jit = Jit::new().unwrap();
    let tracker = jit.main().add_tracked(&[]).unwrap();
    tracker.add_ir_module(parse("callee", CALLEE)).unwrap();
    assert!(jit.main().find("callee").is_ok());
    tracker.remove().wait();
    assert!(jit.main().find("callee").is_err());
    assert_eq!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
}

#[test]
fn bad_modules_are_refused_and_the_session_goes_on() {
    let jit = Jit::new().unwrap();
    let refused = |module: ThreadSafeModule| jit.main().add_ir_module(module).unwrap_err().to_string();
    let message = refused(parse("arm.ll", "target triple = \"aarch64-linux-gnu\"\n define void @f() {\n ret void\n }"));
    assert!(message.contains("arm.ll is for `aarch64-linux-gnu`"), "{message}");
    let unfinished = ThreadSafeModule::new("unfinished");
    unfinished.with(|ir| {
        let function = ir.add_function("f", ir.get_context().void_type().fn_type(&[], false), None);
        ir.get_context().append_basic_block(function, "entry");
    });
    assert!(refused(unfinished).contains("unfinished is not valid IR"));
    let asm = "define i32 @bad() {\n call void asm \"gibberish\", \"\"()\n ret i32 0\n }";
    jit.main().add_ir_module(parse("bad.ll", asm)).unwrap();
    jit.main().add_ir_module(parse("caller", CALLER)).unwrap();
    let message = jit.main().find("bad").unwrap_err().to_string();
    assert!(message.contains("bad.ll cannot be compiled"), "{message}");
    let message = jit.main().find("caller").unwrap_err().to_string();
    assert!(message.contains("`callee`") && message.contains("caller"), "{message}");
    let jit = Jit::new().unwrap();
    jit.main().add_ir_module(parse("callee", CALLEE)).unwrap();
    assert!(jit.main().find("callee").is_ok());
}

#[test]
fn programs_of_c_and_cxx_run() {
    for flags in FLAGS {
        let jit = Jit::new().unwrap();
        jit.main().add_ir_module(clang("test.c", C, flags)).unwrap();
        assert_eq!(call(&jit, "test"), 0, "{flags:?}");
        let jit = Jit::new().unwrap();
        jit.load_libraries_on_demand(&["libstdc++.so.6"]);
        for source in cxx() {
            jit.main().add_ir_module(clang("test.cpp", &source, flags)).unwrap();
        }
        assert_eq!(call(&jit, "test"), CXX_RESULT, "{flags:?}");
    }
}
