//! The shared library with versions of its symbols, which Rust's compiler gives none.
//!
//! Data flow: the static library → one object → what Cargo's shared library exports stays global, and all else becomes local → linked
//! with a version script of ours. For the compiler has a script of its own that names every export, and linkers refuse a second one.
//! Invariants: what stands in front of other libraries' functions, such as `dl_iterate_phdr`, has no version: only so it is found
//! by who wants theirs. A script that made all else local would give those a version, too; so the object does it before.

use super::{IN_C, object, succeeds};
use crate::paths;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// For as long as the library is called `liburuk_c.so.0`.
const VERSION: &str = "URUK_0";

/// Makes the library of what Cargo has built in a folder.
pub fn with_versions(built: &Path) -> Result<PathBuf> {
    let folder = paths::target_folder("install-c-shared")?;
    let path = |name| folder.join(name);
    let (whole, exports, script, library) = (path("uruk_c.o"), path("exports"), path("script"), path("liburuk_c.so.0"));
    let names = exported(&built.join("liburuk_c.so"))?.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    paths::write_whole(&exports, names.join("\n").as_bytes())?;
    paths::write_whole(&script, format!("{VERSION} {{ global: uruk_*; }};\n").as_bytes())?;

    let mut gather = Command::new("cc");
    gather.args(["-r", "-nostdlib", "-Wl,--whole-archive"]).arg(built.join("liburuk_c.a")).arg("-o").arg(&whole);
    succeeds(&mut gather)?;
    succeeds(Command::new("objcopy").arg(format!("--keep-global-symbols={}", exports.display())).arg(&whole))?;
    let mut link = Command::new("cc");
    link.arg("-shared").arg(&whole).arg("-o").arg(&library);
    link.args(["-Wl,-soname,liburuk_c.so.0", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now,-z,noexecstack"]);
    link.arg(format!("-Wl,--version-script={}", script.display())).arg("-Wl,--as-needed");
    succeeds(link.args(super::SYSTEM.iter().map(|library| format!("-l{library}"))))?;
    Ok(library)
}

/// What a library offers, and the version of each if it has one.
fn exported(library: &Path) -> Result<BTreeSet<(String, Option<String>)>> {
    let mut nm = Command::new("nm");
    let text = succeeds(nm.args(["--dynamic", "--defined-only", "--format=posix"]).arg(library))?;
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let split = names.map(|name| match name.split_once("@@") {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (name.to_owned(), None),
    });
    Ok(split.collect())
}

/// Looks at the installed library's versions, and runs programs that were linked to it and to one without them.
pub fn test(built: &Path, prefix: &Path) -> Result<Vec<bool>> {
    let without = exported(&built.join("liburuk_c.so"))?;
    let mut expected = BTreeSet::from([(VERSION.to_owned(), None)]);
    for (name, _) in without {
        let version = name.starts_with("uruk_").then(|| VERSION.to_owned());
        expected.insert((name, version));
    }
    let offered = exported(&prefix.join("lib/liburuk_c.so.0"))?;
    for wrong in offered.symmetric_difference(&expected) {
        println!("only what was expected, or only the installed library, has {wrong:?}");
    }
    let (old, new) = (linked_to(built, "old")?, linked_to(&prefix.join("lib"), "new")?);
    Ok(vec![offered == expected, !wants_version(&old)?, wants_version(&new)?, runs(prefix, &old)?, runs(prefix, &new)?])
}

/// A program that was linked to the library in a folder.
fn linked_to(library: &Path, name: &str) -> Result<PathBuf> {
    let program = paths::target_folder("install-c-programs")?.join(format!("linked-{name}"));
    let mut compiler = Command::new(IN_C.compiler);
    compiler.arg(IN_C.source()).arg("-I").arg(paths::root().join("crates/uruk-capi/include"));
    succeeds(compiler.arg("-o").arg(&program).arg("-L").arg(library).arg("-luruk_c"))?;
    Ok(program)
}

/// Whether a program asks for the library's functions by their version.
fn wants_version(program: &Path) -> Result<bool> {
    let text = succeeds(Command::new("nm").args(["--dynamic", "--undefined-only"]).arg(program))?;
    let wanted =
        text.lines().filter_map(|line| line.split_whitespace().last()).filter(|name| name.starts_with("uruk_"));
    let versions = wanted.map(|name| name.split_once('@').map(|(_, version)| version)).collect::<Vec<_>>();
    let first = *versions.first().context("the program uses no function of the library")?;
    ensure!(versions.iter().all(|version| *version == first), "some functions have other versions: {text}");
    Ok(first == Some(VERSION))
}

/// Whether a program runs with the installed library.
fn runs(prefix: &Path, program: &Path) -> Result<bool> {
    let object = object(&paths::target_folder("install-c-programs")?)?;
    IN_C.runs(Command::new(program).arg(object).env("LD_LIBRARY_PATH", prefix.join("lib")))
}
