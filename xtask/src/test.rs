//! The task `test`: installs what is missing, checks the code, runs every test and the program matrix. Each step is timed;
//! the last line counts everything. With `--all` the long tests run long, and others run that take too long for every day.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::count::Count;
use crate::{cross, fuzz, install, matrix, paths, support, tools, watchdog};

/// One step: its name, what it runs, and about how many minutes it takes on two cores, the first time: in a plain run, which
/// leaves it out if it says nothing, and with `--all`.
struct Step {
    name: &'static str,
    action: Action,
    minutes: (Option<u32>, u32),
}

enum Action {
    /// Installs packages.
    Install,
    /// Runs cargo with these arguments and warnings as errors in documentation; counts as one test.
    Cargo(&'static [&'static str]),
    /// The tests of the crates that these arguments select.
    Tests(&'static [&'static str]),
    /// Tests that do more where there is LLVM's plugin: those of a package, or that are called so.
    WithPlugin(Option<&'static str>, &'static [&'static str]),
    /// The examples in their documentation.
    Examples(&'static [&'static str]),
    /// The orders in which the session's threads can run, tried by a scheduler.
    Interleavings,
    /// The session's tests under ThreadSanitizer.
    Races,
    /// Each fuzz target for so many seconds.
    Fuzz(u64),
    /// The executor's tests on other architectures, in emulators, and on Windows.
    Cross,
    /// The installed library for C, and programs that are built with it.
    InstalledC,
    /// The table of formats and architectures.
    Support,
    /// The program matrix.
    Matrix,
}

use Action::{
    Cargo, Cross, Examples, Fuzz, Install, InstalledC, Interleavings, Matrix, Races, Support, Tests, WithPlugin,
};

/// What does not need LLVM is built without it. Cargo builds a package anew for each choice of packages that asks for other features of
/// it, so whatever is built for tests is built by this choice.
pub const MOST: &[&str] = &["--workspace", "--exclude=uruk-llvm", "--exclude=uruk-llvm-plugin"];
const LLVM: &[&str] = &["--package=uruk-llvm", "--package=uruk-llvm-plugin"];

#[rustfmt::skip]
const STEPS: &[Step] = &[
    step("tools",         Install,                                   (Some(1), 1)),
    step("format",        Cargo(&["fmt", "--all", "--check"]),       (Some(1), 1)),
    step("clippy",        Cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]), (Some(2), 2)),
    step("doc",           Cargo(&["doc", "--workspace", "--no-deps", "--quiet"]), (Some(1), 1)),
    step("tests",         Tests(MOST),                               (Some(12), 20)),
    step("support",       Support,                                   (Some(1), 1)),
    step("cache",         Cargo(&["test", "-p", "uruk-cache", "--features", "object_store", "--quiet"]), (Some(1), 1)),
    step("llvm",          Tests(LLVM),                               (Some(3), 3)),
    step("kaleidoscope",  WithPlugin(Some("uruk-kaleidoscope"), &[]), (Some(1), 1)),
    step("llvm-c",        WithPlugin(None, &["--test=llvm"]), (Some(1), 1)),
    step("examples",      Examples(MOST),                            (Some(1), 1)),
    step("interleavings", Interleavings,                             (Some(2), 5)),
    step("install-c",     InstalledC,                                (Some(1), 1)),
    step("cross",         Cross,                                     (Some(14), 14)),
    step("races",         Races,                                     (None, 5)),
    step("fuzz",          Fuzz(180),                                 (None, 20)),
    step("matrix",        Matrix,                                    (Some(7), 60)),
];

const fn step(name: &'static str, action: Action, minutes: (Option<u32>, u32)) -> Step {
    Step { name, action, minutes }
}

/// What long tests are told with `--all`; each has a shorter run of its own otherwise.
#[rustfmt::skip]
const LONG: &[(&str, &str)] = &[
    ("URUK_MODEL_CASES",    "100000"),
    ("URUK_INTERLEAVINGS",  "100000"),
    ("URUK_ROUNDS",         "1000000"),
    ("URUK_STRESS_SECONDS", "60"),
    ("URUK_FAULTS",         "40"),
    // Tests that take the network, or more minutes than they are worth every day.
    ("URUK_ALL_TESTS",      "1"),
];

/// The most that a run may take, if not with `--all`; what has not ended by then fails, and the last line is printed still.
const LIMIT: Duration = Duration::from_secs(80 * 60);

/// The most that a step may take of which this many minutes are expected: a cold build on a slow machine is in it.
fn limit(minutes: u32) -> Duration {
    Duration::from_secs(60) * (4 * minutes + 10)
}

/// Runs the steps that are named, or all, also after one has failed.
pub fn run(arguments: &[String]) -> Result<bool> {
    const USAGE: &str = "usage: cargo xtask test [--all] [STEP]...";
    let (options, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let all = match options[..] {
        [] => false,
        [option] if option == "--all" => true,
        _ => bail!("{USAGE}"),
    };
    if let Some(name) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step `{name}`, but {}\n{USAGE}", known.join(", "));
    }
    let minutes = |step: &Step| match (all, names.is_empty()) {
        (true, _) => Some(step.minutes.1),
        (false, true) => step.minutes.0,
        (false, false) => step.minutes.0.or(Some(step.minutes.1)),
    };
    let chosen = STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| *name == step.name));
    let steps = chosen.filter_map(|step| Some((step, minutes(step)?)));
    println!("about {} minutes on two cores", steps.clone().map(|(_, minutes)| minutes).sum::<u32>());
    let (run_start, mark) = (Instant::now(), watchdog::mark());
    let mut total = Count::default();
    let mut lines = Vec::new();
    for (step, expected) in steps {
        println!("== {} (about {expected} min)", step.name);
        let start = Instant::now();
        let left = if all { Duration::MAX } else { LIMIT.saturating_sub(run_start.elapsed()) };
        let (result, killed) = watchdog::limited(&mark, limit(expected).min(left), || step.action.run(all));
        let mut count = result.unwrap_or_else(|error| {
            println!("{}: {error:#}", step.name);
            Count::of(false)
        });
        if killed {
            count += Count::of(false);
        }
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        lines.push(format!("| {} | {} | {} | {minutes:.2} |", step.name, count.passed, count.failed));
        total += count;
    }
    println!("\n| step | passed | failed | minutes |\n|---|---|---|---|\n{}\n", lines.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

impl Action {
    fn run(&self, all: bool) -> Result<Count> {
        match self {
            Install => tools::install().map(|()| Count::of(true)),
            Cargo(arguments) => {
                let status = cargo(arguments).status().context("cannot start cargo")?;
                Ok(Count::of(status.success()))
            }
            Tests(selection) => count_tests(tests(selection, None, all), all),
            WithPlugin(package, targets) => count_tests(with_plugin(*package, targets, all)?, all),
            Examples(selection) => {
                let mut command = cargo(&["test", "--doc", "--no-fail-fast"]);
                command.args(*selection);
                count_tests(command, all)
            }
            Interleavings => count_tests(interleavings(), all),
            Races => count_tests(races(), all),
            Fuzz(seconds) => {
                let mut count = Count::default();
                for target in fuzz::targets()? {
                    count += Count::of(fuzz::run_target(&target, *seconds)?);
                }
                Ok(count)
            }
            InstalledC => install::test(),
            Cross => {
                let mut count = cross::test()?;
                count += count_tests(remote_images()?, all)?;
                Ok(count)
            }
            Support => support::run(&[]).map(Count::of),
            // What is optimised takes as long to build as everything else.
            Matrix => {
                let uruk = (!all).then(build_with_plugin).transpose()?;
                matrix::run_cases(&matrix::Options { all, uruk, ..Default::default() })
            }
        }
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).env("RUSTDOCFLAGS", "-Dwarnings").current_dir(paths::root());
    command
}

/// Runs all tests, which benchmarks are not, or those of one package: with nextest, where it is installed, each in a process of its own.
fn tests(selection: &[&str], package: Option<&str>, all: bool) -> Command {
    let all_targets = selection.iter().all(|argument| !argument.starts_with("--test=")).then_some("--tests");
    let has_nextest = cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let mut command = if has_nextest {
        let profile = if all { "--profile=all" } else { "--profile=default" };
        cargo(&["nextest", "run", "--no-fail-fast", "--no-tests=pass", profile])
    } else {
        cargo(&["test", "--no-fail-fast"])
    };
    command.args(all_targets);
    match package {
        // Built with what it was built with before.
        Some(package) if has_nextest => command.args(selection).arg(format!("-Epackage({package})")),
        Some(package) => command.arg(format!("--package={package}")),
        None => command.args(selection),
    };
    command
}

/// What tests more where it is told of a plugin.
fn with_plugin(package: Option<&str>, targets: &[&str], all: bool) -> Result<Command> {
    build_with_plugin()?;
    let mut command = tests(&[MOST, targets].concat(), package, all);
    command.env("URUK_LLVM", paths::target().join("debug/liburuk_llvm_plugin.so"));
    Ok(command)
}

/// Tests of images whose programs have run in executors, and of those that are loaded on other machines, which they are told of.
fn remote_images() -> Result<Command> {
    let listed = |programs: Vec<(&str, PathBuf)>| {
        let programs = programs.into_iter().map(|(name, path)| format!("{name}={}", path.display()));
        programs.collect::<Vec<_>>().join(":")
    };
    let mut command = tests(&[MOST, &["--test=lisp_remote", "--test=elsewhere"]].concat(), None, false);
    command.env("URUK_EXECUTORS", listed(cross::executors()?)).env("URUK_LOADERS", listed(cross::loaders()?));
    Ok(command)
}

/// Builds the programs as tests have them, and the plugin beside them; returns the path of `uruk`.
pub fn build_with_plugin() -> Result<PathBuf> {
    for selection in [&[MOST, &["--bins"]].concat()[..], &["--package=uruk-llvm-plugin"]] {
        let built = cargo(&["build", "--quiet"]).args(selection).status().context("cannot start cargo")?;
        ensure!(built.success(), "the programs and the plugin cannot be built");
    }
    Ok(paths::target().join("debug/uruk"))
}

/// The checker takes the place of the session's locks, atomic numbers and threads.
fn interleavings() -> Command {
    let mut command = cargo(&["test", "-p", "uruk-orc", "--test", "interleavings"]);
    command.env("RUSTFLAGS", "--cfg shuttle").env("CARGO_TARGET_DIR", paths::target().join("shuttle"));
    command
}

/// The standard library is built with the sanitizer, too: it would take ours for races where it does not see the locks.
/// Only Debian's compiler comes with the library's source, and only clang with the sanitizer. Interposition is left out,
/// since the sanitizer calls what we interpose before it can watch it.
fn races() -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    command
        .args(["test", "-Zbuild-std=std,panic_unwind", "--target", "x86_64-unknown-linux-gnu", "--no-default-features"])
        .args(["-p", "uruk-orc", "--test", "session", "--test", "stress", "--no-fail-fast"])
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=thread -Zexternal-clangrt -Clinker=clang-22 -Clink-arg=-fsanitize=thread")
        .env("CARGO_TARGET_DIR", paths::target().join("tsan"))
        .current_dir(paths::root());
    command
}

/// Runs cargo's tests, lets through what it prints, and adds up its summaries. An ignored test is a failure: the project
/// has none. So is a run that fails without a failed test (it did not compile, or a test process died).
fn count_tests(mut cargo: Command, all: bool) -> Result<Count> {
    if all {
        cargo.envs(LONG.iter().copied());
    }
    let (reader, writer) = io::pipe().context("no pipe")?;
    // nextest reports on standard error, cargo test on standard output.
    let mut child = cargo.stdout(writer.try_clone()?).stderr(writer).spawn().context("cannot start cargo")?;
    // It holds the pipe's other end.
    drop(cargo);
    let mut count = Count::default();
    for line in BufReader::new(reader).lines() {
        let line = line?;
        println!("{line}");
        count += parse_result(&line).unwrap_or_default();
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
