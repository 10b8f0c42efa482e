//! Every function of the header is called by a program of these tests.

use std::collections::BTreeSet;
use std::path::Path;

/// Names of the interface that are followed by a parenthesis.
fn called(text: &str) -> BTreeSet<&str> {
    let ends = text.match_indices('(').map(|(end, _)| &text[..end]);
    let names = ends.map(|before| {
        let start =
            before.rfind(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').map_or(0, |at| at + 1);
        &before[start..]
    });
    names.filter(|name| name.starts_with("uruk_")).collect()
}

#[test]
fn every_function_is_called_by_a_test() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = std::fs::read_to_string(package.join("include/uruk.h")).unwrap();
    let declared: String =
        header.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let (_, declared) = declared.split_once("extern \"C\" {").unwrap();
    let functions = called(declared);
    assert!(functions.contains("uruk_jit_create") && 50 < functions.len(), "{functions:?}");
    let programs = std::fs::read_dir(package.join("tests/c")).unwrap();
    let programs: String = programs.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let called = called(&programs);
    let missing: Vec<_> = functions.difference(&called).collect();
    assert!(missing.is_empty(), "no program in tests/c calls {missing:?}");
}
