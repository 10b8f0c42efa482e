//! Objects loaded step by step, and engines on top of that.

mod engine;
mod formats;
mod phases;
mod support;
