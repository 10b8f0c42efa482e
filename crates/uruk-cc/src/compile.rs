//! Sources to objects, by the compilers of the system, several at a time.
//!
//! Rust: `rustc --emit=obj -C prefer-dynamic` makes one object with `main` in it. All it lacks is in the toolchain's
//! `libstd-*.so`: the allocator's entry points too, which the object defines itself if it has a `#[global_allocator]`.
//! Libraries named by `#[link]` are not recorded in the object and must be given by name.

use crate::command::{self, Compiler};
use crate::{Error, Language};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use uruk_cache::{CacheError, Key, KeyBuilder, ObjectCache};

/// Flags for compilers.
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

/// A source and the object to be made of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The source.
    pub source: PathBuf,
    /// Its language.
    pub language: Language,
    /// Where the object goes.
    pub object: PathBuf,
}

/// The compilers of the system, and what they are told.
#[derive(Clone, Debug, Default)]
pub struct Toolchain {
    /// The flags for all sources.
    pub flags: Flags,
    /// Compilers write to our standard error; otherwise what they say is part of the error, if there is one.
    pub verbose: bool,
    /// Where objects of C and C++ sources are kept, and looked for before they are compiled.
    pub cache: Option<Arc<dyn ObjectCache>>,
    /// Told what is wrong with the cache. Sources are compiled all the same.
    pub on_cache_error: Option<fn(&CacheError)>,
}

impl Toolchain {
    /// Compiles a source, or takes its object from the cache.
    pub fn compile(&self, job: &Job) -> Result<(), Error> {
        let compiler = Compiler::of(job.language);
        let Some((cache, key)) = self.cache.as_ref().zip(self.key(&compiler, job)) else {
            return self.run(&compiler, job, self.verbose).map(drop);
        };
        if let Some(object) = self.consult(cache.get(&key)).flatten() {
            return std::fs::write(&job.object, object).map_err(Error::Temporary);
        }
        let diagnostics = self.run(&compiler, job, false)?;
        if self.verbose {
            let _ = std::io::stderr().write_all(&diagnostics);
        }
        // Warnings are to be seen the next time, too.
        if diagnostics.is_empty() {
            let object = std::fs::read(&job.object).map_err(Error::Temporary)?;
            self.consult(cache.put(&key, &object));
        }
        Ok(())
    }

    /// What a cache answers, if it does.
    fn consult<R>(&self, answer: Result<R, CacheError>) -> Option<R> {
        answer.inspect_err(|error| self.on_cache_error.iter().for_each(|told| told(error))).ok()
    }

    /// The hash of everything that the object of a source depends on; none if that cannot be told.
    fn key(&self, compiler: &Compiler, job: &Job) -> Option<Key> {
        let arguments = compiler.c_arguments(&self.flags);
        // What these make depends on other files, or on the machine.
        let unknown = |flag: &OsString| {
            let flag = flag.to_string_lossy();
            ["-fprofile", "-fauto-profile", "-fplugin", "-specs", "--specs", "-B", "-wrapper"]
                .iter()
                .any(|known| flag.starts_with(known))
                || flag.ends_with("=native")
        };
        if !matches!(job.language, Language::C | Language::Cxx) || arguments.iter().any(unknown) {
            return None;
        }
        let asked = |command: &mut Command| command.stdin(Stdio::null()).output().ok().filter(|it| it.status.success());
        let version = asked(compiler.start().arg("--version"))?.stdout;
        let text = asked(&mut compiler.preprocess(&job.source, &self.flags))?.stdout;
        if text.windows(7).any(|word| word == b".incbin") {
            return None;
        }
        let mut key = KeyBuilder::new("uruk-cc").part(&version).part(&text);
        arguments.iter().for_each(|argument| key.add(argument.as_encoded_bytes()));
        // Debug information has it.
        key.add(std::env::current_dir().ok()?.as_os_str().as_encoded_bytes());
        Some(key.finish())
    }

    /// Runs a compiler; returns what it has said, if it was not let say so itself.
    fn run(&self, compiler: &Compiler, job: &Job, verbose: bool) -> Result<Vec<u8>, Error> {
        let mut command: Command = compiler.compile(&job.source, &job.object, &self.flags);
        let line = command::line(&command);
        command.stdin(Stdio::null());
        if verbose {
            // Standard output is the program's.
            command.stdout(std::io::stderr()).stderr(Stdio::inherit());
        }
        let output = command.output().map_err(|source| compiler.missing(line.clone(), source))?;
        if output.status.success() {
            return Ok(output.stderr);
        }
        let diagnostics = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Compiler { path: job.source.clone(), status: output.status, command: line, diagnostics })
    }

    /// Compiles sources on up to `threads` threads. Errors with the first compiler that fails, in the order of the jobs;
    /// those that run already are let finish.
    pub fn compile_all(&self, jobs: &[Job], threads: usize) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(number) else { return };
                if let Err(error) = self.compile(job) {
                    // Nobody starts another one.
                    next.store(jobs.len(), Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
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
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The shared standard library of the Rust toolchain.
    pub fn rust_std(&self) -> Result<PathBuf, Error> {
        let compiler = Compiler::of(Language::Rust);
        let mut command = compiler.start();
        command.args(["--print", "target-libdir"]);
        // A target or a sysroot chosen by hand decides where the library is.
        command.args(&self.flags.rust).stdin(Stdio::null()).stderr(Stdio::inherit());
        let line = command::line(&command);
        let output = command.output().map_err(|source| compiler.missing(line.clone(), source))?;
        if !output.status.success() {
            let (path, diagnostics) = ("--print target-libdir".into(), String::new());
            return Err(Error::Compiler { path, status: output.status, command: line, diagnostics });
        }
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path());
        let is_std = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".so")
        };
        files.into_iter().find(is_std).ok_or(Error::NoRustStd { folder })
    }
}

/// A folder for objects, which goes with this.
#[derive(Debug)]
pub struct Folder {
    folder: tempfile::TempDir,
    /// Objects that have been given a name.
    named: AtomicUsize,
}

impl Folder {
    /// Makes a folder.
    pub fn new() -> Result<Folder, Error> {
        let folder = tempfile::Builder::new().prefix("uruk-").tempdir().map_err(Error::Temporary)?;
        Ok(Folder { folder, named: AtomicUsize::new(0) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The job that makes an object of a source in this folder.
    pub fn job(&self, source: &Path, language: Language) -> Job {
        let stem = source.file_stem().unwrap_or("source".as_ref()).to_string_lossy();
        // The number keeps two files of one name apart.
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        Job { source: source.to_owned(), language, object: self.folder.path().join(format!("{stem}.{number}.o")) }
    }
}
