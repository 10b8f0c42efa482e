//! Compiling and linking natively, each result kept under target/fixtures by a hash of all it was made from: the
//! compiler's version, the flags and the sources. A change of any of them makes another file; nothing is ever stale.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::flags::{Compiler, FlagSet};
use super::programs::{Expect, Program};
use super::sources::Sources;
use crate::paths;
use crate::process::{self, End, Output};

/// How long a program may run.
pub const RUN_LIMIT: Duration = Duration::from_secs(60);
/// What every program reads from its standard input.
pub const STDIN: &str = "first line\nsecond line\n";

/// Compiles sources and makes native references.
pub struct Builder {
    sources: Sources,
    fixtures: PathBuf,
    /// Answers of compilers about themselves: their versions and where their files are.
    answers: Mutex<HashMap<(&'static str, String), String>>,
    /// A hash of the headers in tests/programs.
    headers: u64,
}

impl Builder {
    /// Fetches the sources and opens the folder of fixtures.
    pub fn new() -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        let mut headers: Vec<PathBuf> =
            fs::read_dir(paths::programs())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        headers.retain(|path| path.extension().is_some_and(|extension| extension == "h"));
        headers.sort();
        for header in headers {
            fs::read(header)?.hash(&mut hasher);
        }
        Ok(Self {
            sources: Sources::fetch()?,
            fixtures: paths::target_folder("fixtures")?,
            answers: Mutex::default(),
            headers: hasher.finish(),
        })
    }

    /// The source files of `program`.
    pub fn files(&self, program: &Program) -> Result<Vec<PathBuf>> {
        self.sources.files(program.sources)
    }

    /// Where headers of the sources' packages are, for a compiler.
    pub fn include_flags(&self) -> impl Iterator<Item = String> {
        self.sources.include_folders().into_iter().map(|folder| format!("-I{}", folder.display()))
    }

    /// The objects of `program`, compiled if they are not there, with more flags than those of the set.
    pub fn objects(&self, program: &Program, compiler: Compiler, set: &FlagSet, more: &[&str]) -> Result<Vec<PathBuf>> {
        let sources = self.files(program)?;
        let flags = [set.flags, program.flags, more].concat();
        sources.iter().map(|source| self.object(source, compiler, &flags)).collect()
    }

    fn object(&self, source: &Path, compiler: Compiler, flags: &[&str]) -> Result<PathBuf> {
        let contents = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        let driver = driver_of(source, compiler);
        let mut hasher = DefaultHasher::new();
        (driver, self.ask(driver, "--version")?, flags, self.headers).hash(&mut hasher);
        (source, contents).hash(&mut hasher);
        let stem = source.file_stem().context("a source has no name")?.to_string_lossy();
        let object = self.fixtures.join(format!("{stem}-{:016x}.o", hasher.finish()));
        if object.exists() {
            return Ok(object);
        }
        let partial = paths::partial(&object);
        let mut command = Command::new(driver);
        command.args(flags).current_dir(&self.fixtures);
        match compiler {
            Compiler::Rustc => command.args(["--edition=2024", "--crate-type=bin", "--emit=obj", "-Cprefer-dynamic"]),
            _ => command.arg("-c").args(self.include_flags()),
        };
        // Two that compile at once write the same modules, each in a folder of its own.
        let modules = partial.with_extension("modules");
        if compiler == Compiler::Gfortran {
            fs::create_dir_all(&modules)?;
            command.arg("-J").arg(&modules);
        }
        process::capture(command.arg(source).arg("-o").arg(&partial))?;
        if compiler == Compiler::Gfortran {
            fs::remove_dir_all(&modules)?;
        }
        fs::rename(&partial, &object)?;
        Ok(object)
    }

    /// What `driver` prints when asked with `question`; asked once.
    fn ask(&self, driver: &'static str, question: &str) -> Result<String> {
        let key = (driver, question.to_owned());
        if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(answer.clone());
        }
        let answer = process::capture(Command::new(driver).args(question.split(' ')))?.trim().to_owned();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, answer.clone());
        Ok(answer)
    }

    /// `arguments` with the paths of `file:NAME` filled in.
    pub fn libraries(&self, arguments: &[&str], compiler: Compiler) -> Result<Vec<String>> {
        let path_of = |argument: &&str| match argument.strip_prefix("file:") {
            None => Ok((*argument).to_owned()),
            Some(name) if name.starts_with("libclang_rt.") => {
                self.ask(compiler.name(), &format!("-print-file-name=lib/linux/{name}"))
            }
            Some(name) => self.ask(compiler.name(), &format!("-print-file-name={name}")),
        };
        arguments.iter().map(path_of).collect()
    }

    /// The shared standard library of the Rust toolchain in use.
    pub fn rust_library(&self) -> Result<PathBuf> {
        let folder = PathBuf::from(self.ask("rustc", "--print=target-libdir")?);
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if name.to_string_lossy().starts_with("libstd-") && name.to_string_lossy().ends_with(".so") {
                return Ok(folder.join(name));
            }
        }
        bail!("no shared libstd in {}", folder.display())
    }

    /// What the native program does: the default link, and the static one too where it must be the same.
    pub fn reference(&self, program: &Program, compiler: Compiler, set: &FlagSet) -> Result<Output> {
        if program.expect == Expect::NativeStatic && set.static_reference {
            return self.native(program, compiler, set, true);
        }
        let dynamic = self.native(program, compiler, set, false)?;
        if program.expect == Expect::Native && set.static_reference {
            let fixed = self.native(program, compiler, set, true)?;
            if (fixed.end, &fixed.stdout, &fixed.stderr) != (dynamic.end, &dynamic.stdout, &dynamic.stderr) {
                bail!("no reference: the program does something else when it is linked statically");
            }
        }
        Ok(dynamic)
    }

    fn native(&self, program: &Program, compiler: Compiler, set: &FlagSet, fixed: bool) -> Result<Output> {
        let mut command = Command::new(if program.is_cxx() { compiler.cxx() } else { compiler.name() });
        if compiler == Compiler::Rustc {
            command.arg("--edition=2024").args(set.flags).args(self.files(program)?);
        } else {
            command.args(self.objects(program, compiler, set, &[])?).args(self.libraries(program.libs, compiler)?);
            command.args(program.native.iter().filter(|flag| !(fixed && **flag == "-rdynamic")));
            // A static program is not position-independent whatever its objects are.
            command.args(set.link.iter().filter(|flag| !(fixed && flag.ends_with("pie"))));
            command.args(fixed.then_some("-static"));
        }
        let mut hasher = DefaultHasher::new();
        (process::describe(&command), program.args, program.env, STDIN).hash(&mut hasher);
        for file in program.args.iter().filter_map(|argument| argument.strip_prefix("{programs}/")) {
            fs::read(paths::programs().join(file))?.hash(&mut hasher);
        }
        if compiler == Compiler::Rustc {
            (self.ask("rustc", "--version")?, self.objects(program, compiler, set, &[])?).hash(&mut hasher);
        }
        let place =
            self.fixtures.join(format!("{}-{:016x}.reference", program.name.replace(' ', "-"), hasher.finish()));
        if let Some(kept) = load(&place) {
            return Ok(kept);
        }
        let executable = paths::partial(&place.with_extension("exe"));
        process::capture(command.arg("-o").arg(&executable)).context("native link")?;
        let output = run(Command::new(&executable), program)?;
        fs::remove_file(&executable)?;
        if output.end == End::Timeout {
            bail!("no reference: the native program does not end");
        }
        store(&place, &output)?;
        Ok(output)
    }
}

/// Runs `command` with the arguments, environment and input of `program`.
pub fn run(mut command: Command, program: &Program) -> Result<Output> {
    let folder = paths::target_folder("run")?;
    let own = paths::partial(&folder.join("own")).to_string_lossy().into_owned();
    command.args(program.arguments());
    command.envs(program.env.iter().map(|(name, value)| (name, value.replace("{run}", &own))));
    command.env_remove("RUST_BACKTRACE").current_dir(&folder);
    process::run_limited(&mut command, STDIN, RUN_LIMIT)
}

fn driver_of(source: &Path, compiler: Compiler) -> &'static str {
    match source.extension() {
        Some(extension) if extension == "cpp" => compiler.cxx(),
        _ => compiler.name(),
    }
}

/// Keeps what a reference printed: a line with the end and the length of its standard output, then both outputs.
fn store(place: &Path, output: &Output) -> Result<()> {
    let (kind, number) = match output.end {
        End::Status(status) => ("status", status),
        End::Signal(signal) => ("signal", signal),
        End::Timeout => bail!("a program that did not end is no reference"),
    };
    let mut contents = format!("{kind} {number} {}\n", output.stdout.len()).into_bytes();
    contents.extend(&output.stdout);
    contents.extend(&output.stderr);
    paths::write_whole(place, &contents)
}

fn load(place: &Path) -> Option<Output> {
    let contents = fs::read(place).ok()?;
    let newline = contents.iter().position(|&byte| byte == b'\n')?;
    let mut words = std::str::from_utf8(&contents[..newline]).ok()?.split(' ');
    let (kind, number, length) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (stdout, stderr) = contents[newline + 1..].split_at_checked(length)?;
    let end = if kind == "status" { End::Status(number) } else { End::Signal(number) };
    Some(Output { end, stdout: stdout.to_vec(), stderr: stderr.to_vec() })
}
