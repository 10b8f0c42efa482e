//! Text-based stubs of Darwin's libraries (`.tbd`, YAML): the names that a library exports, and nothing else.
//!
//! Only the lists are looked for: `symbols: [ _a, _b ]`, perhaps over several lines.

use super::error::Error;
use std::path::Path;

/// What comes before the names of a list in symbol tables.
const LISTS: &[(&str, &[&str])] = &[
    ("symbols", &[""]),
    ("weak-symbols", &[""]),
    ("weak-def-symbols", &[""]),
    ("thread-local-symbols", &[""]),
    ("objc-classes", &["_OBJC_CLASS_$_", "_OBJC_METACLASS_$_"]),
    ("objc-eh-types", &["_OBJC_EHTYPE_$_"]),
    ("objc-ivars", &["_OBJC_IVAR_$_"]),
];

/// The symbols that a stub lists.
pub fn symbols(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    if !text.trim_start().starts_with("---") || !text.contains("!tapi-tbd") {
        let problem = "this is no text-based stub in YAML (`--- !tapi-tbd`)".to_string();
        return Err(Error::Content { path: path.to_owned(), problem });
    }
    Ok(listed(&text))
}

fn listed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, list)) = rest.split_once('[') {
        let (names, after) = list.split_once(']').unwrap_or((list, ""));
        let key = before.trim_end().strip_suffix(':').unwrap_or_default();
        let key = key.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
        let prefixes = LISTS.iter().find(|(list, _)| *list == key).map_or(&[][..], |(_, prefixes)| prefixes);
        let names = names.split(',').map(|name| name.trim().trim_matches(['\'', '"'])).filter(|name| !name.is_empty());
        found.extend(names.flat_map(|name| prefixes.iter().map(move |prefix| format!("{prefix}{name}"))));
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_names() {
        let text = "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos ]\nexports:\n  - targets: [ arm64-macos ]\n    \
                    symbols: [ _a, '_b$c',\n      _d ]\n    objc-classes: [ K ]\n    weak-symbols: [_w]\n";
        assert_eq!(listed(text), ["_a", "_b$c", "_d", "_OBJC_CLASS_$_K", "_OBJC_METACLASS_$_K", "_w"]);
        assert!(listed("symbols: [").is_empty() && listed("").is_empty());
    }
}
