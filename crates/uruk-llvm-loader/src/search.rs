//! Where the plugin is.

use std::path::{Path, PathBuf};

/// The plugin's file name.
pub const FILE: &str = "liburuk_llvm_plugin.so";

/// Why LLVM IR cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plugin is not installed.
    #[error(
        "LLVM IR needs the plugin {FILE}, which is not installed: install LLVM 22 (llvm-22-dev), run `cargo build --release -p uruk-llvm-plugin` and put the file beside the uruk command, or into ../lib/uruk as seen from there, or name it by the environment variable URUK_LLVM; looked for: {}",
        list(searched)
    )]
    Absent {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The plugin is there and cannot be loaded.
    #[error("the LLVM plugin cannot be loaded: {reason}; it needs libLLVM of version 22")]
    Load {
        /// What the system's loader said.
        reason: String,
    },
    /// There is no plugin for this system.
    #[error("LLVM IR is not compiled on {}; make objects of it with `clang -c`", std::env::consts::OS)]
    Unsupported,
    /// The plugin belongs to another version of Uruk.
    #[error("{}: the LLVM plugin is of version {found}, and {expected} is needed; build it from the same sources as the uruk command", path.display())]
    Version {
        /// The plugin.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is needed.
        expected: u32,
    },
    /// The plugin refuses the IR, or what it was asked for.
    #[error("{0}")]
    Refused(String),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The first plugin that is there, given what `URUK_LLVM` says and where the running program is.
pub fn find(named: Option<PathBuf>, program: Option<&Path>) -> Result<PathBuf, Error> {
    let searched = match named {
        Some(path) => vec![path],
        None => {
            let folder = program.and_then(Path::parent);
            folder.map_or(Vec::new(), |folder| vec![folder.join(FILE), folder.join("../lib/uruk").join(FILE)])
        }
    };
    let found = searched.iter().find(|path| path.is_file()).cloned();
    found.ok_or(Error::Absent { searched })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_and_places_are_named() {
        let error = find(Some("/no/such/file.so".into()), Some(Path::new("/usr/bin/uruk"))).unwrap_err().to_string();
        assert!(error.contains("URUK_LLVM") && error.ends_with("looked for: /no/such/file.so"), "{error}");
        let error = find(None, Some(Path::new("/no/bin/uruk"))).unwrap_err().to_string();
        assert!(error.ends_with(&format!("/no/bin/{FILE}, /no/bin/../lib/uruk/{FILE}")), "{error}");
        let this = std::env::current_exe().unwrap();
        assert_eq!(find(Some(this.clone()), None), Ok(this));
    }
}
