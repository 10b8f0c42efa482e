//! What this process has its own way of on Windows: exports of DLLs, function records.

use super::InProcess;
use crate::unwind::{self, FunctionTable};
use crate::{at_exit, libraries};
use std::io;
use std::ops::Range;
use std::sync::PoisonError;

/// There is no `fork`.
pub(super) fn hold_across_fork() {}

/// No debugger is told of linked code.
pub(super) fn debugger_present() -> bool {
    false
}

impl InProcess {
    /// What the process's libraries export under a name, those that this executor has loaded first; or one library, for
    /// `library.dll!name` and `library.dll!#number`. Nothing is thread-local.
    pub fn find(&self, name: &[u8]) -> Option<(u64, bool)> {
        if let Some(at) = name.iter().position(|byte| *byte == b'!') {
            let (library, export) = (std::str::from_utf8(&name[..at]).ok()?, &name[at + 1..]);
            let library = libraries::load(library).ok()?;
            let found = library.find(export)?;
            library.keep();
            return Some((found.address, false));
        }
        let libraries = self.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = libraries.iter().find_map(|library| library.find(name)).or_else(|| libraries::find(name));
        found.map(|definition| (definition.address, false))
    }

    /// Makes records of functions known to the system's unwinder, which count from `base` and are in order of address.
    pub fn register_functions(&self, base: u64, records: Range<u64>) -> io::Result<FunctionTable> {
        // SAFETY: the session has written and finalized the records, and drops the registration before it releases
        // their memory.
        unsafe { unwind::register_functions(base, records) }
    }

    /// Forgets all that code and data in these ranges have registered. Thread-local variables have no destructors that are
    /// known here.
    pub fn forget(&self, memory: &[Range<u64>], _: &[(u64, Range<u64>)]) {
        at_exit::forget_within(memory);
    }
}
