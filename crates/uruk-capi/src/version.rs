//! What a program that has found the library by `dlopen` asks first.

use crate::jit::uruk_options;
use crate::memory::{uruk_memory_callbacks, uruk_memory_options};
use crate::sized::URUK_ABI_VERSION;
use std::ffi::c_char;

/// `uruk_memory_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_MEMORY_CALLBACKS: u32 = 1;
/// `uruk_memory_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_MEMORY_OPTIONS: u32 = 2;
/// `uruk_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_OPTIONS: u32 = 3;

/// The newest version of the interface that the library knows; compare it with `URUK_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_abi_version() -> u32 {
    URUK_ABI_VERSION
}

/// The library's version, as `1.2.3`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The size of a structure (`URUK_STRUCT_…`) as the library knows it; 0 for one that it does not know. What a header has must not be
/// larger.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_struct_size(structure: u32) -> usize {
    match structure {
        URUK_STRUCT_MEMORY_CALLBACKS => size_of::<uruk_memory_callbacks>(),
        URUK_STRUCT_MEMORY_OPTIONS => size_of::<uruk_memory_options>(),
        URUK_STRUCT_OPTIONS => size_of::<uruk_options>(),
        _ => 0,
    }
}
