//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

pub mod libraries;

#[cfg(test)]
mod testing;
