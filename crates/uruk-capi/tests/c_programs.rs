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

#[test]
fn plugins_and_the_graphs_that_they_see() {
    let object = support::object("watched", "int value = 5; int compute(int a) { return a + value; }");
    check("plugins", &[object.as_str()]);
}

#[test]
fn listeners() {
    let object = support::object("heard", "int value = 5; int compute(int a) { return a + value; }");
    check("listeners", &[object.as_str()]);
}

#[test]
fn a_dispatcher_of_ones_own() {
    check("dispatch", &[]);
}

#[test]
fn caches() {
    for language in support::LANGUAGES {
        let Compiled { path, .. } = program("cache", language);
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache").display().to_string();
        assert_eq!(support::run(&path, &[cache.as_str()]), "cache: ok\n", "{language:?}");
    }
}

#[test]
fn executors() {
    let object = support::object(
        "elsewhere",
        "int getpid(void); int compute(int a) { return a + 2; } int process(void) { return getpid(); } int main(void) { return 3; }",
    );
    check("executor", &[object.as_str()]);
}
