//! Files on Windows.

use crate::directory::HEADER_BYTES;
use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::path::Path;

/// Fills the bytes from an offset on.
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

/// Writes all bytes from an offset on.
pub fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Whether an open file is still what a path leads to, as far as the first bytes of both tell, which are an index's header:
/// the standard library names no file's number here.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (mut own, mut current) = ([0; HEADER_BYTES], [0; HEADER_BYTES]);
    read_exact_at(file, &mut own, 0)?;
    read_exact_at(&File::open(path)?, &mut current, 0)?;
    Ok(own == current)
}
