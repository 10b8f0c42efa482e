//! Kaleidoscope, compiled and run as it is typed.
#![forbid(unsafe_code)]

pub mod ast;
pub mod backend;
mod error;
mod lexer;
pub mod parser;

pub use error::{Error, Place, Problem};
