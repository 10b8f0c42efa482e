//! The guide's chapters: that they are all there, lead somewhere, and show code that exists.

use crate::paths;
use std::path::{Path, PathBuf};

fn guide() -> PathBuf {
    paths::root().join("docs/guide")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all chapters.
fn chapters() -> Vec<String> {
    let files = std::fs::read_dir(guide()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect()
}

/// The targets of the links of a text, its code aside.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    });
    let prose: String = prose.flat_map(|line| [line, "\n"]).collect();
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

#[test]
fn the_summary_has_all_chapters_and_no_others() {
    let mut listed = links(&read(&guide().join("SUMMARY.md")));
    let mut chapters = chapters();
    listed.sort();
    chapters.sort();
    assert_eq!(listed, chapters);
}

#[test]
fn links_lead_to_files() {
    for chapter in chapters() {
        for link in links(&read(&guide().join(&chapter))) {
            let file = link.split('#').next().unwrap_or_default();
            let exists = link.starts_with("https://") || guide().join(file).exists();
            assert!(exists, "{chapter}: {link}");
        }
    }
}

#[test]
fn included_code_exists() {
    let mut included = 0;
    for chapter in chapters() {
        for include in read(&guide().join(&chapter)).split("{{#include ").skip(1) {
            let (path, anchor) = include.split_once("}}").unwrap().0.split_once(':').unwrap();
            let code = read(&guide().join(path));
            let lines: Vec<&str> = code.lines().map(str::trim).collect();
            let start = lines.iter().position(|line| *line == format!("// ANCHOR: {anchor}"));
            let end = lines.iter().position(|line| *line == format!("// ANCHOR_END: {anchor}"));
            assert!(start.zip(end).is_some_and(|(start, end)| start + 1 < end), "{chapter}: {path}:{anchor}");
            included += 1;
        }
    }
    assert!(10 < included);
}

#[test]
fn the_code_of_every_chapter_is_tested() {
    let crates = std::fs::read_dir(paths::root().join("crates")).unwrap();
    let roots = crates.map(|folder| folder.unwrap().path().join("src/lib.rs")).filter(|path| path.exists());
    let roots: String = roots.map(|path| read(&path)).collect();
    for chapter in chapters() {
        assert!(roots.contains(&format!("docs/guide/{chapter}\")]")), "no crate tests {chapter}");
    }
}
