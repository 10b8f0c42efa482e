//! Programs in C and C++ with the header and the shared library: each checks what it does itself, and says so at its end.

mod support;

use support::{Compiled, program};

#[test]
fn a_memory_manager_of_ones_own() {
    let object = support::object(
        "compute",
        "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }",
    );
    for language in support::LANGUAGES {
        let Compiled { path, .. } = program("arena", language);
        assert_eq!(support::run(&path, &[object.as_str()]), "arena: ok\n", "{language:?}");
    }
}

/// Runs a program as every language with these arguments.
fn check(name: &str, arguments: &[&str]) {
    for language in support::LANGUAGES {
        let Compiled { path, .. } = program(name, language);
        assert_eq!(support::run(&path, arguments), format!("{name}: ok\n"), "{language:?}");
    }
}

#[test]
fn units_look_ups_and_pins() {
    let object = support::object("unit", "int compute(int a) { return a + 2; }");
    check("units", &[object.as_str()]);
}

#[test]
fn generators_redirectable_functions_and_sources() {
    check("generators", &[]);
}
