//! The environment as the C library has it.

use std::ffi::c_char;

/// The environment that C code sees now.
pub fn environment() -> *const *mut c_char {
    unsafe extern "C" {
        static mut environ: *const *mut c_char;
    }
    // SAFETY: a word that is read whole; as everywhere in C, nobody may change it meanwhile.
    unsafe { environ }
}
