//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

mod at_fork;
pub mod gdb;
pub mod phdr;
mod range_index;
pub mod unwind;

#[cfg(test)]
mod test_code;
