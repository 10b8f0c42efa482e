//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.

#[macro_use]
#[cfg_attr(target_arch = "x86_64", path = "caller/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "caller/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "caller/riscv64.rs")]
mod caller;

pub mod at_exit;
pub mod at_fork;
#[cfg_attr(not(target_arch = "x86_64"), path = "darwin/none.rs")]
mod darwin;
pub mod dl;
pub mod gdb;
pub mod in_process;
pub mod interpose;
pub mod libraries;
pub mod lifecycle;
pub mod memory;
pub mod phdr;
mod processor;
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
#[cfg_attr(not(target_arch = "x86_64"), path = "windows/none.rs")]
pub mod windows;

#[cfg(test)]
mod test_code;
#[cfg(test)]
mod testing;
