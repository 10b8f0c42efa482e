//! `uruk image build`: what `uruk run` would run, as a file that the system starts.

use std::error::Error;
use std::fs::{OpenOptions, remove_file};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use uruk::Jit;
use uruk_image::{Code, ElfKind, ElfOptions, Library, write_elf};

use crate::args::Image;
use crate::plan::Plan;
use crate::{fail, run};

/// Links what the plan says and writes it; gives 0, or 125 with a message on standard error.
pub fn execute(plan: Plan, image: &Image) -> ExitCode {
    let only = [
        (plan.options.lazy, "--lazy"),
        (plan.options.executor.is_some() || plan.options.sandbox, "--executor and --sandbox"),
        (image.shared && image.address.is_some(), "--at"),
    ];
    if let Some((_, option)) = only.iter().find(|(given, _)| *given) {
        return fail(&format!("{option} has no meaning for what is written to a file here"));
    }
    run::link_only(plan, |jit, plan| write(jit, plan, image))
}

fn write(jit: &Jit, plan: &Plan, image: &Image) -> Result<(), Box<dyn Error>> {
    let session = jit.session();
    let dylibs = plan.dylibs.iter().filter_map(|dylib| session.dylib(&dylib.name));
    let code = Code::of(session, &dylibs.collect::<Vec<_>>())?;
    let libraries = Library::of_this_process()?;
    let entry = plan.entry.as_str();
    let mut roots = image.keep.clone();
    let mut options = ElfOptions::shared_object(&libraries);
    if !image.shared {
        roots.push(entry.to_owned());
        options.kind = ElfKind::Executable { main: entry.to_owned(), address: image.address };
    }
    options.roots = (!roots.is_empty()).then_some(&roots);
    let folders = search_folders(&libraries);
    options.run_path = (!folders.is_empty()).then_some(&folders);
    let bytes = write_elf(code.into_graphs(), &options)?;
    put(&image.output, &bytes).map_err(|error| format!("{}: {error}", image.output.display()).into())
}

/// Where libraries are that the system's loader would not find by itself.
fn search_folders(libraries: &[Library]) -> String {
    const SYSTEM: [&str; 4] = ["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"];
    let folders = libraries.iter().filter_map(|library| library.path()?.parent()?.to_str());
    let mut folders: Vec<&str> =
        folders.filter(|folder| !SYSTEM.iter().any(|system| format!("{folder}/").starts_with(system))).collect();
    folders.sort_unstable();
    folders.dedup();
    folders.join(":")
}

/// Writes a file that can be run, in the place of one that may be running.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o777).open(path)?.write_all(bytes)
}
