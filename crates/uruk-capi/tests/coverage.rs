//! Every function of the header is called by a program of these tests, and by the header for C++.

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

/// A text in C or C++ without comments, and with empty literals.
fn code(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(['/', '"', '\'']) {
        let (before, from) = rest.split_at(start);
        code.push_str(before);
        let after = |end: &str| from[2..].find(end).map_or(from.len(), |at| 2 + at + end.len());
        let end = match from.as_bytes() {
            [b'/', b'/', ..] => from.find('\n').unwrap_or(from.len()),
            [b'/', b'*', ..] => after("*/"),
            // A sign between digits is no literal.
            [b'\'', ..] if before.ends_with(|letter: char| letter.is_ascii_digit()) => 1,
            [quote @ (b'"' | b'\''), ..] => literal(from, *quote),
            _ => {
                code.push('/');
                1
            }
        };
        rest = &from[end..];
    }
    code + rest
}

/// How long a literal is, with its quotes.
fn literal(text: &str, quote: u8) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == quote && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[test]
fn names_in_comments_and_texts_are_no_calls() {
    let text = r#"uruk_a(); /* uruk_b()
        uruk_c() */ uruk_d(1 / 2); // uruk_e()
        f("uruk_f() \\\" uruk_g()", '"', '\\'', 1'000, uruk_h("//"), uruk_i(/**/)); /* uruk_j()"#;
    assert_eq!(called(&code(text)), BTreeSet::from(["uruk_a", "uruk_d", "uruk_h", "uruk_i"]));
}

/// All files of a folder of the package.
fn files(folder: &str) -> String {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

/// All functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/uruk.h");
    let text = std::fs::read_to_string(header).unwrap();
    let (_, declared) = text.split_once("extern \"C\" {").unwrap();
    let functions: BTreeSet<String> = called(&code(declared)).into_iter().map(str::to_owned).collect();
    assert!(functions.contains("uruk_jit_create") && 50 < functions.len(), "{functions:?}");
    functions
}

#[test]
fn every_function_is_called_by_a_test() {
    let programs = code(&files("tests/c"));
    let called = called(&programs);
    let missing: Vec<_> = declared().into_iter().filter(|name| !called.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no program in tests/c calls {missing:?}");
}

/// What the header for C++ does not call, and why.
const NOT_IN_CPP: &[(&str, &str)] =
    &[("uruk_error_last", "an `Error` has its text, and lives as long as it is wanted")];

#[test]
fn every_function_is_there_in_cpp() {
    let text = code(&files("include/uruk"));
    let words: BTreeSet<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let missing: Vec<_> = declared().into_iter().filter(|name| !words.contains(name.as_str())).collect();
    let expected: Vec<_> = NOT_IN_CPP.iter().map(|(name, _)| *name).collect();
    assert_eq!(missing, expected, "not in include/uruk, or there although it is not expected");
}
