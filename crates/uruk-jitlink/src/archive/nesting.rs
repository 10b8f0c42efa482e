//! Archives in archives: a thin archive's member may be an archive, whose members then stand in its place. Whoever reads
//! the files carries a [`Nesting`] down, which turns member names into paths and refuses circles.
//!
//! Paths are compared as written, `.` and `..` resolved; a circle through symbolic links ends at [`MAX_NESTING`].

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::ArchiveError;

/// How many archives an archive may lie in.
pub const MAX_NESTING: usize = 16;

/// The way from the archive that was asked for to the one being read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nesting {
    /// Outermost first, never empty.
    chain: Vec<PathBuf>,
}

impl Nesting {
    /// The archive that was asked for.
    pub fn new(archive: &Path) -> Nesting {
        Nesting { chain: vec![normalize(archive)] }
    }

    /// The file that a thin member names: relative to the innermost archive's folder. It is not yet known to be an archive.
    pub fn resolve(&self, member_path: &[u8]) -> PathBuf {
        let innermost = self.chain.last().expect("a nesting starts with one archive");
        normalize(&innermost.parent().unwrap_or(Path::new("")).join(from_bytes(member_path)))
    }

    /// One archive further down. `archive` is what [`resolve`](Nesting::resolve) gave.
    /// Errors if the archive is already being read, or lies too deep.
    pub fn enter(&self, archive: &Path) -> Result<Nesting, ArchiveError> {
        let archive = normalize(archive);
        let mut chain = self.chain.clone();
        if let Some(first) = chain.iter().position(|outer| *outer == archive) {
            let mut round: Vec<String> = chain[first..].iter().map(|path| path.display().to_string()).collect();
            round.push(archive.display().to_string());
            return Err(ArchiveError::Cycle { path: archive.display().to_string(), chain: round });
        }
        if MAX_NESTING <= chain.len() {
            return Err(ArchiveError::TooDeep { path: archive.display().to_string(), depth: chain.len() });
        }
        chain.push(archive);
        Ok(Nesting { chain })
    }
}

/// The path without `.` and without `name/..`. Wrong where `name` is a symbolic link to a folder elsewhere, which
/// archives made by `ar` do not go through: it writes such paths in their shortest form.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(unix)]
fn from_bytes(path: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(path)
}

/// Elsewhere paths are text; bytes that are not name no file.
#[cfg(not(unix))]
fn from_bytes(path: &[u8]) -> &OsStr {
    OsStr::new(std::str::from_utf8(path).unwrap_or("\u{fffd}"))
}
