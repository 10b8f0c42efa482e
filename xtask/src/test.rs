//! The task `test`: installs what is missing, checks the code, runs every test and the program matrix. Each step is timed;
//! the last line counts everything.

use std::io::{self, BufRead, BufReader};
use std::process::Command;
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
    /// The tests of the crates that these arguments select.
    Tests(&'static [&'static str]),
    /// The examples in their documentation.
    Examples(&'static [&'static str]),
    /// The program matrix.
    Matrix,
}

use Action::{Cargo, Examples, Install, Matrix, Tests};

/// What does not need LLVM is built without it.
const MOST: &[&str] = &["--workspace", "--exclude=uruk-llvm", "--exclude=uruk-llvm-plugin"];
const LLVM: &[&str] = &["--package=uruk-llvm", "--package=uruk-llvm-plugin"];

#[rustfmt::skip]
const STEPS: &[Step] = &[
    Step { name: "tools",    action: Install },
    Step { name: "format",   action: Cargo(&["fmt", "--all", "--check"]) },
    Step { name: "clippy",   action: Cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]) },
    Step { name: "doc",      action: Cargo(&["doc", "--workspace", "--no-deps", "--quiet"]) },
    Step { name: "tests",    action: Tests(MOST) },
    Step { name: "llvm",     action: Tests(LLVM) },
    Step { name: "examples", action: Examples(MOST) },
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
            Tests(selection) => run_tests(selection),
            Examples(selection) => count_tests(&["test", "--doc", "--no-fail-fast"], selection),
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

/// Runs all tests, which benchmarks are not: with nextest, where it is installed, each in a process of its own.
fn run_tests(selection: &[&str]) -> Result<Count> {
    let has_nextest = cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if has_nextest {
        count_tests(&["nextest", "run", "--tests", "--no-fail-fast", "--no-tests=pass"], selection)
    } else {
        count_tests(&["test", "--tests", "--no-fail-fast"], selection)
    }
}

/// Runs cargo's tests, lets through what it prints, and adds up its summaries. An ignored test is a failure: the project
/// has none. So is a run that fails without a failed test (it did not compile, or a test process died).
fn count_tests(arguments: &[&str], selection: &[&str]) -> Result<Count> {
    let (reader, writer) = io::pipe().context("no pipe")?;
    // nextest reports on standard error, cargo test on standard output.
    let mut child = cargo(arguments)
        .args(selection)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .context("cannot start cargo")?;
    let mut count = Count::default();
    for line in BufReader::new(reader).lines() {
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

/// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …` of cargo test or `Summary [ 0.1s] 12 tests run: 12 passed, 0 skipped`
/// of nextest. Ignored and skipped tests count as failed.
fn parse_result(line: &str) -> Option<Count> {
    let summary = line.strip_prefix("test result: ").or_else(|| line.trim_start().strip_prefix("Summary ["))?;
    let number = |unit: &str| {
        let mut words = summary.split([' ', ';', ',', '(', ')']).filter(|word| !word.is_empty());
        let mut number = None;
        while let Some(word) = words.next().filter(|word| *word != unit) {
            number = word.parse::<usize>().ok();
        }
        summary.contains(unit).then_some(number)?
    };
    let bad = ["failed", "ignored", "skipped", "timed"].iter().filter_map(|unit| number(unit)).sum();
    Some(Count { passed: number("passed")?, failed: bad })
}

#[cfg(test)]
mod tests {
    use super::parse_result;

    fn check(line: &str, expected: Option<(usize, usize)>) {
        assert_eq!(parse_result(line).map(|count| (count.passed, count.failed)), expected, "{line}");
    }

    #[test]
    fn counts_are_read_from_summaries() {
        check(
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            Some((12, 3)),
        );
        check(
            "     Summary [   0.105s] 14 tests run: 11 passed (1 slow), 2 failed, 1 timed out, 0 skipped",
            Some((11, 3)),
        );
        check("     Summary [   0.001s] 3 tests run: 3 passed, 0 skipped", Some((3, 0)));
        check("running 3 tests", None);
    }
}
