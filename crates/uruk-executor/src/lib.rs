//! What lives in the process where linked code runs: memory, libraries, unwinding, thread-local storage, debuggers.
//!
//! On Windows that is less: what has no meaning there is left out, and where a module has another way there it is in a file
//! `windows.rs` of its folder.

/// Modules of Linux's.
macro_rules! on_linux {
    ($($module:item)*) => { $(#[cfg(unix)] $module)* };
}

#[cfg(unix)]
#[macro_use]
#[cfg_attr(target_arch = "x86_64", path = "caller/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "caller/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "caller/riscv64.rs")]
mod caller;

#[cfg_attr(windows, path = "at_exit/windows.rs")]
pub mod at_exit;
#[cfg_attr(windows, path = "at_fork/windows.rs")]
pub mod at_fork;
#[cfg_attr(windows, path = "dl/windows.rs")]
pub mod dl;
pub mod in_process;
#[cfg_attr(windows, path = "libraries/windows.rs")]
pub mod libraries;
pub mod lifecycle;
pub mod memory;
mod processor;
pub mod protocol;
mod ranges;
#[cfg_attr(windows, path = "restart/windows.rs")]
pub mod restart;
pub mod serve;
pub mod stubs;
mod sys;
#[cfg_attr(windows, path = "tls/windows.rs")]
pub mod tls;
#[cfg_attr(windows, path = "unwind/windows.rs")]
pub mod unwind;
#[cfg_attr(windows, path = "windows/native.rs")]
#[cfg_attr(all(unix, not(target_arch = "x86_64")), path = "windows/none.rs")]
pub mod windows;

on_linux! {
    #[cfg_attr(not(target_arch = "x86_64"), path = "darwin/none.rs")]
    mod darwin;
    pub mod gdb;
    pub mod interpose;
    pub mod phdr;
    mod range_index;
    pub mod scratch;
    pub mod support;
    pub mod thread_exit;
}

pub use sys::maps;

#[cfg(all(test, unix))]
mod test_code;
#[cfg(all(test, unix))]
mod testing;
