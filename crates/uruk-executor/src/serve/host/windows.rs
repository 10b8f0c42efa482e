//! What serving means on Windows only. Debuggers and backtraces are told of nothing, and functions of DLLs are not replaced.

use crate::in_process::InProcess;
use crate::protocol::Peer;
use crate::protocol::message::{Number, Text};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::c_int;
use std::ops::Range;
use std::sync::Arc;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

/// What is undone when it is dropped.
type Kept = Box<dyn Any + Send>;

/// Names for which linked code has to use what the process has: there are none.
pub(super) fn insists_on() -> Vec<Text> {
    Vec::new()
}

/// Debuggers are told of nothing.
pub(super) fn debug_thread_base() -> Option<u64> {
    None
}

/// Backtraces ask for nothing.
pub(super) fn backtraces_wanted() -> bool {
    false
}

/// Ends the process as C's `exit` does, so that the C library writes what it still has.
pub(super) fn exit(status: i32) -> ! {
    unsafe extern "C" {
        fn exit(status: c_int) -> !;
    }
    // SAFETY: handlers that run now may be called.
    unsafe { exit(status) }
}

/// Ends the process, whatever it does.
pub(super) fn end_at_once(status: i32) -> ! {
    // SAFETY: ends the process at once, which needs nothing of it.
    unsafe { TerminateProcess(GetCurrentProcess(), status as u32) };
    std::process::abort()
}

/// Names that libraries import: of none can be said which definition they use.
pub(super) fn imports(_: &InProcess) -> Vec<Text> {
    Vec::new()
}

/// Makes libraries use these definitions, which cannot be done.
pub(super) fn interpose(_: &InProcess, _: &HashMap<Text, u64>) -> Result<(), String> {
    Err("functions of DLLs cannot be replaced on Windows".into())
}

/// The object that a static link adds for a name: MinGW's archives have them.
pub(super) fn support_object(_: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Shows an image to debuggers, which cannot be done.
pub(super) fn register_debug(_: Vec<u8>) -> Result<Kept, String> {
    Err("debuggers are not shown linked code on Windows".into())
}

/// Lets backtraces name functions, which none asks for.
pub(super) fn register_names(_: &InProcess, _: &Arc<Peer>, _: Number, _: u64, _: Vec<Range<u64>>) -> Option<Kept> {
    None
}

/// Makes records of functions known to the system's unwinder.
pub(super) fn register_functions(process: &InProcess, base: u64, records: Range<u64>) -> Result<Kept, String> {
    match process.register_functions(base, records) {
        Ok(table) => Ok(Box::new(table)),
        Err(error) => Err(format!("registering function records: {error}")),
    }
}

/// There is no `dlopen` by which code could look for dylibs.
pub(super) fn offer_dylibs(_: &Arc<Peer>) -> Kept {
    Box::new(())
}
