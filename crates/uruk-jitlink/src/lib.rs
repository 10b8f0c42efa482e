//! The linker: object files and archives in, link graphs, laid-out and fixed-up bytes out. It is pure: it maps no
//! memory, opens no files and knows no session.
#![forbid(unsafe_code)]

pub mod archive;
pub mod memory;
