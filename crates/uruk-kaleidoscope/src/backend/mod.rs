//! Trees to code, in two ways.

pub mod cranelift;
