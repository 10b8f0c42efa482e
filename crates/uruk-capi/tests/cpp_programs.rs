//! Programs in C++ with the wrapper, without exceptions and type information; and the headers alone, in every language.

mod support;

use std::process::Command;
use support::{CPP_LANGUAGES, Language, archive, compile, object, package, run, source, succeeds};

/// Runs a program of `tests/cpp` as each language, with these arguments.
fn runs(name: &str, arguments: &[&str]) {
    let path = package().join(format!("tests/cpp/{name}.cpp"));
    for language in CPP_LANGUAGES {
        let program = compile(&path, language, "", &["-O1", "-fno-exceptions", "-fno-rtti"]);
        assert_eq!(run(&program, arguments), format!("{name}: ok\n"), "{language:?}");
    }
}

#[test]
fn the_wrapper_wraps_everything() {
    let ours = object(
        "cpp_ours",
        "int ours(int); int call_ours(int a) { return ours(a) + 1; } int add(int a, int b) { return a + b; } int twice(int a) { return 2 * a; }",
    );
    let archive = archive("cpp_members", &object("cpp_member", "int member(int a) { return a + 100; }"));
    let from_source = source("cpp_from_source", "int from_source(int a) { return a + 500; }");
    let main = object("cpp_main", "int main(int count, char **words) { return count + words[count - 1][0]; }");
    runs("wrapper", &[&ours, &archive, &from_source, &main]);
}

#[test]
fn a_memory_manager_of_ones_own() {
    let text = "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }";
    runs("own_memory", &[&object("cpp_compute", text)]);
}

#[test]
fn each_header_stands_alone() {
    let in_c =
        ["c99", "c11", "c17"].map(|standard| ["gcc", "clang-22"].map(|compiler| Language { compiler, standard }));
    let languages: Vec<&Language> = in_c.as_flattened().iter().chain(CPP_LANGUAGES).collect();
    let header = |name: &str, language: &Language, kind: &str| {
        let mut command = Command::new(language.compiler);
        command.arg(format!("-std={}", language.standard));
        command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", kind]);
        // Twice: its guard works.
        let text = source(
            &format!("alone-{}-{}", language.compiler, language.standard),
            &format!("#include <{name}>\n#include <{name}>\nint nothing;\n"),
        );
        succeeds(command.arg("-I").arg(package().join("include")).arg(text), &format!("{name} as {language:?}"));
    };
    for language in languages {
        header("uruk.h", language, if language.standard.starts_with("c++") { "c++" } else { "c" });
    }
    for language in CPP_LANGUAGES {
        header("uruk.hpp", language, "c++");
    }
}
