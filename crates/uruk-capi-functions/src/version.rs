//! What a program that has found the library by `dlopen` asks first.

use crate::cache::uruk_cache_callbacks;
use crate::dispatcher::uruk_dispatcher_callbacks;
use crate::executor::uruk_executor_options;
use crate::generator::uruk_generator_callbacks;
use crate::image::uruk_image_options;
use crate::jit::uruk_options;
use crate::listener::uruk_listener_callbacks;
use crate::mapped::uruk_load_options;
use crate::memory::{uruk_memory_callbacks, uruk_memory_options};
use crate::plugin::uruk_plugin_callbacks;
use crate::sized::URUK_ABI_VERSION;
use crate::unit::uruk_unit;
use crate::world::closure::uruk_heap_callbacks;
use crate::world::pointers::uruk_entry_options;
use crate::world::types::uruk_object_type;
use std::ffi::c_char;

/// `uruk_memory_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_MEMORY_CALLBACKS: u32 = 1;
/// `uruk_memory_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_MEMORY_OPTIONS: u32 = 2;
/// `uruk_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_OPTIONS: u32 = 3;
/// `uruk_unit`, for `uruk_struct_size`.
pub const URUK_STRUCT_UNIT: u32 = 4;
/// `uruk_generator_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_GENERATOR_CALLBACKS: u32 = 5;
/// `uruk_plugin_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_PLUGIN_CALLBACKS: u32 = 6;
/// `uruk_listener_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_LISTENER_CALLBACKS: u32 = 7;
/// `uruk_dispatcher_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_DISPATCHER_CALLBACKS: u32 = 8;
/// `uruk_cache_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_CACHE_CALLBACKS: u32 = 9;
/// `uruk_executor_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_EXECUTOR_OPTIONS: u32 = 10;
/// `uruk_object_type`, for `uruk_struct_size`.
pub const URUK_STRUCT_OBJECT_TYPE: u32 = 11;
/// `uruk_entry_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_ENTRY_OPTIONS: u32 = 12;
/// `uruk_heap_callbacks`, for `uruk_struct_size`.
pub const URUK_STRUCT_HEAP_CALLBACKS: u32 = 13;
/// `uruk_image_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_IMAGE_OPTIONS: u32 = 14;
/// `uruk_load_options`, for `uruk_struct_size`.
pub const URUK_STRUCT_LOAD_OPTIONS: u32 = 15;

/// The newest version of the interface that the library knows; compare it with `URUK_ABI_VERSION`.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_abi_version() -> u32 {
    URUK_ABI_VERSION
}

/// The library's version, as `1.2.3`.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The size of a structure (`URUK_STRUCT_…`) as the library knows it; 0 for one that it does not know. What a header has must not be
/// larger.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_struct_size(structure: u32) -> usize {
    match structure {
        URUK_STRUCT_MEMORY_CALLBACKS => size_of::<uruk_memory_callbacks>(),
        URUK_STRUCT_MEMORY_OPTIONS => size_of::<uruk_memory_options>(),
        URUK_STRUCT_OPTIONS => size_of::<uruk_options>(),
        URUK_STRUCT_UNIT => size_of::<uruk_unit>(),
        URUK_STRUCT_GENERATOR_CALLBACKS => size_of::<uruk_generator_callbacks>(),
        URUK_STRUCT_PLUGIN_CALLBACKS => size_of::<uruk_plugin_callbacks>(),
        URUK_STRUCT_LISTENER_CALLBACKS => size_of::<uruk_listener_callbacks>(),
        URUK_STRUCT_DISPATCHER_CALLBACKS => size_of::<uruk_dispatcher_callbacks>(),
        URUK_STRUCT_CACHE_CALLBACKS => size_of::<uruk_cache_callbacks>(),
        URUK_STRUCT_EXECUTOR_OPTIONS => size_of::<uruk_executor_options>(),
        URUK_STRUCT_OBJECT_TYPE => size_of::<uruk_object_type>(),
        URUK_STRUCT_ENTRY_OPTIONS => size_of::<uruk_entry_options>(),
        URUK_STRUCT_HEAP_CALLBACKS => size_of::<uruk_heap_callbacks>(),
        URUK_STRUCT_IMAGE_OPTIONS => size_of::<uruk_image_options>(),
        URUK_STRUCT_LOAD_OPTIONS => size_of::<uruk_load_options>(),
        _ => 0,
    }
}
