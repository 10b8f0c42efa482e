//! Real programs of other architectures: linked here, run in an executor in an emulator, and compared with what the cross
//! compiler's own linker makes of them, in the same emulator.

use super::{Target, paths};
use crate::count::Count;
use crate::matrix::{self, Case, STDIN};
use crate::process::{End, Output, capture, run_limited};
use crate::test::build_with_plugin;
use anyhow::{Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Cases of the matrix whose sources are taken, with arguments that keep what they do short, and options of `uruk run`.
#[rustfmt::skip]
const PROGRAMS: &[(&str, &[&str], &[&str])] = &[
    ("lua / gcc / none",     &[],     &[]),
    ("sqlite / gcc / none",  &[],     &[]),
    ("zstd / gcc / none",    &["64"], &[]),
    ("c++ / gcc / none",     &[],     &[]),
    ("runtime / gcc / none", &[],     &[]),
    ("order / gcc / none",   &[],     &["--lazy"]),
    // Executors there have no room for variables at fixed offsets that are aligned to more than 16 bytes.
    ("tls / gcc / tls global-dynamic", &[], &[]),
];

/// In an emulator everything takes its time.
const LIMIT: Duration = Duration::from_secs(200);

/// Runs all programs for a target: how many did the same, and how many did not.
pub fn test(target: &Target) -> Result<Count> {
    let uruk = build_with_plugin()?;
    let executor = wrapper(target, &target.build()?)?;
    let builder = matrix::Builder::new()?;
    let mut count = Count::default();
    for (name, arguments, options) in PROGRAMS {
        let case = Case::named(name)?;
        let (program, flags) = (case.program, [&["-O1"], case.set.flags, case.program.flags].concat());
        let include = builder.include_flags();
        let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).chain(include).collect();
        let sources: Vec<PathBuf> = builder.files(program)?;
        let folder = paths::target_folder(&format!("executors/{}/{}", target.triple, case.set.name))?;
        let arguments: Vec<String> =
            program.arguments().into_iter().chain(arguments.iter().map(|it| it.to_string())).collect();
        let result = one(target, [&uruk, &executor, &folder], &sources, &flags, &arguments, options);
        target.note(&mut count, name, result);
    }
    for files in [&["functions.clif"][..], &["through.clif", "through.cpp"]] {
        target.note(&mut count, &files.join(" "), functions(target, &uruk, &executor, files));
    }
    Ok(count)
}

/// Functions that Cranelift compiles for the target do what they do when it compiles them for this machine.
fn functions(target: &Target, uruk: &Path, executor: &Path, files: &[&str]) -> Result<()> {
    let files: Vec<PathBuf> = files.iter().map(|file| paths::root().join("tests/programs").join(file)).collect();
    let here = run_limited(Command::new(uruk).arg("run").args(&files), STDIN, LIMIT)?;
    let mut there = Command::new(uruk);
    there.args(["run", "--executor"]).arg(executor).args(&files).env("CXX", target.tool("g++"));
    compare(&here, &run_limited(&mut there, STDIN, LIMIT)?)
}

/// A program that starts the executor in the emulator.
pub fn wrapper(target: &Target, executor: &Path) -> Result<PathBuf> {
    let name = executor.file_stem().unwrap_or_default().display();
    let path = paths::target_folder("executors")?.join(format!("{name}-in-{}", target.emulator));
    let libraries = target.libraries.map_or(String::new(), |libraries| format!("-L {libraries} "));
    let limit = LIMIT.as_secs();
    let text =
        format!("#!/bin/sh\nexec timeout {limit} {} {libraries}{} \"$@\"\n", target.emulator, executor.display());
    paths::write_whole(&path, text.as_bytes())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn one(
    target: &Target,
    [uruk, executor, folder]: [&Path; 3],
    sources: &[PathBuf],
    flags: &[String],
    arguments: &[String],
    options: &[&str],
) -> Result<()> {
    let compile = |source: &PathBuf| {
        let is_cxx = source.extension().is_some_and(|extension| extension == "cpp");
        object(&mut Command::new(target.tool(if is_cxx { "g++" } else { "gcc" })), folder, source, flags)
    };
    let objects = sources.iter().map(compile).collect::<Result<Vec<_>>>()?;
    let native = objects[0].with_extension("native");
    let mut link = Command::new(target.tool("g++"));
    capture(link.args(["-static", "-o"]).arg(&native).args(&objects).args(["-lm", "-lpthread"]))?;
    let mut reference = Command::new(target.emulator);
    let reference = run_limited(reference.arg(&native).args(arguments), STDIN, LIMIT)?;
    let mut command = Command::new(uruk);
    command.args(["run", "--executor"]).arg(executor).args(options).args(&objects).arg("--").args(arguments);
    compare(&reference, &run_limited(&mut command, STDIN, LIMIT)?)
}

pub(super) fn compare(reference: &Output, output: &Output) -> Result<()> {
    if !matches!(reference.end, End::Status(_)) {
        bail!("the reference ended with {}", reference.end);
    }
    if output.end != reference.end || output.stdout != reference.stdout {
        let [expected, got] = [&reference.stdout, &output.stdout].map(|text| String::from_utf8_lossy(text));
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} instead of {}\nexpected:\n{expected}\ngot:\n{got}\n{errors}", output.end, reference.end);
    }
    Ok(())
}

/// A source's object, compiled if it is not there.
pub(super) fn object(compiler: &mut Command, folder: &Path, source: &Path, flags: &[String]) -> Result<PathBuf> {
    // Files of different folders may have one name.
    let name = source.to_string_lossy().replace('/', "_");
    let object = folder.join(name).with_added_extension("o");
    if !object.exists() {
        let half = object.with_extension("half");
        capture(compiler.arg("-c").args(flags).arg(source).arg("-o").arg(&half))?;
        std::fs::rename(&half, &object)?;
    }
    Ok(object)
}
