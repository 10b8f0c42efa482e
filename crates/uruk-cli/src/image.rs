//! `uruk image`: what `uruk run` would run, as a file; what such files have; and running those that the system does not start.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use uruk::Jit;
use uruk_executor::lifecycle;
use uruk_image::mapped::{MappedOptions, is_mapped, run_program, write_mapped};
use uruk_image::{Code, ElfKind, ElfOptions, Library, Summary, save, write_elf};
use uruk_jitlink::graph::LinkGraph;

use crate::args::{Image, ImageKind, Mention, Options, Request};
use crate::plan::{self, Input, Plan};
use crate::{fail, run};

/// Links what the plan says and writes it; gives 0, or 125 with a message on standard error.
pub fn execute(plan: Plan, image: &Image) -> ExitCode {
    let only = [
        (plan.options.lazy, "--lazy"),
        (plan.options.executor.is_some() || plan.options.sandbox, "--executor and --sandbox"),
        (image.kind == ImageKind::Shared && image.address.is_some(), "--at"),
        (plan.options.save_image.is_some(), "--save-image"),
    ];
    if let Some((_, option)) = only.iter().find(|(given, _)| *given) {
        return fail(&format!("{option} has no meaning for what is written to a file here"));
    }
    if is_input(&plan, &image.output) {
        return fail(&format!("{}: it is one of the files that are linked; name another one", image.output.display()));
    }
    let mut roots = image.keep.clone();
    if image.kind != ImageKind::Shared {
        roots.push(plan.entry.clone());
    }
    run::link_only(plan, &roots, |jit, plan| write(jit, plan, image, &roots))
}

/// Whether a file is one of those that are linked.
fn is_input(plan: &Plan, output: &Path) -> bool {
    let file = |input: &Input| match input {
        Input::Object(path) | Input::Clif(path) | Input::Archive { path, .. } | Input::Source { path, .. } => {
            path.canonicalize().ok()
        }
        Input::Library { library: plan::Library::Path(path), .. } => path.canonicalize().ok(),
        Input::Library { .. } => None,
    };
    let mut inputs = plan.dylibs.iter().flat_map(|dylib| &dylib.inputs).filter_map(file);
    output.canonicalize().is_ok_and(|output| inputs.any(|input| input == output))
}

fn write(jit: &Jit, plan: &Plan, image: &Image, roots: &[String]) -> Result<(), Box<dyn Error>> {
    let session = jit.session();
    let dylibs = plan.dylibs.iter().filter_map(|dylib| session.dylib(&dylib.name));
    let code = Code::of(session, &dylibs.collect::<Vec<_>>())?;
    let libraries = Library::of_this_process()?;
    let roots = (!roots.is_empty()).then_some(roots);
    let bytes = bytes(code.into_graphs(), &libraries, plan.entry.as_str(), roots, image)?;
    save(&image.output, &bytes, image.kind != ImageKind::Mapped)
        .map_err(|error| format!("{}: {error}", image.output.display()).into())
}

fn bytes(
    graphs: Vec<LinkGraph>,
    libraries: &[Library],
    entry: &str,
    roots: Option<&[String]>,
    image: &Image,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let folders = search_folders(libraries);
    let run_path = (!folders.is_empty()).then_some(folders.as_str());
    if image.kind == ImageKind::Mapped {
        let (main, address, strip) = (Some(entry), image.address, image.strip);
        let options = MappedOptions { main, libraries, roots, run_path, address, strip, ..MappedOptions::default() };
        return Ok(write_mapped(graphs, &options)?);
    }
    let mut options = ElfOptions { roots, run_path, strip: image.strip, ..ElfOptions::shared_object(libraries) };
    if image.kind == ImageKind::Program {
        options.kind = ElfKind::Executable { main: entry.to_owned(), address: image.address };
    }
    Ok(write_elf(graphs, &options)?)
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

/// The images that are to be run, each of which builds on the one before it; `None` if what is to be run is none.
pub fn to_run(request: &Request) -> Option<Vec<PathBuf>> {
    let image = |mention: &Mention| match mention {
        Mention::File(path, _) => is_image(path).then(|| path.clone()),
        _ => None,
    };
    request.mentions.iter().map(image).collect()
}

fn is_image(path: &Path) -> bool {
    let mut head = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && is_mapped(&head)
}

/// Runs what the last of these images begins with; gives its status, or 125 with a message on standard error.
pub fn run(request: &Request, images: &[PathBuf]) -> ExitCode {
    if request.options != Options::default() {
        return fail(&"an image is linked already: options of linking and compiling have no meaning for it");
    }
    match run_program(images, &request.entry, &request.arguments) {
        // Handlers that the program has registered run in here.
        Ok(status) => lifecycle::exit(status),
        Err(error) => fail(&error),
    }
}

/// Shows what a file has, or how it differs from another one: 0, or 1 if it does.
pub fn show(path: &Path, other: Option<&Path>) -> ExitCode {
    match differences(path, other) {
        Ok((text, same)) => {
            crate::print(&text);
            if same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error),
    }
}

fn differences(path: &Path, other: Option<&Path>) -> Result<(String, bool), Box<dyn Error>> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let bytes = read(path)?;
    let summary = Summary::read(&path.display().to_string(), &bytes)?;
    let Some(other) = other else { return Ok((summary.to_string(), true)) };
    let bytes = read(other)?;
    let lines = summary.differences(&Summary::read(&other.display().to_string(), &bytes)?);
    Ok((lines.iter().map(|line| format!("{line}\n")).collect(), lines.is_empty()))
}
