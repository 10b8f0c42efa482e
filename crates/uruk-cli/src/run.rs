//! From a plan to a running program: sources are compiled, then the linker takes over.

use std::path::Path;
use std::process::ExitCode;

use crate::plan::Plan;
use crate::progress::Progress;
use crate::{compile, fail, plan};

/// Links what the plan says and runs it; gives the program's status, or 125 with a message on standard error.
pub fn execute(mut plan: Plan) -> ExitCode {
    let mut progress = Progress::start();
    progress.phase("compiling");
    let compiled = match compile::compile(&mut plan) {
        Ok(compiled) => compiled,
        Err(error) => {
            progress.finish();
            return fail(&error);
        }
    };
    // Here the linker reads the plan's inputs; then, before the program runs, both of these go.
    progress.finish();
    drop(compiled);
    fail(&"linking is not connected yet")
}

/// Shows what the linker sees in a file.
pub fn inspect(path: &Path) -> ExitCode {
    match plan::detect(path) {
        Err(error) => fail(&error),
        Ok(_) => fail(&"inspecting is not connected yet"),
    }
}
