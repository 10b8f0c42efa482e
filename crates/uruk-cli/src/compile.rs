//! Sources to objects, by the compilers of the system, several at a time.
//!
//! Data flow: a [`Plan`] with sources in; each is compiled into a temporary folder; the plan then has objects in their
//! place, and the libraries that the languages' own drivers would link (`libstdc++`, `libgfortran`, Rust's `libstd`).
//! Compilers write to our standard error, never to the standard output, which is the program's.
//!
//! Rust: `rustc --emit=obj -C prefer-dynamic` makes one object with `main` in it. All it lacks is in the toolchain's
//! `libstd-*.so`: the allocator's entry points too, which the object defines itself if it has a `#[global_allocator]`.
//! Libraries named by `#[link]` are not recorded in the object and must be given by `-l`.

mod command;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Error;
use crate::plan::{Input, Language, Library, Plan, Search};

use command::Compiler;

/// Flags for compilers, as the command line gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-O` and its level, if given.
    pub optimize: Option<OsString>,
    /// `-g` and its level, if given.
    pub debug: Option<OsString>,
    /// For the compilers of C, C++, assembler and Fortran, in order.
    pub c: Vec<OsString>,
    /// For rustc, in order.
    pub rust: Vec<OsString>,
}

/// Where compiled objects lie. They go when this is dropped, so it must be kept until they are read, and not longer:
/// a program that ends the process leaves nobody to drop it.
#[derive(Debug)]
pub struct Compiled {
    folder: Option<tempfile::TempDir>,
}

impl Compiled {
    /// The folder of the objects, or none if nothing was compiled.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(tempfile::TempDir::path)
    }
}

/// A source and the object to be made of it.
struct Job {
    source: PathBuf,
    language: Language,
    object: PathBuf,
}

/// Compiles the plan's sources and puts the objects in their place. Errors with the first compiler that fails, in the
/// order of the plan; those that run already are let finish.
pub fn compile(plan: &mut Plan) -> Result<Compiled, Error> {
    if !plan.has_sources() {
        return Ok(Compiled { folder: None });
    }
    let folder = tempfile::Builder::new().prefix("uruk-").tempdir().map_err(Error::Temporary)?;
    let mut jobs = Vec::new();
    let mut languages: Vec<Vec<Language>> = Vec::new();
    for dylib in &mut plan.dylibs {
        let mut used = Vec::new();
        for input in &mut dylib.inputs {
            let Input::Source { path, language } = input else { continue };
            let stem = path.file_stem().unwrap_or(OsStr::new("source")).to_string_lossy().into_owned();
            // The number keeps two files of one name apart.
            let object = folder.path().join(format!("{stem}.{}.o", jobs.len()));
            jobs.push(Job { source: path.clone(), language: *language, object: object.clone() });
            if !used.contains(language) {
                used.push(*language);
            }
            *input = Input::Object(object);
        }
        languages.push(used);
    }
    let flags = &plan.options.flags;
    let threads = plan.options.threads.or(thread::available_parallelism().ok()).map_or(1, |threads| threads.get());
    let has_rust = languages.iter().any(|used| used.contains(&Language::Rust));
    // Asking rustc takes as long as a small compilation, so it goes on beside them.
    let (done, rust) = thread::scope(|scope| {
        let rust = has_rust.then(|| scope.spawn(|| rust_std(flags)));
        let done = run_all(&jobs, flags, threads);
        (done, rust.map(|thread| thread.join().expect("asking rustc does not panic")))
    });
    done?;
    let rust = rust.transpose()?;
    for (dylib, used) in plan.dylibs.iter_mut().zip(languages) {
        for language in used {
            if let Some(path) = runtime(language, flags, &plan.search, rust.as_deref())? {
                dylib.inputs.push(Input::Library { library: Library::Path(path), as_needed: false });
            }
        }
    }
    Ok(Compiled { folder: Some(folder) })
}

/// The shared library that programs in a language need beyond C's; Rust's is known to the caller.
fn runtime(
    language: Language,
    flags: &Flags,
    search: &Search,
    rust_std: Option<&Path>,
) -> Result<Option<PathBuf>, Error> {
    let name = match language {
        Language::C | Language::Assembler => return Ok(None),
        Language::Rust => return Ok(rust_std.map(Path::to_owned)),
        Language::Cxx if flags.c.iter().any(|flag| flag == "-stdlib=libc++") => "c++",
        Language::Cxx => "stdc++",
        Language::Fortran => "gfortran",
    };
    search.library(name.as_ref()).map(Some)
}

/// The toolchain's shared standard library.
fn rust_std(flags: &Flags) -> Result<PathBuf, Error> {
    let compiler = Compiler::of(Language::Rust);
    let mut command = compiler.start();
    command.args(["--print", "target-libdir"]);
    // A target or a sysroot chosen by hand decides where the library is.
    command.args(&flags.rust).stdin(Stdio::null()).stderr(Stdio::inherit());
    let line = command::line(&command);
    let output = command.output().map_err(|source| compiler.missing(line.clone(), source))?;
    if !output.status.success() {
        return Err(Error::Compiler { path: "--print target-libdir".into(), status: output.status, command: line });
    }
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path());
    let is_std = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".so")
    };
    files.into_iter().find(is_std).ok_or(Error::NoRustStd { folder })
}

/// Runs the jobs on up to `threads` threads.
fn run_all(jobs: &[Job], flags: &Flags, threads: usize) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return };
            if let Err(error) = run_one(job, flags) {
                // Nobody starts another one.
                next.store(jobs.len(), Ordering::Relaxed);
                let mut failure = failure.lock().expect("nothing panics while holding it");
                if failure.as_ref().is_none_or(|(earlier, _)| number < *earlier) {
                    *failure = Some((number, error));
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner().expect("nothing panics while holding it") {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn run_one(job: &Job, flags: &Flags) -> Result<(), Error> {
    let compiler = Compiler::of(job.language);
    let mut command: Command = compiler.compile(&job.source, &job.object, flags);
    let line = command::line(&command);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().map_err(|source| compiler.missing(line.clone(), source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Compiler { path: job.source.clone(), status, command: line })
}
