//! Missing names, explained: who needs them, where they were looked for, what has nearly that name, and which library or
//! mistake is the likely reason. All names of a link make one report.

mod hints;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::near;

/// How many names a report shows in full.
const SHOWN: usize = 20;
/// How many places a name's entry shows.
const PLACES: usize = 3;

/// A name that nothing defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name as objects have it.
    pub name: String,
    /// Who refers to it; the first few are shown.
    pub references: Vec<Reference>,
}

/// A place that refers to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The object, with its archive if it is a member: `libx.a(y.o)`.
    pub object: String,
    /// The section, and the function or offset if known: `.text+0x2a`, `.text (in main)`.
    pub place: String,
}

/// The report. `dylib` is where the names are missing, `searched` what was searched for them, in order; `known` gives the
/// names that are defined somewhere, for near matches. No final newline.
pub fn report<'name>(
    missing: &[Missing],
    dylib: &str,
    searched: &[String],
    known: impl IntoIterator<Item = &'name str>,
) -> String {
    let shown = &missing[..missing.len().min(SHOWN)];
    let near = near_names(shown, known);
    let count = missing.len();
    let mut text = match count {
        1 => format!("nothing defines a name that `{dylib}` needs:"),
        _ => format!("nothing defines {count} names that `{dylib}` needs:"),
    };
    for (missing, near) in shown.iter().zip(near) {
        entry(&mut text, missing, &near);
    }
    if shown.len() < count {
        let _ = write!(text, "\n  … and {} more", count - shown.len());
    }
    for (hint, names) in grouped_hints(missing) {
        let _ = write!(text, "\n  {hint} (for {names})");
    }
    if !searched.is_empty() {
        let _ = write!(text, "\n  looked in: {}", searched.join(", "));
    }
    text
}

/// A name as its author wrote it, or nothing if it is not mangled.
pub fn demangle(name: &str) -> Option<String> {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return Some(format!("{rust:#}"));
    }
    if !name.starts_with("_Z") {
        return None;
    }
    // Names come from anywhere: without a limit a hostile one could take all our stack.
    let options = cpp_demangle::ParseOptions::default().recursion_limit(96);
    let symbol = cpp_demangle::Symbol::new_with_options(name, &options).ok()?;
    symbol.demangle_with_options(&cpp_demangle::DemangleOptions::default()).ok()
}

fn entry(text: &mut String, missing: &Missing, near: &[&str]) {
    let _ = match demangle(&missing.name) {
        Some(written) => write!(text, "\n  {written} [{}]", missing.name),
        None => write!(text, "\n  {}", missing.name),
    };
    for reference in missing.references.iter().take(PLACES) {
        let _ = write!(text, "\n    needed by {}({})", reference.object, reference.place);
    }
    if PLACES < missing.references.len() {
        let _ = write!(text, "\n    and by {} more", missing.references.len() - PLACES);
    }
    if !near.is_empty() {
        let written = near.iter().map(|name| match demangle(name) {
            Some(written) => format!("`{written}` [{name}]"),
            None => format!("`{name}`"),
        });
        let _ = write!(text, "\n    defined is {}", written.collect::<Vec<_>>().join(", "));
    }
}

/// For each missing name those known ones that look like it: by one walk over the latter, which may be very many.
/// A function with the same written name but other parameters, or C's own name of a C++ one, is nearest of all.
fn near_names<'name>(missing: &[Missing], known: impl IntoIterator<Item = &'name str>) -> Vec<Vec<&'name str>> {
    let bases: Vec<String> = missing.iter().map(|missing| base(&missing.name)).collect();
    let mut same: Vec<Vec<&'name str>> = vec![Vec::new(); missing.len()];
    let mut candidates = Vec::new();
    for name in known {
        for ((missing, base), same) in missing.iter().zip(&bases).zip(&mut same) {
            let may_be = name.contains(base.rsplit("::").next().unwrap_or(base));
            if may_be && same.len() < PLACES && name != missing.name && self::base(name) == *base {
                same.push(name);
            }
        }
        candidates.push(name);
    }
    let fill = |(missing, mut same): (&Missing, Vec<&'name str>)| {
        if same.is_empty() {
            same = near::nearest(missing.name.as_bytes(), candidates.iter().copied(), PLACES);
        }
        same
    };
    missing.iter().zip(same).map(fill).collect()
}

/// A name without its parameters: `f` for `_Z1fi`, `_Z1fl` and `f`.
fn base(name: &str) -> String {
    match demangle(name) {
        Some(written) => written.split('(').next().unwrap_or(&written).to_owned(),
        None => name.to_owned(),
    }
}

/// Each hint once, with the first names it is for.
fn grouped_hints(missing: &[Missing]) -> Vec<(&'static str, String)> {
    let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for missing in missing {
        let Some(hint) = hints::hint(&missing.name) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == hint) {
            Some((_, names)) => names.push(&missing.name),
            None => groups.push((hint, vec![&missing.name])),
        }
    }
    let shorten = |names: Vec<&str>| {
        let first = names.iter().take(PLACES).copied().collect::<Vec<_>>().join(", ");
        if PLACES < names.len() { format!("{first}, …") } else { first }
    };
    groups.into_iter().map(|(hint, names)| (hint, shorten(names))).collect()
}
