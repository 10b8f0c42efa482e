//! The `uruk` command: reads its arguments, works out what is to be linked, compiles what is source, and hands a
//! [`plan::Plan`] to the linker.
//!
//! Data flow: arguments → [`args::Command`] → [`plan::Plan`] → [`compile`] (sources become objects) → [`run::execute`].
//! A library as well as a command so that its parts can be tested and used alone.
//! Every failure before the program runs is status 125 and one message on standard error; the program's own standard
//! streams are never written to.
#![forbid(unsafe_code)]

pub mod args;
pub mod compile;
mod error;
pub mod explain;
#[cfg_attr(windows, path = "image/windows.rs")]
mod image;
mod ir;
mod lazy;
pub mod link;
pub mod near;
pub mod plan;
pub mod progress;
mod remote;
pub mod repl;
pub mod run;
mod text;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::Error;

use args::Command;
use plan::Plan;
use uruk_executor::serve::command;

/// The exit status of everything that fails before the program runs.
pub const FAILURE: u8 = 125;

/// Does what the arguments say; the command's own name is not among them.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match dispatch(arguments.into_iter().collect()) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Prints a failure and gives its exit status.
pub fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    complain(&format!("uruk: error: {error}"));
    ExitCode::from(FAILURE)
}

fn dispatch(arguments: Vec<OsString>) -> Result<ExitCode, Error> {
    match args::parse(arguments)? {
        Command::Print(text) => {
            print(&text);
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(request) => Ok(match image::to_run(&request) {
            Some(images) => image::run(&request, &images),
            None => run::execute(Plan::build(*request)?),
        }),
        Command::Image(request, image) => Ok(image::execute(Plan::build(*request)?, &image)),
        Command::ImageInfo(path, other) => Ok(image::show(&path, other.as_deref())),
        Command::Repl(backend, path) => repl::execute(backend, path.as_deref()),
        Command::Inspect(path) => Ok(run::inspect(&path)),
        Command::Link(arguments) => Ok(link::execute(arguments)),
        Command::Executor(arguments) => Ok(match command::run("uruk executor", arguments.into_iter()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }),
    }
}

/// Writes to standard output; a reader that went away (`uruk --help | head -1`) is no failure.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes a line to standard error; if nobody can be told (a terminal that is gone), nobody is.
fn complain(line: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
