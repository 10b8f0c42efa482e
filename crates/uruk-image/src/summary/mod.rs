//! What the file of an image says of it, for people, and how two of them differ.
//!
//! Data flow: bytes → a summary of a mappable image (`mapped.rs`) or of an ELF file (`elf.rs`) → text, or lines that name differences.

mod elf;
mod mapped;

use crate::closure::Share;
use crate::error::Error;
use crate::mapped::{Problem, is_mapped};
use std::collections::BTreeMap;
use std::fmt;

/// A summary of an image.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary<'a> {
    /// What it is, in a line.
    pub kind: String,
    /// What else is said of it, by what it is about.
    pub facts: Vec<(&'static str, String)>,
    /// Its parts, in order.
    pub parts: Vec<Part<'a>>,
    /// How many words are filled when it is loaded, by what with.
    pub words: Vec<(String, u64)>,
    /// The libraries that it needs.
    pub libraries: Vec<String>,
    /// Symbols that others define, with their versions.
    pub imports: Vec<String>,
    /// Symbols that it defines for others, with their sizes in bytes.
    pub exports: Vec<(String, u64)>,
    /// How much each root keeps, if that was said when it was written.
    pub shares: Vec<Share>,
}

/// A part of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Its name.
    pub name: String,
    /// Bytes of it in memory.
    pub size: u64,
    /// Those that the file has.
    pub content: &'a [u8],
}

impl Summary<'_> {
    /// Reads the file of an image; messages call it `name`.
    pub fn read<'a>(name: &str, bytes: &'a [u8]) -> Result<Summary<'a>, Error> {
        let summary = match bytes {
            _ if is_mapped(bytes) => mapped::summary(bytes),
            [0x7f, b'E', b'L', b'F', ..] => elf::summary(bytes).map_err(|error| Problem::Malformed(error.to_string())),
            _ => Err(Problem::Kind),
        };
        summary.map_err(|problem| Error::Mapped(problem.of(name)))
    }

    /// What is different in another one, a line each.
    pub fn differences(&self, other: &Summary<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut changed = |what: &str, one: &str, two: &str| {
            if one != two {
                lines.push(format!("{what}: {one} -> {two}"));
            }
        };
        changed("kind", &self.kind, &other.kind);
        let facts = |summary: &Summary<'_>| -> BTreeMap<String, String> {
            summary.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())).collect()
        };
        each(&facts(self), &facts(other), |name, one, two| changed(name, &shown(one), &shown(two)));
        let words = |summary: &Summary<'_>| summary.words.iter().cloned().collect();
        each(&words(self), &words(other), |name, one: Option<&u64>, two| {
            changed(name, &shown(one.or(Some(&0))), &shown(two.or(Some(&0))));
        });
        let parts = |summary: &Summary<'_>| -> BTreeMap<String, u64> {
            summary.parts.iter().map(|part| (part.name.clone(), part.size)).collect()
        };
        each(&parts(self), &parts(other), |name, one, two| {
            changed(&format!("bytes of {name}"), &shown(one.or(Some(&0))), &shown(two.or(Some(&0))));
        });
        for part in &self.parts {
            let same = other.parts.iter().find(|known| known.name == part.name && known.size == part.size);
            let count = same.map_or(0, |same| different(part.content, same.content));
            if count != 0 {
                lines.push(format!("{}: {count} bytes differ", part.name));
            }
        }
        let list = |names: &[String]| names.iter().map(|name| (name.clone(), 0)).collect::<BTreeMap<String, u64>>();
        let exports = |summary: &Summary<'_>| summary.exports.iter().cloned().collect::<BTreeMap<_, _>>();
        for (what, one, two) in [
            ("library", list(&self.libraries), list(&other.libraries)),
            ("import", list(&self.imports), list(&other.imports)),
            ("export", exports(self), exports(other)),
        ] {
            each(&one, &two, |name, one, two| match (one, two) {
                (None, Some(_)) => lines.push(format!("+ {what} {name}")),
                (Some(_), None) => lines.push(format!("- {what} {name}")),
                (Some(one), Some(two)) if one != two => lines.push(format!("{what} {name}: {one} bytes -> {two}")),
                _ => {}
            });
        }
        let shares = |summary: &Summary<'_>| -> BTreeMap<String, (u64, u64)> {
            summary.shares.iter().map(|share| (share.root.clone(), (share.places, share.bytes))).collect()
        };
        each(&shares(self), &shares(other), |root, one, two| {
            let text = |share: Option<&(u64, u64)>| {
                share.map_or_else(|| "none".into(), |(places, bytes)| format!("{places} places of {bytes} bytes"))
            };
            if one != two {
                lines.push(format!("root {root}: {} -> {}", text(one), text(two)));
            }
        });
        lines
    }
}

/// Calls a function with each key of two maps, and what they have there.
fn each<V>(one: &BTreeMap<String, V>, two: &BTreeMap<String, V>, mut each: impl FnMut(&str, Option<&V>, Option<&V>)) {
    let mut keys: Vec<&String> = one.keys().chain(two.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().for_each(|key| each(key, one.get(key), two.get(key)));
}

fn shown(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "none".into(), ToString::to_string)
}

/// How many bytes are different.
fn different(one: &[u8], two: &[u8]) -> usize {
    one.iter().zip(two).filter(|(one, two)| one != two).count() + one.len().abs_diff(two.len())
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.kind)?;
        self.facts.iter().try_for_each(|(name, fact)| writeln!(f, "{name}: {fact}"))?;
        writeln!(f, "\nbytes:")?;
        self.parts.iter().try_for_each(|part| writeln!(f, "  {:>12}  {}", part.size, part.name))?;
        if !self.words.is_empty() {
            writeln!(f, "\nwords that are filled when it is loaded:")?;
            self.words.iter().try_for_each(|(name, count)| writeln!(f, "  {count:>12}  {name}"))?;
        }
        if !self.shares.is_empty() {
            writeln!(f, "\nkept by root:\n  {:>12}  {:>12}  root", "bytes", "places")?;
            for Share { root, places, bytes } in &self.shares {
                let root = if root.is_empty() { "(exported names)" } else { root };
                writeln!(f, "  {bytes:>12}  {places:>12}  {root}")?;
            }
        }
        let lists = [
            ("libraries", self.libraries.clone()),
            ("imports", self.imports.clone()),
            ("exports", self.exports.iter().map(|(name, size)| format!("{name} ({size} bytes)")).collect()),
        ];
        for (name, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
            writeln!(f, "\n{name}:")?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
