//! Programs in C and C++ with the header and the shared library: each checks what it does itself, and says so at its end.

mod support;

use support::{LANGUAGES, archive, object, program, run, source};

/// Runs a program as each language, with these arguments.
fn runs(name: &str, arguments: &[&str]) {
    for language in LANGUAGES {
        assert_eq!(run(&program(name, language), arguments), format!("{name}: ok\n"), "{language:?}");
    }
}

/// Three objects that call each other.
fn objects() -> [String; 3] {
    let first = "int second(int); static int one = 1; int first(int a) { return second(a + one); }";
    let second = "int third(int); static const int two[] = {2}; int second(int a) { return third(a + two[0]); }";
    let third = "int zeros[500]; int third(int a) { return a + 3 + zeros[a]; }";
    [("first", first), ("second", second), ("third", third)].map(|(name, text)| object(name, text))
}

#[test]
fn a_memory_manager_of_ones_own() {
    let text = "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }";
    runs("arena", &[&object("compute", text)]);
}

#[test]
fn managers_of_all_sorts() {
    let objects = objects();
    runs("managers", &objects.each_ref().map(String::as_str));
}

#[test]
fn forked_children_go_on() {
    runs("forks", &[&object("forked", "int two = 2; int compute(int a) { return a + two; }")]);
}

#[test]
fn mistakes_are_told_from_each_other() {
    runs("misuse", &[]);
}

#[test]
fn dylibs_take_everything_and_run_it() {
    let ours = object(
        "ours",
        "int ours(int); int call_ours(int a) { return ours(a) + 1; } int add(int a, int b) { return a + b; } int twice(int a) { return 2 * a; }",
    );
    let archive = archive("members", &object("member", "int member(int a) { return a + 100; }"));
    let from_source = source("from_source", "int from_source(int a) { return a + 500; }");
    let main = object("main", "int main(int count, char **words) { return count + words[count - 1][0]; }");
    runs("dylibs", &[&ours, &archive, &from_source, &main]);
}

#[test]
fn units_look_ups_and_pins() {
    runs("units", &[&object("unit", "int compute(int a) { return a + 2; }")]);
}

#[test]
fn generators_redirectable_functions_and_sources() {
    runs("generators", &[]);
}

#[test]
fn plugins_and_the_graphs_that_they_see() {
    runs("plugins", &[&object("watched", "int value = 5; int compute(int a) { return a + value; }")]);
}

#[test]
fn listeners() {
    runs("listeners", &[&object("heard", "int value = 5; int compute(int a) { return a + value; }")]);
}

#[test]
fn a_dispatcher_of_ones_own() {
    runs("dispatch", &[]);
}

#[test]
fn caches() {
    for language in LANGUAGES {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache").display().to_string();
        assert_eq!(run(&program("cache", language), &[cache.as_str()]), "cache: ok\n", "{language:?}");
    }
}

#[test]
fn executors() {
    let text = "int getpid(void); int compute(int a) { return a + 2; } int process(void) { return getpid(); } int main(void) { return 3; }";
    runs("executor", &[&object("elsewhere", text)]);
}
