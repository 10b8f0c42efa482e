//! The task `bench remote`: what it costs to link here and run in another process, beside `llvm-jitlink -oop-executor`.
//!
//! Whole processes, in turn: programs in the linker's own process, in a child that shares memory, in one over pipes, in an executor that listens, and
//! the peer's with its executor. Then an empty call and its return, many times in one process each: `remote_calls` of uruk-orc's
//! examples, and a program beside this file that does the same with the peer's library. Medians and ratios go to
//! target/report/remote.md.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::ways::middle;
use super::{Options, Workload, alone, workloads};
use crate::matrix::{self, Executors, Place};
use crate::paths;
use crate::process::{self, End};

/// What is linked, and what part of the peer's time it may take at most.
const TARGETS: &[(&str, f64)] = &[("sqlite / gcc", 0.5), ("10000x10", 0.1)];

/// Linking and running in a child that shares memory may take so many times what it takes in one process.
const OF_ONE_PROCESS: f64 = 1.2;

/// An empty call and return may take this part of the peer's time.
const CALL: f64 = 0.5;

/// How many are made one after the other.
const CALLS: &str = "20000";

/// The peer takes longer for many objects.
const LIMIT: Duration = Duration::from_secs(60);

/// The peer's executor, which Debian installs beside the linker.
const PEER_EXECUTOR: &str = "/usr/lib/llvm-22/bin/llvm-jitlink-executor";

/// The task `bench remote`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let mut options = super::options(arguments)?;
    let uruk = match options.uruk.take() {
        Some(uruk) => uruk,
        None => matrix::build_uruk()?,
    };
    let executors = Executors::start(&uruk)?;
    let mut text = String::from(
        "# Linked here, run in another process\n\nWhole processes, medians in ms.\n\n\
         | what | in one process | child | child, pipes | listening, socket | listening, TCP | llvm-jitlink -oop-executor | of its time |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut misses = String::new();
    for (filter, part) in TARGETS {
        let found =
            workloads(&Options { filter: (*filter).into(), large: false, samples: options.samples, uruk: None })?;
        let workload = found.first().with_context(|| format!("no workload is called `{filter}`"))?;
        println!("{}", workload.name);
        let places = [Place::Here, Place::Child, Place::Pipes, Place::Unix, Place::Tcp];
        let mut taken: [Vec<f64>; 6] = Default::default();
        for _ in 0..options.samples {
            for (place, taken) in places.iter().zip(&mut taken) {
                taken.push(one(ours(&uruk, &executors, *place, workload), workload.status)?);
            }
            // One that was ended counts with its time until then, and is not run again.
            if taken[5].iter().all(|time| *time < LIMIT.as_secs_f64() * 1e3) {
                taken[5].push(one(peer(workload), workload.status)?);
            }
        }
        let [here, child, pipes, unix, tcp, peer] = taken.map(middle);
        let (name, of_peer) = (&workload.name, child / peer);
        writeln!(
            text,
            "| {name} | {here:.2} | {child:.2} | {pipes:.2} | {unix:.2} | {tcp:.2} | {peer:.2} | {of_peer:.2} |"
        )?;
        if *part < of_peer {
            writeln!(misses, "- {name}: {of_peer:.2} of llvm-jitlink's time, for at most {part}")?;
        }
        if OF_ONE_PROCESS < child / here {
            writeln!(misses, "- {name}: {:.2} times one process, for at most {OF_ONE_PROCESS}", child / here)?;
        }
    }
    let (ours, peer) = calls(&uruk, options.samples)?;
    writeln!(
        text,
        "\nAn empty call and its return, in a child, medians in us: {ours:.1}; llvm-jitlink's library and executor {peer:.1}; \
         {:.2} of its time.",
        ours / peer
    )?;
    if CALL < ours / peer {
        writeln!(misses, "- an empty call: {:.2} of the peer's time, for at most {CALL}", ours / peer)?;
    }
    let all_hold = misses.is_empty();
    writeln!(text, "\n{}", if all_hold { "All targets hold.".into() } else { format!("Do not hold:\n\n{misses}") })?;
    let path = paths::target_folder("report")?.join("remote.md");
    paths::write_whole(&path, text.as_bytes())?;
    println!("\n{text}\n{}", path.display());
    Ok(all_hold)
}

/// Microseconds of a call, ours and the peer's, by turns.
fn calls(uruk: &Path, samples: usize) -> Result<(f64, f64)> {
    super::build_release(&["uruk-orc", "--example", "remote_calls"])?;
    let folder = paths::target_folder("bench-run")?;
    let mut ours = Command::new(paths::target().join("release/examples/remote_calls"));
    ours.arg(uruk.with_file_name("uruk-executor")).arg(CALLS);
    let mut peer = Command::new(alone::peer(&folder, "remote_calls.cpp")?);
    peer.args([PEER_EXECUTOR, CALLS]);
    let mut taken: [Vec<f64>; 2] = Default::default();
    for _ in 0..samples {
        taken[0].push(alone::one(&mut ours, "call_us")?);
        taken[1].push(alone::one(&mut peer, "call_us")?);
    }
    let [ours, peer] = taken.map(middle);
    Ok((ours, peer))
}

fn ours(uruk: &Path, executors: &Executors, place: Place, workload: &Workload) -> Command {
    let mut command = Command::new(uruk);
    command.arg("run").args(executors.arguments(place)).args(&workload.objects).args(&workload.libs);
    command.arg("--").args(&workload.args);
    command
}

fn peer(workload: &Workload) -> Command {
    let mut command = Command::new("llvm-jitlink-22");
    // Its executor has the libraries that these programs need.
    command.arg(format!("-oop-executor={PEER_EXECUTOR}")).args(&workload.objects);
    command.arg("-args").args(&workload.args);
    command
}

/// The milliseconds of a run.
fn one(mut command: Command, status: i32) -> Result<f64> {
    let folder = paths::target_folder("bench-run")?;
    let usage = process::measure(&mut command, &folder.join("stdout"), &folder.join("stderr"), LIMIT)?;
    match usage.end {
        End::Status(ended) if ended == status => Ok(usage.wall_ms),
        _ if LIMIT.as_secs_f64() * 1e3 <= usage.wall_ms => Ok(usage.wall_ms),
        end => {
            let errors = std::fs::read_to_string(folder.join("stderr"))?;
            let program = command.get_program().display();
            bail!("{program}: {end}: {}", errors.lines().next().unwrap_or_default())
        }
    }
}
