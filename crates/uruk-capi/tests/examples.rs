//! The examples in C and C++ do what their heads say, the same in both languages.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{CPP_LANGUAGES, LANGUAGES, compile, folder, object, package, run, source, succeeds};

/// The programs of an example: each in its language, by each compiler.
fn example(name: &str) -> Vec<PathBuf> {
    let in_cpp = [&CPP_LANGUAGES[0], &CPP_LANGUAGES[CPP_LANGUAGES.len() - 1]];
    let in_c = LANGUAGES.iter().map(|language| (language, "c"));
    let all = in_c.chain(in_cpp.map(|language| (language, "cpp")));
    all.map(|(language, ending)| {
        compile(&package().join(format!("examples/{name}.{ending}")), language, "-example", &[])
    })
    .collect()
}

#[test]
fn an_arena_holds_what_is_linked() {
    let text = "static int two = 2; static const int *const where = &two; int zeros[5000]; int compute(int a) { return a + *where + zeros[a]; }";
    let object = object("in_arena", text);
    for program in example("arena") {
        assert_eq!(run(&program, &[&object]), "compute(40) is 42, in the arena\n0 batches, 0 bytes left\n");
    }
}

#[test]
fn an_arena_is_full_at_some_point() {
    let object = object("beyond_arena", "int zeros[5 << 20]; int compute(int a) { return zeros[a]; }");
    for program in example("arena") {
        let refused = Command::new(&program).arg(&object).output().unwrap();
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains("the arena is full"), "{}: {text}", program.display());
    }
}

#[test]
fn an_image_is_run_by_a_process_that_has_no_linker() {
    let text =
        "static int table[] = {10, 20, 30}; static int *where = table; int compute(int a) { return where[a]++ + a; }";
    let object = object("image", text);
    let needs = support::object("image_needs", "int puts(const char *); int compute(int a) { return puts(\"\") + a; }");
    for program in example("image") {
        let file = folder().join("image.bin");
        let file = file.to_str().unwrap();
        assert_eq!(run(&program, &["make", file, &object]), "");
        // Twice: what the first changed was its own.
        for _ in 0..2 {
            assert_eq!(run(&program, &["run", file]), "21 32\n");
        }
        let refused = Command::new(program).args(["make", "none.bin", &needs]).output().unwrap();
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && text.contains("`puts`"),
            "another process's functions are not this one's: {text}"
        );
    }
}

#[test]
fn look_ups_are_hooked() {
    let object = object("hooked", "int puts(const char *); int main(void) { puts(\"a line\"); return 0; }");
    for program in example("hooked") {
        assert_eq!(run(&program, &[&object]), "[a line]\n");
    }
}

#[test]
fn a_toy_language_is_compiled_by_first_calls() {
    let functions = ["twice x = x + x", "four x = twice (twice x)", "never x = four (x + 1)", "wrong x = twice"];
    for program in example("toy") {
        let printed = run(&program, &[&functions[..], &["four", "10"]].concat());
        assert_eq!(printed, "compiling four\ncompiling twice\n40\n");
        let printed = run(&program, &[&functions[..], &["never", "4"]].concat());
        assert_eq!(printed, "compiling never\ncompiling four\ncompiling twice\n20\n");
        let refused = Command::new(&program).args(functions).args(["wrong", "1"]).output().unwrap();
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains("could not be made ready"), "{}: {text}", program.display());
    }
}

#[test]
fn gdb_sees_functions_files_and_lines() {
    const TEXT: &str = "\
static int inner(int a) {
  return a + 1; /* stops here */
}
int compute(int a) {
  int twice = a * 2;
  return inner(twice) + 1; /* calls */
}
";
    let source = source("debugged_program", TEXT);
    let object = folder().join("debugged_program.o");
    succeeds(Command::new("gcc").args(["-g", "-c", &source, "-o"]).arg(&object), "the program with lines");
    let commands = ["set confirm off", "set breakpoint pending on", "break inner", "run", "backtrace", "continue"];
    for program in example("debugged") {
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch"]).args(commands.iter().flat_map(|command| ["-ex", command]));
        let text = succeeds(gdb.arg("--args").arg(&program).arg(&object), "gdb");
        let mut rest = text.as_str();
        for part in [
            ", inner (a=40) at ",
            "return a + 1; /* stops here */",
            "#0  inner (a=40)",
            "debugged_program.c:2",
            "in compute (a=20)",
            "debugged_program.c:6",
            "in main (",
            "42",
            "exited normally",
        ] {
            let Some((_, behind)) = rest.split_once(part) else {
                panic!("no `{part}` there, or not in this order: {}\n{text}", program.display())
            };
            rest = behind;
        }
    }
}
