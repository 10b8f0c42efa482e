//! The task `test`: installs what is missing, checks the code, runs every test and the program matrix. Each step is timed;
//! the last line counts everything.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::matrix;
use crate::{paths, tools};

/// How many tests of a step went which way.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// One step: its name and what it runs.
struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    /// Installs packages.
    Install,
    /// Runs cargo with these arguments and warnings as errors in documentation; counts as one test.
    Cargo(&'static [&'static str]),
    /// Runs cargo with these arguments and counts the tests that it reports.
    Tests(&'static [&'static str]),
    /// The program matrix.
    Matrix,
}

use Action::{Cargo, Install, Matrix, Tests};

#[rustfmt::skip]
const STEPS: &[Step] = &[
    Step { name: "tools",    action: Install },
    Step { name: "format",   action: Cargo(&["fmt", "--all", "--check"]) },
    Step { name: "clippy",   action: Cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]) },
    Step { name: "doc",      action: Cargo(&["doc", "--workspace", "--no-deps", "--quiet"]) },
    Step { name: "tests",    action: Tests(&["test", "--workspace", "--all-targets", "--no-fail-fast"]) },
    Step { name: "examples", action: Tests(&["test", "--workspace", "--doc", "--no-fail-fast"]) },
    Step { name: "matrix",   action: Matrix },
];

/// Runs all steps, also after one has failed.
pub fn run(arguments: &[String]) -> Result<bool> {
    let all = match arguments {
        [] => false,
        [argument] if argument == "--all" => true,
        _ => bail!("usage: cargo xtask test [--all]"),
    };
    let mut total = Count::default();
    let mut lines = Vec::new();
    for step in STEPS {
        println!("== {}", step.name);
        let start = Instant::now();
        let count = step.action.run(all).unwrap_or_else(|error| {
            println!("{}: {error:#}", step.name);
            Count { passed: 0, failed: 1 }
        });
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        lines.push(format!("| {} | {} | {} | {minutes:.2} |", step.name, count.passed, count.failed));
        total.passed += count.passed;
        total.failed += count.failed;
    }
    println!("\n| step | passed | failed | minutes |\n|---|---|---|---|\n{}\n", lines.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

impl Action {
    fn run(&self, all: bool) -> Result<Count> {
        match self {
            Install => tools::install().map(|()| Count { passed: 1, failed: 0 }),
            Cargo(arguments) => {
                let status = cargo(arguments).status().context("cannot start cargo")?;
                Ok(Count { passed: usize::from(status.success()), failed: usize::from(!status.success()) })
            }
            Tests(arguments) => count_tests(arguments),
            Matrix => {
                let count = matrix::run_cases(&matrix::Options { all, ..Default::default() })?;
                Ok(Count { passed: count.passed, failed: count.failed })
            }
        }
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).env("RUSTDOCFLAGS", "-Dwarnings").current_dir(paths::root());
    command
}

/// Runs cargo's tests, lets through what it prints, and adds up its `test result:` lines. An ignored test is a failure:
/// the project has none. So is a run that fails without a failed test (it did not compile, or a test process died).
fn count_tests(arguments: &[&str]) -> Result<Count> {
    let mut child = cargo(arguments).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut count = Count::default();
    for line in BufReader::new(child.stdout.take().context("no pipe to cargo")?).lines() {
        let line = line?;
        println!("{line}");
        if let Some(result) = parse_result(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    }
    if !child.wait()?.success() && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn parse_result(line: &str) -> Option<Count> {
    let rest = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |unit: &str| {
        let part = rest.split("; ").find_map(|part| part.strip_suffix(unit))?;
        part.trim().parse::<usize>().ok()
    };
    Some(Count { passed: number(" passed")?, failed: number(" failed")? + number(" ignored")? })
}

#[cfg(test)]
mod tests {
    use super::parse_result;

    #[test]
    fn counts_are_read_from_cargos_summary() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let count = parse_result(line).unwrap();
        assert_eq!((count.passed, count.failed), (12, 3));
        assert!(parse_result("running 3 tests").is_none());
    }
}
