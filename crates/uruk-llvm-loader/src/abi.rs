//! What the plugin and who loads it agree on.
//!
//! The plugin exports one symbol, [`SYMBOL`], of type [`Table`]. A change to anything here is a new [`VERSION`]; tables of
//! other versions are refused.

use std::ffi::c_void;

/// The name of the exported table, ending in a zero byte.
pub const SYMBOL: &std::ffi::CStr = c"URUK_LLVM_PLUGIN";

/// The version of what follows.
pub const VERSION: u32 = 3;

/// Borrowed bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// Their start; dangling, not null, if there are none.
    pub start: *const u8,
    /// How many there are.
    pub length: usize,
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes { start: bytes.as_ptr(), length: bytes.len() }
    }
}

/// Takes bytes that are borrowed for the call: a message, an object. It does not unwind.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sink {
    /// For the function.
    pub data: *mut c_void,
    /// Called at most once.
    pub take: unsafe extern "C" fn(*mut c_void, Bytes),
}

/// What a compiler is to do.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Options {
    /// The last letter of `-O0` to `-O3`, `-Os`, `-Oz`; 0 is no passes, and code as for `-O2`.
    pub optimize: u8,
    /// The architecture of the machine that code is for, as Rust calls it; empty for this one.
    pub architecture: Bytes,
    /// Its system, likewise.
    pub system: Bytes,
    /// What its processor can do, separated by commas.
    pub features: Bytes,
}

/// A symbol that a unit defines.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawSymbol {
    /// The linker's name.
    pub name: Bytes,
    /// 0 strong, 1 weak, 2 common.
    pub strength: u8,
    /// 1 if other dylibs see it.
    pub exported: u8,
    /// 0 function, 1 variable, 2 thread-local variable, 3 function decided at run time, 4 not said.
    pub kind: u8,
}

/// A compiler of the plugin's.
#[repr(C)]
pub struct RawCompiler {
    _opaque: [u8; 0],
}

/// A module or a part of one, of the plugin's.
#[repr(C)]
pub struct RawUnit {
    _opaque: [u8; 0],
}

/// Takes each symbol of a unit; borrowed for the call.
pub type Visit = unsafe extern "C" fn(*mut c_void, RawSymbol);

/// Takes each stub of a unit with what it leads to: the name of its body, or, if `is_alias` is 1, of another stub.
/// Borrowed for the call.
pub type VisitStub = unsafe extern "C" fn(*mut c_void, stub: RawSymbol, target: Bytes, is_alias: u8);

/// Takes a unit over.
pub type TakeUnit = unsafe extern "C" fn(*mut c_void, *mut RawUnit);

/// The plugin's functions. None of them unwinds, and all may be called by several threads at once; a unit is used by one
/// thread at a time.
#[repr(C)]
pub struct Table {
    /// [`VERSION`].
    pub version: u32,
    /// A compiler; null and a message if LLVM cannot compile for it.
    pub new: unsafe extern "C" fn(options: *const Options, message: Sink) -> *mut RawCompiler,
    /// Frees a compiler.
    pub free: unsafe extern "C" fn(*mut RawCompiler),
    /// Gives the key, of 32 bytes, that what text or bitcode is compiled to has in a cache, without reading it. `promised` is
    /// that of `compile`.
    pub key_of_ir: unsafe extern "C" fn(*const RawCompiler, name: Bytes, ir: Bytes, promised: u8, Sink),
    /// Gives the key of what a unit is compiled to; nothing if it has none.
    pub key: unsafe extern "C" fn(*const RawCompiler, *const RawUnit, promised: u8, Sink),
    /// Reads text or bitcode under a name for messages; null and a message if that cannot be.
    pub open: unsafe extern "C" fn(*const RawCompiler, name: Bytes, ir: Bytes, message: Sink) -> *mut RawUnit,
    /// Frees a unit.
    pub free_unit: unsafe extern "C" fn(*mut RawUnit),
    /// A unit's name.
    pub name: unsafe extern "C" fn(*const RawUnit, Sink),
    /// Visits what a unit defines; returns 1 if it has initialisers.
    pub symbols: unsafe extern "C" fn(*const RawUnit, *mut c_void, Visit) -> u8,
    /// Visits the stubs of a unit that can wait until one of its functions is called; returns 0 if it cannot.
    pub stubs: unsafe extern "C" fn(*const RawUnit, *mut c_void, VisitStub) -> u8,
    /// Makes an object of a unit, which is freed, and gives it to the first sink; else a message to the second. With
    /// `promised` not 0 it defines all of its symbols, also those that nothing in it refers to.
    pub compile: unsafe extern "C" fn(*const RawCompiler, *mut RawUnit, promised: u8, object: Sink, message: Sink),
    /// Gives the parts of a unit, which is freed, one by one; or returns 0, and a message. One that cannot be divided is
    /// given as it is.
    pub split: unsafe extern "C" fn(*mut RawUnit, *mut c_void, TakeUnit, message: Sink) -> u8,
}
