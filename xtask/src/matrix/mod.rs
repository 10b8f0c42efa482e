//! The program matrix: real programs, by compilers and sets of flags, run by `uruk run` and compared with what the system's
//! compiler and linker make of the same sources.
//!
//! `programs` and `flags` are the data; `sources` and `build` make objects and references, kept between runs; `case`
//! runs and judges; `report` writes target/report/matrix.md, `readme` the table in README.md.

mod build;
mod case;
mod flags;
mod places;
mod programs;
mod readme;
mod report;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

pub use build::{Builder, STDIN};
pub use case::Case;
pub use places::{Executors, Place};

use crate::count::Count;
use crate::{paths, process};
use case::Outcome;

/// What to run.
#[derive(Default)]
pub struct Options {
    /// Every case, not only those of continuous integration.
    pub all: bool,
    /// Only cases whose name holds this.
    pub filter: String,
    /// The `uruk` to use instead of the one that is built here.
    pub uruk: Option<PathBuf>,
    /// List the cases only.
    pub list: bool,
    /// Write the table of README.md instead of checking it.
    pub readme: bool,
}

/// The task `matrix`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--all" => options.all = true,
            "--list" => options.list = true,
            "--readme" => options.readme = true,
            "--filter" => options.filter = value()?.clone(),
            "--uruk" => options.uruk = Some(std::path::absolute(value()?)?),
            _ => bail!("unknown argument `{argument}`"),
        }
    }
    Ok(run_cases(&options)?.failed == 0)
}

/// Runs the cases that `options` ask for and writes the report: how many went as expected, and how many did not.
pub fn run_cases(options: &Options) -> Result<Count> {
    let cases = case::list(options.all, &options.filter)?;
    if options.list {
        cases.iter().for_each(|case| println!("{case}"));
        return Ok(Count { passed: cases.len(), failed: 0 });
    }
    if cases.is_empty() {
        bail!("no case's name holds `{}`", options.filter);
    }
    let uruk = match &options.uruk {
        Some(uruk) => uruk.clone(),
        None => build_uruk()?,
    };
    let builder = Builder::new()?;
    let executors = Executors::start(&uruk)?;
    let outcomes = run_on_threads(&cases, &builder, &uruk, &executors)?;
    let passed = outcomes.iter().filter(|outcome| outcome.failure.is_none()).count();
    println!("matrix: {passed} of {} cases pass; {}", outcomes.len(), report::write(&outcomes)?.display());
    let mut count = Count { passed, failed: outcomes.len() - passed };
    if options.filter.is_empty() {
        let current = readme::check(&outcomes, options.readme)?;
        count += Count::of(current);
    }
    Ok(count)
}

/// Builds `uruk` as users have it, optimised, and beside it the plugin that it compiles LLVM IR with and the executor;
/// returns its path.
pub fn build_uruk() -> Result<PathBuf> {
    let packages = ["--package=uruk-cli", "--package=uruk-llvm-plugin", "--package=uruk-executor"];
    process::capture(
        Command::new(env!("CARGO")).args(["build", "--release"]).args(packages).current_dir(paths::root()),
    )?;
    Ok(paths::target().join("release/uruk"))
}

/// Runs `cases` on as many threads as there are processors; prints each as it ends, returns them in order.
fn run_on_threads(cases: &[Case], builder: &Builder, uruk: &Path, executors: &Executors) -> Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    let outcome = case.run(builder, uruk, executors);
                    match &outcome.failure {
                        None => println!("pass {case} ({:.0} ms)", outcome.run_ms),
                        Some(failure) => println!("FAIL {case}: {}", failure.short),
                    }
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}
