//! The task `bench formats`: what a link costs for each byte that is linked, by format and architecture.
//!
//! SQLite is compiled by clang for each target, from the same sources with headers of our own (`formats.h`), and linked by
//! `uruk link -noexec` and by LLVM's JITLink in turn, whole processes. The medians by what was linked, not by the size of
//! the files, go to target/report/formats.md, beside whether the targets hold.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::ways::middle;
use crate::matrix::{self, Builder, Case};
use crate::paths;
use crate::process::{self, End};

/// Targets, as clang calls them; the first one is what the others are held against.
const TARGETS: &[&str] = &[
    "x86_64-linux-gnu",
    "aarch64-linux-gnu",
    "riscv64-linux-gnu",
    "riscv32-linux-gnu",
    "x86_64-apple-macos13",
    "arm64-apple-macos13",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
];

/// A byte of another format takes so many times the first one's at most, and as much of the peer's time.
const OF_THE_FIRST: f64 = 1.3;
const OF_THE_PEER: f64 = 1.0 / 3.0;

const LIMIT: Duration = Duration::from_secs(40);

/// What SQLite is compiled with, so that it needs nothing of a system. Windows has names of its own for some functions.
const FLAGS: &[&str] = &[
    "-O1",
    "-w",
    "-ffreestanding",
    "-nostdlibinc",
    "-mno-stack-arg-probe",
    "-U_WIN32",
    "-U_MSC_VER",
    "-U__APPLE__",
    "-DLONGDOUBLE_TYPE=double",
    "-DSQLITE_OS_OTHER=1",
    "-DSQLITE_THREADSAFE=0",
    "-DSQLITE_WITHOUT_MSIZE",
    "-DSQLITE_OMIT_LOAD_EXTENSION",
    "-DSQLITE_OMIT_LOCALTIME",
    "-DSQLITE_OMIT_WAL",
];

/// One target's figures.
struct Figures {
    target: &'static str,
    /// Bytes of the files, and of the sections that were linked.
    files: u64,
    linked: u64,
    ours_ms: f64,
    /// The peer's, or why there is none.
    peer_ms: Result<f64, String>,
}

impl Figures {
    /// Nanoseconds for each linked byte.
    fn per_byte(&self) -> f64 {
        self.ours_ms * 1e6 / self.linked as f64
    }
}

/// The task `bench formats`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let (mut samples, mut uruk) = (21, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--samples" => samples = value()?.parse().context("--samples")?,
            "--uruk" => uruk = Some(std::path::absolute(value()?)?),
            _ => bail!("unknown argument `{argument}`"),
        }
    }
    let uruk = uruk.map_or_else(matrix::build_uruk, Ok)?;
    let sqlite = Case::named("sqlite / gcc / -fPIC")?.program;
    let mut sources = Builder::new()?.files(sqlite)?;
    sources.retain(|source| source.ends_with("sqlite3.c"));
    let figures: Result<Vec<Figures>> =
        TARGETS.iter().map(|target| measure(&uruk, target, &sources, samples)).collect();
    let (text, all_hold) = report(&figures?)?;
    let path = paths::target_folder("report")?.join("formats.md");
    paths::write_whole(&path, text.as_bytes())?;
    println!("\n{text}\n{}", path.display());
    Ok(all_hold)
}

/// The objects of a target; made if they are not there.
fn objects(target: &str, sources: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let folder = paths::target_folder(&format!("bench-sets/formats/{target}"))?;
    fs::write(folder.join("formats.h"), include_str!("formats.h"))?;
    for name in ["string", "stdlib", "stdio", "assert", "time", "ctype", "math"] {
        let text = if name == "assert" { "#define assert(condition) ((void)0)\n" } else { "#include \"formats.h\"\n" };
        fs::write(folder.join(name).with_extension("h"), text)?;
    }
    fs::create_dir_all(folder.join("sys"))?;
    fs::write(folder.join("sys/types.h"), "#include \"../formats.h\"\n")?;
    let own = folder.join("formats.c");
    fs::write(&own, include_str!("formats.c"))?;
    let object = |source: &PathBuf| {
        let object = folder.join(source.file_name().context("a source without a name")?).with_extension("o");
        if !object.exists() {
            let mut command = Command::new("clang-22");
            command.arg(format!("--target={target}")).args(FLAGS).arg("-I").arg(&folder).arg("-c").arg(source);
            let half = object.with_extension("half");
            process::capture(command.arg("-o").arg(&half))?;
            fs::rename(&half, &object)?;
        }
        Ok(object)
    };
    [own].iter().chain(sources).map(object).collect()
}

fn measure(uruk: &Path, target: &'static str, sources: &[PathBuf], samples: usize) -> Result<Figures> {
    println!("{target}");
    let objects = objects(target, sources)?;
    let command = |program: &[&Path]| {
        let mut command = Command::new(program[0]);
        // Functions that the compiler for riscv32 calls are null.
        command.args(&program[1..]).args(["-noexec", "-phony-externals"]).args(&objects);
        command
    };
    let ours = || command(&[uruk, Path::new("link")]);
    let linked = linked_bytes(&process::capture(ours().arg("-show-addrs"))?);
    let mut own = Vec::new();
    let mut peer = Ok(Vec::new());
    for _ in 0..samples {
        own.push(one(&mut ours())?);
        if let Ok(taken) = &mut peer {
            match one(&mut command(&[Path::new("llvm-jitlink-22")])) {
                Ok(time) => taken.push(time),
                Err(error) => peer = Err(format!("{error:#}")),
            }
        }
    }
    let files = objects.iter().map(|object| Ok(fs::metadata(object)?.len())).sum::<Result<u64>>()?;
    Ok(Figures { target, files, linked, ours_ms: middle(own), peer_ms: peer.map(middle) })
}

/// The milliseconds of a run.
fn one(command: &mut Command) -> Result<f64> {
    let folder = paths::target_folder("bench-run")?;
    let usage = process::measure(command, &folder.join("stdout"), &folder.join("stderr"), LIMIT)?;
    match usage.end {
        End::Status(0) => Ok(usage.wall_ms),
        end => bail!("{end}: {}", fs::read_to_string(folder.join("stderr"))?.lines().next().unwrap_or_default()),
    }
}

/// The sum of the sections that `-show-addrs` names: `section "NAME": ADDRESS, SIZE bytes`.
fn linked_bytes(shown: &str) -> u64 {
    let sections = shown.lines().filter(|line| line.trim_start().starts_with("section "));
    sections.filter_map(|line| line.rsplit_once(", ")?.1.strip_suffix(" bytes")?.parse::<u64>().ok()).sum()
}

/// The tables, and whether every target holds.
fn report(figures: &[Figures]) -> Result<(String, bool)> {
    let mut text = String::from(
        "# What a link costs, by format and architecture\n\nSQLite by clang-22 -O1, whole processes without running \
         anything, medians. Bytes are those of the sections that are linked, and of the files.\n\n\
         | target | linked bytes | file bytes | Uruk, ms | ns a byte | times the first | llvm-jitlink, ms | of its time |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let first = figures.first().map_or(0.0, Figures::per_byte);
    let mut misses = String::new();
    for figure in figures {
        let Figures { target, files, linked, ours_ms, peer_ms } = figure;
        let times = figure.per_byte() / first;
        write!(text, "| {target} | {linked} | {files} | {ours_ms:.2} | {:.2} | {times:.2} |", figure.per_byte())?;
        if OF_THE_FIRST < times {
            writeln!(misses, "- {target}: {times:.2} times {}, for at most {OF_THE_FIRST}", TARGETS[0])?;
        }
        match peer_ms {
            Ok(peer_ms) => {
                let part = ours_ms / peer_ms;
                writeln!(text, " {peer_ms:.2} | {part:.2} |")?;
                if OF_THE_PEER < part {
                    writeln!(misses, "- {target}: {part:.2} of llvm-jitlink's time, for at most {OF_THE_PEER:.2}")?;
                }
            }
            Err(reason) => writeln!(text, " – | {reason} |")?,
        }
    }
    let all_hold = misses.is_empty();
    writeln!(text, "\n{}", if all_hold { "All targets hold.".into() } else { format!("Do not hold:\n\n{misses}") })?;
    Ok((text, all_hold))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_of_sections_are_added_up() {
        let shown = "file \"a.o\"\n  section \".text\": 0x0000000100000000, 7 bytes\n  section \".data\": 0x1, 96 bytes\n  symbol \"x\": 0x1, 5 bytes\n";
        assert_eq!(super::linked_bytes(shown), 103);
    }
}
