//! One case of the matrix: a program, a compiler and a set of flags; run by `uruk run`, judged by the native program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use super::build::{self, Builder};
use super::flags::{Compiler, FLAG_SETS, FlagSet};
use super::places::{Executors, Place};
use super::programs::{Expect, GROUPS, Program};
use crate::paths;
use crate::process::{End, Output};

/// The status of `uruk run` for a program that cannot be linked.
const LINK_ERROR: End = End::Status(125);

/// A program, a compiler and a set of flags.
#[derive(Clone, Copy)]
pub struct Case {
    /// The row.
    pub program: &'static Program,
    /// The compiler.
    pub compiler: Compiler,
    /// The column.
    pub set: &'static FlagSet,
    /// Where it runs.
    pub place: Place,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {} / {}", self.program.name, self.compiler.name(), self.column())
    }
}

/// How a case went.
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What failed, in a line and its details; none for a success.
    pub failure: Option<Failure>,
    /// How long `uruk run` took, in milliseconds.
    pub run_ms: f64,
}

/// What went wrong.
pub struct Failure {
    /// Few words, for the table.
    pub short: String,
    /// What was printed.
    pub details: String,
}

/// The cases to run: those of continuous integration, or all; those whose name holds `filter`.
pub fn list(all: bool, filter: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for program in GROUPS.iter().flat_map(|group| group.programs) {
        for name in program.ci.iter().chain(program.all) {
            if !FLAG_SETS.iter().any(|set| set.name == *name) {
                bail!("program {}: no set of flags is called `{name}`", program.name);
            }
        }
        for set in FLAG_SETS {
            for &compiler in program.compilers {
                let case = Case { program, compiler, set, place: Place::Here };
                let wanted = case.in_ci() || all && program.all.contains(&set.name);
                if !wanted || !case.applies() {
                    continue;
                }
                let elsewhere = Place::OTHERS.map(|place| Case { place, ..case }).into_iter();
                let all_places = [case].into_iter().chain(elsewhere.filter(Case::runs_elsewhere));
                cases.extend(all_places.filter(|case| case.to_string().contains(filter)));
            }
        }
    }
    Ok(cases)
}

impl Case {
    /// The case that is called `name`.
    pub fn named(name: &str) -> Result<Self> {
        match list(true, name)?.into_iter().find(|case| case.to_string() == name) {
            Some(case) => Ok(case),
            None => bail!("no case is called `{name}`"),
        }
    }

    /// Whether it is always run.
    pub fn in_ci(&self) -> bool {
        self.program.ci.contains(&self.set.name)
    }

    /// What reports call its flags, and where it runs.
    pub fn column(&self) -> String {
        match self.place {
            Place::Here => self.set.name.into(),
            place => format!("{}, {}", self.set.name, place.name()),
        }
    }

    /// Each program does, with the flags that are there for that. An executor that listens has its own environment.
    fn runs_elsewhere(&self) -> bool {
        self.set.name == "none" && (self.place == Place::Pipes || self.program.env.is_empty())
    }

    fn applies(&self) -> bool {
        let simple =
            |source: &&str| [".c", ".cpp", ".rs"].iter().any(|end| source.ends_with(end) && !source.contains(':'));
        let from_source = self.program.flags.is_empty() && self.program.sources.iter().all(simple);
        self.set.compilers.contains(&self.compiler) && (from_source || !self.set.from_source)
    }

    /// Compiles, links natively, runs `uruk` and compares.
    pub fn run(self, builder: &Builder, uruk: &Path, executors: &Executors) -> Outcome {
        let mut run_ms = 0.0;
        let failure = match self.try_run(builder, uruk, executors, &mut run_ms) {
            Ok(failure) => failure,
            Err(error) => Some(Failure { short: "not run".into(), details: format!("{error:#}") }),
        };
        Outcome { case: self, failure, run_ms }
    }

    fn try_run(
        &self,
        builder: &Builder,
        uruk: &Path,
        executors: &Executors,
        run_ms: &mut f64,
    ) -> Result<Option<Failure>> {
        let command = self.command(builder, uruk, executors)?;
        let reference = match self.program.expect {
            Expect::LinkError(_) => None,
            _ => Some(builder.reference(self.program, self.compiler, self.set)?),
        };
        let start = Instant::now();
        let mut output = build::run(command, self.program)?;
        *run_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(match (reference, self.program.expect) {
            (Some(_), Expect::NativeOrRefused) if output.end == LINK_ERROR && !output.stderr.is_empty() => None,
            (Some(reference), _) => {
                if let (true, End::Signal(signal)) = (self.place != Place::Here, reference.end) {
                    // A report comes with it.
                    output.stderr.clone_from(&reference.stderr);
                    output.end = if output.end == End::Status(128 + signal) { reference.end } else { output.end };
                }
                compare(&output, &reference)
            }
            (None, Expect::LinkError(words)) => judge_error(&output, words),
            (None, _) => bail!("no reference"),
        })
    }

    /// `uruk run` with everything but the program's own arguments.
    fn command(&self, builder: &Builder, uruk: &Path, executors: &Executors) -> Result<Command> {
        let mut inputs: Vec<PathBuf> = if self.set.from_source {
            builder.files(self.program)?
        } else {
            builder.objects(self.program, self.compiler, self.set, self.set.for_uruk)?
        };
        if self.set.response_file {
            let file = paths::partial(&paths::target_folder("run")?.join("inputs"));
            let lines: Vec<String> = inputs.iter().map(|input| input.to_string_lossy().into_owned()).collect();
            paths::write_whole(&file, lines.join("\n").as_bytes())?;
            inputs = vec![PathBuf::from(format!("@{}", file.display()))];
        }
        let mut command = Command::new(uruk);
        command.arg("run").args(executors.arguments(self.place)).args(self.set.uruk).args(inputs);
        if self.compiler == Compiler::Rustc && !self.set.from_source {
            command.arg("--dylib").arg(builder.rust_library()?);
        }
        command.args(builder.libraries(self.program.libs, self.compiler)?);
        command.args(builder.libraries(self.program.uruk, self.compiler)?).arg("--");
        Ok(command)
    }
}

fn compare(output: &Output, reference: &Output) -> Option<Failure> {
    let short = if output.end != reference.end {
        output.end.to_string()
    } else if output.stdout != reference.stdout {
        "output differs".into()
    } else if output.stderr != reference.stderr {
        "errors printed".into()
    } else {
        return None;
    };
    let expected = format!("expected {}, got {}\n", reference.end, output.end);
    Some(Failure { short, details: expected + &difference(&reference.stdout, &output.stdout) + &tail(&output.stderr) })
}

fn judge_error(output: &Output, words: &[&str]) -> Option<Failure> {
    let message = String::from_utf8_lossy(&output.stderr);
    let absent: Vec<&str> = words.iter().copied().filter(|word| !message.contains(word)).collect();
    let short = match absent.as_slice() {
        _ if output.end != LINK_ERROR => format!("{}, not a link error", output.end),
        _ if message.matches("uruk: error: ").count() != 1 || !output.stdout.is_empty() => "not one message".into(),
        [] => return None,
        _ => format!("message lacks {}", absent.join(", ")),
    };
    Some(Failure { short, details: tail(&output.stderr) })
}

/// The first line that differs, in both.
fn difference(expected: &[u8], got: &[u8]) -> String {
    let [expected, got] = [expected, got].map(String::from_utf8_lossy);
    let (mut expected, mut got) = (expected.lines(), got.lines());
    for number in 1.. {
        match (expected.next(), got.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                return format!("line {number}: expected `{}`, got `{}`\n", a.unwrap_or("(end)"), b.unwrap_or("(end)"));
            }
        }
    }
    String::new()
}

/// The last lines of an error output.
fn tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}
