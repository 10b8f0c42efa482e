//! Executors for other architectures and for Windows: built with Debian's compiler, which comes with a standard library for
//! them or its source; tested in emulators and under Wine, by themselves and with programs that are linked here.
//!
//! An emulator of user programs keeps caches coherent, so it cannot show that code is published as a real processor needs
//! it. All is built with one profile, `cross`, in a folder of its own: the library is built anew for each profile.

mod programs;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::count::Count;
use crate::paths;
use crate::process::{End, capture, run_limited};
use crate::test::build_with_plugin;

/// What one architecture takes.
struct Target {
    triple: &'static str,
    /// As in the names of GNU's tools.
    gnu: &'static str,
    emulator: &'static str,
    /// Where the emulator finds the target's libraries, if not where Debian installs those of an architecture. (With the ones
    /// that come with the cross compiler for AArch64, programs that make threads hang in the emulator.)
    libraries: Option<&'static str>,
    /// Whether there is no package of the standard library.
    build_std: bool,
}

const TARGETS: &[Target] = &[
    Target {
        triple: "aarch64-unknown-linux-gnu",
        gnu: "aarch64-linux-gnu",
        emulator: "qemu-aarch64",
        libraries: None,
        build_std: false,
    },
    Target {
        triple: "riscv64gc-unknown-linux-gnu",
        gnu: "riscv64-linux-gnu",
        emulator: "qemu-riscv64",
        libraries: Some("/usr/riscv64-linux-gnu"),
        build_std: true,
    },
];

/// An emulator may hang: a test that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(120);

/// The most that a program may have, without symbols.
const MAX_BYTES: u64 = 3 << 20;

/// Tests that cannot run in an emulator, and why.
#[rustfmt::skip]
const LEFT_OUT: &[(&str, &str)] = &[
    ("gdb::tests::a_tracer_is_noticed",                                          "it has no ptrace"),
    ("memory::tests::failures::few_addresses_make_smaller_reservations",         "it has no limits of the address space"),
    ("memory::tests::failures::any_call_may_fail_and_nothing_is_lost",           "it does not execute what is written by force"),
    ("memory::tests::failures::a_refusal_later_on_costs_one_allocation",         "the same"),
    ("memory::tests::failures::without_the_descriptor_it_is_strict_and_says_so", "the same"),
    ("memory::tests::forks::a_forked_child_writes_its_own_memory",               "the same"),
    ("memory::tests::pages::a_small_cycle_makes_only_the_calls_that_write",      "the same"),
    ("memory::tests::pages::fresh_pages_are_no_longer_fresh_after_code_had_them_to_itself", "the same"),
    ("memory::tests::pages::small_allocations_share_pages_and_mappings",         "the same"),
];

impl Target {
    fn architecture(&self) -> &'static str {
        self.gnu.split('-').next().unwrap_or(self.gnu)
    }

    fn tool(&self, name: &str) -> String {
        format!("{}-{name}", self.gnu)
    }

    /// Debian's cargo with a command, a package and the profile.
    fn cargo(&self, command: &str, package: &str) -> Command {
        let linker = format!("CARGO_TARGET_{}_LINKER", self.triple.to_uppercase().replace('-', "_"));
        let mut cargo = Command::new("/usr/bin/cargo");
        cargo.args([command, "--profile=cross", "--package", package, "--target", self.triple]);
        if self.build_std {
            cargo.arg("-Zbuild-std").env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.env("RUSTC", "/usr/bin/rustc").env("CARGO_TARGET_DIR", folder()).env(linker, self.tool("gcc"));
        cargo.current_dir(paths::root());
        cargo
    }

    /// A program in the emulator. Tests compile and start some, too.
    fn emulate(&self, program: &Path) -> Command {
        let mut command = Command::new(self.emulator);
        command.arg(program).env("URUK_TEST_EMULATOR", self.emulator);
        command.env("CC", self.tool("gcc")).env("CXX", self.tool("g++")).env("NM", self.tool("nm"));
        if let Some(libraries) = self.libraries {
            command.env("QEMU_LD_PREFIX", libraries);
        }
        command
    }

    /// Runs the executor's tests in the emulator, each in a process of its own: how many passed, and how many did not.
    fn test(&self) -> Result<Count> {
        let program = self.build_tests()?;
        let list = capture(self.emulate(&program).arg("--list"))?;
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let names: Vec<&str> = names.filter(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name)).collect();
        ensure!(!names.is_empty(), "there are no tests for {}", self.triple);
        let (next, count) = (AtomicUsize::new(0), Mutex::new(Count::default()));
        let work = || {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.run_test(&program, name);
                self.note(&mut count.lock().expect("nobody panics with it"), name, result);
            }
        };
        thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
        Ok(count.into_inner()?)
    }

    fn build_tests(&self) -> Result<PathBuf> {
        let output =
            self.cargo("test", "uruk-executor").args(["--lib", "--no-run"]).output().context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the tests for {} cannot be built: {text}", self.triple);
        // Executable unittests src/lib.rs (path)
        let line = text.lines().find(|line| line.trim_start().starts_with("Executable"));
        let path = line.and_then(|line| line.split_once('(')).and_then(|(_, path)| path.strip_suffix(')'));
        Ok(paths::root().join(path.context("cargo does not say where it has put the tests")?))
    }

    fn run_test(&self, program: &Path, name: &str) -> Result<()> {
        let output = run_limited(self.emulate(program).args(["--exact", name, "--test-threads=1"]), "", LIMIT)?;
        ensure!(
            output.end == End::Status(0),
            "{}\n{}{}",
            output.end,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Counts what became of a test or a program.
    fn note(&self, count: &mut Count, name: &str, result: Result<()>) {
        count.note(format_args!("{} {name}", self.triple), result);
    }

    /// Builds the executor.
    fn build(&self) -> Result<PathBuf> {
        self.build_program("uruk-executor", "uruk-executor")
    }

    /// Builds a package's program without symbols, and says where it is.
    fn build_program(&self, package: &str, program: &str) -> Result<PathBuf> {
        let built = self.cargo("build", package).args(["--bin", program]).status().context("cannot start cargo")?;
        ensure!(built.success(), "{program} for {} cannot be built", self.triple);
        let ending = if self.triple.contains("windows") { ".exe" } else { "" };
        let built = folder().join(self.triple).join(format!("cross/{program}{ending}"));
        let program = paths::target_folder("executors")?.join(format!("{program}-{}{ending}", self.architecture()));
        capture(Command::new(self.tool("strip")).arg("-o").arg(&program).arg(built))?;
        Ok(program)
    }
}

fn folder() -> PathBuf {
    paths::target().join("cross")
}

/// The task `executors`: builds the program for each architecture, or tests it.
pub fn run(arguments: &[String]) -> Result<bool> {
    match arguments {
        [] => build(),
        [argument] if argument == "--test" => {
            let Count { passed, failed } = test()?;
            println!("{passed} passed, {failed} failed");
            Ok(failed == 0)
        }
        _ => bail!("usage: cargo xtask executors [--test]"),
    }
}

/// Runs the tests on all architectures and on Windows: how many passed, and how many did not.
pub fn test() -> Result<Count> {
    let mut sum = Count::default();
    for target in TARGETS {
        sum += target.test()?;
        sum += programs::test(target)?;
    }
    sum += windows::test()?;
    Ok(sum)
}

/// Programs that start executors for other architectures and for this one, by the names of the architectures.
pub fn executors() -> Result<Vec<(&'static str, PathBuf)>> {
    let here = build_with_plugin()?.with_file_name("uruk-executor");
    let mut executors = vec![(std::env::consts::ARCH, here)];
    for target in TARGETS {
        executors.push((target.architecture(), programs::wrapper(target, &target.build()?)?));
    }
    Ok(executors)
}

/// Programs that load mappable images on other architectures, by their names.
pub fn loaders() -> Result<Vec<(&'static str, PathBuf)>> {
    let loader = |target: &Target| {
        Ok((target.architecture(), programs::wrapper(target, &target.build_program("uruk-image", "uruk-load")?)?))
    };
    TARGETS.iter().map(loader).collect()
}

fn build() -> Result<bool> {
    let mut all_small = true;
    for target in TARGETS.iter().chain([&windows::TARGET]) {
        let program = target.build()?;
        let bytes = fs::metadata(&program)?.len();
        println!("{} ({:.2} MiB)", program.display(), bytes as f64 / f64::from(1 << 20));
        if MAX_BYTES < bytes {
            println!("that is more than the {} MiB it may have", MAX_BYTES >> 20);
            all_small = false;
        }
    }
    Ok(all_small)
}
