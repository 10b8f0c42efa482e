//! The task `bench`: what linking costs, beside mold, lld, JITLink and the plain floor; and what the session's operations
//! cost, beside LLVM's LLJIT ([`session`]); compilers through Uruk, beside themselves ([`compile`]); and links for each format and architecture ([`formats`]).
//!
//! `bench link` takes a number of samples of each workload, alternating between the ways to link it, each in a fresh
//! process, adds single operations in one process, and writes medians, ratios and whether the targets hold to
//! target/report/link.md.

mod alone;
mod capi;
mod compile;
mod compile_llvm;
pub mod floor;
mod formats;
mod image;
mod object;
mod remote;
mod report;
mod session;
mod sets;
mod ways;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::matrix::{self, Builder, Case};
use crate::{paths, process};
use sets::SETS;
use ways::{Samples, Ways};

/// What `bench link` is asked for.
struct Options {
    large: bool,
    filter: String,
    samples: usize,
    uruk: Option<PathBuf>,
}

/// Something to link: its name, objects, the bytes they have, libraries, and the program's arguments.
pub struct Workload {
    /// The name in reports.
    pub name: String,
    /// Its objects.
    pub objects: Vec<PathBuf>,
    /// Their bytes in all.
    pub bytes: u64,
    /// How many functions it has, if it is a synthetic set.
    pub functions: Option<usize>,
    /// Libraries.
    pub libs: Vec<String>,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// The exit status of the program.
    pub status: i32,
}

/// The real programs: case of the matrix, exit status, and additional arguments that keep the program's own work small.
const PROGRAMS: &[(&str, i32, &[&str])] = &[
    ("sqlite / gcc / -fPIC", 0, &[]),
    ("sqlite / clang-22 / -O2 sections", 0, &[]),
    ("lua / clang-22 / -fPIC", 7, &[]),
    ("zstd / gcc / -fPIC", 0, &["64"]),
    ("zlib / gcc / -fPIC", 0, &["16"]),
];

/// The task `bench`.
pub fn run(arguments: &[String]) -> Result<bool> {
    match arguments.split_first() {
        Some((kind, rest)) if kind == "link" => link(&options(rest)?),
        Some((kind, rest)) if kind == "session" => session::run(rest),
        Some((kind, rest)) if kind == "compile" => compile::run(rest),
        Some((kind, rest)) if kind == "formats" => formats::run(rest),
        Some((kind, rest)) if kind == "remote" => remote::run(rest),
        Some((kind, rest)) if kind == "c" => capi::run(rest),
        Some((kind, rest)) if kind == "image" => image::run(rest),
        Some((kind, _)) => bail!("no benchmark `{kind}`; there are: link, session, compile, formats, remote, c, image"),
        None => bail!("usage: cargo xtask bench link …, session …, compile …, formats …, remote …, c … or image …"),
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options { large: false, filter: String::new(), samples: 11, uruk: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--large" => options.large = true,
            "--filter" => options.filter = value()?.clone(),
            "--samples" => options.samples = value()?.parse().context("--samples")?,
            "--uruk" => options.uruk = Some(std::path::absolute(value()?)?),
            _ => bail!("unknown argument `{argument}`"),
        }
    }
    Ok(options)
}

fn link(options: &Options) -> Result<bool> {
    let uruk = match &options.uruk {
        Some(uruk) => uruk.clone(),
        None => matrix::build_uruk()?,
    };
    // The floor must be optimised as the linker is.
    build_release(&["xtask"])?;
    build_release(&["uruk", "--example", "measure"])?;
    let release = paths::target().join("release");
    let measure = release.join("examples/measure");
    let ways = Ways { uruk, floor: release.join("xtask"), measure: measure.clone() };
    let mut results: Vec<(Workload, Samples)> = Vec::new();
    for workload in workloads(options)? {
        println!("{} ({} objects, {:.1} MB)", workload.name, workload.objects.len(), workload.bytes as f64 / 1e6);
        let samples = ways.sample(&workload, options.samples)?;
        results.push((workload, samples));
    }
    let figures = alone::figures(&measure, &options.filter, options.samples)?;
    if results.is_empty() && figures.is_empty() {
        bail!("no workload's name holds `{}`", options.filter);
    }
    let report = report::Report::new(&results, &figures);
    let path = paths::target_folder("report")?.join("link.md");
    paths::write_whole(&path, report.text.as_bytes())?;
    println!("\n{}\n{}", report.text, path.display());
    Ok(report.all_hold)
}

/// Builds a package, optimised.
fn build_release(package: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "--package"]).args(package).current_dir(paths::root());
    process::capture(&mut command).map(drop)
}

fn workloads(options: &Options) -> Result<Vec<Workload>> {
    let mut workloads = Vec::new();
    let wanted = |name: &str| name.contains(&options.filter);
    if PROGRAMS.iter().any(|(name, ..)| wanted(name)) {
        let builder = Builder::new()?;
        for &(name, status, args) in PROGRAMS.iter().filter(|(name, ..)| wanted(name)) {
            let mut workload = real_program(&Case::named(name)?, &builder, status)?;
            workload.args.extend(args.iter().map(|&argument| argument.to_owned()));
            workloads.push(workload);
        }
    }
    for set in SETS.iter().filter(|set| wanted(set.name) && (options.large || !set.large)) {
        let (objects, bytes) = set.files()?;
        let (name, functions) = (set.name.to_owned(), Some(set.total()));
        workloads.push(Workload { name, objects, bytes, functions, libs: vec![], args: vec![], status: 0 });
    }
    Ok(workloads)
}

fn real_program(case: &Case, builder: &Builder, status: i32) -> Result<Workload> {
    let objects = builder.objects(case.program, case.compiler, case.set, case.set.for_uruk)?;
    let mut bytes = 0;
    for object in &objects {
        bytes += std::fs::metadata(object)?.len();
    }
    Ok(Workload {
        name: case.to_string(),
        objects,
        bytes,
        functions: None,
        libs: builder.libraries(case.program.libs, case.compiler)?,
        args: case.program.arguments(),
        status,
    })
}
