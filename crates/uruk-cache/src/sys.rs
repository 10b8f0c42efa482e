//! What each system has its own way of: files that are read and written at an offset, and whether two are one.

#[cfg_attr(unix, path = "sys/unix.rs")]
#[cfg_attr(windows, path = "sys/windows.rs")]
mod system;

pub use system::{is_at, read_exact_at, write_all_at};
