//! The ways to link a workload and run it, and how they are sampled.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Workload;
use crate::paths;
use crate::process::{self, End};

/// A way that took this long in all is sampled no more: the slowest peers take minutes.
const BUDGET_MS: f64 = 15_000.0;
/// A single run is killed after this: JITLink needs minutes for 20,000 sections in one object.
const LIMIT: Duration = Duration::from_secs(40);

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `uruk run` on one thread.
    UrukOne,
    /// `uruk run` on two threads.
    UrukTwo,
    /// The second link in one process, on one thread, after the first was removed; by the example `measure`.
    UrukAgain,
    /// mold writes a file.
    Mold,
    /// That file runs.
    MoldRun,
    /// lld writes a file.
    Lld,
    /// That file runs.
    LldRun,
    /// LLVM's JITLink, without running the result.
    JitLink,
    /// The plain floor.
    Floor,
}

/// In the order of one round of samples: a file is linked before it runs.
const WAYS: &[Way] = &[
    Way::Floor,
    Way::UrukOne,
    Way::Mold,
    Way::MoldRun,
    Way::UrukTwo,
    Way::Lld,
    Way::LldRun,
    Way::UrukAgain,
    Way::JitLink,
];

/// The medians of one way.
#[derive(Clone, Debug, Default)]
pub struct Median {
    /// Whole process, in milliseconds.
    pub wall_ms: f64,
    /// Peak resident memory, in KiB.
    pub peak_kib: u64,
    /// In process: from the first byte read to callable, in milliseconds; for Uruk and the floor.
    pub inside_ms: Option<f64>,
    /// Bytes of allocated sections; for the floor.
    pub allocated: Option<u64>,
    /// How many samples there are.
    pub count: usize,
}

/// What was measured: medians, or why there are none.
pub type Samples = BTreeMap<Way, Result<Median, String>>;

/// The programs that are ours.
pub struct Ways {
    /// The `uruk` command.
    pub uruk: PathBuf,
    /// An optimised `xtask`, which has the floor.
    pub floor: PathBuf,
    /// The example `measure` of the library.
    pub measure: PathBuf,
}

/// One run.
struct Sample {
    wall_ms: f64,
    peak_kib: u64,
    inside_ms: Option<f64>,
    allocated: Option<u64>,
}

impl Ways {
    /// Takes up to `count` samples of each way, alternating.
    pub fn sample(&self, workload: &Workload, count: usize) -> Result<Samples> {
        let folder = paths::target_folder("bench-run")?;
        let list = folder.join("objects");
        let lines: Vec<String> = workload.objects.iter().map(|object| object.to_string_lossy().into_owned()).collect();
        fs::write(&list, lines.join("\n"))?;
        let mut commands: Vec<(Way, Command, i32)> = Vec::new();
        for &way in WAYS {
            let runs = matches!(way, Way::UrukOne | Way::UrukTwo | Way::UrukAgain | Way::MoldRun | Way::LldRun);
            let expected = if runs { workload.status } else { 0 };
            commands.push((way, self.command(way, workload, &list, &folder)?, expected));
        }
        let mut samples: BTreeMap<Way, Result<Vec<Sample>, String>> =
            WAYS.iter().map(|&way| (way, Ok(vec![]))).collect();
        for _ in 0..count {
            for (way, command, expected) in &mut commands {
                let Some(Ok(taken)) = samples.get_mut(way) else { continue };
                if BUDGET_MS < taken.iter().map(|sample| sample.wall_ms).sum() {
                    continue;
                }
                match one(command, *expected, &folder) {
                    Ok(sample) => taken.push(sample),
                    Err(error) => drop(samples.insert(*way, Err(format!("{error:#}")))),
                }
            }
        }
        Ok(samples.into_iter().map(|(way, taken)| (way, taken.map(|taken| median(&taken)))).collect())
    }

    fn command(&self, way: Way, workload: &Workload, list: &Path, folder: &Path) -> Result<Command> {
        let at_list = format!("@{}", list.display());
        let [mold, lld] = ["mold.out", "lld.out"].map(|name| folder.join(name));
        let mut command = match way {
            Way::UrukOne | Way::UrukTwo => {
                let mut command = Command::new(&self.uruk);
                command.args(["run", "--times=json", "-j", if way == Way::UrukOne { "1" } else { "2" }]);
                command.arg(&at_list).args(&workload.libs).arg("--").args(&workload.args);
                command
            }
            Way::UrukAgain => {
                let mut command = Command::new(&self.measure);
                command.args(["again", &at_list, "--"]).args(&workload.args);
                command
            }
            Way::Mold => linker("mold", &at_list, &workload.libs, &mold)?,
            Way::Lld => linker("ld.lld-22", &at_list, &workload.libs, &lld)?,
            Way::MoldRun | Way::LldRun => {
                let mut command = Command::new(if way == Way::MoldRun { mold } else { lld });
                command.args(&workload.args);
                command
            }
            Way::JitLink => {
                let mut command = Command::new("llvm-jitlink-22");
                command.args(["-noexec", &at_list]);
                command
            }
            Way::Floor => {
                let mut command = Command::new(&self.floor);
                command.args(["floor", &at_list]);
                command
            }
        };
        command.current_dir(folder);
        Ok(command)
    }
}

/// The command that `cc` would run to link, with another linker and without the plug-in for link-time optimisation.
fn linker(program: &str, at_list: &str, libs: &[String], output: &Path) -> Result<Command> {
    const INPUT: &str = "input.o";
    let shown = Command::new("cc")
        .args(["-###", INPUT])
        .args(libs)
        .arg("-o")
        .arg(output)
        .output()
        .context("cannot start cc")?;
    let shown = String::from_utf8_lossy(&shown.stderr);
    let line = shown.lines().find(|line| line.contains("collect2 ")).context("cc does not show how it links")?;
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"')).skip(1);
    let mut command = Command::new(program);
    while let Some(word) = words.next() {
        match word {
            "-plugin" => drop(words.next()),
            _ if word.starts_with("-plugin-opt") => {}
            INPUT => drop(command.arg(at_list)),
            _ => drop(command.arg(word)),
        }
    }
    Ok(command)
}

fn one(command: &mut Command, expected: i32, folder: &Path) -> Result<Sample> {
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.join(name));
    let usage = process::measure(command, &stdout, &stderr, LIMIT)?;
    if usage.end != End::Status(expected) {
        bail!("{}", usage.end);
    }
    let times = times_line(&fs::read_to_string(stderr)?).or_else(|| times_line(&fs::read_to_string(stdout).ok()?));
    let number = |name: &str| times.as_ref().and_then(|times| times[name].as_f64());
    let allocated = number("bytes").map(|bytes| bytes as u64);
    Ok(Sample { wall_ms: usage.wall_ms, peak_kib: usage.peak_kib, inside_ms: number("total_ms"), allocated })
}

/// The line of JSON that holds `total_ms`: what `uruk run --times=json` and the floor print.
fn times_line(text: &str) -> Option<Value> {
    let line = text.lines().find(|line| line.starts_with('{') && line.contains("\"total_ms\""))?;
    serde_json::from_str(line).ok()
}

fn median(samples: &[Sample]) -> Median {
    let inside: Option<Vec<f64>> = samples.iter().map(|sample| sample.inside_ms).collect();
    Median {
        wall_ms: middle(samples.iter().map(|sample| sample.wall_ms).collect()),
        peak_kib: middle(samples.iter().map(|sample| sample.peak_kib as f64).collect()) as u64,
        inside_ms: inside.filter(|inside| !inside.is_empty()).map(middle),
        allocated: samples.first().and_then(|sample| sample.allocated),
        count: samples.len(),
    }
}

/// The median.
pub fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
