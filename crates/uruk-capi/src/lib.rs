//! The shared and the static library for C: what is in them is the crate `uruk-capi-functions`.
//!
//! Invariant: only tests depend on this package. Whoever depended on it would wait for both libraries to be linked.

pub use uruk_capi_functions::*;
