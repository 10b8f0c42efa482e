//! The linker: object files and archives in, link graphs, laid-out and fixed-up bytes out. It is pure: it maps no
//! memory, opens no files and knows no session.
//!
//! The phases of a link, in order: [`elf::read`] makes a graph of each object; [`prune`] drops what is not needed;
//! [`tables`] plans GOT slots and stubs; [`layout`] gives everything its place in a [`memory::Demand`]; [`fixup`]
//! writes the bytes. Who defines which symbol is the caller's to say, through [`resolve::Targets`].
#![forbid(unsafe_code)]

pub mod archive;
pub mod debug;
pub mod dump;
pub mod ehframe;
pub mod elf;
pub mod error;
pub mod fixup;
pub mod graph;
pub mod input;
pub mod layout;
pub mod memory;
pub mod names;
pub mod prune;
pub mod resolve;
pub mod tables;
pub mod tls;
pub mod x86_64;
