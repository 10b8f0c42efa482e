//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

pub mod dl;
pub mod interpose;
pub mod libraries;
pub mod lifecycle;
pub mod tls;

#[cfg(test)]
mod testing;
