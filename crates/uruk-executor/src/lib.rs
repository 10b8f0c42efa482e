//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

pub mod at_exit;
pub mod dl;
pub mod in_process;
pub mod libraries;
pub mod lifecycle;
pub mod memory;
pub mod support;
pub mod tls;
pub mod unwind;

#[cfg(test)]
mod testing;
mod at_fork;
pub mod gdb;
mod range_index;
pub mod unwind;

#[cfg(test)]
mod test_code;
