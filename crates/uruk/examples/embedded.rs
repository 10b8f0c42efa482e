//! Uruk in a program of another language: a static library with one C function.
//!
//! `cargo build --release -p uruk --example embedded` makes `target/release/examples/libembedded.a`, which a C or C++
//! compiler links as it is: `g++ host.cpp libembedded.a`.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

use uruk::{Error, Jit};

/// Links an object file, after loading a shared library if one is named, runs its initialisers, and gives the address
/// of a function of it. Null, and a message on standard error, if that cannot be done. What was linked stays for the
/// life of the process.
///
/// # Safety
/// `object` and `function` are C strings, `library` is one or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uruk_link(
    object: *const c_char,
    library: *const c_char,
    function: *const c_char,
) -> *const c_void {
    // SAFETY: the caller's promise; the strings are not kept.
    let text = |string: *const c_char| (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy());
    let (Some(object), library, Some(function)) = (text(object), text(library), text(function)) else {
        return ptr::null();
    };
    match link(Path::new(&*object), library.as_deref(), &function) {
        Ok(address) => ptr::with_exposed_provenance(address as usize),
        Err(error) => {
            eprintln!("uruk: {error}");
            ptr::null()
        }
    }
}

fn link(object: &Path, library: Option<&str>, function: &str) -> Result<u64, Error> {
    let jit: &'static Jit = Box::leak(Box::new(Jit::new()?));
    if let Some(library) = library {
        jit.load_library(library)?;
    }
    jit.main().add_file(object)?;
    jit.main().address(function)
}
