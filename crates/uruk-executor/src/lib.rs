//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

pub mod at_exit;
pub mod at_fork;
mod darwin;
pub mod dl;
pub mod gdb;
pub mod in_process;
pub mod interpose;
pub mod libraries;
pub mod lifecycle;
pub mod memory;
pub mod phdr;
pub mod protocol;
mod range_index;
mod ranges;
pub mod restart;
pub mod scratch;
pub mod serve;
pub mod stubs;
pub mod support;
mod sys;
pub mod thread_exit;
pub mod tls;
pub mod unwind;
pub mod windows;

#[cfg(test)]
mod test_code;
#[cfg(test)]
mod testing;
