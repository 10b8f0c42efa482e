//! Kaleidoscope, compiled and run as it is typed: a language that is just large enough to show how one is built on Uruk.
//!
//! Data flow: text → `lexer` → [`parser`] → [`ast`] → [`backend`] → link graph or LLVM's text → [`Kaleidoscope`], which
//! links, calls and redefines. The guide's first chapter goes through it step by step.
//!
//! ```
//! use uruk_kaleidoscope::{Answer, Cranelift, Error, Kaleidoscope};
//!
//! # fn main() -> Result<(), Error> {
//! let mut program = Kaleidoscope::new(Box::new(Cranelift::new()?))?;
//! let mut values = Vec::new();
//! program.run("def square(x) x * x  square(3) + 1", |answer| {
//!     if let Ok(Answer::Value(value)) = answer {
//!         values.push(value);
//!     }
//! });
//! assert_eq!(values, [10.0]);
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/first-jit.md")]
mod guide {}

pub mod ast;
pub mod backend;
mod error;
mod interpreter;
mod lexer;
pub mod parser;
mod runtime;

pub use backend::Backend;
pub use backend::cranelift::Cranelift;
pub use backend::llvm::Llvm;
pub use error::{Error, Place, Problem};
pub use interpreter::{Answer, Kaleidoscope};
