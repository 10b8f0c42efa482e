//! LLVM IR for programs that need not have LLVM.
//!
//! libLLVM costs every process that is linked to it 15 ms at its start. So it is not: a shared object of its own, the
//! *plugin* (`uruk-llvm-plugin`), compiles IR, and is loaded when the first IR turns up. Between the two lies a small
//! table of C functions, whose first word is its version.
//!
//! Data flow: [`Plugin::find`] → [`Compiler::new`] → [`Compiler::open`] reads text or bitcode → a [`Unit`] says what it
//! defines, becomes an object, or is split into units that become objects one by one.
//! Invariants: a plugin is never unloaded, as code of it may run until the process ends; memory that one side has
//! allocated is never freed by the other.
#![deny(unsafe_code)]

pub mod abi;
#[allow(unsafe_code)]
mod plugin;
mod search;
#[allow(unsafe_code)]
mod sys;
mod unit;

pub use plugin::{Compiler, Pairs, Plugin, Unit};
pub use search::{Error, FILE};
pub use unit::Symbol;

/// Whether an input is LLVM IR: bitcode by its first bytes, bare or wrapped as on Darwin, or text by the ending of its name.
pub fn is_ir(name: &str, bytes: &[u8]) -> bool {
    matches!(bytes, [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..]) || name.ends_with(".ll")
}
