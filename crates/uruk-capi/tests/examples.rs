//! The examples in C do what their heads say.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{LANGUAGES, compile, folder, object, package, run};

fn example(name: &str) -> Vec<PathBuf> {
    let source = package().join(format!("examples/{name}.c"));
    LANGUAGES.iter().map(|language| compile(&source, language, "-example", &[])).collect()
}

#[test]
fn an_image_is_run_by_a_process_that_has_no_linker() {
    let text =
        "static int table[] = {10, 20, 30}; static int *where = table; int compute(int a) { return where[a]++ + a; }";
    let object = object("image", text);
    for program in example("image") {
        let file = folder().join("image.bin");
        let file = file.to_str().unwrap();
        assert_eq!(run(&program, &["make", file, &object]), "");
        // Twice: what the first changed was its own.
        for _ in 0..2 {
            assert_eq!(run(&program, &["run", file]), "21 32\n");
        }
    }
    let needs = support::object("image_needs", "int puts(const char *); int compute(int a) { return puts(\"\") + a; }");
    let program = &example("image")[0];
    let refused = Command::new(program).args(["make", "none.bin", &needs]).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && text.contains("`puts`"),
        "another process's functions are not this one's: {text}"
    );
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
    for program in example("toy") {
        let functions = ["twice x = x + x", "four x = twice (twice x)", "never x = four (x + 1)"];
        let printed = run(&program, &[&functions[..], &["four", "10"]].concat());
        assert_eq!(printed, "compiling four\ncompiling twice\n40\n");
    }
}
