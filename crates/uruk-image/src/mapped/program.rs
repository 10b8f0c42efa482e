//! Programs that are images: loaded for good, and run as the program of this process.

use super::error::{MappedError, Problem};
use super::load::{LoadOptions, Mapped};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;

/// Loads images, each of which builds on the one before it, and runs what the last of them that has it begins with: `main`, or what is
/// defined under another name. Gives its status. The program's name is the first image's path. What was loaded stays, since handlers for the
/// process's end may be in it.
pub fn run_program(images: &[PathBuf], entry: &str, arguments: &[OsString]) -> Result<i32, MappedError> {
    let executor = Arc::new(InProcess::new(Options::default()));
    let first = images.first().map(|image| image.as_os_str()).unwrap_or_default();
    let arguments = [first].into_iter().chain(arguments.iter().map(OsString::as_os_str));
    executor.set_arguments(arguments.map(OsStr::as_encoded_bytes));
    let mut loaded: Vec<Mapped> = Vec::new();
    for path in images {
        let options = LoadOptions { base: loaded.last(), interpose: true, ..LoadOptions::default() };
        loaded.push(Mapped::load(path, &options, &executor)?);
    }
    let mut entries = loaded.iter().rev().filter_map(|image| image.entry(entry));
    let entry = entries.next().ok_or_else(|| Problem::NoEntry.of(&first.display().to_string()))?;
    let status = executor.run_main(entry);
    loaded.into_iter().for_each(Mapped::keep);
    Ok(status)
}
