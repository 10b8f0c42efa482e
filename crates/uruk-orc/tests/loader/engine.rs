//! Engines: when code is made, by whom, and what becomes of it.

use crate::support::{HOST, compile};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk_cache::{Key, KeyBuilder, Memory};
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::{InProcessMemory, Options};
use uruk_jitlink::aarch64;
use uruk_jitlink::input::Input;
use uruk_jitlink::loader::LoadError;
use uruk_orc::Linkable;
use uruk_orc::engine::{Engine, EngineError, EngineKind, Module};
use uruk_orc::error::Cause;
use uruk_orc::layer::{Compiler, Interface};
use uruk_orc::session::Session;

fn object(name: &str, source: &str) -> Module {
    Module::object(compile(name, HOST, source, &["-fPIC"]))
}

/// Compiles C, and counts.
#[derive(Default)]
struct Clang(AtomicUsize);

impl Compiler<&'static str> for Clang {
    fn interface(&self, _: &Session, _: &&'static str) -> Result<Interface, Cause> {
        Ok(Interface::default())
    }

    fn compile(&self, _: &Session, source: &'static str) -> Result<Linkable, Cause> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if source.contains("mistake") {
            return Err("there is a mistake in it".into());
        }
        Ok(compile("module.c", HOST, source, &["-fPIC"]).into())
    }

    fn key(&self, _: &Session, source: &&'static str) -> Option<Key> {
        Some(KeyBuilder::new("clang of a test").part(source.as_bytes()).finish())
    }
}

#[test]
fn nothing_is_compiled_before_code_is_needed_and_what_is_cached_never() {
    let (clang, cache) = (Arc::new(Clang::default()), Arc::new(Memory::new(1 << 20)));
    let module = || Module::compiled("module", &clang, ["int f(void) { return 40; }", "int g(void) { return 2; }"]);
    let mut engine = Engine::builder(module()).object_cache(cache.clone()).create().unwrap();
    assert_eq!(clang.0.load(Ordering::Relaxed), 0);
    assert!(engine.sections().is_empty());
    let f = engine.pointer_to_function("f").unwrap();
    assert_eq!(clang.0.load(Ordering::Relaxed), 2);
    assert_eq!(engine.pointer_to_function("f").unwrap(), f);
    assert_eq!(engine.run_function("f", &[]).unwrap() + engine.run_function("g", &[]).unwrap(), 42);
    let mut engine = Engine::builder(module()).object_cache(cache).create().unwrap();
    engine.finalize_object().unwrap();
    assert_eq!(clang.0.load(Ordering::Relaxed), 2, "a hit skips the compiler");
    assert_eq!(engine.run_function("g", &[]).unwrap(), 2);
}

#[test]
fn modules_are_added_at_any_time_and_see_each_other() {
    let mut engine = Engine::builder(object("a.c", "int b(int); int a(int x) { return b(x) + 1; }")).create().unwrap();
    let error = engine.finalize_object().unwrap_err().to_string();
    assert!(error.contains("nothing defines `b`, referred to by a.c(.text+0x"), "{error}");
    engine.add_module(object("b.c", "int more; int b(int x) { more = x; return x * 2; }")).unwrap();
    assert_eq!(engine.run_function("a", &[20]).unwrap(), 41);
    engine.add_module(object("c.c", "extern int more; int a(int); int c(void) { return a(more) + more; }")).unwrap();
    assert_eq!(engine.run_function("c", &[]).unwrap(), 61);
    let source = "int main(int count, char **values) { return count * 10 + values[1][0] - '0'; }";
    engine.add_module(object("main.c", source)).unwrap();
    assert_eq!(engine.run_function_as_main("main", &["main", "7"]).unwrap(), 27);
    assert!(matches!(engine.pointer_to_function("absent"), Err(EngineError::NotFound(_))));
}

#[test]
fn a_module_that_fails_is_told_and_the_others_go_on() {
    let clang = Arc::new(Clang::default());
    let mut engine = Engine::builder(Module::compiled("wrong", &clang, ["mistake"])).create().unwrap();
    engine.add_module(object("fine.c", "int fine(void) { return 5; }")).unwrap();
    let error = engine.finalize_object().unwrap_err().to_string();
    assert_eq!(error, "compiling wrong: there is a mistake in it");
    assert_eq!(engine.run_function("fine", &[]).unwrap(), 5);
    engine.add_object(Input::from_bytes("none", b"\x7fELF".to_vec())).unwrap();
    assert!(matches!(engine.finalize_object(), Err(EngineError::Load(LoadError::Link(_)))));
    assert_eq!(engine.run_function("fine", &[]).unwrap(), 5);
    let made = Engine::builder(object("x.c", "int x;")).kind(EngineKind::Interpreter).create();
    assert!(matches!(made, Err(EngineError::Interpreter)));
    let error = Engine::builder(object("x.c", "int x;")).target(&aarch64::ARCHITECTURE).create().err().unwrap();
    assert_eq!(
        error.to_string(),
        "x.c is for x86-64, the engine for aarch64; make another engine for it, with that target"
    );
}

#[test]
fn the_language_runtime_is_there() {
    const SOURCE: &str = r#"
        #include <stdexcept>
        #include <string>
        static std::string text = "made by a constructor";
        static int thrower(int x) { if (x) throw std::runtime_error(text); return 0; }
        extern "C" int lengths(int x) {
            try { return thrower(x); } catch (const std::exception &error) { return std::string(error.what()).size(); }
        }
        template <class T> T twice(T x) { return x + x; }
        extern "C" int instance(int x) { return twice(x); }
    "#;
    const INDIRECT: &str = r#"
        template <class T> T twice(T x) { return x + x; }
        extern "C" int chosen(int x) { return twice(x) + 1; }
        extern "C" int (*choose(void))(int) { return chosen; }
        extern "C" int indirect(int x) __attribute__((ifunc("choose")));
        extern "C" int through(int x) { return indirect(x); }
    "#;
    let executor = Arc::new(InProcess::new(Options::default()));
    executor.load_library("libstdc++.so.6").unwrap();
    let memory = || executor.memory().statistics().live.iter().sum::<u64>();
    let module = Module::object(compile("throws.cpp", HOST, SOURCE, &["-fPIC"]));
    let mut engine = Engine::builder(module).executor(executor.clone()).create().unwrap();
    engine.add_object(compile("indirect.cpp", HOST, INDIRECT, &["-fPIC"])).unwrap();
    engine.run_static_constructors().unwrap();
    assert_eq!(engine.run_function("lengths", &[1]).unwrap(), 21);
    assert_eq!((engine.run_function("instance", &[4]).unwrap(), engine.run_function("through", &[4]).unwrap()), (8, 9));
    assert_eq!(engine.run_function("indirect", &[5]).unwrap(), 11);
    engine.run_static_destructors().unwrap();
    assert_ne!(memory(), 0);
    drop(engine);
    assert_eq!(memory(), 0);
}

#[test]
fn names_come_from_who_is_asked() {
    extern "C" fn three() -> u64 {
        3
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = three as extern "C" fn() -> u64 as usize as u64;
    let source = "int given(void), another(void); int f(void) { return given() + another(); }";
    let memory = Arc::new(InProcessMemory::new(Options { strict: true, ..Options::default() }));
    let mut engine = Engine::builder(object("f.c", source)).memory_manager(memory.clone()).resolver(move |names| {
        count.fetch_add(1, Ordering::Relaxed);
        names.iter().map(|_| Some(address)).collect()
    });
    engine = engine.kind(EngineKind::Either);
    let mut engine = engine.create().unwrap();
    assert_eq!(engine.run_function("f", &[]).unwrap(), 6);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "once, for all names");
    assert_ne!(memory.statistics().live, [0; 3]);
    let mut other =
        Engine::builder(object("f.c", "int tolower(int); int f(void) { return tolower(65); }")).create().unwrap();
    assert_eq!(other.run_function("f", &[]).unwrap(), 97, "the process has it");
}

/// An image for another architecture, which this process does nothing with but hold.
#[test]
fn images_for_another_machine_are_bytes() {
    let source = "extern int there; int *p = &there; int f(void) { return *p; }";
    let arm = compile("f.c", "aarch64-linux-gnu", source, &[]);
    let mut engine =
        Engine::builder(Module::object(arm)).resolver(|names| vec![Some(0x7777_0000); names.len()]).create().unwrap();
    assert_eq!(engine.target().name, "aarch64");
    let error = engine.finalize_object().unwrap_err().to_string();
    assert!(error.contains("has no address"), "{error}");
    for (number, section) in engine.sections().into_iter().enumerate() {
        engine.map_section(section.key, 0x4000_0000 + number as u64 * 0x1000).unwrap();
    }
    engine.resolve().unwrap();
    engine.finalize_object().unwrap();
    let p = engine.pointer_to_function("p").unwrap();
    let images = engine.images().unwrap();
    let image = images.iter().find(|image| image.address == p).unwrap();
    assert_eq!(image.bytes[..8], 0x7777_0000u64.to_le_bytes());
}
