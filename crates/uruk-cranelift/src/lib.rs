//! Cranelift on Uruk: functions become link graphs with no object file between, each a unit of its own that is
//! compiled when it is needed and can be freed alone.
#![deny(unsafe_code)]
#![allow(clippy::result_large_err, reason = "the size of `ModuleError` is `cranelift-module`'s choice")]

mod builtins;
mod compiler;
mod debug;
mod emit;
mod error;
mod function;
mod identity;
mod machine;
pub mod module;
mod target;
mod text;
mod unwind;

pub use compiler::{Cranelift, library_name};
pub use cranelift_codegen as codegen;
pub use cranelift_frontend as frontend;
pub use cranelift_module;
pub use emit::Scope;
pub use error::Error;
pub use function::{Function, Names, Source};
pub use module::{UrukBuilder as JITBuilder, UrukBuilder, UrukModule as JITModule, UrukModule};
pub use target::{OptLevel, Options};
pub use text::read;
