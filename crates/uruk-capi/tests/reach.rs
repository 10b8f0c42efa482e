//! What the header says of calls from callbacks is what functions do.

use std::collections::BTreeMap;
use std::path::Path;

/// The text of all files in a folder, and in those inside it.
fn sources(folder: &Path) -> String {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let text = |path: &Path| if path.is_dir() { sources(path) } else { std::fs::read_to_string(path).unwrap() };
    entries.iter().map(|path| text(path)).collect()
}

/// What is said of a function, and what it does.
#[derive(Debug)]
struct Function {
    says_anywhere: bool,
    reaches: Vec<String>,
}

/// The functions of the interface, by their names.
fn functions() -> BTreeMap<String, Function> {
    let text = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../uruk-capi-functions/src"));
    let parts: Vec<_> = text.split("#[unsafe(no_mangle)]\npub extern \"C\" fn ").collect();
    let pairs = parts.windows(2).map(|pair| {
        let says_anywhere = pair[0].trim_end().ends_with("May be called from callbacks.");
        let (name, _) = pair[1].split_once('(').unwrap();
        let (body, _) = pair[1].split_once("\n}\n").unwrap();
        let reaches = body.match_indices("Reach::");
        let reaches = reaches.map(|(at, word)| &body[at + word.len()..]);
        let reaches = reaches.map(|rest| rest.split(|letter: char| !letter.is_alphabetic()).next().unwrap());
        (name.to_owned(), Function { says_anywhere, reaches: reaches.map(str::to_owned).collect() })
    });
    pairs.collect()
}

/// Functions that enter nothing, since all they do is to say what was known when the library was built.
const CONSTANT: &[&str] = &["uruk_abi_version", "uruk_struct_size", "uruk_version"];

#[test]
fn functions_may_be_called_from_callbacks_as_they_say() {
    let functions = functions();
    let header = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/uruk.h")).unwrap();
    let (_, declared) = header.split_once("extern \"C\" {").unwrap();
    let count = declared.lines().filter(|line| !line.starts_with([' ', '/', '#', '}']) && line.contains('(')).count();
    assert!(100 < count && count == functions.len(), "{count} are declared, {} found", functions.len());
    for (name, function) in functions {
        match (function.says_anywhere, function.reaches.as_slice()) {
            (true, []) => assert!(CONSTANT.contains(&name.as_str()), "{name} keeps no panic inside"),
            (true, [reach]) => assert_eq!(reach, "Anywhere", "{name} says that it may be called from callbacks"),
            (false, [reach]) => {
                assert!(reach.starts_with("Outside"), "{name} does not say that it may be called from callbacks");
            }
            (_, _) => panic!("{name}: {function:?}"),
        }
    }
}
