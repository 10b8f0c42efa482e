//! C, C++ and other sources in Uruk, through the compilers of the system.
//!
//! A [`Toolchain`] makes objects of sources, and [`Sources`] are those of a dylib, each of which is compiled when a
//! look-up misses what it may define.
#![forbid(unsafe_code)]

mod command;
mod compile;
mod error;
mod language;
mod scan;
mod sources;

pub use compile::{Flags, Folder, Job, Toolchain};
pub use error::Error;
pub use language::Language;
pub use sources::{SourceFiles, Sources, Stage};
