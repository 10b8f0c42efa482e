//! The header that is checked in is the one that the functions' crate makes. With `URUK_WRITE_HEADER=1` it is written.

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn the_header_is_the_functions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let functions = folder.join("../uruk-capi-functions");
    let made = cbindgen::Builder::new().with_crate(functions).with_config(config).generate().unwrap();
    let mut text = Vec::new();
    made.write(&mut text);
    let text = plain(&String::from_utf8(text).unwrap());
    let path = folder.join("include/uruk.h");
    if std::env::var_os("URUK_WRITE_HEADER").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "include/uruk.h is stale: run this test with URUK_WRITE_HEADER=1, and check the change in");
}

/// Puts what the wrappers of `raw.rs` and `handle.rs` hold in their place.
fn plain(text: &str) -> String {
    let is_wrapper =
        |name: &str| name == "Text" || ["Handle_", "Out_", "List_"].iter().any(|start| name.starts_with(start));
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    let mut paragraphs = Vec::new();
    for paragraph in text.split("\n\n") {
        let last = paragraph.lines().last().unwrap_or_default();
        let pointer = last.strip_prefix("typedef ").and_then(|rest| rest.strip_suffix(';')?.rsplit_once('*'));
        match pointer.filter(|(_, name)| is_wrapper(name)) {
            Some((inner, name)) => {
                // What is constant is the pointer, not what that points at.
                let element = inner.strip_prefix("const ").map(str::trim).filter(|element| is_wrapper(element));
                let inner = element.map_or(format!("{inner}*"), |element| format!("{element} const *"));
                held.insert(name.to_owned(), inner);
            }
            None => paragraphs.push(paragraph),
        }
    }
    let mut text = paragraphs.join("\n\n");
    // Wrappers of wrappers take two rounds.
    for _ in 0..2 {
        for (name, inner) in held.iter().rev() {
            text = text.replace(&format!(" {name} *"), &format!(" {inner}*"));
            for before in ["\n", " ", "("] {
                text = text.replace(&format!("{before}{name} "), &format!("{before}{inner}"));
            }
        }
    }
    text
}
