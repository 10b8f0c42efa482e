//! What objects for Windows find in this process although no DLL exports it: what the start files of a program define.

use crate::{at_exit, tls};
use std::ffi::c_int;

/// All of it: names and addresses.
pub fn functions() -> [(&'static str, usize); 3] {
    [
        ("__main", nothing as *const () as usize),
        ("atexit", at_exit::atexit as *const () as usize),
        ("_tls_index", tls::index_address()),
    ]
}

/// MinGW's `main` calls it for initialisers, which have run by then.
extern "C" fn nothing() -> c_int {
    0
}
