//! Windows: programs for it are linked here and run in an executor under Wine, or linked and run by the command itself under
//! Wine, and are compared with what MinGW's linker makes of them, under Wine too. What only the command does is in `host`.
//!
//! Everything of Wine's lies in one prefix in the target folder, and its server is ended when the tests are done. C++ programs
//! are linked with MinGW's archives, and with the DLL of its threads, since only the system tells that of a thread's end.

mod host;

use super::{LIMIT, Target, programs};
use crate::count::Count;
use crate::matrix::{self, Case, STDIN};
use crate::paths;
use crate::process::{End, Output, capture, describe, run_limited};
use crate::test::build_with_plugin;
use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub const TARGET: Target = Target {
    triple: "x86_64-pc-windows-gnu",
    gnu: "x86_64-w64-mingw32",
    emulator: "/usr/lib/wine/wine64",
    libraries: None,
    build_std: true,
};

/// Rust's standard library wants a DLL that Wine 8 does not have.
const RANDOM: &str = "int __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int ProcessPrng(void *to, unsigned long long size) { return SystemFunction036(to, (unsigned long)size); }
";

/// How a program's sources are compiled, and its reference linked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiler {
    Gcc,
    Clang,
}

use Compiler::{Clang, Gcc};

/// Where a program is linked and runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// In an executor that is a child and has the connection as its standard streams.
    Pipes,
    /// In an executor that listens.
    Tcp,
    /// In the command's own process.
    Itself,
}

/// A program: a case of the matrix or a source of its own, and arguments.
struct Program {
    name: &'static str,
    compiler: Compiler,
    by: &'static [By],
    arguments: &'static [&'static str],
}

const PIPES: &[By] = &[By::Pipes, By::Itself];
const TCP: &[By] = &[By::Tcp, By::Itself];
const ALL: &[By] = &[By::Pipes, By::Tcp, By::Itself];

const fn program(
    name: &'static str,
    compiler: Compiler,
    by: &'static [By],
    arguments: &'static [&'static str],
) -> Program {
    Program { name, compiler, by, arguments }
}

#[rustfmt::skip]
const PROGRAMS: &[Program] = &[
    program("lua / gcc / none",    Gcc,   PIPES, &[]),
    program("lua / gcc / none",    Clang, TCP,   &[]),
    program("sqlite / gcc / none", Gcc,   TCP,   &[]),
    program("sqlite / gcc / none", Clang, PIPES, &[]),
    program("zstd / gcc / none",   Gcc,   PIPES, &["64"]),
    program("zstd / gcc / none",   Clang, TCP,   &["64"]),
    program("c++ / gcc / none",    Gcc,   ALL,   &[]),
    program("start.c",             Gcc,   PIPES, &["one", "", "two words"]),
    program("start.c",             Clang, TCP,   &["one"]),
    program("seh.c",               Clang, PIPES, &[]),
    program("throws.cpp",          Gcc,   TCP,   &[]),
    program("throws.cpp",          Clang, PIPES, &[]),
    program("throws.cpp",          Gcc,   TCP,   &["uncaught"]),
];

/// What a compiler for Windows links without being told.
const LIBRARIES: [&str; 12] = [
    "libstdc++.a",
    "libmingw32.a",
    "libgcc.a",
    "libgcc_eh.a",
    "libmoldname.a",
    "libmingwex.a",
    "libmsvcrt.a",
    "libpthread.dll.a",
    "libadvapi32.a",
    "libshell32.a",
    "libuser32.a",
    "libkernel32.a",
];

/// The DLL that the last but some of these is for.
const THREADS: &str = "libwinpthread-1.dll";

/// Wine, with an executor that listens, until this is dropped.
struct Wine {
    prefix: PathBuf,
    listener: Option<Child>,
}

impl Wine {
    /// Makes the prefix if it is not there, and starts the server of what runs there.
    fn new() -> Result<Wine> {
        let wine = Wine { prefix: paths::target_folder("executors/wine")?, listener: None };
        // One that ends a little after each program would be about to when the next one begins.
        wine.silent(Path::new("/usr/lib/wine/wineserver64"), "-p");
        // What it starts now has nothing that the programs write to.
        wine.silent(Path::new(TARGET.emulator), "wineboot");
        Ok(wine)
    }

    fn silent(&self, program: &Path, argument: &str) {
        let mut command = Command::new(program);
        command.arg(argument).env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all");
        // What begins may have been there, and what ends may have ended.
        _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(TARGET.emulator);
        command.arg(program).env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all");
        command
    }

    /// Starts an executor that listens, and says where.
    fn listen(&mut self, executor: &Path) -> Result<String> {
        let mut command = self.command(executor);
        command.args(["--listen", "tcp::0"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", describe(&command)))?;
        let output = child.stdout.take().context("the executor has no output")?;
        self.listener = Some(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.starts_with("tcp:"), "the executor says `{line}` instead of where it listens");
        Ok(line.trim().into())
    }

    /// A program that starts the executor as a child that has the connection as its standard streams.
    fn wrapper(&self, executor: &Path) -> Result<PathBuf> {
        let path = paths::target_folder("executors")?.join("in-wine");
        let text = format!(
            "#!/bin/sh
# … --pipes IN,OUT
while [ $# -gt 1 ]; do [ \"$1\" = --pipes ] && pipes=$2; shift; done
export WINEPREFIX='{}' WINEDEBUG=-all
eval \"exec timeout {} {} '{}' --pipes - <&${{pipes%,*}} >&${{pipes#*,}}\"
",
            self.prefix.display(),
            LIMIT.as_secs(),
            TARGET.emulator,
            executor.display()
        );
        paths::write_whole(&path, text.as_bytes())?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // It may have ended.
        if let Some(listener) = &mut self.listener {
            _ = listener.kill();
            _ = listener.wait();
        }
        self.silent(Path::new("/usr/lib/wine/wineserver64"), "-k");
    }
}

/// Where a program can be linked and run.
struct Bench {
    wine: Wine,
    uruk: PathBuf,
    /// The command for Windows.
    itself: PathBuf,
    /// The wrapper and the address.
    places: [String; 2],
    builder: matrix::Builder,
    libraries: Vec<PathBuf>,
}

impl Bench {
    fn new() -> Result<Bench> {
        let executor = TARGET.build()?;
        let folder = executor.parent().context("the executor lies in a folder")?;
        random(folder)?;
        let libraries = LIBRARIES.map(library).into_iter().collect::<Result<Vec<_>>>()?;
        fs::copy(library(THREADS)?, folder.join(THREADS))?;
        let mut wine = Wine::new()?;
        let wrapper = format!("pipes:{}", wine.wrapper(&executor)?.display());
        let places = [wrapper, wine.listen(&executor)?];
        let itself = TARGET.build_program("uruk-cli", "uruk")?;
        Ok(Bench { wine, uruk: build_with_plugin()?, itself, places, builder: matrix::Builder::new()?, libraries })
    }

    /// Links objects and runs them.
    fn run(&self, by: By, objects: &[PathBuf], arguments: &[String]) -> Result<Output> {
        let mut command = match by {
            By::Itself => self.wine.command(&self.itself),
            By::Pipes | By::Tcp => Command::new(&self.uruk),
        };
        command.arg("run");
        if by != By::Itself {
            command.args(["--executor", &self.places[usize::from(by == By::Tcp)]]);
        }
        run_limited(command.args(objects).args(&self.libraries).arg("--").args(arguments), STDIN, LIMIT)
    }

    fn compare(&self, program: &Program) -> Result<()> {
        let (sources, flags, mut arguments) = self.sources(program.name)?;
        arguments.extend(program.arguments.iter().map(|argument| argument.to_string()));
        let objects = objects(program.compiler, &sources, &flags)?;
        let native = objects[0].with_extension("exe");
        capture(Command::new(cxx()).args(["-static", "-o"]).arg(&native).args(&objects))?;
        let reference = run_limited(self.wine.command(&native).args(&arguments), STDIN, LIMIT)?;
        for by in program.by {
            programs::compare(&reference, &self.run(*by, &objects, &arguments)?).with_context(|| format!("{by:?}"))?;
        }
        Ok(())
    }

    /// The sources of a case of the matrix, or one of Windows' own, with flags and arguments.
    fn sources(&self, name: &str) -> Result<(Vec<PathBuf>, Vec<String>, Vec<String>)> {
        let level = "-O1".to_string();
        if !name.contains('/') {
            return Ok((vec![paths::programs().join("windows").join(name)], vec![level], Vec::new()));
        }
        let program = Case::named(name)?.program;
        let flags = program.flags.iter().map(|flag| flag.to_string());
        let flags = flags.chain(self.builder.include_flags()).chain([level]).collect();
        Ok((self.builder.files(program)?, flags, program.arguments()))
    }

    /// A program that crashes: its functions are named, and the status is the signal's.
    fn crash(&self, by: By) -> Result<()> {
        let (sources, flags, arguments) = self.sources("crash.c")?;
        let output = self.run(by, &objects(Gcc, &sources, &flags)?, &arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.end == End::Status(128 + 11), "{} instead of a crash: {errors}", output.end);
        for text in ["ended by signal 11, address 0x0", "writes_nowhere+", "main+"] {
            ensure!(errors.contains(text), "`{text}` is not in the report: {errors}");
        }
        Ok(())
    }

    /// What Windows has not is refused with a reason.
    fn refusals(&self) -> Result<()> {
        let executor = self.wine.prefix.with_file_name("uruk-executor-x86_64.exe");
        for (option, text) in
            [("--sandbox", "no sandbox on Windows"), ("--debugger", "not shown linked code on Windows")]
        {
            let output = run_limited(self.wine.command(&executor).args([option, "--listen", "tcp::0"]), "", LIMIT)?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.end != End::Status(0) && errors.contains(text), "{option}: {} {errors}", output.end);
        }
        Ok(())
    }
}

/// Makes the DLL for random numbers.
fn random(folder: &Path) -> Result<()> {
    let source = folder.join("random.c");
    paths::write_whole(&source, RANDOM.as_bytes())?;
    let mut compile = Command::new(TARGET.tool("gcc"));
    compile.arg("-shared").arg(&source).arg("-o").arg(folder.join("bcryptprimitives.dll")).arg("-ladvapi32");
    capture(&mut compile).map(drop)
}

/// The C++ compiler whose library has threads.
fn cxx() -> String {
    TARGET.tool("g++-posix")
}

/// Where MinGW has a library.
fn library(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(capture(Command::new(cxx()).arg(format!("-print-file-name={name}")))?.trim());
    ensure!(path.is_absolute(), "MinGW has no {name}");
    Ok(path)
}

/// Sources' objects, compiled if they are not there.
fn objects(compiler: Compiler, sources: &[PathBuf], flags: &[String]) -> Result<Vec<PathBuf>> {
    let (name, options): (&str, &[&str]) = match compiler {
        Gcc => ("gcc", &[]),
        Clang => ("clang", &["--target=x86_64-w64-windows-gnu", "-fms-extensions"]),
    };
    let folder = paths::target_folder(&format!("executors/{}/{name}", TARGET.triple))?;
    let compile = |source: &PathBuf| {
        let is_cxx = source.extension().is_some_and(|extension| extension == "cpp");
        let command = match (compiler, is_cxx) {
            (Gcc, false) => TARGET.tool("gcc-posix"),
            (Gcc, true) => cxx(),
            (Clang, false) => "clang-22".into(),
            (Clang, true) => "clang++-22".into(),
        };
        programs::object(Command::new(command).args(options), &folder, source, flags)
    };
    sources.iter().map(compile).collect()
}

/// Runs all programs: how many did the same, and how many did not.
pub fn test() -> Result<Count> {
    let bench = Bench::new()?;
    let mut count = Count::default();
    let mut note = |name: &str, result: Result<()>| TARGET.note(&mut count, name, result);
    for program in PROGRAMS {
        note(program.name, bench.compare(program));
    }
    for by in [By::Pipes, By::Tcp] {
        note("crash.c", bench.crash(by));
    }
    note("refusals", bench.refusals());
    for (name, check) in host::CHECKS {
        note(name, check(&bench));
    }
    Ok(count)
}
