//! Trees to code, in two ways.

pub mod cranelift;
pub mod llvm;

use crate::ast::Function;
use crate::error::Error;
use uruk::Jit;
use uruk::orc::TrackerId;

// ANCHOR: backend
/// Compiles functions.
pub trait Backend {
    /// Compiles a function and adds it to the main dylib, with a tracker and under the name `symbol`. It calls others by
    /// theirs.
    fn add(&self, jit: &Jit, tracker: TrackerId, function: &Function, symbol: &str) -> Result<(), Error>;
}
// ANCHOR_END: backend
