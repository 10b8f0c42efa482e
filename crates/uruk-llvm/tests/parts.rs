//! Modules divided into parts.

mod support;

use support::parse;
use uruk_llvm::{Error, Interface, Options, Part, Target, ThreadSafeModule, split};

fn divide(module: ThreadSafeModule) -> Vec<Part> {
    Target::new(Options::default()).unwrap().prepare(&module).unwrap();
    split(module).unwrap()
}

/// What a part defines; bodies by the names of their functions.
fn names(part: &Part) -> Vec<String> {
    let names = part.symbols().iter().map(|symbol| String::from_utf8_lossy(&symbol.name).into_owned());
    names.map(|name| name.trim_end_matches(".body").to_owned()).collect()
}

#[test]
fn what_only_works_together_stays_together() {
    let parts = divide(parse(
        "m",
        r#"
        $group = comdat any
        @data = global i32 1
        @more = global ptr @data
        @.str = private unnamed_addr constant [2 x i8] c"a\00"
        @labels = global ptr blockaddress(@labelled, %here)
        @also = alias void (), ptr @plain
        @indirect = ifunc void (), ptr @resolver
        define void @plain() { ret void }
        define void @labelled() { br label %here
        here: ret void }
        define ptr @resolver() { ret ptr @plain }
        define linkonce_odr void @one() comdat($group) { ret void }
        define linkonce_odr void @two() comdat($group) { ret void }
        define ptr @alone() { ret ptr @.str }
        "#,
    ));
    let mut found: Vec<Vec<String>> = parts.iter().map(names).collect();
    found.iter_mut().for_each(|names| names.sort());
    found.sort();
    let expected: [&[&str]; 6] = [
        &["alone"],
        &["also", "plain"],
        &["data", "more"],
        &["indirect", "resolver"],
        &["labelled", "labels"],
        &["one", "two"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_part_has_no_more_than_it_uses() {
    let parts = divide(parse(
        "m",
        r#"
        @text = private unnamed_addr constant [2 x i8] c"a\00"
        @table = private unnamed_addr constant [2 x ptr] [ptr @text, ptr @helper]
        @unused = global i32 0
        define internal i32 @helper(i32 %x) { ret i32 %x }
        define i32 @wanted() {
          %f = load ptr, ptr getelementptr (ptr, ptr @table, i32 1)
          %r = call i32 %f(i32 1)
          ret i32 %r
        }
        define void @other() { ret void }
        "#,
    ));
    let part = parts.iter().find(|part| names(part) == ["wanted"]).unwrap();
    let module = part.extract().unwrap();
    let text = module.with(|ir| ir.print_to_string().to_string());
    assert!(text.contains("@text = private") && text.contains("@table = private"), "{text}");
    assert!(text.contains("declare hidden i32 @helper."), "{text}");
    assert!(!text.contains("@unused") && !text.contains("@other"), "{text}");
}

#[test]
fn local_names_are_unique_and_the_same_each_time() {
    let text =
        "define internal i32 @local() { ret i32 1 }\n define i32 @user() {\n %r = call i32 @local()\n ret i32 %r }";
    let local = |name: &str| {
        let parts = divide(parse(name, text));
        let name = parts.iter().flat_map(names).find(|name| name.starts_with("local.")).unwrap();
        assert!(parts.iter().flat_map(Part::symbols).all(|symbol| symbol.exported == (symbol.name == b"user.body")));
        name
    };
    let (first, again, other) = (local("a"), local("a"), local("b"));
    assert!(first != again && first != other && again != other);
}

#[test]
fn assembler_is_not_divided() {
    let module = parse("m", "module asm \".globl f\\0Af:\"\n define void @g() { ret void }");
    assert!(matches!(split(module), Err(Error::Assembler { .. })));
    let broken = ThreadSafeModule::new("broken");
    broken.with(|ir| {
        let function = ir.add_function("f", ir.get_context().void_type().fn_type(&[], false), None);
        ir.get_context().append_basic_block(function, "entry");
    });
    assert!(matches!(split(broken), Err(Error::Invalid { .. })));
}

#[test]
fn a_part_is_a_module_of_its_own() {
    let target = Target::new(Options::default()).unwrap();
    let parts = divide(parse("m", "define void @f() { call void @g() ret void }\n define void @g() { ret void }"));
    let modules: Vec<_> = parts.iter().map(|part| part.extract().unwrap()).collect();
    drop(parts);
    for module in &modules {
        assert_eq!(Interface::of(module, &target).unwrap().symbols.len(), 1);
    }
}
