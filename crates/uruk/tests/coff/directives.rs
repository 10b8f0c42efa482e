//! What objects for Windows want of the link as a whole: other names for symbols of any object, names that stand for others
//! where nothing defines them, and values that have to be the same in all objects.

use crate::call;
use crate::windows::{CLANG, compile, library};
use std::sync::Arc;
use uruk::orc::layer::ObjectLayer;
use uruk::{Input, Jit};

/// An object of a C source, with directives.
fn object(name: &str, directives: &str, source: &str) -> Input {
    let pragma = directives.replace('"', "\\\"");
    let pragma = if pragma.is_empty() { pragma } else { format!("#pragma comment(linker, \"{pragma}\")\n") };
    compile(&CLANG, name, &format!("{pragma}{source}"), &[])
}

/// A function that returns a number.
fn number(name: &str, value: i32) -> String {
    format!("int {name}(void) {{ return {value}; }}")
}

#[test]
fn exports_name_symbols_of_any_object() {
    let jit = Jit::new().unwrap();
    let exports = "/export:near=own /export:far=elsewhere /export:shown=number,DATA,@3,NONAME";
    let user = "int far(void); extern int shown; int f(void) { return far() + shown; }";
    jit.main()
        .add_objects(&[
            object("exports.c", exports, &number("own", 1)),
            object("other.c", "", &format!("{} int number = 40;", number("elsewhere", 2))),
            object("user.c", "", user),
        ])
        .unwrap();
    assert_eq!((call(&jit, "near").unwrap(), call(&jit, "far").unwrap(), call(&jit, "f").unwrap()), (1, 2, 42));
}

#[test]
fn exports_of_what_is_nowhere_are_missed_when_they_are_asked_for() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[object("a.c", "/export:a=gone /export:b=dll.gone", &number("f", 3))]).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 3);
    assert_eq!(call(&jit, "a").unwrap_err().missing().unwrap().0[0].symbol, "gone");
    assert_eq!(call(&jit, "b").unwrap_err().missing().unwrap().0[0].symbol, "dll.dll!gone");
}

#[test]
fn exports_go_with_their_object() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[object("other.c", "", &number("elsewhere", 2))]).unwrap();
    let tracker = jit.main().add_tracked(&[object("a.c", "/export:a=elsewhere", "")]).unwrap();
    assert_eq!(call(&jit, "a").unwrap(), 2);
    tracker.remove();
    assert_eq!(call(&jit, "a").unwrap_err().missing().unwrap().0[0].symbol, "a");
}

#[test]
fn what_layers_link_exports_too() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[object("other.c", "", &number("elsewhere", 2))]).unwrap();
    let made = object("a.c", "/export:a=elsewhere /export:b=own /alternatename:c=own", &number("own", 7));
    jit.session().add(&Arc::new(ObjectLayer), jit.main().id(), None, made).unwrap();
    assert_eq!((call(&jit, "a").unwrap(), call(&jit, "b").unwrap()), (2, 7));
    assert_eq!(call(&jit, "c").unwrap(), 7, "once the object was linked");
}

#[test]
fn alternative_names_count_where_nothing_defines_the_name() {
    let user = || object("user.c", "", "int wanted(void); int f(void) { return wanted(); }");
    let says = || object("says.c", "/alternatename:wanted=substitute", "");
    let substitute = || object("substitute.c", "", &number("substitute", 5));
    let of = |objects: &[Input], library: Option<Input>| {
        let jit = Jit::new().unwrap();
        library.into_iter().for_each(|library| jit.main().add_archive(library).unwrap());
        jit.main().add_objects(objects).unwrap();
        call(&jit, "f")
    };
    assert_eq!(of(&[user(), says(), substitute()], None).unwrap(), 5);
    let own = object("own.c", "/alternatename:wanted=own", &number("own", 6));
    assert_eq!(of(&[user(), own], None).unwrap(), 6);
    let strong = object("strong.c", "", &number("wanted", 7));
    assert_eq!(of(&[user(), says(), substitute(), strong], None).unwrap(), 7);
    let defines = library(&object("wanted.c", "", &number("wanted", 8)));
    assert_eq!(of(&[user(), says(), substitute()], Some(defines)).unwrap(), 8);
    let falls_back = library(&substitute());
    assert_eq!(of(&[user(), says()], Some(falls_back)).unwrap(), 5);
    let error = of(&[user(), says()], None).unwrap_err().to_string();
    assert!(error.contains("`substitute`"), "{error}");
    let ring = object("ring.c", "/alternatename:wanted=other /alternatename:other=wanted", "");
    assert!(of(&[user(), ring], None).is_err());
}

#[test]
fn objects_have_to_agree() {
    let jit = Jit::new().unwrap();
    let with = |name: &str, directives: &str| object(name, directives, "");
    let tracker = jit.main().add_tracked(&[with("a.c", "/failifmismatch:\"runtime=static\"")]).unwrap();
    jit.main().add_objects(&[with("b.c", "/failifmismatch:other=1 /failifmismatch:runtime=static")]).unwrap();
    let add = || jit.main().add_objects(&[with("c.c", "/failifmismatch:\"runtime=dynamic\"")]);
    let expected = "c.c has `/failifmismatch:runtime=dynamic`, but a.c has `/failifmismatch:runtime=static`; \
                    compile both with the same options, or add them to dylibs of their own";
    assert_eq!(add().unwrap_err().to_string(), expected);
    // Another of the same value is left, and then none.
    tracker.remove();
    assert!(add().unwrap_err().to_string().contains("but b.c has"));
    let other = jit.create_dylib("other").unwrap();
    other.add_objects(&[with("c.c", "/failifmismatch:runtime=dynamic")]).unwrap();
    let names = ["/alternatename:a=b", "/alternatename:a=c"].map(|directive| with("d.c", directive));
    assert!(jit.main().add_objects(&names).unwrap_err().to_string().contains("`/alternatename:a=c`"));
    // Nothing of what failed is left.
    jit.main().add_objects(&names[1..]).unwrap();
}

#[test]
fn unknown_options_are_reported() {
    let jit = Jit::new().unwrap();
    jit.main().add_objects(&[object("a.c", "/nonsense:1", &number("f", 3))]).unwrap();
    let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(reports, ["a.c: the linker option `/nonsense:1` in section `.drectve` is unknown and has no effect"]);
    assert_eq!(call(&jit, "f").unwrap(), 3);
}

#[test]
fn directives_are_shown() {
    let directives = "/export:a=b /alternatename:c=d /failifmismatch:e=f /nonsense";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.obj");
    std::fs::write(&path, &*object("a.c", directives, "")).unwrap();
    let text = uruk::inspect(&path).unwrap();
    let terms = "terms
  a is b, unless something else defines it
  c is d where nothing defines it
  e is f in all objects
  /nonsense is unknown and has no effect
";
    assert!(text.contains(terms), "{text}");
}
