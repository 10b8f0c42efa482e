//! Everything that is automated: `cargo xtask TASK`. Continuous integration calls these tasks and nothing else.

mod bench;
mod count;
mod cross;
mod fuzz;
#[cfg(test)]
mod guide;
mod install;
mod matrix;
mod paths;
mod process;
mod readme;
mod support;
mod test;
mod tools;
mod watchdog;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One task: its name, how it is called, what it does, and its code; true means success.
struct Task {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<bool>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        usage: "[--all] [STEP]...",
        about: "install what is missing, check the code, run every test and the program matrix",
        run: test::run,
    },
    Task {
        name: "matrix",
        usage: "[--all] [--filter STR] [--uruk PATH] [--list] [--readme]",
        about: "real programs by compilers and flags, each compared with a native link",
        run: matrix::run,
    },
    Task {
        name: "support",
        usage: "[--readme]",
        about: "what is linked of each format and architecture, by the tests, beside the table in README.md",
        run: support::run,
    },
    Task {
        name: "bench",
        usage: "link [--large] [--filter STR] [--samples N] [--uruk PATH] | session [--samples N] | compile [--samples N] | formats [--samples N] [--uruk PATH] | remote [--samples N] | c [--samples N] | image [--samples N]",
        about: "what linking costs, beside mold, lld, JITLink and the plain floor; the session, beside LLJIT; compilers; every format; other processes, beside LLVM's executor; the C interface; or images, beside C programs",
        run: bench::run,
    },
    Task {
        name: "floor",
        usage: "FILE…",
        about: "the plain floor of a link of FILEs (@FILE: one name a line), as JSON",
        run: bench::floor::run,
    },
    Task {
        name: "executors",
        usage: "[--test]",
        about: "build the executor for other architectures and Windows, in the folder executors of the target folder; or test it",
        run: cross::run,
    },
    Task {
        name: "install-c",
        usage: "--prefix DIR [--profile NAME]",
        about: "build the library for C and install it, with headers, and files for pkg-config and CMake",
        run: install::run,
    },
    Task {
        name: "fuzz",
        usage: "TARGET [--seconds N]",
        about: "build a libFuzzer target of fuzz/ and run it on fuzz/corpus/TARGET",
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<bool> {
    let Some((name, rest)) = arguments.split_first() else {
        for task in TASKS {
            println!("cargo xtask {} {}\n    {}", task.name, task.usage, task.about);
        }
        return Ok(true);
    };
    match TASKS.iter().find(|task| task.name == name) {
        Some(task) => (task.run)(rest),
        None => bail!("no task `{name}`; `cargo xtask` lists them"),
    }
}
