//! Figures of single operations in one process: a small object in memory added, linked, called and removed, beside LLVM's
//! LLJIT; and the kernel's mappings for very many objects.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::sets::SETS;
use super::ways::middle;
use crate::{paths, process};

/// One figure, and what it has to be at most.
pub struct Figure {
    /// What was measured, with its unit.
    pub what: &'static str,
    /// The target, if it is ours.
    pub target: Option<f64>,
    /// The median, or why there is none.
    pub measured: Result<f64, String>,
}

/// A figure to be taken: who prints it and under which name.
struct Source {
    what: &'static str,
    target: Option<f64>,
    field: &'static str,
    command: Result<Command, String>,
}

/// About 1.5 KB when compiled: code with a call, data, constants, unwind records and a few symbols.
const OBJECT: &str = "static int base = 41; int calls; static const char text[] = \"constant\";\n\
    const char *name(void) { return text; }\n\
    int cycle(int x) { calls++; return name() ? x + base : 0; }\n";
const MAPPINGS_SET: &str = "10000x10";

/// Takes `samples` of each figure whose name holds `filter`, alternating. `measure` is the example of that name.
pub fn figures(measure: &Path, filter: &str, samples: usize) -> Result<Vec<Figure>> {
    let mut sources = sources(measure)?;
    sources.retain(|source| source.what.contains(filter));
    let mut taken = vec![Vec::new(); sources.len()];
    for _ in 0..samples {
        for (source, taken) in sources.iter_mut().zip(&mut taken) {
            if let Ok(command) = &mut source.command {
                match one(command, source.field) {
                    Ok(value) => taken.push(value),
                    Err(error) => source.command = Err(format!("{error:#}")),
                }
            }
        }
    }
    let figure = |(source, taken): (Source, Vec<f64>)| {
        let Source { what, target, command, .. } = source;
        let measured = command.map(|_| middle(taken));
        if let Err(reason) = &measured {
            println!("not measured: {what}: {reason}");
        }
        Figure { what, target, measured }
    };
    Ok(sources.into_iter().zip(taken).map(figure).collect())
}

fn sources(measure: &Path) -> Result<Vec<Source>> {
    let folder = paths::target_folder("bench-run")?;
    small_object(&folder)?;
    let list = folder.join("mappings");
    let set = SETS.iter().find(|set| set.name == MAPPINGS_SET).context("the set of many objects is gone")?;
    let files: Vec<String> = set.files()?.0.iter().map(|file| file.display().to_string()).collect();
    fs::write(&list, files.join("\n"))?;

    let ours = |arguments: &[&str]| {
        let mut command = Command::new(measure);
        command.args(arguments).current_dir(&folder);
        Ok(command)
    };
    let cycle = |what, target, command| Source { what, target, field: "cycle_us", command };
    Ok(vec![
        cycle("one small object added, linked, called and removed, us", Some(8.0), ours(&["cycle", "cycle.o"])),
        cycle("the same, strict, us", Some(16.0), ours(&["cycle", "cycle.o", "strict"])),
        cycle("the same by LLJIT with JITLink, us", None, lljit(&folder).map_err(|error| format!("{error:#}"))),
        Source {
            what: "mappings for 10,000 objects, more than for one",
            target: Some(20.0),
            field: "more_mappings",
            command: ours(&["mappings", "cycle.o", "@mappings"]),
        },
    ])
}

/// Makes the small object in a folder.
pub fn small_object(folder: &Path) -> Result<PathBuf> {
    let (source, object) = (folder.join("cycle.c"), folder.join("cycle.o"));
    fs::write(&source, OBJECT)?;
    process::capture(Command::new("cc").args(["-c", "-O1", "-fPIC"]).arg(&source).arg("-o").arg(&object))?;
    Ok(object)
}

/// The program that does the same with LLJIT.
fn lljit(folder: &Path) -> Result<Command> {
    let mut command = Command::new(peer(folder, "lljit.c")?);
    command.arg("cycle.o").current_dir(folder);
    Ok(command)
}

/// Compiles a source beside this file, in C or C++, that uses LLVM's JITs.
pub fn peer(folder: &Path, source: &str) -> Result<PathBuf> {
    let include = PathBuf::from("/usr/lib/llvm-22/include");
    if !include.join("llvm-c/LLJIT.h").exists() {
        bail!("LLVM's headers are not installed; `apt install llvm-22-dev` brings them");
    }
    let source = paths::root().join("xtask/src/bench").join(source);
    let program = folder.join(source.file_stem().context("a source without a name")?);
    let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let mut compiler = Command::new(if is_cpp { "c++" } else { "cc" });
    // As LLVM is compiled, whose classes such a program derives from.
    compiler.args(is_cpp.then_some("-fno-rtti")).arg("-O2").arg("-I").arg(include).arg(source);
    compiler.args(["-L/usr/lib/llvm-22/lib", "-lLLVM-22", "-o"]).arg(&program);
    process::capture(&mut compiler)?;
    Ok(program)
}

/// The figure of this name that a program prints.
pub fn one(command: &mut Command, field: &str) -> Result<f64> {
    let printed = process::capture(command)?;
    let line = printed.lines().find(|line| line.starts_with('{')).context("nothing was measured")?;
    serde_json::from_str::<Value>(line)?[field].as_f64().with_context(|| format!("`{line}` has no {field}"))
}
