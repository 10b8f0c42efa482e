//! A process where linked code runs, for a controller in another one.

use std::process::ExitCode;
use uruk_executor::serve::command;

fn main() -> ExitCode {
    match command::run("uruk-executor", std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("uruk-executor: error: {error}");
            ExitCode::FAILURE
        }
    }
}
