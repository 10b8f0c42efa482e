//! Reading modules, what they define, what is refused, and the rules of contexts.

use std::sync::{Arc, Barrier};
use uruk_jitlink::graph::SymbolKind;
use uruk_llvm::{
    ConcurrentCompiler, Cpu, Error, Interface, Options, SimpleCompiler, Strength, Target, ThreadSafeContext,
    ThreadSafeModule,
};

fn host() -> Arc<Target> {
    Arc::new(Target::new(Options::default()).unwrap())
}

fn darwin() -> Target {
    let options = Options { triple: Some("arm64-apple-macosx".into()), cpu: Cpu::Generic, ..Options::default() };
    Target::new(options).unwrap()
}

fn parse(text: &str) -> Result<ThreadSafeModule, Error> {
    ThreadSafeModule::parse("m.ll", text.as_bytes())
}

/// The message with which a module is refused, when it is read or else when it is compiled.
fn refusal(text: &str) -> String {
    let compiled = parse(text).and_then(|module| SimpleCompiler::new(host())?.compile(&module));
    compiled.err().unwrap().to_string()
}

#[test]
fn mistakes_are_named_with_their_place() {
    let check = |text: &str, expected: &str| {
        let found = refusal(text);
        assert!(found.contains(expected), "{found}");
    };
    check("define i32 @f() {\n  ret i32 %x\n}", "m.ll:2:11: use of undefined value '%x'");
    check("gibberish", "m.ll:1:1: expected top-level entity");
    check("define i32 @f() {\n", "m.ll:2:1: ");
    check(
        "define void @f(i32 %x) {\n  br label %a\na:\n  %p = phi i32 [ %x, %a ]\n  ret void\n}",
        "m.ll is not valid IR: ",
    );
    check("define void @f() {\n  call void asm \"gibberish\", \"\"()\n  ret void\n}", "m.ll cannot be compiled: ");
    check(
        "target triple = \"aarch64-unknown-linux-gnu\"",
        "m.ll is for `aarch64-unknown-linux-gnu`, and code runs here on `x86_64",
    );
    check("target datalayout = \"e-p:32:32\"\n", "m.ll has the data layout `e-p:32:32`");
}

#[test]
fn damaged_bitcode_is_an_error() {
    let whole = parse("define i32 @f() { ret i32 1 }").unwrap().to_bitcode();
    assert!(ThreadSafeModule::parse("m.bc", &whole).is_ok());
    for length in [4, 5, 8, whole.len() / 2, whole.len() - 4] {
        let error = ThreadSafeModule::parse("m.bc", &whole[..length]).err().unwrap();
        assert!(matches!(error, Error::Bitcode { .. }), "{length}: {error}");
    }
}

#[test]
fn what_llvm_would_die_of_is_an_error() {
    // The processor lacks what the intrinsic function stands for.
    let text = "declare <16 x float> @llvm.x86.avx512.rcp14.ps.512(<16 x float>, <16 x float>, i16)
        define <16 x float> @f(<16 x float> %x) {
          %r = call <16 x float> @llvm.x86.avx512.rcp14.ps.512(<16 x float> %x, <16 x float> %x, i16 -1)
          ret <16 x float> %r
        }";
    let generic = Options { cpu: Cpu::Generic, ..Options::default() };
    let compiler = ConcurrentCompiler::new(Arc::new(Target::new(generic).unwrap())).unwrap();
    let module = parse(text).unwrap();
    let error = compiler.compile(&module).err().unwrap();
    assert!(error.to_string().contains("m.ll cannot be compiled: "), "{error}");
    assert!(matches!(compiler.compile(&module), Err(Error::Broken { .. })));
    // Others go on.
    assert!(compiler.compile(&parse("define void @g() { ret void }").unwrap()).is_ok());
}

#[test]
fn targets_are_checked() {
    let error =
        Target::new(Options { triple: Some("riscv17-unknown-none".into()), ..Options::default() }).err().unwrap();
    assert!(matches!(error, Error::Target { .. }), "{error}");
    let arm = darwin();
    assert_eq!(arm.mangling().mangle(b"main"), b"_main");
    let module = parse("target triple = \"arm64-apple-macosx14.0\"\ndefine void @f() { ret void }").unwrap();
    let object = SimpleCompiler::new(Arc::new(arm)).unwrap().compile(&module).unwrap();
    assert_eq!(object[..4], [0xcf, 0xfa, 0xed, 0xfe], "Mach-O");
}

#[test]
fn interfaces_say_what_others_see() {
    let module = parse(
        r#"
        @strong = global i32 1
        @hidden = hidden global i32 1
        @weak = weak global i32 1
        @common = common global i32 0
        @tls = thread_local global i32 0
        @internal = internal global i32 0
        @.str = private unnamed_addr constant [2 x i8] c"a\00"
        @external = external global i32
        @alias = alias i32, ptr @strong
        @second = weak alias void (), ptr @f
        @indirect = ifunc void (), ptr @resolve
        @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 1, ptr @f, ptr null }]
        module asm ".globl _from_asm"
        module asm "_from_asm:"
        define void @f() { ret void }
        define linkonce_odr void @inline() { ret void }
        define available_externally void @elsewhere() { ret void }
        define internal void @local() { ret void }
        define internal ptr @resolve() { ret ptr @f }
        define void @"\01exact"() { ret void }
        declare void @declared()
        "#,
    );
    let Interface { symbols, initialisers } = Interface::of(&module.unwrap(), &darwin()).unwrap();
    assert!(initialisers);
    let mut found: Vec<String> = symbols
        .iter()
        .map(|symbol| {
            let hidden = if symbol.exported { "" } else { " hidden" };
            format!("{} {:?} {:?}{hidden}", String::from_utf8_lossy(&symbol.name), symbol.strength, symbol.kind)
        })
        .collect();
    found.sort();
    let expected = [
        "_alias Strong Object",
        "_common Common Object",
        "_f Strong Function",
        "_from_asm Strong Function",
        "_hidden Strong Object hidden",
        "_indirect Strong Indirect",
        "_inline Weak Function",
        "_second Weak Function",
        "_strong Strong Object",
        "_tls Strong ThreadLocal",
        "_weak Weak Object",
        "exact Strong Function",
    ];
    assert_eq!(found, expected);
    assert_eq!(symbols.iter().filter(|symbol| symbol.strength == Strength::Common).count(), 1);
    assert!(symbols.iter().all(|symbol| symbol.kind != SymbolKind::None));
}

#[test]
fn modules_share_contexts_and_contexts_live_as_long_as_they() {
    let context = ThreadSafeContext::new();
    let modules: Vec<_> = (0..3)
        .map(|number| {
            let text = format!("define i32 @f{number}() {{ ret i32 {number} }}");
            ThreadSafeModule::parse_in(&context, "m.ll", text.as_bytes()).unwrap()
        })
        .collect();
    // The lock may be taken again, so what compiles with it held goes on.
    let guard = context.lock();
    assert_eq!(guard.i32_type(), guard.i32_type());
    let compiler = ConcurrentCompiler::new(host()).unwrap();
    assert!(compiler.compile(&modules[0]).is_ok());
    drop(guard);
    drop(context);
    assert!(modules.iter().all(|module| compiler.compile(module).is_ok()));
    let copy = modules[0].clone_to_new_context().unwrap();
    drop(modules);
    assert_eq!(Interface::of(&copy, &host()).unwrap().symbols.len(), 1);
}

#[test]
fn one_context_is_used_by_one_thread_at_a_time() {
    let context = ThreadSafeContext::new();
    let barrier = Barrier::new(4);
    let module = ThreadSafeModule::new_in(&context, "counted");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (module, barrier) = (&module, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..200 {
                    module.with(|ir| {
                        let context = ir.get_context();
                        let function = ir.add_function(
                            &format!("f{thread}_{number}"),
                            context.void_type().fn_type(&[], false),
                            None,
                        );
                        let builder = context.create_builder();
                        builder.position_at_end(context.append_basic_block(function, "entry"));
                        builder.build_return(None).unwrap();
                    });
                }
            });
        }
    });
    assert_eq!(Interface::of(&module, &host()).unwrap().symbols.len(), 800);
    assert!(ConcurrentCompiler::new(host()).unwrap().compile(&module).is_ok());
}

#[test]
fn modules_that_were_built_are_verified() {
    let module = ThreadSafeModule::new("built");
    module.with(|ir| {
        let context = ir.get_context();
        let function = ir.add_function("f", context.void_type().fn_type(&[], false), None);
        context.append_basic_block(function, "entry"); // without an end
    });
    let error = SimpleCompiler::new(host()).unwrap().compile(&module).err().unwrap();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}

#[test]
fn passes_are_run_and_checked() {
    let text =
        "define i32 @f(i32 %x) {\n %p = alloca i32\n store i32 %x, ptr %p\n %y = load i32, ptr %p\n ret i32 %y\n}";
    let size = |options: Options| {
        let mut compiler = SimpleCompiler::new(Arc::new(Target::new(options).unwrap())).unwrap();
        let module = parse(text).unwrap();
        let object = compiler.compile(&module);
        object.map(|_| module.with(|ir| ir.print_to_string().to_string().contains("alloca")))
    };
    assert_eq!(size(Options::default()), Ok(true));
    assert_eq!(size(Options::optimized('2').unwrap()), Ok(false));
    let error = size(Options { passes: Some("no-such-pass".into()), ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("no-such-pass"), "{error}");
}
