//! COFF: what objects are read as, what each relocation stores, and what `lld-link` stores.

mod lld;
mod malformed;
mod pdata;
mod relocations;
#[path = "../support/coff.rs"]
mod support;
mod symbols;
