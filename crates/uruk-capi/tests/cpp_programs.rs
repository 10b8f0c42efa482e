//! Programs in C++ with the wrapper, without exceptions and type information; and the headers alone, in every language.

mod support;

use std::path::Path;
use std::process::Command;
use support::{CPP_LANGUAGES, LIBC, Language, archive, mapped, object, package, runs_as, runtime, source, succeeds};

/// Runs a program of `tests/cpp` with these arguments.
fn runs(name: &str, arguments: &[&str]) {
    runs_each(name, |_| arguments.iter().map(ToString::to_string).collect());
}

/// The same with arguments that name an empty folder.
fn runs_each(name: &str, arguments: impl Fn(&Path) -> Vec<String>) {
    runs_as(&package().join(format!("tests/cpp/{name}.cpp")), CPP_LANGUAGES, true, arguments);
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
fn units_and_look_ups() {
    runs("units", &[&object("cpp_unit", "int compute(int a) { return a + 2; }")]);
}

#[test]
fn generators_and_redirectable_functions() {
    runs("generators", &[]);
}

#[test]
fn plugins_graphs_and_listeners() {
    runs("plugins", &[&object("cpp_watched", "int value = 5; int compute(int a) { return a + value; }")]);
}

#[test]
fn executors_dispatchers_and_caches() {
    let text = "int getpid(void); int compute(int a) { return a + 2; } int process(void) { return getpid(); } int main(void) { return 3; }";
    let object = object("cpp_elsewhere", text);
    runs_each("processes", |folder| vec![object.clone(), folder.join("cache").display().to_string()]);
}

#[test]
fn worlds_and_images() {
    let runtime = runtime("cpp_image_runtime");
    runs_each("images", |folder| vec![runtime.clone(), LIBC.to_owned(), folder.display().to_string()]);
}

#[test]
fn images_that_are_mapped() {
    let [code, more] = mapped("cpp_mapped_code");
    runs_each("mapped", |folder| vec![code.clone(), more.clone(), LIBC.to_owned(), folder.display().to_string()]);
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
    let folder = std::fs::read_dir(package().join("include/uruk")).unwrap();
    let parts: Vec<String> = folder.map(|entry| format!("uruk/{}", entry.unwrap().file_name().display())).collect();
    for language in CPP_LANGUAGES {
        header("uruk.hpp", language, "c++");
    }
    for part in &parts {
        header(part, &CPP_LANGUAGES[0], "c++");
    }
}
