//! Where the sources of programs are: in tests/programs, or in source packages that cargo fetches.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths;
use crate::process;

/// Short names of the packages that tests/sources/Cargo.toml pins, and the folders in them that hold headers.
const PACKAGES: &[(&str, &str, &[&str])] = &[
    ("sqlite", "libsqlite3-sys", &["sqlite3"]),
    ("lua", "lua-src", &["lua-5.4.9"]),
    ("zstd", "zstd-sys", &["zstd/lib"]),
    ("zlib", "libz-sys", &["src/zlib"]),
];

/// The folders of all packages, by short name.
pub struct Sources {
    folders: HashMap<&'static str, PathBuf>,
}

impl Sources {
    /// Fetches the packages (once; later they are in cargo's cache) and finds their folders.
    pub fn fetch() -> Result<Self> {
        let manifest = paths::root().join("tests/sources/Cargo.toml");
        let metadata = process::capture(
            Command::new(env!("CARGO"))
                .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
                .arg(&manifest),
        )
        .context("cannot fetch the source packages")?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
        let mut folders = HashMap::new();
        for &(short, name, _) in PACKAGES {
            let package = packages.iter().find(|package| package["name"] == name);
            let path = package.and_then(|package| package["manifest_path"].as_str());
            let path = Path::new(path.with_context(|| format!("cargo metadata does not name {name}"))?);
            folders.insert(short, path.parent().context("a manifest has no folder")?.to_path_buf());
        }
        Ok(Self { folders })
    }

    /// The files that `names` stand for, in order (see [`super::programs`]).
    pub fn files(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for name in names {
            let Some((package, path)) = name.split_once(':') else {
                files.push(paths::programs().join(name));
                continue;
            };
            let folder = self.folders.get(package).with_context(|| format!("no package `{package}`"))?;
            match path.strip_suffix("/*.c") {
                Some(path) => files.extend(c_files(&folder.join(path))?),
                None => files.push(folder.join(path)),
            }
        }
        Ok(files)
    }

    /// The folders that hold headers of all packages. Their names do not collide, so that every program may have them all.
    pub fn include_folders(&self) -> Vec<PathBuf> {
        let folders =
            PACKAGES.iter().flat_map(|(short, _, includes)| includes.iter().map(|i| self.folders[short].join(i)));
        folders.collect()
    }
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("no C files in {}", folder.display());
    }
    Ok(files)
}
