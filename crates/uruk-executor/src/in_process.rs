//! The executor of code that runs in this very process: everything a session needs of it, in one value.
//!
//! Invariant: the addresses that it is given are those of finished code and data of the session that calls; the
//! session hands them over once they are ready, and releases nothing that is still in use.
//! What only one system has is in `in_process/linux.rs` and `in_process/windows.rs`.

#[cfg_attr(unix, path = "in_process/linux.rs")]
#[cfg_attr(windows, path = "in_process/windows.rs")]
mod system;

pub use system::InterposeError;
#[cfg(all(test, unix))]
pub(crate) use system::overridden;

use crate::at_exit;
use crate::at_fork;
use crate::libraries::{self, Library, LibraryError};
use crate::lifecycle::{self, Arguments};
use crate::memory::{InProcessMemory, Options};
use crate::stubs::{Setup, StubPool};
use crate::sys;
use crate::tls::{TlsError, TlsModule, TlsRequest};
use crate::unwind::{self, Registration};
use once_cell::race::OnceBool;
use std::any::Any;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use uruk_jitlink::memory::MemoryManager;

/// Something that is undone when it is dropped.
pub type Kept = Box<dyn Any + Send + Sync>;

/// Makes an ELF image that names linked code, or `None` if it cannot be had. Called on a thread that makes a backtrace,
/// perhaps of a panic: it must neither panic nor make a backtrace itself.
pub type MakeImage = Box<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// This process, as the place where linked code runs.
pub struct InProcess {
    memory: Arc<dyn MemoryManager>,
    /// Such as stay for good; null as long as nobody has asked. No lock, which a forked child might find taken.
    arguments: AtomicPtr<Arguments>,
    /// Held across `fork`.
    libraries: Arc<Mutex<Vec<Library>>>,
    debugger: OnceBool,
}

impl InProcess {
    /// Nothing is reserved before it is needed.
    pub fn new(options: Options) -> InProcess {
        InProcess::with_memory(Arc::new(InProcessMemory::new(options)))
    }

    /// The same with another's memory, whose target addresses are those of this process.
    pub fn with_memory(memory: Arc<dyn MemoryManager>) -> InProcess {
        system::hold_across_fork();
        let arguments = AtomicPtr::default();
        let libraries = at_fork::hold_while_alive(Mutex::default());
        InProcess { memory, arguments, libraries, debugger: OnceBool::new() }
    }

    /// Its memory.
    pub fn memory(&self) -> &dyn MemoryManager {
        &*self.memory
    }

    /// The arguments that initialisers and `main` get, the program's name first. They stay for good: a program may
    /// keep pointers to them.
    pub fn set_arguments<T: Into<Vec<u8>>>(&self, arguments: impl IntoIterator<Item = T>) {
        let arguments = keep(Arguments::new(arguments));
        self.arguments.store(std::ptr::from_ref(arguments).cast_mut(), Ordering::Release);
    }

    fn arguments(&self) -> &'static Arguments {
        let mut known = self.arguments.load(Ordering::Acquire);
        if known.is_null() {
            let made = std::ptr::from_ref(keep(Arguments::new(["uruk"]))).cast_mut();
            // Another thread may have been faster.
            let was = self.arguments.compare_exchange(known, made, Ordering::AcqRel, Ordering::Acquire);
            known = was.map_or_else(|faster| faster, |_| made);
        }
        // SAFETY: not null, and so what `keep` has returned, which stays.
        unsafe { &*known }
    }

    /// Loads a shared library, by path or soname, for as long as this executor lives.
    pub fn load_library(&self, path_or_soname: impl AsRef<OsStr>) -> Result<(), LibraryError> {
        let library = libraries::load(path_or_soname)?;
        self.libraries.lock().unwrap_or_else(PoisonError::into_inner).push(library);
        Ok(())
    }

    /// Gives every thread a copy of a batch's variables.
    pub fn load_threads(&self, request: &TlsRequest<'_>) -> Result<TlsModule, TlsError> {
        TlsModule::load(request)
    }

    /// Makes unwind records known. `records` ends with a zero word.
    pub fn register_unwind(&self, code: Range<u64>, records: Range<u64>) -> Result<Registration, unwind::RangeError> {
        let code = code.start as usize..code.end as usize;
        let length = (records.end - records.start) as usize;
        // SAFETY: the session has written and finalized the records, and drops the registration before it releases
        // their memory.
        unsafe { unwind::register(&[code], records.start as usize, length) }
    }

    /// Makes a pool of stubs, which has memory of this executor and keeps it.
    pub fn stub_pool(&self, setup: Setup) -> StubPool {
        StubPool::new(Arc::clone(&self.memory), setup)
    }

    /// Says whether debuggers see what is linked from now on. If nobody says so, they do if one is attached when the
    /// first code is linked. Only the first call before that has an effect.
    pub fn set_debugger(&self, enabled: bool) -> Result<(), NoDebugger> {
        if enabled && cfg!(windows) {
            return Err(NoDebugger);
        }
        _ = self.debugger.set(enabled);
        Ok(())
    }

    /// Whether debuggers see what is linked.
    pub fn debug_wanted(&self) -> bool {
        self.debugger.get_or_init(system::debugger_present)
    }

    /// Runs resolvers of indirect functions: pairs of the slot to fill and the resolver.
    pub fn run_resolvers(&self, slots: &[(u64, u64)]) {
        for (slot, resolver) in slots {
            // SAFETY: the session gives finished resolvers, which take nothing and return an address, and aligned
            // slots in writable memory of its own, which nothing reads before this returns.
            unsafe {
                let resolver: unsafe extern "C" fn() -> u64 = std::mem::transmute(*resolver as *const ());
                *(*slot as *mut u64) = resolver();
            }
        }
    }

    /// Calls initialisers, in this order, with the program's arguments.
    pub fn run_initialisers(&self, functions: &[u64]) {
        // SAFETY: the session gives finished functions of its objects' tables, once each and in order.
        unsafe { lifecycle::run_initializers(functions, self.arguments()) }
    }

    /// Calls `main` and returns its status.
    pub fn run_main(&self, address: u64) -> i32 {
        // SAFETY: the session gives a finished `main` whose initialisers have run.
        unsafe { lifecycle::call_main(address, self.arguments()) }
    }

    /// Calls a function with these integers or addresses. What it throws and does not catch ends the process.
    pub fn call(&self, address: u64, arguments: &[u64]) -> Result<u64, TooManyArguments> {
        let mut words = [0; MAX_ARGUMENTS];
        words.get_mut(..arguments.len()).ok_or(TooManyArguments(arguments.len()))?.copy_from_slice(arguments);
        // SAFETY: the session gives a finished function, whose caller knows its arguments; further words are ignored.
        Ok(unsafe { lifecycle::call(address, words) })
    }

    /// The memory of this process at an address, up to where nothing can be read: at most so many bytes.
    pub fn read_memory(address: u64, size: u64) -> io::Result<Vec<u8>> {
        sys::read_memory(address, size)
    }

    /// What this process has mapped, as the system lists it.
    pub fn mappings() -> io::Result<String> {
        sys::System::maps(&sys::Native)
    }

    /// Lets finalisers run in this order when the process exits, or when their memory is given to `finalize`.
    pub fn run_at_exit(&self, functions: &[u64]) {
        // SAFETY: the session gives finished functions of its objects' tables, once each, and names their memory
        // to `finalize` or `forget` before it releases it.
        unsafe { at_exit::run_at_exit(functions) }
    }

    /// Runs what was registered for the process's end by code and data in these ranges, which will be released, the latest
    /// first, and forgets it.
    pub fn finalize(&self, memory: &[Range<u64>]) {
        // SAFETY: the session releases the memory only afterwards.
        unsafe { at_exit::run_within(memory) };
    }
}

/// What [`InProcess::call`] passes in registers on every target.
pub const MAX_ARGUMENTS: usize = 6;

/// Nobody here shows linked code to debuggers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("debuggers are not shown linked code on Windows")]
pub struct NoDebugger;

/// More arguments than a call takes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} arguments were given, and {MAX_ARGUMENTS} are passed at most; pass the address of a structure")]
pub struct TooManyArguments(pub usize);

/// Arguments that a program may keep pointers to. A list has them all, so that checkers of leaks find them.
fn keep(arguments: Arguments) -> &'static Arguments {
    struct Node {
        arguments: Arguments,
        next: AtomicPtr<Node>,
    }
    static LAST: AtomicPtr<Node> = AtomicPtr::new(std::ptr::null_mut());
    let node: &'static Node = Box::leak(Box::new(Node { arguments, next: AtomicPtr::default() }));
    node.next.store(LAST.swap(std::ptr::from_ref(node).cast_mut(), Ordering::AcqRel), Ordering::Release);
    &node.arguments
}
