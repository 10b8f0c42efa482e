//! Fuzzing of the linker: what the targets do with their input, and mutations that know ELF.
#![forbid(unsafe_code)]

pub mod bodies;
pub mod check;
pub mod coff;
pub mod edits;
pub mod images;
pub mod load;
pub mod mutate;
pub mod parts;
pub mod remote;
pub mod session;
