//! The programs of the guide's chapter for C do what it says.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{CPP_LANGUAGES, LANGUAGES, compile, folder, library_folder, object, package, source, succeeds};

/// The first block of the chapter in a language.
fn block(language: &str) -> String {
    let chapter = std::fs::read_to_string(package().join("../../docs/guide/c.md")).unwrap();
    let (_, rest) = chapter.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

#[test]
fn the_programs_in_c_and_cpp_add() {
    object("add", "int add(int a, int b) { return a + b; }");
    let cpp = folder().join("guide_cpp.cpp");
    std::fs::write(&cpp, block("cpp")).unwrap();
    let c = PathBuf::from(source("guide_c", &block("c")));
    for (text, languages) in [(c, LANGUAGES), (cpp, CPP_LANGUAGES)] {
        for language in languages {
            let program = compile(&text, language, "", &[]);
            assert_eq!(succeeds(Command::new(program).current_dir(folder()), "the guide"), "42\n", "{language:?}");
        }
    }
}

#[test]
fn the_program_in_python_calls() {
    let mut python = Command::new("python3");
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", package().join("../../python"));
    python.env("URUK_LIBRARY", library_folder().join("liburuk_c.so")).arg("-c").arg(block("python"));
    assert_eq!(succeeds(&mut python, "the guide's program in Python"), "42\n");
}
