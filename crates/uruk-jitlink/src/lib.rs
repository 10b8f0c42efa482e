//! The linker: object files and archives in, link graphs, laid-out and fixed-up bytes out. It is pure: it maps no
//! memory, opens no files and knows no session.
//!
//! The phases of a link, in order: [`format::read`] makes a graph of each object; [`prune`] drops what is not needed, [`gc`] finds what
//! nothing reaches if somebody asks;
//! [`tables`] plans GOT slots and stubs; [`layout`] gives everything its place in a [`memory::Demand`]; [`fixup`]
//! writes the bytes. Between these, [`edit`] lets passes of others change a graph, and [`placed`] shows them where
//! everything lies; [`loader`] has all of them in explicit steps, for who decides where each section lies; [`check`] evaluates rules of what was linked, and a [`slab`] is memory that is only laid out. Who defines
//! which symbol is the caller's to say, through [`resolve::Targets`].
#![forbid(unsafe_code)]

pub mod aarch64;
pub mod action;
pub mod arch;
pub mod archive;
pub mod check;
pub mod coff;
pub mod debug;
pub mod dump;
pub mod edit;
pub mod ehframe;
pub mod elf;
pub mod error;
pub mod fixup;
pub mod format;
pub mod gc;
pub mod graph;
pub mod input;
pub mod interface;
pub mod layout;
pub mod loader;
pub mod macho;
pub mod memory;
pub mod names;
pub mod pdata;
pub mod placed;
pub mod prune;
pub mod resolve;
pub mod riscv;
pub mod slab;
pub mod tables;
pub mod tls;
mod walk;
pub mod wishes;
pub mod x86_64;
