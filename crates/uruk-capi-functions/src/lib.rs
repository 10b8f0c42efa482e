//! Uruk for C, and for everything that calls C.
//!
//! The package `uruk-capi` makes a shared and a static library of this crate, and its header `include/uruk.h`, by `cbindgen`; the
//! comments here are the documentation. Data flow: C → a function here ([`call`] keeps panics inside, and refuses what would wait
//! for itself) → arguments are looked at ([`raw`], [`handle`], [`sized`]) → the library `uruk` → a status, and a text for this
//! thread ([`error`]).
//!
//! Invariants: no type of Rust is in the interface but numbers, pointers and structures of them. Every function returns
//! [`uruk_status`](error::uruk_status), or has a result that says that it failed. A handle that is gone, of another kind or made up
//! is told as that, never used. Structures that clients fill in are copied once, and grow at their end only.

// Types have the names that they have in the header.
#![allow(non_camel_case_types)]

pub mod cache;
pub mod call;
pub mod compile;
mod context;
pub mod dispatcher;
pub mod dylib;
pub mod error;
pub mod executor;
pub mod generator;
pub mod graph;
pub mod handle;
pub mod image;
pub mod input;
mod ir;
pub mod jit;
pub mod listener;
pub mod lookup;
pub mod mapped;
pub mod memory;
pub mod name;
pub mod plugin;
pub mod raw;
pub mod redirect;
pub mod responsibility;
pub mod saving;
pub mod sized;
pub mod tracker;
pub mod unit;
pub mod version;
pub mod world;

/// The chapter's programs are no Rust; `uruk-capi/tests/guide.rs` runs them.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/c.md")]
mod guide {}

/// These are run by `python/tests/test_guide.py`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/python.md")]
mod guide_python {}
