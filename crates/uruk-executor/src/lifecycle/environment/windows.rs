//! The environment as the C library has it: a variable of its DLL, which was filled when this process began.

use std::ffi::c_char;

/// The environment that C code sees now.
pub fn environment() -> *const *mut c_char {
    let Some(variable) = crate::libraries::find(b"_environ") else { return std::ptr::null() };
    let variable: *const *const *mut c_char = std::ptr::with_exposed_provenance(variable.address as usize);
    // SAFETY: a word that is read whole; as everywhere in C, nobody may change it meanwhile.
    unsafe { *variable }
}
