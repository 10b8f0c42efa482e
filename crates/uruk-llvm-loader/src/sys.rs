//! The system's loader of shared objects.

#[cfg_attr(unix, path = "sys/unix.rs")]
#[cfg_attr(windows, path = "sys/windows.rs")]
mod system;

pub use system::{SUPPORTED, load};
