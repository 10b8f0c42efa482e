//! A program linked against two libraries: which definition each reference is bound to.

mod support;

use support::compile;
use uruk::Jit;

type Number = extern "C" fn() -> i32;

/// libA of a1 and a2, libB of b1 and b2, and `main`, which links A before B.
fn two_libraries(jit: &Jit) -> [uruk::Dylib<'_>; 2] {
    let [a, b] = ["libA", "libB"].map(|name| jit.create_dylib(name).unwrap());
    let object = |name: &str, source: &str| compile(name, source, &["-fPIC"]);
    a.add_objects(&[
        object("a1.c", "int shared(void) { return 1; } int from_a(void) { return shared(); }"),
        object("a2.c", "int own(void) { return 10; } int only_a(void) { return own(); }"),
    ])
    .unwrap();
    b.add_objects(&[
        object("b1.c", "int shared(void) { return 2; } int from_b(void) { return shared(); }"),
        object(
            "b2.c",
            "int own(void) { return 20; } __attribute__((visibility(\"hidden\"))) int secret(void) { return 0; }",
        ),
    ])
    .unwrap();
    jit.main().link_against(&[a, b]);
    [a, b]
}

#[test]
fn references_bind_to_the_first_definition_in_the_referring_dylibs_order() {
    let jit = Jit::new().unwrap();
    let [a, b] = two_libraries(&jit);
    let source = "int shared(void), from_a(void), from_b(void), only_a(void); \
                  int sum(void) { return shared() * 1000 + from_a() * 100 + from_b() * 10 + only_a(); }";
    jit.main().add_objects(&[compile("main.c", source, &["-fPIC"])]).unwrap();
    // SAFETY: as declared.
    unsafe {
        // `main` sees A's; each library sees its own.
        assert_eq!(jit.main().function::<Number>("sum").unwrap()(), 1000 + 100 + 20 + 10);
        assert_eq!(a.function::<Number>("own").unwrap()(), 10);
        assert_eq!(b.function::<Number>("own").unwrap()(), 20);
    }
}

#[test]
fn a_second_strong_definition_in_one_library_is_an_error_and_in_another_is_not() {
    let jit = Jit::new().unwrap();
    let [a, _] = two_libraries(&jit);
    let again = compile("again.c", "int shared(void) { return 3; }", &[]);
    let error = a.add_objects(std::slice::from_ref(&again)).unwrap_err().to_string();
    assert!(error.starts_with("duplicate definition of `shared` in dylib `libA`: "), "{error}");
    jit.main().add_objects(&[again]).unwrap();
    // SAFETY: as declared.
    assert_eq!(unsafe { jit.main().function::<Number>("shared").unwrap()() }, 3);
}

#[test]
fn hidden_symbols_of_a_library_are_its_own() {
    let jit = Jit::new().unwrap();
    two_libraries(&jit);
    let source = "int secret(void); int f(void) { return secret(); }";
    jit.main().add_objects(&[compile("main.c", source, &["-fPIC"])]).unwrap();
    let error = jit.main().find("f").unwrap_err();
    let (missing, searched) = error.missing().unwrap();
    assert_eq!(missing[0].symbol, "secret");
    assert_eq!(searched[..3], ["main", "libA", "libB"]);
}

#[test]
fn a_weak_variable_is_one_for_the_program_and_a_hidden_one_for_each_library() {
    let jit = Jit::new().unwrap();
    let [a, b] = ["a", "b"].map(|name| jit.create_dylib(name).unwrap());
    let source = |name: &str| {
        format!(
            "__attribute__((weak)) int counter; __attribute__((weak, visibility(\"hidden\"))) int own; \
             int next_{name}(void) {{ return ++counter * 10 + ++own; }}"
        )
    };
    a.add_objects(&[compile("a.c", &source("a"), &["-fPIC"])]).unwrap();
    b.add_objects(&[compile("b.c", &source("b"), &["-fPIC"])]).unwrap();
    jit.main().link_against(&[a, b]);
    a.link_against(&[b]);
    b.link_against(&[a]);
    // SAFETY: as declared.
    let (next_a, next_b) =
        unsafe { (a.function::<Number>("next_a").unwrap(), b.function::<Number>("next_b").unwrap()) };
    assert_eq!([next_a(), next_b(), next_a()], [11, 21, 32]);
}
