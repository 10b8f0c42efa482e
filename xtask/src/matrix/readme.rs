//! The table of what works in README.md, made from the results of the cases that are always run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;

use super::case::Outcome;
use super::flags::FLAG_SETS;
use super::places::Place;
use super::programs::{GROUPS, Group};
use crate::readme;

/// Whether README.md says what `outcomes` say; with `write` it is made to.
pub fn check(outcomes: &[Outcome], write: bool) -> Result<bool> {
    let always: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.in_ci()).collect();
    readme::check("matrix", &table(&always)?, write)
}

fn table(all: &[&Outcome]) -> Result<String> {
    let outcomes: Vec<&Outcome> = all.iter().copied().filter(|outcome| outcome.case.place == Place::Here).collect();
    let mut text = String::from("\n| what | programs | compilers | passed |\n| --- | --- | --- | --- |\n");
    for group in GROUPS {
        let of_group = || outcomes.iter().filter(|outcome| is_in(group, outcome));
        let programs: Vec<&str> = group.programs.iter().map(|program| program.name).collect();
        let compilers: BTreeSet<&str> = of_group().map(|outcome| outcome.case.compiler.name()).collect();
        let compilers: Vec<&str> = compilers.into_iter().collect();
        let passed = of_group().filter(|outcome| outcome.failure.is_none()).count();
        let (programs, compilers) = (programs.join(", "), compilers.join(", "));
        writeln!(text, "| {} | {programs} | {compilers} | {passed} of {} |", group.name, of_group().count())?;
    }
    let elsewhere = || all.iter().filter(|outcome| outcome.case.place != Place::Here);
    let passed = elsewhere().filter(|outcome| outcome.failure.is_none()).count();
    let places = Place::OTHERS.map(Place::name).join(", ");
    writeln!(
        text,
        "| the same in other processes, without flags | over {places} | | {passed} of {} |",
        elsewhere().count()
    )?;
    let used = |name: &str| outcomes.iter().any(|outcome| outcome.case.set.name == name);
    let flags: Vec<String> =
        FLAG_SETS.iter().filter(|set| used(set.name)).map(|set| format!("`{}`", set.name)).collect();
    writeln!(text, "\nThe sets of flags: {}.\n", flags.join(", "))?;
    Ok(text)
}

fn is_in(group: &Group, outcome: &Outcome) -> bool {
    group.programs.iter().any(|program| program.name == outcome.case.program.name)
}
