//! Bytes of files and arguments as the system's text.

use std::ffi::OsString;

/// Any bytes are text.
#[cfg(unix)]
pub fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Text is Unicode there: what is not becomes a sign that no file's name has.
#[cfg(not(unix))]
pub fn from_bytes(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
