//! What this process has its own way of on Windows: exports of DLLs, function records. Debuggers and backtraces are told of
//! nothing, and functions of DLLs are not replaced.

use super::{InProcess, Kept, MakeImage, NoDebugger};
use crate::dl::DylibDirectory;
use crate::unwind;
use crate::{at_exit, libraries};
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, PoisonError};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// There is no `fork`.
pub(super) fn hold_across_fork() {}

/// No debugger is told of linked code.
pub(super) fn debugger_present() -> bool {
    false
}

/// Why functions of libraries were not replaced.
#[derive(Debug, thiserror::Error)]
#[error("functions of DLLs cannot be replaced on Windows")]
pub struct InterposeError;

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
    pub fn register_functions(&self, base: u64, records: Range<u64>) -> io::Result<Option<Kept>> {
        // SAFETY: the session has written and finalized the records, and drops the registration before it releases
        // their memory.
        Ok(Some(Box::new(unsafe { unwind::register_functions(base, records) }?)))
    }

    /// Reads memory of this process; false if it is not there.
    pub fn read(address: u64, bytes: &mut [u8]) -> bool {
        let (from, to) = (ptr::with_exposed_provenance(address as usize), bytes.as_mut_ptr().cast());
        let mut read = 0;
        // SAFETY: the system reads what it finds, into as many bytes as it is told.
        let done = unsafe { ReadProcessMemory(GetCurrentProcess(), from, to, bytes.len(), &mut read) };
        done != 0 && read == bytes.len()
    }

    /// Names for which linked code has to use what the process has: there are none.
    pub fn insists_on() -> &'static [&'static [u8]] {
        &[]
    }

    /// Debuggers are told of nothing.
    pub fn debug_thread_base() -> Option<u64> {
        None
    }

    /// Debuggers are told of nothing.
    pub fn register_debug(&self, _: Vec<u8>) -> io::Result<Kept> {
        Err(io::Error::new(io::ErrorKind::Unsupported, NoDebugger))
    }

    /// Backtraces ask for nothing.
    pub fn backtraces_wanted() -> bool {
        false
    }

    /// Names for backtraces, which none asks for.
    pub fn register_names(&self, _: u64, _: Vec<Range<u64>>, _: MakeImage) -> Option<Kept> {
        None
    }

    /// Names that libraries import: of none can be said which definition they use.
    pub fn for_each_import(&self, _: &mut dyn FnMut(&[u8])) {}

    /// Makes the process's libraries use definitions, which cannot be done.
    pub fn interpose(&self, _: &dyn Fn(&[u8]) -> Option<u64>) -> Result<(), InterposeError> {
        Err(InterposeError)
    }

    /// There is no `dlopen` by which code could look for dylibs.
    pub fn offer_dylibs(&self, _: Arc<dyn DylibDirectory>) -> Kept {
        Box::new(())
    }

    /// The object that a static link adds for a name: MinGW's archives have them.
    pub fn support_object(_: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Forgets all that code and data in these ranges have registered. Thread-local variables have no destructors that are
    /// known here.
    pub fn forget(&self, memory: &[Range<u64>], _: &[(u64, Range<u64>)]) {
        at_exit::forget_within(memory);
    }
}
