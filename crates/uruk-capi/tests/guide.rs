//! The programs of the guide's chapter for C do what it says.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{CPP_LANGUAGES, LANGUAGES, compile, folder, object, object_with, package, source, succeeds};

/// The blocks of the chapter in a language.
fn blocks<const COUNT: usize>(language: &str) -> [String; COUNT] {
    let chapter = std::fs::read_to_string(package().join("../../docs/guide/c.md")).unwrap();
    let fence = format!("\n```{language}\n");
    let parts = chapter.split(&fence).skip(1);
    let blocks: Vec<String> = parts.map(|rest| rest.split_once("\n```\n").unwrap().0.to_owned() + "\n").collect();
    blocks.try_into().unwrap_or_else(|blocks: Vec<_>| panic!("{} blocks in {language}", blocks.len()))
}

#[test]
fn the_programs_in_c_and_cpp_add() {
    object("add", "int add(int a, int b) { return a + b; }");
    let [in_c, _, _] = blocks("c");
    let in_cpp: [String; 2] = blocks("cpp");
    let [first, second] = ["guide_cpp", "guide_cpp_more"].map(|name| folder().join(format!("{name}.cpp")));
    for (path, text) in [&first, &second].into_iter().zip(in_cpp) {
        std::fs::write(path, text).unwrap();
    }
    let c = PathBuf::from(source("guide_c", &in_c));
    for (text, languages, prints) in
        [(c, LANGUAGES, "42\n"), (first, CPP_LANGUAGES, "42\n"), (second, CPP_LANGUAGES, " bytes\n44\n")]
    {
        for language in languages {
            let program = compile(&text, language, "", &[]);
            let printed = succeeds(Command::new(program).current_dir(folder()), "the guide");
            assert!(printed.ends_with(prints), "{language:?}: {printed}");
        }
    }
}

#[test]
fn a_counter_is_frozen() {
    let text = "#include <stdio.h>\nextern struct { unsigned long count; FILE **input; } counter;
        void add_two(void) { counter.count += 2; } int main(void) { return counter.input == &stdin ? counter.count : 1; }";
    object_with("count", text, &["-fPIC"]);
    let [_, program, _] = blocks("c");
    let program = PathBuf::from(source("guide_image", &program));
    for language in LANGUAGES {
        let program = compile(&program, language, "", &[]);
        assert_eq!(succeeds(Command::new(program).current_dir(folder()), "the guide"), "frozen\n");
        assert_eq!(Command::new(folder().join("counted")).status().unwrap().code(), Some(42), "{language:?}");
    }
}

#[test]
fn a_function_is_mapped() {
    object_with("add", "int add(int a, int b) { return a + b; }", &["-fPIC"]);
    let [_, _, program] = blocks("c");
    let program = PathBuf::from(source("guide_mapped", &program));
    _ = std::fs::remove_file(folder().join("adds"));
    for language in LANGUAGES {
        let program = compile(&program, language, "", &[]);
        // The first of them makes the image.
        assert_eq!(succeeds(Command::new(program).current_dir(folder()), "the guide"), "42\n", "{language:?}");
    }
}
