//! The task `fuzz`: builds a libFuzzer target of fuzz/ with the stable toolchain and runs it from fuzz/corpus/TARGET.
//! What it learns stays in the target folder and is used again; the corpus grows by hand only.
//!
//! The flags are what cargo-fuzz would pass: coverage by LLVM's pass, and AddressSanitizer. `RUSTC_BOOTSTRAP` lets the stable
//! compiler take the one flag that is not stable.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;

const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const DEFAULT_SECONDS: u64 = 60;

/// Builds and runs one target; false if it found a crash.
pub fn run(arguments: &[String]) -> Result<bool> {
    let (target, seconds) = match arguments {
        [target] => (target, DEFAULT_SECONDS),
        [target, option, seconds] if option == "--seconds" => (target, seconds.parse().context("--seconds")?),
        _ => bail!("usage: cargo xtask fuzz TARGET [--seconds N]; targets: {}", targets()?.join(" ")),
    };
    if !targets()?.contains(target) {
        bail!("no target `{target}`; there are: {}", targets()?.join(" "));
    }
    run_target(target, seconds)
}

/// Builds and runs a target that there is.
pub fn run_target(target: &str, seconds: u64) -> Result<bool> {
    let folder = paths::root().join("fuzz");
    let build = paths::target().join("fuzz");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", TRIPLE, "--bin", target])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &build)
        .current_dir(&folder)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("{target} does not build");
    }
    let corpus = folder.join("corpus").join(target);
    let found = paths::target_folder("fuzz/found")?;
    fs::create_dir_all(&corpus)?;
    let learned = paths::target_folder(&format!("fuzz/learned/{target}"))?;
    let status = Command::new(build.join(TRIPLE).join("release").join(target))
        .args([&learned, &corpus])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .args(["-max_len=16384", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .status()
        .context("cannot start the fuzz target")?;
    if !status.success() {
        println!("{target} failed: the input is in {}; once fixed it becomes a test", found.display());
    }
    Ok(status.success())
}

/// The names of the targets: one file each.
pub fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(paths::root().join("fuzz/targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
