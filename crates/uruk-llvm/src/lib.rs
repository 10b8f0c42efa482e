//! LLVM IR for Uruk: modules that any thread may use, what they define, objects made of them, and their parts.
//!
//! Data flow: text, bitcode or a module built with [`inkwell`] → [`ThreadSafeModule`] → [`Interface`] says what it
//! defines → [`ConcurrentCompiler`] makes an object of it, or [`split`] parts that are compiled one by one.
//! Invariants: nothing of LLVM is touched without its context's lock; input of any kind gives a value or an [`Error`].
//! The file `native.cpp` has what LLVM offers in C++ only.
//! Sources: the LLVM language reference, the headers of LLVM 22.
#![deny(unsafe_code)]

mod compiler;
mod context;
mod error;
mod interface;
mod layer;
mod mangling;
#[allow(unsafe_code)]
mod native;
mod split;
mod target;
mod values;

pub use compiler::{ConcurrentCompiler, SimpleCompiler};
pub use context::{ContextGuard, ThreadSafeContext, ThreadSafeModule};
pub use error::Error;
pub use inkwell;
pub use interface::{Interface, Strength, Symbol};
pub use layer::ByFunction;
pub use mangling::Mangling;
pub use split::{Pairs, Part, split};
pub use target::{CodeModel, Cpu, Level, Options, Target};
pub use uruk_orc::executor::Processor;

/// Whether bytes are LLVM bitcode, bare or wrapped as on Darwin.
pub fn is_bitcode(bytes: &[u8]) -> bool {
    matches!(bytes, [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..])
}

/// The version of the LLVM in use.
pub fn version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("{major}.{minor}.{patch}")
}
