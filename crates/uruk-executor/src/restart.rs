//! Starting this command anew with more room for thread-local variables at fixed offsets, which the C library
//! reserves only when a process begins.
//!
//! Data flow: the tunable is set for the new process, the old value kept in a variable of ours, from which
//! [`forget`] restores it, so that the program sees the environment that its user gave.

use crate::tls::tunables_with_static_tls;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The C library's settings.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// What the settings were; set in a process that was started anew, empty where there were none.
const BEFORE: &str = "URUK_TUNABLES_BEFORE";

/// Replaces this process by itself, with the same arguments and `needed` more bytes of static thread-local storage.
/// Returns only where that cannot be done; with `None` where this process has been started anew already.
pub fn with_static_storage(needed: u64) -> Option<io::Error> {
    if RESTARTED.load(std::sync::atomic::Ordering::Relaxed) {
        return None;
    }
    let before = std::env::var_os(TUNABLES);
    let tunables = tunables_with_static_tls(before.as_deref(), needed);
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("uruk"));
    let executable = match std::env::current_exe() {
        Ok(executable) => executable,
        Err(error) => return Some(error),
    };
    let mut command = Command::new(executable);
    command.arg0(program).args(arguments).env(TUNABLES, tunables).env(BEFORE, before.unwrap_or_default());
    Some(command.exec())
}

static RESTARTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Gives the environment back its shape, if this process has been started anew. To be called first of all, while no
/// other thread runs.
pub fn forget() {
    let Some(before) = std::env::var_os(BEFORE) else { return };
    RESTARTED.store(true, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: the caller says that no other thread runs, so none reads the environment.
    unsafe {
        std::env::remove_var(BEFORE);
        if before.is_empty() {
            std::env::remove_var(TUNABLES);
        } else {
            std::env::set_var(TUNABLES, before);
        }
    }
}
