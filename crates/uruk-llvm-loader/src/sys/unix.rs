//! Shared objects on Unix, by `dlopen`.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// There can be a plugin.
pub const SUPPORTED: bool = true;

/// Loads a shared object for good, and gives the address of what it has under a name.
///
/// # Safety
/// The object's initialisers may run.
pub unsafe fn load(path: &Path, symbol: &CStr) -> Result<*const c_void, String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "its name has a zero byte")?;
    // SAFETY: the names end in zero bytes; the rest is the caller's promise.
    unsafe {
        // The plugin's symbols are nobody else's business: linked programs must not find them.
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if handle.is_null() {
            return Err(last_error());
        }
        let found = libc::dlsym(handle, symbol.as_ptr());
        if found.is_null() { Err(last_error()) } else { Ok(found) }
    }
}

fn last_error() -> String {
    // SAFETY: the message is this thread's until its next call of the loader.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}
