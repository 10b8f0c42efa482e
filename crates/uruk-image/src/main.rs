//! `uruk-load`: starts mappable images, and has nothing else: no linker's inputs, no compiler.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use uruk_executor::lifecycle;
use uruk_image::mapped::run_program;

const HELP: &str = "Usage: uruk-load IMAGE... [-- ARG...]\n\n\
    Maps images that `uruk image build --mapped` has made, each of which builds on the one before it, and runs the program that\n\
    the last of them begins with the ARGs. The status is the program's, or 125 if there was nothing to run, with the reason on\n\
    standard error.\n";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let images: Vec<PathBuf> = arguments.by_ref().take_while(|argument| argument != "--").map(PathBuf::from).collect();
    match images.first() {
        None => return fail(HELP),
        Some(first) if first.as_os_str() == "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(_) => {}
    }
    match run_program(&images, "main", &arguments.collect::<Vec<OsString>>()) {
        // Handlers that the program has registered run in here.
        Ok(status) => lifecycle::exit(status),
        Err(error) => fail(&format!("uruk-load: error: {error}\n")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprint!("{message}");
    ExitCode::from(125)
}
