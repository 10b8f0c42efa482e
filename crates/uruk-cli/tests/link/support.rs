//! Links small sources by `uruk link -noexec` and lets it check what came of them, for any target on any host.
//!
//! **A fixture** is a file `tests/link/TRIPLE/NAME.s`. Each is assembled by llvm-mc for that triple and linked at [`SLAB`],
//! and has its own rules (`# jitlink-check: ...`) checked. The object is called `NAME.o`. Code comes first, so that the first
//! byte of `.text` lies at [`SLAB`]; then read-only data and data, by pages. Rules of `unwind.s` are about the records that
//! say how to unwind. These comments say more:
//!
//! ```text
//! # mc: -mattr=+c            more arguments of llvm-mc
//! # flags: -abs ext=0x1000   more flags of uruk link
//! # with: other.s            more sources of the folder, each linked too; they are no fixtures of their own if they
//!                            are called *.part.s
//! # slab: 0x10000000         another address than SLAB, for targets whose addresses are short
//! # fails: TEXT              the link fails, and standard error has TEXT; no rules are needed
//! # runs: STATUS             it is linked in this process and run instead, with this exit status
//! ```
//!
//! **A limit** is a row of a table: a source with one relocation, the values that just fit with a rule about the field, and
//! those that just do not, with a part of the message.
//!
//! A new target needs a folder of fixtures, a table of limits, and a test that checks a [`Target`]. That fails as long as
//! any relocation type of the target is in no fixture and no limit, or has limits that nobody has tried (`coverage.rs`).

use crate::coverage::Coverage;
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
    if let Some(number) = words(source, TYPE).first() {
        retype(&object, number.parse().unwrap());
    }
    object
}

/// In a comment: the number of the type that the first relocation is made to have, where assemblers do not write that.
const TYPE: &str = "type";

fn retype(object: &Path, number: u16) {
    let mut bytes = fs::read(object).unwrap();
    let at = {
        let word = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().unwrap()) as usize;
        match &bytes[..4] {
            // The types of ELF's relocations stand behind their places; the section headers say which have addends.
            b"\x7fELF" => 8 + (word(0x28)..).step_by(64).find(|at| word(at + 4) == 4).map(|at| word(at + 24)).unwrap(),
            // Behind the file header of COFF are those of sections, with the place of each one's relocations.
            _ => 8 + (20..).step_by(40).map(|at| word(at + 24)).find(|at| *at != 0).unwrap(),
        }
    };
    bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
    fs::write(object, bytes).unwrap();
}

/// The words behind `# KEY:` in a source, line by line.
fn words<'a>(source: &'a str, key: &str) -> Vec<&'a str> {
    let prefix = format!("# {key}:");
    source.lines().filter_map(|line| line.trim_start().strip_prefix(&prefix)).flat_map(str::split_whitespace).collect()
}

/// A format with an architecture, and how it is tested.
pub struct Target {
    /// What assemblers call it, and the folder of its fixtures.
    pub triple: &'static str,
    /// What Uruk calls it.
    pub format: &'static str,
    /// Arguments of llvm-mc for limits.
    pub options: &'static [&'static str],
    /// Its limits, or none if they are those of another width.
    pub limits: Option<&'static [Limit]>,
    /// Types whose fields hold whatever they are to, though they do not hold everything.
    pub unlimited: &'static [&'static str],
}

impl Target {
    /// Links every fixture and tries every limit; fails if that leaves out anything that the format's reader knows.
    pub fn check(&self) {
        let mut coverage = Coverage::new(self.format);
        let mut failures = self.fixtures(&mut coverage);
        for limit in self.limits.unwrap_or_default() {
            failures += &self.limit(limit, &mut coverage);
        }
        failures += &coverage.missing(self.unlimited, self.limits.is_some());
        assert!(failures.is_empty(), "{failures}");
        coverage.write();
    }

    /// Links every fixture and has its rules checked.
    fn fixtures(&self, coverage: &mut Coverage) -> String {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/link").join(self.triple);
        let mut paths: Vec<_> = fs::read_dir(&sources).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "s"));
        paths.retain(|path| !path.file_name().unwrap().to_str().unwrap().ends_with(".part.s"));
        assert!(!paths.is_empty(), "no fixture in {}", sources.display());
        paths.iter().filter_map(|path| self.fixture(&sources, path, coverage).err()).collect()
    }

    fn fixture(&self, sources: &Path, path: &Path, coverage: &mut Coverage) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let source = fs::read_to_string(path).unwrap();
        let options = words(&source, "mc");
        let mut arguments: Vec<String> = words(&source, "flags").into_iter().map(Into::into).collect();
        let own = path.file_name().unwrap().to_str().unwrap();
        let mut objects = Vec::new();
        for name in [own].into_iter().chain(words(&source, "with")) {
            let source = fs::read_to_string(sources.join(name)).unwrap();
            let stem = name.trim_end_matches(".s");
            objects.push(assemble(folder.path(), self.triple, &options, stem, &source));
            arguments.push(format!("{stem}.o"));
        }
        let fails = source.lines().find_map(|line| line.strip_prefix("# fails: "));
        let runs: Option<i32> = words(&source, "runs").first().map(|status| status.parse().unwrap());
        if fails.is_none() && runs.is_none() {
            arguments.extend(["-check".into(), own.into()]);
        }
        let usual = format!("{SLAB:#x}");
        let slab = words(&source, "slab").first().copied().unwrap_or(&usual);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = match runs {
            Some(_) => link(folder.path(), &arguments),
            None => link_at(slab, folder.path(), &arguments),
        };
        let said = text(&output.stderr);
        match (fails, output.status.code()) {
            (None, status) if status == Some(runs.unwrap_or(0)) => {}
            (Some(message), Some(1)) if said.contains(message) => return Ok(()),
            _ => return Err(format!("{}: {}\n{said}\n", path.display(), output.status)),
        }
        objects.iter().for_each(|object| coverage.linked(object));
        if runs.is_some() {
            coverage.ran();
        }
        if own == "unwind.s" {
            coverage.unwound(&objects[0]);
        }
        Ok(())
    }

    /// Tries a row of the table.
    fn limit(&self, limit: &Limit, coverage: &mut Coverage) -> String {
        let Limit { name, source, fits, misses, message } = limit;
        assert!(!fits.is_empty(), "{name} has no values");
        let kind = name.split(' ').next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let try_value = |value: u64, more: &[&str]| {
            let number = format!("-defsym=by={}", value as i64);
            let object = assemble(folder.path(), self.triple, &[self.options, &[&number]].concat(), "limit", source);
            let symbol = format!("{}={value:#x}", if self.triple.contains("apple") { "_ext" } else { "ext" });
            (object, link_at_slab(folder.path(), &[&["limit.o", "-abs", &symbol], more].concat()))
        };
        let mut failures = String::new();
        for (value, rule) in *fits {
            fs::write(folder.path().join("rules"), format!("# jitlink-check: {rule}\n")).unwrap();
            let (object, output) = try_value(*value, &["-check=rules"]);
            if output.status.success() {
                coverage.linked(&object);
                coverage.tried(kind);
            } else {
                failures += &format!("{name} of {value:#x}: {}", text(&output.stderr));
            }
        }
        for value in *misses {
            let (_, output) = try_value(*value, &[]);
            let said = text(&output.stderr);
            if output.status.code() == Some(1) && said.contains(message) {
                failures += &coverage.refused(kind, *value, fits, &said).err().unwrap_or_default();
            } else {
                failures += &format!("{name} of {value:#x} is no error with `{message}`: {} {said}\n", output.status);
            }
        }
        failures
    }
}

/// A relocation with the values that it just holds, and those that it just does not. A value is the address of `ext`, and
/// the number `by` in the source.
pub struct Limit {
    /// The relocation type, and perhaps more.
    pub name: &'static str,
    /// A source with the relocation; it has to define `main`, which lies at [`SLAB`] if it is first in `.text`. What
    /// assemblers do not write is there by [`TYPE`].
    pub source: &'static str,
    /// Values that fit, each with a rule about what is stored.
    pub fits: &'static [(u64, &'static str)],
    /// Values that do not; none where the field holds everything, or something is done about what it does not hold.
    pub misses: &'static [u64],
    /// A part of the message for these.
    pub message: &'static str,
}

/// Minus a number.
pub const fn minus(value: u64) -> u64 {
    value.wrapping_neg()
}

/// A [`Limit`] by the least and the greatest value that fit, a unit apart from those that do not.
macro_rules! range {
    ($name:literal, $source:expr, $unit:literal, $low:expr => $at_low:literal, $high:expr => $at_high:literal) => {
        range!($name, $source, $unit, $low => $at_low, $high => $at_high, $name)
    };
    // With the type that messages name instead, as it stands for the same.
    ($name:literal, $source:expr, $unit:literal, $low:expr => $at_low:literal, $high:expr => $at_high:literal, $shown:literal) => {{
            const LOW: u64 = $low;
            const HIGH: u64 = $high;
            $crate::support::Limit {
                name: $name,
                source: $source,
                fits: &[(LOW, $at_low), (HIGH, $at_high)],
                misses: &[LOW.wrapping_sub($unit), HIGH.wrapping_add($unit)],
                message: concat!($shown, " to `"),
            }
    }};
}
pub(crate) use range;
