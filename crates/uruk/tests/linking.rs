//! The rules of linking, through the library: who wins a name, what is missing, what a failure leaves behind.

mod support;

use std::path::Path;
use std::process::Command;
use support::compile;
use uruk::{Definition, Error, Jit};

type Number = extern "C" fn() -> i32;

fn call(jit: &Jit, name: &str) -> Result<i32, Error> {
    // SAFETY: all functions of these tests take nothing and return an int.
    unsafe { Ok(jit.main().function::<Number>(name)?()) }
}

#[test]
fn objects_of_one_call_refer_to_each_other_in_any_order() {
    let jit = Jit::new().unwrap();
    let uses = compile("uses.c", "int value(void); int twice(void) { return 2 * value(); }", &[]);
    let defines = compile("defines.c", "int twice(void); int value(void) { return 21; }", &[]);
    jit.main().add_objects(&[uses, defines]).unwrap();
    assert_eq!(call(&jit, "twice").unwrap(), 42);
}

#[test]
fn what_a_client_defines_at_an_address_is_reached_wherever_that_is() {
    extern "C" fn far() -> i32 {
        41
    }
    let jit = Jit::new().unwrap();
    let session = jit.session();
    let text = "int far(void); extern int number; int next(void) { return far() + number; }";
    // Without flags the call and the variable are asked for within 32 bits.
    jit.main().add_objects(&[compile("next.c", text, &["-fno-pic"])]).unwrap();
    let number = Box::new(1i32);
    let definitions = [("far", far as *const () as u64), ("number", &raw const *number as u64)];
    let define = |(name, address): (&str, u64)| (Definition::data(session.names().intern(name.as_bytes())), address);
    session.define_addresses(jit.main().id(), None, &definitions.map(define)).unwrap();
    assert_eq!(call(&jit, "next").unwrap(), 42);
}

#[test]
fn all_missing_names_are_in_one_report_with_their_places() {
    let jit = Jit::new().unwrap();
    let one = compile("one.c", "int gone_a(void); int one(void) { return gone_a(); }", &[]);
    let two = compile("two.c", "int gone_b(void), one(void); int two(void) { return gone_b() + one(); }", &[]);
    jit.main().add_objects(&[one, two]).unwrap();
    let error = jit.main().initialize().unwrap_err();
    let (missing, searched) = error.missing().expect("names are missing");
    let found: Vec<_> = missing.iter().map(|one| (one.symbol.as_str(), one.referrer.as_str())).collect();
    assert_eq!(found[0].0, "gone_a");
    assert!(found[0].1.starts_with("one.c(.text+0x"), "{found:?}");
    assert_eq!(found[1].0, "gone_b");
    assert_eq!(searched[0], "main");
}

#[test]
fn two_strong_definitions_are_refused_and_the_first_stays() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[compile("first.c", "int f(void) { return 1; }", &[])]).unwrap();
    let error = jit.main().add_objects(&[compile("second.c", "int f(void) { return 2; }", &[])]).unwrap_err();
    assert!(error.to_string().contains("duplicate definition of `f`"), "{error}");
    assert!(error.to_string().contains("first.c and second.c"), "{error}");
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

#[test]
fn a_strong_definition_replaces_a_weak_one_until_somebody_was_bound_to_it() {
    let weak = || compile("weak.c", "__attribute__((weak)) int f(void) { return 1; } int g(void) { return f(); }", &[]);
    let strong = || compile("strong.c", "int f(void) { return 2; }", &[]);
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[weak()]).unwrap();
    jit.main().add_objects(&[strong()]).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 2);

    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[weak()]).unwrap();
    assert_eq!(call(&jit, "g").unwrap(), 1);
    let error = jit.main().add_objects(&[strong()]).unwrap_err();
    assert!(error.to_string().contains("duplicate definition of `f`"), "{error}");
    assert_eq!(call(&jit, "g").unwrap(), 1);
}

#[test]
fn the_first_weak_definition_wins() {
    let jit = Jit::new().unwrap();
    let object = |name: &str, value: i32| {
        compile(name, &format!("__attribute__((weak)) int f(void) {{ return {value}; }}"), &[])
    };
    jit.main().add_objects(&[object("a.c", 1), object("b.c", 2)]).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 1);
}

#[test]
fn a_common_symbol_has_the_largest_room_of_all_and_gives_way_to_a_definition() {
    let jit = Jit::new().unwrap();
    let small = compile("small.c", "int room; int small(void) { return room; }", &["-fcommon"]);
    let large = compile("large.c", "int room[100]; int large(void) { room[99] = 7; return room[99]; }", &["-fcommon"]);
    jit.main().add_objects(&[small, large]).unwrap();
    assert_eq!(call(&jit, "large").unwrap(), 7);
    assert_eq!(call(&jit, "small").unwrap(), 0);

    let jit = Jit::new().unwrap();
    let common = compile("common.c", "int room; int get(void) { return room; }", &["-fcommon"]);
    let defined = compile("defined.c", "int room = 5;", &[]);
    jit.main().add_objects(&[common, defined]).unwrap();
    assert_eq!(call(&jit, "get").unwrap(), 5);
}

#[test]
fn dylibs_have_their_own_names_and_search_in_order() {
    let jit = Jit::new().unwrap();
    let a = jit.create_dylib("libA").unwrap();
    let b = jit.create_dylib("libB").unwrap();
    a.add_objects(&[compile("a1.c", "int shared(void) { return 1; }", &[])]).unwrap();
    b.add_objects(&[compile("b1.c", "int shared(void) { return 2; } int only_b(void) { return shared(); }", &[])])
        .unwrap();
    jit.main().link_against(&[a, b]);
    let main = compile("m.c", "int shared(void), only_b(void); int f(void) { return 10 * shared() + only_b(); }", &[]);
    jit.main().add_objects(&[main]).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 12);
    assert!(jit.create_dylib("libA").is_err());
}

#[test]
fn hidden_symbols_are_seen_inside_their_dylib_only() {
    let jit = Jit::new().unwrap();
    let other = jit.create_dylib("other").unwrap();
    let hidden = compile("h.c", "__attribute__((visibility(\"hidden\"))) int secret(void) { return 3; }", &[]);
    let user = compile("u.c", "int secret(void); int open(void) { return secret(); }", &[]);
    other.add_objects(&[hidden, user]).unwrap();
    jit.main().link_against(&[other]);
    assert_eq!(call(&jit, "open").unwrap(), 3);
    assert!(call(&jit, "secret").is_err());
}

#[test]
fn internal_and_protected_symbols_are_seen_like_hidden_and_default_ones() {
    let jit = Jit::new().unwrap();
    let other = jit.create_dylib("other").unwrap();
    let with = |visibility: &str| {
        let source =
            format!("__attribute__((visibility(\"{visibility}\"))) int {visibility}_one(void) {{ return 3; }}");
        compile(&format!("{visibility}.c"), &source, &[])
    };
    let user =
        "int internal_one(void), protected_one(void); int both(void) { return internal_one() + protected_one(); }";
    other.add_objects(&[with("internal"), with("protected"), compile("user.c", user, &[])]).unwrap();
    jit.main().link_against(&[other]);
    assert_eq!(call(&jit, "both").unwrap(), 6);
    assert_eq!(call(&jit, "protected_one").unwrap(), 3);
    assert!(call(&jit, "internal_one").is_err());
}

#[test]
fn one_bad_object_of_many_leaves_the_others_callable() {
    const COUNT: usize = 1000;
    let jit = Jit::builder().threads(2).build().unwrap();
    let mut objects = Vec::new();
    // Sizes that leave gaps between objects.
    let source = "static char odd[] = \"ab\", room[5]; int f_0000(void) { return 1111 + odd[2] + room[4]; }";
    let template = compile("t.c", source, &[]);
    for number in 0..COUNT {
        // The same object with another name for its function.
        let mut bytes = template.to_vec();
        let at = bytes.windows(6).position(|window| window == b"f_0000").expect("the name is in the string table");
        bytes[at..at + 6].copy_from_slice(format!("f_{number:04}").as_bytes());
        objects.push(uruk::Input::from_bytes(format!("{number}.o"), bytes));
    }
    let good: Vec<_> = (0..COUNT).filter(|number| *number != 500).map(|number| objects[number].clone()).collect();
    objects[500] = compile("bad.c", "int gone(void); int f_0500(void) { return gone(); }", &[]);
    let tracker = jit.main().add_tracked(&objects).unwrap();
    let error = jit.main().initialize().unwrap_err();
    let (missing, _) = error.missing().expect("a name is missing");
    assert_eq!(missing.len(), 1);
    for number in (0..COUNT).filter(|number| *number != 500) {
        assert_eq!(call(&jit, &format!("f_{number:04}")).unwrap(), 1111);
    }
    assert!(call(&jit, "f_0500").is_err());

    // It takes as much memory as if the bad one had never been there, and all of it comes back.
    let other = Jit::builder().threads(2).build().unwrap();
    other.main().add_objects(&good).unwrap();
    other.main().initialize().unwrap();
    assert_eq!(jit.memory_statistics().live, other.memory_statistics().live);
    tracker.remove();
    assert_eq!(jit.memory_statistics().live, [0; 3]);
}

#[test]
fn what_needs_a_failed_object_fails_with_the_cause() {
    let jit = Jit::new().unwrap();
    let bad = compile("bad.c", "int gone(void); int bad(void) { return gone(); }", &[]);
    let user = compile("user.c", "int bad(void); int user(void) { return bad(); }", &[]);
    let good = compile("good.c", "int good(void) { return 1; }", &[]);
    jit.main().add_objects(&[bad, user, good]).unwrap();
    let error = jit.main().find("user").unwrap_err().to_string();
    assert!(error.contains("`bad`") && error.contains("`gone`"), "{error}");
    assert!(jit.main().find("good").is_ok());
}

#[test]
fn initialisers_run_once_and_those_of_a_dependence_first() {
    let jit = Jit::new().unwrap();
    let library = jit.create_dylib("library").unwrap();
    jit.main().link_against(&[library]);
    // And a ring.
    library.link_against(&[jit.main()]);
    let log = "extern int order; __attribute__((constructor)) static void start(void) { order = order * 10 + DIGIT; }";
    let logging = |digit: &str| compile("logging.c", log, &[&format!("-DDIGIT={digit}")]);
    let order = compile("order.c", "int order; int seen(void) { return order; }", &[]);
    jit.main().add_objects(&[order, logging("2")]).unwrap();
    library.add_objects(&[logging("1")]).unwrap();
    assert_eq!(call(&jit, "seen").unwrap(), 12);
    assert_eq!(call(&jit, "seen").unwrap(), 12);
    // What comes later to a dylib that is initialised already runs before the next use.
    jit.main().add_objects(&[logging("4")]).unwrap();
    library.add_objects(&[logging("3")]).unwrap();
    assert_eq!(call(&jit, "seen").unwrap(), 1234);
}

/// Where the compiler has an archive.
fn archive(name: &str) -> uruk::Input {
    let output = Command::new("c++").arg(format!("-print-file-name={name}")).output().unwrap();
    uruk::read_file(Path::new(String::from_utf8(output.stdout).unwrap().trim())).unwrap()
}

#[test]
fn an_unwinder_from_an_archive_finds_linked_code() {
    let jit = Jit::new().unwrap();
    let source = "int odd(int x) { if (x & 1) throw x; return 0; }
                  extern \"C\" int caught(int x) { try { return odd(x); } catch (int y) { return y + 1; } }";
    jit.main().add_objects(&[compile("throws.cpp", source, &[])]).unwrap();
    for name in ["libstdc++.a", "libgcc_eh.a"] {
        jit.main().add_archive(archive(name)).unwrap();
    }
    let unwinder = jit.main().address("_Unwind_RaiseException").unwrap();
    assert_eq!(jit.session().dylib_containing(unwinder), Some(jit.main().id()), "it is the archive's");
    // SAFETY: as declared.
    let caught = unsafe { jit.main().function::<extern "C" fn(i32) -> i32>("caught").unwrap() };
    assert_eq!((caught(2), caught(5)), (0, 6));
}
