//! Programs in C with the header and the shared library, plain and under checkers of memory: each checks what it does itself, and
//! says so at its end.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    LANGUAGES, LIBC, archive, compile, folder, mapped, object, object_with, package, runs_as, runtime, source, succeeds,
};

fn path(name: &str) -> PathBuf {
    package().join(format!("tests/c/{name}.c"))
}

/// Runs a program with these arguments.
fn runs(name: &str, arguments: &[&str]) {
    runs_as(&path(name), LANGUAGES, true, |_| arguments.iter().map(ToString::to_string).collect());
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
fn managers_of_four_functions() {
    let objects = objects();
    runs("sections", &objects.each_ref().map(String::as_str));
}

#[test]
fn memory_that_is_only_laid_out() {
    let text = "int two = 2; int *pointer = &two; const int one[] = {1, 1}; int compute(int a) { return a + two + one[a & 1]; }";
    runs("laid_out", &[&object("laid_out", text)]);
}

/// What managers are asked to hold in tests of what becomes of it.
fn small() -> String {
    object("small", "int two = 2; const int one = 1; int compute(int a) { return a + two * one; }")
}

#[test]
fn managers_whose_callbacks_fail() {
    runs("steps", &[&small()]);
}

#[test]
fn managers_whose_answers_cannot_be_used() {
    runs("answers", &[&small()]);
}

#[test]
fn managers_whose_callbacks_somebody_alters() {
    runs("tampering", &[&small()]);
}

#[test]
fn managers_are_told_what_goes_where() {
    let rich = "int zeros[300]; int ones[2] __attribute__((aligned(64))) = {1, 1}; const int seven __attribute__((aligned(256))) = 7; __thread int own = 5;
        int f(int a) { zeros[3] += a; ones[1] += 1; own += 1; return zeros[3] + ones[1] + seven + own; }";
    let low = "unsigned long variable = 77; unsigned long *where(void) { return &variable; }";
    let large = "char huge[1 << 30]; int sum; int f(int a) { huge[a] = 1; sum += a; return sum; }";
    let far = "int helper(int); int outside(int a) { return helper(a) + 2; }";
    let objects = [
        object("rich", rich),
        object_with("low", low, &["-O1", "-fno-pic"]),
        object_with("large", large, &["-O1", "-fno-pic", "-mcmodel=large"]),
        object_with("far", far, &["-fno-pic"]),
    ];
    runs("requests", &objects.each_ref().map(String::as_str));
}

#[test]
fn forked_children_go_on() {
    let object = object("forked", "int two = 2; int compute(int a) { return a + two; }");
    runs_as(&path("forks"), LANGUAGES, false, |_| vec![object.clone()]);
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
fn callbacks_of_all_sorts_call_back() {
    runs("callbacks", &[&object("callbacks", "int two = 2; int compute(int a) { return a + two; }")]);
}

#[test]
fn threads_have_one_jit() {
    runs("threads", &[&object("threads", "int two = 2; int compute(int a) { return a + two; }")]);
}

#[test]
fn compilers_are_told_and_units_compiled() {
    runs("compile", &[&source("other", "int other(void) { return OTHER; }")]);
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
    let cache = |folder: &Path| vec![folder.join("cache").display().to_string()];
    runs_as(&path("cache"), LANGUAGES, true, cache);
}

#[test]
fn executors() {
    let text = "int getpid(void); int compute(int a) { return a + 2; } int process(void) { return getpid(); } int main(void) { return 3; }";
    runs("executor", &[&object("elsewhere", text)]);
}

#[test]
fn worlds() {
    runs("worlds", &[]);
}

#[test]
fn images() {
    let runtime = runtime("image_runtime");
    let arguments = |folder: &Path| vec![runtime.clone(), LIBC.to_owned(), folder.display().to_string()];
    runs_as(&path("images"), LANGUAGES, true, arguments);
}

#[test]
fn images_that_are_mapped() {
    let [code, more] = mapped("mapped_code");
    let arguments = |folder: &Path| vec![code.clone(), more.clone(), LIBC.to_owned(), folder.display().to_string()];
    runs_as(&path("mapped"), LANGUAGES, true, arguments);
}

#[test]
fn libraries_use_what_a_mapped_image_defines() {
    let object = object_with("asking", "int answer(void) { return 1; } int ask(void) { return answer(); }", &["-fPIC"]);
    let library = folder().join("libasking.so");
    succeeds(Command::new("gcc").arg("-shared").arg(object).arg("-o").arg(&library), "libasking.so");
    let options = ["-Wl,--no-as-needed", &library.display().to_string()];
    let program = compile(&path("interposed"), &LANGUAGES[0], "", &options);
    let image = tempfile::tempdir().unwrap();
    let arguments = [LIBC.to_owned(), image.path().join("image").display().to_string()];
    assert_eq!(succeeds(Command::new(program).args(arguments), "interposed"), "interposed: ok\n");
}
