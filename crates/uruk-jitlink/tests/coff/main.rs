//! COFF: what objects are read as, what each relocation stores, and what `lld-link` stores.

#[path = "../../../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../../../fuzz/src/edits.rs"]
mod edits;
mod lld;
mod malformed;
#[path = "../../../../fuzz/src/parts.rs"]
mod parts;
mod pdata;
mod relocations;
#[path = "../support/coff.rs"]
mod support;
mod symbols;
