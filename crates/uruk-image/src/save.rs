//! Images as files.

use std::fs::{OpenOptions, metadata, remove_file};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file, in the place of one that may be running. A device or a pipe stays, and gets the bytes. `runs`: the system may run it.
pub fn save(path: &Path, bytes: &[u8], runs: bool) -> Result<()> {
    if metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    match remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = if runs { 0o777 } else { 0o666 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}
