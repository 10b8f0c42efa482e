//! Files on Unix.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Fills the bytes from an offset on.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// Writes all bytes from an offset on.
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Whether an open file is still what a path leads to.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (own, current) = (file.metadata()?, fs::metadata(path)?);
    Ok((own.dev(), own.ino()) == (current.dev(), current.ino()))
}
