//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

#[cfg(target_os = "linux")]
pub mod memory;

#[cfg(target_os = "linux")]
mod sys;
