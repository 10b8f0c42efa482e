//! What the command does on Windows besides running programs that others run, too.

use super::{Bench, Clang, Compiler, Gcc, LIMIT, objects};
use crate::matrix::STDIN;
use crate::paths;
use crate::process::{End, Output, capture, run_limited};
use anyhow::{Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the command and looks at what comes of it.
type Check = fn(&Bench) -> Result<()>;

/// All of it.
pub const CHECKS: &[(&str, Check)] = &[
    ("first calls keep registers", lazy),
    ("functions of Cranelift", cranelift),
    ("redefined functions", redefined),
    ("paths", file_names),
    ("refusals of the command", refusals),
    ("room for thread-local variables", thread_room),
    ("checked links", checked_links),
];

impl Bench {
    /// Runs the command with these arguments.
    fn itself<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &str) -> Result<Output> {
        run_limited(self.wine.command(&self.itself).args(arguments), input, LIMIT)
    }

    /// The objects of sources of Windows' own.
    fn objects_of(&self, compiler: Compiler, names: &[&str]) -> Result<Vec<PathBuf>> {
        let names: Vec<PathBuf> = names.iter().map(|name| source(name)).collect();
        objects(compiler, &names, &["-O1".to_string()])
    }

    /// Arguments that link and run files and what compilers link without being told.
    fn run_arguments(&self, options: &[&str], files: &[PathBuf]) -> Vec<PathBuf> {
        let files = files.iter().chain(&self.libraries).cloned();
        ["run"].iter().chain(options).map(PathBuf::from).chain(files).collect()
    }
}

fn source(name: &str) -> PathBuf {
    paths::programs().join("windows").join(name)
}

/// A program prints this and ends so.
fn expect(output: &Output, status: i32, text: &str) -> Result<()> {
    let [printed, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let printed = printed.replace("\r\n", "\n");
    ensure!(
        output.end == End::Status(status) && printed == text,
        "{} instead of {status}\nexpected:\n{text}\ngot:\n{printed}\n{errors}",
        output.end
    );
    Ok(())
}

/// The command refuses something, with this in its message.
fn expect_refusal(output: &Output, text: &str) -> Result<()> {
    const REFUSED: i32 = 125;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.end == End::Status(REFUSED) && errors.contains(text),
        "{}, and no `{text}` in: {errors}",
        output.end
    );
    Ok(())
}

/// What lazy.c prints, and what only clang has a convention for.
const FIRST_CALLS: &str =
    "all registers arrive\nall registers are left\n654321\n709876.5\n704826.0\n123456.5\n9.0 17.0\n";
const VECTOR_CALLS: &str = "1321.0 5284.0\n";

/// First calls change no register, and what is not called need not be complete.
fn lazy(bench: &Bench) -> Result<()> {
    for (compiler, more) in [(Gcc, ""), (Clang, VECTOR_CALLS)] {
        let files = bench.objects_of(compiler, &["lazy.c", "lazy_other.c", "lazy_incomplete.c"])?;
        let lazy = bench.itself(bench.run_arguments(&["--lazy"], &files), STDIN)?;
        expect(&lazy, 1, &format!("{FIRST_CALLS}{more}"))?;
        expect_refusal(&bench.itself(bench.run_arguments(&[], &files), STDIN)?, "nowhere")?;
    }
    Ok(())
}

/// Cranelift's functions run, and what is thrown through them finds the caller's registers.
fn cranelift(bench: &Bench) -> Result<()> {
    expect(&bench.itself([Path::new("run"), &source("functions.clif")], STDIN)?, 62, "0112358314\n")?;
    for compiler in [Gcc, Clang] {
        let mut files = bench.objects_of(compiler, &["through.cpp"])?;
        files.push(source("through.clif"));
        for options in [&[][..], &["--lazy"]] {
            expect(&bench.itself(bench.run_arguments(options, &files), STDIN)?, 42, "1.5 2.5 3.5 4 5 6\n")?;
        }
    }
    Ok(())
}

/// Functions that are made anew are found by those that call them.
fn redefined(bench: &Bench) -> Result<()> {
    let text = "def f(x) x+1;\ndef g(x) f(x)*2;\ng(3);\ndef f(x) x+10;\ng(3);\n";
    expect(&bench.itself(["repl"], text)?, 0, "8\n26\n")
}

/// Drive letters and backslashes, in the names of files and in arguments.
fn file_names(bench: &Bench) -> Result<()> {
    let mut files = bench.objects_of(Gcc, &["arguments.c"])?;
    files[0] = PathBuf::from(format!("Z:{}", files[0].display().to_string().replace('/', "\\")));
    let program = files[0].display().to_string();
    let mut arguments = bench.run_arguments(&[], &files);
    arguments.extend(["--", "C:\\a b\\c\\", "\"", ""].map(PathBuf::from));
    expect(&bench.itself(arguments, STDIN)?, 4, &format!("[{program}][C:\\a b\\c\\][\"][]\n"))
}

/// What has no meaning on Windows, or is not done there, is refused.
fn refusals(bench: &Bench) -> Result<()> {
    let folder = paths::target_folder("executors/refused")?;
    let file = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let (c, ir) = (file("source.c", "int main(void) { return 0; }")?, file("module.ll", "define i32 @main() {}")?);
    let object = bench.objects_of(Gcc, &["arguments.c"])?.remove(0);
    let cases: [(&[&str], &Path, &str); 5] = [
        (&["run"], &c, "CC"),
        (&["run"], &ir, "LLVM IR is not compiled on windows"),
        (&["run", "--debugger"], &object, "debuggers are not shown linked code on Windows"),
        (&["run", "--sandbox"], &object, "no sandbox on Windows"),
        (&["run"], &bench.objects_of(Clang, &["callback.c"])?[0], ".CRT$XL"),
    ];
    for (options, file, text) in cases {
        let arguments = options.iter().map(Path::new).chain([file]);
        expect_refusal(&bench.itself(arguments, STDIN)?, text)?;
    }
    Ok(())
}

/// Variables that take more than the room that there is for them are refused, with what helps, which then does.
fn thread_room(bench: &Bench) -> Result<()> {
    let sources = [source("thread_room.c")];
    let native = objects(Clang, &sources, &["-O1".into()])?;
    let output = bench.itself(bench.run_arguments(&[], &native), STDIN)?;
    expect_refusal(&output, "there are 16384 in all; compile with -femulated-tls")?;
    let emulated = objects(Gcc, &sources, &["-O1".into()])?;
    expect(&bench.itself(bench.run_arguments(&[], &emulated), STDIN)?, 0, "20000\n")
}

/// Rules about linked bytes are checked, in a slab of addresses and in this process's memory; objects are looked at.
fn checked_links(bench: &Bench) -> Result<()> {
    const SLAB: [&str; 10] = [
        "link",
        "-noexec",
        "-slab-allocate=1Mb",
        "-slab-address=0x100000000",
        "-slab-page-size=4096",
        "-abs",
        "far=0x7fff00000000",
        "-abs",
        "near=0x100100000",
        "-check",
    ];
    let sources = paths::root().join("crates/uruk-cli/tests/link/x86_64-pc-windows-msvc");
    let folder = paths::target_folder("executors/checked")?;
    let assemble = |name: &str| -> Result<[PathBuf; 2]> {
        let (source, object) = (sources.join(name), folder.join(name).with_extension("o"));
        let mut compile = Command::new("clang-22");
        capture(compile.args(["--target=x86_64-pc-windows-msvc", "-c"]).arg(&source).arg("-o").arg(&object))?;
        Ok([source, object])
    };
    let [rules, object] = assemble("references.s")?;
    expect(&bench.itself(SLAB.iter().map(PathBuf::from).chain([rules, object]), STDIN)?, 0, "")?;
    let [_, object] = assemble("runs.s")?;
    let rule = folder.join("rule");
    for (text, status) in [("*{8}table = main + 13", 42), ("*{8}table = main", 1)] {
        fs::write(&rule, format!("# jitlink-check: {text}\n"))?;
        expect(&bench.itself([Path::new("link"), Path::new("-check"), &rule, &object], STDIN)?, status, "")?;
    }
    let seen = bench.itself([Path::new("inspect"), &object], STDIN)?;
    ensure!(seen.end == End::Status(0) && String::from_utf8_lossy(&seen.stdout).contains("table"), "{seen:?}");
    Ok(())
}
