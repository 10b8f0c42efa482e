//! The task `bench compile`: what compilers cost through Uruk, beside what they cost by themselves.
//!
//! Runs the ways of the library's benchmark `compile` in turn, each in a fresh process that prints milliseconds, and writes
//! medians, ratios and whether the targets hold to target/report/compile.md.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::compile_llvm::{self, Bench};
use crate::{paths, process};

/// A way to compile: its name in reports, and the benchmark's arguments.
struct Way(&'static str, &'static [&'static str]);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    Way("cranelift-jit, 1,000",             &["cranelift-jit", "1000"]),
    Way("module, 1,000",                    &["module", "1000", "1"]),
    Way("cranelift-jit, 10,000",            &["cranelift-jit", "10000"]),
    Way("module, 10,000",                   &["module", "10000", "1"]),
    Way("module put off, 10,000",           &["deferred", "10000", "1"]),
    Way("module put off, two threads, 10,000", &["deferred", "10000", "2"]),
    Way("functions, 10,000",                &["functions", "10000"]),
    Way("functions, two threads, 10,000",   &["functions", "10000", "2"]),
    Way("functions from a cache, 10,000",   &["warm", "10000"]),
    Way("lazy functions, 10 of 10,000",     &["lazy", "10000"]),
];

/// That the first way takes at most so many times what the second takes.
struct Target(&'static str, &'static str, f64);

#[rustfmt::skip]
const TARGETS: &[Target] = &[
    Target("module, 1,000",  "cranelift-jit, 1,000",  1.1),
    Target("module, 10,000", "cranelift-jit, 10,000", 1.1),
    Target("module put off, two threads, 10,000", "module put off, 10,000", 1.0 / 1.6),
    Target("functions from a cache, 10,000", "functions, 10,000", 1.0 / 2.0),
    Target("lazy functions, 10 of 10,000", "functions, 10,000", 1.0 / 20.0),
    Target("LLVM IR, 1,000",  "LLVM IR, LLJIT, 1,000",  1.0),
    Target("LLVM IR, 10,000", "LLVM IR, LLJIT, 10,000", 1.0),
    Target("LLVM IR, lazy, 10 of 10,000", "LLVM IR, 10,000", 1.0 / 20.0),
    Target("LLVM IR, -O2, 10,000", "LLVM IR, -O2, LLJIT, 10,000", 1.0),
    Target("LLVM IR, -O2, from a cache, 10,000", "LLVM IR, -O2, LLJIT, 10,000", 1.0 / 10.0),
    Target("kernel, then by LLVM", "kernel, by Cranelift", 1.0 / 1.5),
    Target("LLVM IR, lazy process, 10 of 10,000", "LLVM IR, lli lazy, 10 of 10,000", 1.0),
];

/// The task `bench compile`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let samples: usize = match arguments {
        [] => 7,
        [option, count] if option == "--samples" => count.parse().context("--samples")?,
        _ => bail!("usage: cargo xtask bench compile [--samples N]"),
    };
    let program = build("uruk")?;
    let llvm = Bench::new()?;
    let mut taken: HashMap<&str, Vec<f64>> = HashMap::new();
    for sample in 1..=samples.max(1) {
        println!("sample {sample} of {samples}");
        for Way(name, arguments) in WAYS {
            taken.entry(name).or_default().push(milliseconds(Command::new(&program).args(*arguments))?);
        }
        for way in compile_llvm::WAYS {
            taken.entry(way.0).or_default().push(llvm.sample(way)?);
        }
    }
    let medians = taken.into_iter().map(|(name, times)| (name, median(times))).collect();
    let (text, all_hold) = report(&medians);
    let path = paths::target_folder("report")?.join("compile.md");
    paths::write_whole(&path, text.as_bytes())?;
    println!("\n{text}\n{}", path.display());
    Ok(all_hold)
}

/// Builds the benchmark `compile` of a package; its path.
pub fn build(package: &str) -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["bench", "--no-run", "--message-format=json", "--package", package, "--bench", "compile"]);
    let messages = process::capture(command.current_dir(paths::root()))?;
    let mut found = None;
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if message["target"]["name"] == "compile" {
            found = message["executable"].as_str().map(PathBuf::from);
        }
    }
    found.context("cargo names no executable of the benchmark `compile`")
}

/// What one run says.
pub fn milliseconds(command: &mut Command) -> Result<f64> {
    let printed = process::capture(command)?;
    let first = printed.split('\t').next().unwrap_or_default();
    first.parse().with_context(|| format!("`{printed}` is no time"))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn report(medians: &HashMap<&str, f64>) -> (String, bool) {
    let mut text = String::from("# What compiling costs\n\n| way | ms |\n| --- | ---: |\n");
    for name in WAYS.iter().map(|way| way.0).chain(compile_llvm::WAYS.iter().map(|way| way.0)) {
        let _ = writeln!(text, "| {name} | {:.1} |", medians[name]);
    }
    text += "\n| target | at most | is | |\n| --- | ---: | ---: | --- |\n";
    let mut all_hold = true;
    for Target(way, other, limit) in TARGETS {
        let ratio = medians[way] / medians[other];
        let holds = ratio <= *limit;
        all_hold &= holds;
        let verdict = if holds { "holds" } else { "**does not hold**" };
        let _ = writeln!(text, "| {way}, beside {other} | {limit:.3} | {ratio:.3} | {verdict} |");
    }
    (text, all_hold)
}
