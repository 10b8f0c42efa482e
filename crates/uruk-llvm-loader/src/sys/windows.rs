//! There is no plugin for Windows.

use std::ffi::{CStr, c_void};
use std::path::Path;

/// There is no plugin.
pub const SUPPORTED: bool = false;

/// Loads nothing.
///
/// # Safety
/// None is needed here; other systems run code of the file.
pub unsafe fn load(_: &Path, _: &CStr) -> Result<*const c_void, String> {
    Err("there is no plugin for Windows".into())
}
