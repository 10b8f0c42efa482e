//! Compiled modules and parts of modules are kept in a cache, and LLVM does not compile what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::Jit;
use uruk::cache::{CacheError, Directory, Key, Memory, ObjectCache};
use uruk_llvm::{CodeModel, ConcurrentCompiler, Cpu, Options, Target, ThreadSafeModule, split};

/// Counts what a cache had and what it was given.
struct Counting<C> {
    cache: C,
    found: AtomicUsize,
    kept: AtomicUsize,
}

impl<C> Counting<C> {
    fn new(cache: C) -> Arc<Counting<C>> {
        Arc::new(Counting { cache, found: AtomicUsize::new(0), kept: AtomicUsize::new(0) })
    }

    /// How often it had something and was given something since this was asked last.
    fn counts(&self) -> (usize, usize) {
        (self.found.swap(0, Ordering::Relaxed), self.kept.swap(0, Ordering::Relaxed))
    }
}

impl<C: ObjectCache> ObjectCache for Counting<C> {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let found = self.cache.get(key)?;
        self.found.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        Ok(found)
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.cache.put(key, bytes)
    }
}

/// How a module gets into a JIT.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Bytes,
    Module,
    /// A module that is not what was read any more.
    Changed,
    /// Bytes, compiled by function.
    Lazy,
}

/// What `outer` returns, and what was reported.
fn run(cache: Arc<dyn ObjectCache>, options: &Options, way: Way, text: &str) -> (i32, Vec<String>) {
    let builder = Jit::builder().cache(cache).llvm_options(options.clone());
    let run = |jit: &Jit| {
        if matches!(way, Way::Bytes | Way::Lazy) {
            jit.main().add_ir("m.ll", text.as_bytes()).unwrap();
        } else {
            let module = ThreadSafeModule::parse("m.ll", text.as_bytes()).unwrap();
            if way == Way::Changed {
                module.with(|ir| ir.set_source_file_name("another.c"));
            }
            jit.main().add_ir_module(module).unwrap();
        }
        // SAFETY: every text here declares it so.
        let outer = unsafe { jit.main().function::<extern "C" fn() -> i32>("outer") }.unwrap();
        (outer(), jit.session().take_reports().iter().map(ToString::to_string).collect())
    };
    if way == Way::Lazy { run(&builder.build_lazy().unwrap()) } else { run(&builder.build().unwrap()) }
}

const TEXT: &str = "
    define i32 @outer() {\n %r = call i32 @inner()\n %s = add i32 %r, 1\n ret i32 %s }
    define i32 @inner() {\n ret i32 41 }
";

#[test]
fn a_module_is_compiled_once_for_each_way_to_compile_it() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing of a run is left but the folder.
    let check = |options: &Options, way, text: &str, result, counts| {
        let cache = Counting::new(Directory::new(folder.path(), 1 << 20));
        assert_eq!(run(cache.clone(), options, way, text), (result, Vec::new()));
        assert_eq!(cache.counts(), counts, "{way:?} {options:?}");
    };
    let plain = Options::default();
    check(&plain, Way::Bytes, TEXT, 42, (0, 1));
    check(&plain, Way::Bytes, TEXT, 42, (1, 0));
    check(&plain, Way::Module, TEXT, 42, (1, 0));
    check(&plain, Way::Changed, TEXT, 42, (0, 1));
    check(&plain, Way::Changed, TEXT, 42, (1, 0));
    check(&plain, Way::Module, &TEXT.replace("41", "51"), 52, (0, 1));
    let others = [
        Options::optimized('2').unwrap(),
        Options::optimized('3').unwrap(),
        Options { cpu: Cpu::Generic, ..Options::default() },
        Options { features: "-avx".into(), ..Options::default() },
        Options { code_model: CodeModel::Large, ..Options::default() },
        Options { passes: Some("mem2reg".into()), ..Options::default() },
    ];
    for options in &others {
        check(options, Way::Bytes, TEXT, 42, (0, 1));
    }
    for options in &others {
        check(options, Way::Module, TEXT, 42, (1, 0));
    }
}

#[test]
fn functions_are_kept_one_by_one() {
    let cache = Counting::new(Memory::new(1 << 20));
    let check = |text: &str, result, counts| {
        assert_eq!(run(cache.clone(), &Options::default(), Way::Lazy, text), (result, Vec::new()));
        assert_eq!(cache.counts(), counts);
    };
    check(TEXT, 42, (0, 2));
    check(TEXT, 42, (2, 0));
    check(&TEXT.replace("41", "51"), 52, (1, 1));
}

#[test]
fn what_is_there_is_neither_compiled_nor_read() {
    // LLVM can make no code of this; and the bytes of the last way are not even IR.
    let text = "define i32 @outer() {\n call void asm \"gibberish\", \"\"()\n ret i32 1 }";
    let object = "define i32 @outer() {\n ret i32 7 }";
    let compiler = ConcurrentCompiler::new(Arc::new(Target::new(Options::default()).unwrap())).unwrap();
    let module = |text: &str| {
        let module = ThreadSafeModule::parse("m.ll", text.as_bytes()).unwrap();
        compiler.target().prepare(&module).unwrap();
        module
    };
    let cache = Counting::new(Memory::new(1 << 20));
    let keep = |key, module: &ThreadSafeModule| cache.put(&key, &compiler.compile(module).unwrap()).unwrap();
    keep(compiler.key(&module(text), true), &module(object));
    keep(compiler.key_of_ir("m.ll", b"no IR", true), &module(object));
    let part = |text: &str| split(module(text)).unwrap().remove(0);
    keep(part(text).key(&compiler).unwrap(), &part(object).extract().unwrap());
    assert_eq!(cache.counts(), (0, 3));
    for (way, text) in [(Way::Module, text), (Way::Lazy, text), (Way::Bytes, "no IR")] {
        assert_eq!(run(cache.clone(), &Options::default(), way, text), (7, Vec::new()), "{way:?}");
        assert_eq!(cache.counts(), (1, 0), "{way:?}");
    }
}

#[test]
fn what_a_module_promises_is_the_same_from_a_cache() {
    let text = "
        @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]
        @count = hidden global i32 1
        @room = common global i32 0
        @own = thread_local global i32 5
        @other = alias i32 (), ptr @weak
        define hidden void @begin() {\n store i32 10, ptr @count\n ret void }
        define weak i32 @weak() {\n ret i32 100 }
        define linkonce_odr hidden i32 @inline() {\n ret i32 1000 }
        define i32 @outer() {
          %count = load i32, ptr @count
          %room = load i32, ptr @room
          %own = load i32, ptr @own
          %weak = call i32 @other()
          %inline = call i32 @inline()
          %a = add i32 %count, %room
          %b = add i32 %own, %weak
          %c = add i32 %a, %b
          %d = add i32 %c, %inline
          ret i32 %d
        }";
    let cache = Counting::new(Memory::new(1 << 20));
    for (way, kept) in
        [(Way::Bytes, true), (Way::Bytes, false), (Way::Module, false), (Way::Lazy, true), (Way::Lazy, false)]
    {
        assert_eq!(run(cache.clone(), &Options::default(), way, text), (1115, Vec::new()), "{way:?}");
        let (found, new) = cache.counts();
        assert_eq!((0 < found, 0 < new), (!kept, kept), "{way:?}");
    }
}

#[test]
fn a_damaged_cache_costs_a_compilation_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let run = |way| {
        let cache = Counting::new(Directory::new(folder.path(), 1 << 20));
        let (result, reports) = run(cache.clone(), &Options::default(), way, TEXT);
        assert_eq!(result, 42);
        (reports, cache.counts())
    };
    run(Way::Bytes);
    for way in [Way::Bytes, Way::Module] {
        let objects = folder.path().join("objects-0");
        let damaged: Vec<u8> = std::fs::read(&objects).unwrap().iter().map(|byte| byte ^ 0x55).collect();
        std::fs::write(objects, damaged).unwrap();
        let (reports, counts) = run(way);
        assert!(matches!(&reports[..], [report] if report.contains("checksum is wrong")), "{reports:?}");
        assert_eq!((counts, run(way)), ((0, 1), (Vec::new(), (1, 0))), "{way:?}: it was put there anew");
    }
}
