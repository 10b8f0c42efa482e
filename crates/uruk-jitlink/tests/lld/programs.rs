//! Whole programs: their sources, and objects that compilers have made of them, which are kept between runs.

use crate::machines::{Compiler, Machine};
use crate::run;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program. Sources are files in tests/programs, or `PACKAGE:PATH` in a source package, where the path may be a folder.
pub struct Program {
    pub name: &'static str,
    sources: &'static [&'static str],
    includes: &'static [&'static str],
    flags: &'static [&'static str],
    /// What it is run with, if it can be linked with the C library alone; `{programs}` is the folder of the sources.
    arguments: Option<&'static [&'static str]>,
    /// There are more bytes than this to be compared.
    pub least_bytes: u64,
}

#[rustfmt::skip]
pub const PROGRAMS: &[Program] = &[
    Program { name: "sqlite", sources: &["sqlite_main.c", "libsqlite3-sys:sqlite3/sqlite3.c"], includes: &["libsqlite3-sys:sqlite3"], flags: &["-DSQLITE_THREADSAFE=1", "-DSQLITE_OMIT_LOAD_EXTENSION"], arguments: Some(&[]), least_bytes: 500_000 },
    Program { name: "lua",    sources: &["lua/lua_main.c", "lua-src:lua-5.4.9"], includes: &["lua-src:lua-5.4.9"], flags: &[], arguments: Some(&["{programs}/lua/script.lua", "7"]), least_bytes: 100_000 },
    Program { name: "zstd",   sources: &["zstd_main.c", "zstd-sys:zstd/lib/common", "zstd-sys:zstd/lib/compress", "zstd-sys:zstd/lib/decompress"], includes: &["zstd-sys:zstd/lib"], flags: &["-DZSTD_DISABLE_ASM"], arguments: Some(&[]), least_bytes: 300_000 },
    Program { name: "c++",    sources: &["cxx_main.cpp", "cxx_other.cpp"], includes: &[], flags: &[], arguments: None, least_bytes: 5_000 },
    Program { name: "threads", sources: &["tls.c", "tls_other.c"], includes: &[], flags: &[], arguments: Some(&[]), least_bytes: 500 },
];

/// Where sources lie.
pub struct Sources {
    root: PathBuf,
    /// The manifests of all source packages.
    manifests: Vec<PathBuf>,
}

impl Sources {
    /// Has cargo fetch the packages, which it does once.
    pub fn find() -> Sources {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let manifest = root.join("tests/sources/Cargo.toml");
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]).arg(manifest);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata = String::from_utf8(output.stdout).unwrap();
        let paths = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        Sources { root, manifests: paths.map(PathBuf::from).collect() }
    }

    fn path(&self, name: &str) -> PathBuf {
        let Some((package, path)) = name.split_once(':') else { return self.root.join("tests/programs").join(name) };
        let is_package = |folder: &str| folder.strip_prefix(package).is_some_and(|rest| rest.starts_with('-'));
        let mut folders = self.manifests.iter().filter_map(|manifest| manifest.parent());
        let folder = folders.find(|folder| is_package(&folder.file_name().unwrap().to_string_lossy()));
        folder.unwrap_or_else(|| panic!("no package {package}")).join(path)
    }

    fn files(&self, names: &[&str]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in names.iter().map(|name| self.path(name)) {
            if path.is_dir() {
                let mut inside: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
                inside.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
                inside.sort();
                files.extend(inside);
            } else {
                files.push(path);
            }
        }
        files
    }
}

impl Program {
    /// What it is run with.
    pub fn arguments(&self, sources: &Sources) -> Option<Vec<String>> {
        let programs = sources.root.join("tests/programs").display().to_string();
        Some(self.arguments?.iter().map(|argument| argument.replace("{programs}", &programs)).collect())
    }

    /// Its objects, as a compiler makes them.
    pub fn compile(&self, sources: &Sources, machine: &Machine, compiler: &Compiler) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lld").join(machine.name).join(compiler.name);
        let folder = folder.join(self.name);
        fs::create_dir_all(&folder).unwrap();
        // Tests of other processes may want the same objects: the first makes them, and the others wait for it.
        let turn = File::create(folder.join("turn")).unwrap();
        turn.lock().unwrap();
        let includes: Vec<PathBuf> = self.includes.iter().map(|name| sources.path(name)).collect();
        let object = |source: PathBuf| {
            let object = folder.join(source.file_name().unwrap()).with_extension("o");
            if !object.exists() {
                let command = if source.extension().unwrap() == "cpp" { compiler.cxx } else { compiler.c };
                // Under another name first: who is interrupted leaves no half of an object.
                let half = object.with_extension("half");
                let mut compile = Command::new(command[0]);
                compile
                    .args(&command[1..])
                    .args(self.flags)
                    .args(includes.iter().map(|path| format!("-I{}", path.display())));
                run(compile.args(["-ffunction-sections", "-c"]).arg(&source).arg("-o").arg(&half));
                fs::rename(&half, &object).unwrap();
            }
            object
        };
        sources.files(self.sources).into_iter().map(object).collect()
    }
}
