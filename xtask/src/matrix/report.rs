//! The report of the matrix as Markdown: a table of programs by flags, then the details of what failed.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use super::case::Outcome;
use super::flags::FLAG_SETS;
use crate::paths;

/// Writes target/report/matrix.md and returns its path.
pub fn write(outcomes: &[Outcome]) -> Result<PathBuf> {
    let path = paths::target_folder("report")?.join("matrix.md");
    paths::write_whole(&path, text(outcomes)?.as_bytes())?;
    Ok(path)
}

fn text(outcomes: &[Outcome]) -> Result<String> {
    let mut columns: Vec<String> = Vec::new();
    for set in FLAG_SETS {
        for outcome in outcomes.iter().filter(|outcome| outcome.case.set.name == set.name) {
            if !columns.contains(&outcome.case.column()) {
                columns.push(outcome.case.column());
            }
        }
    }
    let mut rows: Vec<(&str, &str)> =
        outcomes.iter().map(|outcome| (outcome.case.program.name, outcome.case.compiler.name())).collect();
    rows.dedup();
    let mut seen = Vec::new();
    rows.retain(|row| {
        !seen.contains(row) && {
            seen.push(*row);
            true
        }
    });

    let passed = outcomes.iter().filter(|outcome| outcome.failure.is_none()).count();
    let mut text = format!("# Programs by flags\n\n{passed} of {} pass.\n\n", outcomes.len());
    writeln!(text, "| program | compiler | passed | {} |", columns.join(" | "))?;
    writeln!(text, "|---|---|---|{}", "---|".repeat(columns.len()))?;
    for (program, compiler) in rows {
        let row: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.case.program.name == program && outcome.case.compiler.name() == compiler)
            .collect();
        let passed = row.iter().filter(|outcome| outcome.failure.is_none()).count();
        write!(text, "| {program} | {compiler} | {passed}/{} |", row.len())?;
        for column in &columns {
            let cell = match row.iter().find(|outcome| outcome.case.column() == *column) {
                None => "",
                Some(Outcome { failure: None, .. }) => "pass",
                Some(Outcome { failure: Some(failure), .. }) => &failure.short,
            };
            write!(text, " {cell} |")?;
        }
        text.push('\n');
    }
    if passed < outcomes.len() {
        text.push_str("\n## Failures\n");
    }
    for outcome in outcomes {
        if let Some(failure) = &outcome.failure {
            write!(text, "\n### {}\n\n{}\n\n```\n{}\n```\n", outcome.case, failure.short, failure.details.trim_end())?;
        }
    }
    Ok(text)
}
