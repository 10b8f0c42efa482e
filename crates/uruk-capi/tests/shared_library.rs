//! What loaders see of the shared library: what it is called, and what it offers.

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use support::{library_folder, package, succeeds};

/// What a tool prints of the library.
fn told(tool: &str, option: &str) -> String {
    let library = library_folder().join("liburuk_c.so");
    succeeds(Command::new(tool).arg(option).arg("--wide").arg(library).env("LC_ALL", "C"), tool)
}

/// All functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(package().join("include/uruk.h")).unwrap();
    let (_, functions) = header.split_once("extern \"C\" {").unwrap();
    let lines = functions.lines().filter(|line| !line.starts_with([' ', '/', '#']));
    let names = lines.filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next());
    names.filter(|name| name.starts_with("uruk_")).map(str::to_owned).collect()
}

#[test]
fn its_name_has_the_version_of_its_interface() {
    let dynamic = told("readelf", "--dynamic");
    let names: Vec<_> = dynamic.lines().filter(|line| line.contains("(SONAME)")).collect();
    assert!(matches!(&names[..], [name] if name.ends_with("[liburuk_c.so.0]")), "{names:?}");
}

/// What it offers beside the header's functions.
const OTHERS: &[(&str, &str)] = &[
    ("_Unwind_Backtrace", "stack traces through linked code, where this is in front of libgcc's"),
    ("_Unwind_Find_FDE", "exceptions through linked code, where this is in front of libgcc's"),
    ("__jit_debug_descriptor", "debuggers look for it"),
    ("__jit_debug_register_code", "debuggers look for it"),
    ("dl_iterate_phdr", "the list of linked modules, where this is in front of the C library's"),
];

#[test]
fn it_offers_the_headers_functions_and_what_is_known_beside_them() {
    let symbols = told("readelf", "--dyn-syms");
    let mut offered = BTreeSet::new();
    for line in symbols.lines() {
        // Number, value, size, type, binding, visibility, section, name.
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, _, _, "GLOBAL" | "WEAK" | "UNIQUE", _, section, name, ..] = words[..] else { continue };
        if section != "UND" {
            offered.insert(name.to_owned());
        }
    }
    let mut expected = declared();
    assert!(100 < expected.len());
    expected.extend(OTHERS.iter().map(|(name, _)| (*name).to_owned()));
    assert_eq!(offered, expected);
}
