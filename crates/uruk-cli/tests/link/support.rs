//! Links small sources by `uruk link -noexec` and lets it check what came of them, for any target on any host.
//!
//! **A fixture** is a file `tests/link/TRIPLE/NAME.s`; `fixtures("TRIPLE")` assembles each file of the folder by llvm-mc for
//! that triple, links it at [`SLAB`], and has its own rules (`# jitlink-check: ...`) checked. The object is called `NAME.o`.
//! Code comes first, so that the first byte of `.text` lies at [`SLAB`]; then read-only data and data, by pages. These
//! comments say more:
//!
//! ```text
//! # mc: -mattr=+c            more arguments of llvm-mc
//! # flags: -abs ext=0x1000   more flags of uruk link
//! # with: other.s            more sources of the folder, each linked too; they are no fixtures of their own if they
//!                            are called *.part.s
//! # slab: 0x10000000        another address than SLAB, for targets whose addresses are short
//! # fails: TEXT              the link fails, and standard error has TEXT; no rules are needed
//! ```
//!
//! **A limit** is a row of a table for [`limits`]: a source that refers to `ext` by a relocation, the values of `ext` that
//! just fit with a rule about the field, and those that just do not, with a part of the message.
//!
//! A new target needs a folder of fixtures, a table of limits, and a test that calls both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Where everything is linked.
pub const SLAB: u64 = 0x1_0000_0000;

/// Runs `uruk link`.
pub fn link<T: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[T]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uruk")).arg("link").args(arguments).current_dir(folder).output().unwrap()
}

/// The same with everything in the slab and nothing run.
pub fn link_at_slab(folder: &Path, arguments: &[&str]) -> Output {
    link_at(&format!("{SLAB:#x}"), folder, arguments)
}

fn link_at(slab: &str, folder: &Path, arguments: &[&str]) -> Output {
    let own = ["-noexec", "-slab-allocate=64Mb", "-slab-address", slab, "-slab-page-size=4096"];
    link(folder, &[&own, arguments].concat())
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The assembler's name.
fn llvm_mc() -> &'static str {
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.get_or_init(|| {
        let runs =
            |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        ["llvm-mc-22", "llvm-mc"].into_iter().find(runs).expect("these tests need llvm-mc; install LLVM 22")
    })
}

/// Assembles a source to `NAME.o` in a folder.
pub fn assemble(folder: &Path, triple: &str, options: &[&str], name: &str, source: &str) -> PathBuf {
    let (input, object) = (folder.join(format!("{name}.s")), folder.join(format!("{name}.o")));
    fs::write(&input, source).unwrap();
    let mut command = Command::new(llvm_mc());
    command.args(["-filetype=obj", "-triple", triple]).args(options).arg(&input).arg("-o").arg(&object);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{triple} {name}: {}", text(&output.stderr));
    object
}

/// The words behind `# KEY:` in a source, line by line.
fn words<'a>(source: &'a str, key: &str) -> Vec<&'a str> {
    let prefix = format!("# {key}:");
    source.lines().filter_map(|line| line.trim_start().strip_prefix(&prefix)).flat_map(str::split_whitespace).collect()
}

/// Links every fixture of a target and has its rules checked.
pub fn fixtures(triple: &str) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/link").join(triple);
    let mut count = 0;
    let mut failures = String::new();
    for entry in fs::read_dir(&sources).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".part.s") || !name.ends_with(".s") {
            continue;
        }
        count += 1;
        failures += &fixture(&sources, triple, &path).err().unwrap_or_default();
    }
    assert_ne!(count, 0, "no fixture in {}", sources.display());
    assert!(failures.is_empty(), "{failures}");
}

fn fixture(sources: &Path, triple: &str, path: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let source = fs::read_to_string(path).unwrap();
    let options = words(&source, "mc");
    let mut arguments: Vec<String> = words(&source, "flags").into_iter().map(Into::into).collect();
    let own = path.file_name().unwrap().to_str().unwrap();
    for name in [own].into_iter().chain(words(&source, "with")) {
        let stem = name.trim_end_matches(".s");
        assemble(folder.path(), triple, &options, stem, &fs::read_to_string(sources.join(name)).unwrap());
        arguments.push(format!("{stem}.o"));
    }
    let fails = source.lines().find_map(|line| line.strip_prefix("# fails: "));
    if fails.is_none() {
        arguments.extend(["-check".into(), own.into()]);
    }
    let usual = format!("{SLAB:#x}");
    let slab = words(&source, "slab").first().copied().unwrap_or(&usual);
    let output = link_at(slab, folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = text(&output.stderr);
    match (fails, output.status.code()) {
        (None, Some(0)) => Ok(()),
        (Some(message), Some(1)) if said.contains(message) => Ok(()),
        _ => Err(format!("{}: {}\n{said}\n", path.display(), output.status)),
    }
}

/// A relocation with the values that it just holds, and those that it just does not.
pub struct Limit {
    /// What it is called.
    pub name: &'static str,
    /// A source that refers to `ext`; it has to define `main`, which lies at [`SLAB`] if it is first in `.text`.
    pub source: &'static str,
    /// Values of `ext` that fit, each with a rule about what is stored.
    pub fits: &'static [(u64, &'static str)],
    /// Values that do not; none where the field holds everything, or something is done about what it does not hold.
    pub misses: &'static [u64],
    /// A part of the message for these.
    pub message: &'static str,
}

/// Tries each row of a table.
pub fn limits(triple: &str, options: &[&str], table: &[Limit]) {
    let mut failures = String::new();
    for Limit { name, source, fits, misses, message } in table {
        assert!(!fits.is_empty(), "{name} has no values");
        let folder = tempfile::tempdir().unwrap();
        assemble(folder.path(), triple, options, "limit", source);
        for (value, rule) in *fits {
            fs::write(folder.path().join("rules"), format!("# jitlink-check: {rule}\n")).unwrap();
            let output = link_at_slab(folder.path(), &["limit.o", "-abs", &format!("ext={value:#x}"), "-check=rules"]);
            if !output.status.success() {
                failures += &format!("{name} of {value:#x}: {}", text(&output.stderr));
            }
        }
        for value in *misses {
            let output = link_at_slab(folder.path(), &["limit.o", "-abs", &format!("ext={value:#x}")]);
            let said = text(&output.stderr);
            if output.status.code() != Some(1) || !said.contains(message) {
                failures += &format!("{name} of {value:#x} is no error with `{message}`: {} {said}\n", output.status);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
