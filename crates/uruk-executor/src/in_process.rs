//! The executor of code that runs in this very process: everything a session needs of it, in one value.
//!
//! Invariant: the addresses that it is given are those of finished code and data of the session that calls; the
//! session hands them over once they are ready, and releases nothing that is still in use.

use crate::gdb;
use crate::interpose::{self, Importer, MallocError, MallocGuard, RebindError};
use crate::libraries::{self, Definition, Library, LibraryError, SymbolKind};
use crate::lifecycle::{self, Arguments};
use crate::memory::{InProcessMemory, Options};
use crate::phdr::{self, JitModule, MakeImage, ModuleRegistration, ModuleSegment};
use crate::stubs::{Setup, StubPool};
use crate::thread_exit;
use crate::tls::{TlsError, TlsModule, TlsRequest};
use crate::unwind::{self, Registration};
use crate::{at_exit, at_fork, darwin};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use uruk_jitlink::memory::{MemoryManager, Placement};

/// This process, as the place where linked code runs.
pub struct InProcess {
    memory: Arc<dyn MemoryManager>,
    arguments: RwLock<&'static Arguments>,
    /// Held across `fork`.
    libraries: Arc<Mutex<Vec<Library>>>,
    debugger: OnceLock<bool>,
}

/// Announces what is held across `fork` before there is any of it: a child that was made while another thread was about
/// to announce it would wait for that for ever.
fn hold_across_fork() {
    unwind::hold_across_fork();
    phdr::hold_across_fork();
    gdb::hold_across_fork();
    at_exit::hold_across_fork();
    thread_exit::hold_across_fork();
}

impl InProcess {
    /// Nothing is reserved before it is needed.
    pub fn new(options: Options) -> InProcess {
        InProcess::with_memory(Arc::new(InProcessMemory::new(options)))
    }

    /// The same with another's memory, whose target addresses are those of this process.
    pub fn with_memory(memory: Arc<dyn MemoryManager>) -> InProcess {
        hold_across_fork();
        let arguments = RwLock::new(leak(Arguments::new(["uruk"])));
        let libraries = at_fork::hold_while_alive(Mutex::default());
        InProcess { memory, arguments, libraries, debugger: OnceLock::new() }
    }

    /// Its memory.
    pub fn memory(&self) -> &dyn MemoryManager {
        &*self.memory
    }

    /// The arguments that initialisers and `main` get, the program's name first. They stay for good: a program may
    /// keep pointers to them.
    pub fn set_arguments<T: Into<Vec<u8>>>(&self, arguments: impl IntoIterator<Item = T>) {
        let arguments = leak(Arguments::new(arguments));
        *self.arguments.write().unwrap_or_else(PoisonError::into_inner) = arguments;
    }

    fn arguments(&self) -> &'static Arguments {
        *self.arguments.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a shared library, by path or soname, for as long as this executor lives.
    pub fn load_library(&self, path_or_soname: &str) -> Result<(), LibraryError> {
        let library = libraries::load(path_or_soname)?;
        self.libraries.lock().unwrap_or_else(PoisonError::into_inner).push(library);
        Ok(())
    }

    /// What the process and its libraries define under a name, perhaps with a version (`name@V`), and whether it is
    /// thread-local.
    pub fn find(&self, name: &[u8]) -> Option<(u64, bool)> {
        if let Some(address) = overridden(name) {
            return Some((address, false));
        }
        if let Some(address) = lifecycle::private_variable(name) {
            return Some((address, false));
        }
        if let Some(definition) = self.find_in_loaded(name) {
            return Some((definition.address, definition.kind == SymbolKind::ThreadLocal));
        }
        let definition = match name.iter().position(|byte| *byte == b'@') {
            Some(at) if at != 0 => libraries::find_versioned(&name[..at], &name[at + 1..])?,
            _ => libraries::find(name)?,
        };
        Some((definition.address, definition.kind == SymbolKind::ThreadLocal))
    }

    /// What the libraries that this executor loaded define under a name that the executable does not define.
    fn find_in_loaded(&self, name: &[u8]) -> Option<Definition> {
        let libraries = self.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        if libraries.is_empty() || libraries::executable_defines(name) {
            return None;
        }
        libraries.iter().find_map(|library| library.find(name))
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

    /// Lets backtraces name functions of linked code, until what is returned is dropped: `base` is added to addresses in the
    /// image, which is made when a backtrace needs it.
    pub fn register_names(
        &self,
        base: u64,
        code: Vec<Range<u64>>,
        image: MakeImage,
    ) -> Result<ModuleRegistration, unwind::RangeError> {
        /// `PF_R` and `PF_X` (gABI 4.3, "Segment Permissions").
        const EXECUTABLE: u32 = 5;
        let segments = code.into_iter().map(|range| ModuleSegment {
            vaddr: range.start.wrapping_sub(base) as usize,
            size: (range.end - range.start) as usize,
            flags: EXECUTABLE,
        });
        phdr::register(JitModule { base: base as usize, segments: segments.collect(), image })
    }

    /// Makes a pool of stubs, which has memory of this executor and keeps it.
    pub fn stub_pool(&self, setup: Setup) -> StubPool {
        StubPool::new(Arc::clone(&self.memory), setup)
    }

    /// Says whether debuggers see what is linked from now on. If nobody says so, they do if one is attached when the
    /// first code is linked. Only the first call before that has an effect.
    pub fn set_debugger(&self, enabled: bool) {
        _ = self.debugger.set(enabled);
    }

    /// Whether debuggers see what is linked.
    pub fn debug_wanted(&self) -> bool {
        *self.debugger.get_or_init(gdb::debugger_present)
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

    /// Forgets all that code and data in these ranges have registered, and destructors of these thread-local variables,
    /// given by module and offset.
    pub fn forget(&self, memory: &[Range<u64>], variables: &[(u64, Range<u64>)]) {
        at_exit::forget_within(memory);
        thread_exit::forget_within(memory);
        thread_exit::forget_variables(variables);
    }
}

/// What [`InProcess::call`] passes in registers on every target.
pub const MAX_ARGUMENTS: usize = 6;

/// More arguments than a call takes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} arguments were given, and {MAX_ARGUMENTS} are passed at most; pass the address of a structure")]
pub struct TooManyArguments(pub usize);

/// The address of what stands in for a function of the process.
pub(crate) fn overridden(name: &[u8]) -> Option<u64> {
    if name == unwind::FIND_FDE {
        return Some(unwind::find_fde as *const () as u64);
    }
    let functions = crate::dl::overrides().iter().copied().chain(at_exit::overrides()).chain(thread_exit::overrides());
    let functions = functions.chain(darwin::overrides());
    let (_, address) = functions.into_iter().find(|(known, _)| known.as_bytes() == name)?;
    Some(address as u64)
}

/// Why the process's libraries could not be made to use a program's own definitions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterposeError {
    /// The program replaces the allocator in a way that cannot work here.
    #[error(transparent)]
    Malloc(#[from] MallocError),
    /// Imports could not be changed.
    #[error(transparent)]
    Rebind(#[from] RebindError),
}

/// The functions that allocate; a program that replaces some of them replaces the allocator.
const ALLOCATOR: &[&str] = &[
    "malloc",
    "free",
    "calloc",
    "realloc",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "reallocarray",
];

impl InProcess {
    /// Names what [`interpose`](InProcess::interpose) may look up, some of it more than once.
    pub fn for_each_import(&self, each: &mut dyn FnMut(&[u8])) {
        ALLOCATOR.iter().for_each(|name| each(name.as_bytes()));
        interpose::for_each_import(&|importer| importer.is_executable || !importer.is_global, each);
    }

    /// Makes the process's libraries, this executable excepted, use what `lookup` gives for a name that they import,
    /// for good. An allocator that is replaced never sees blocks of the old one.
    pub fn interpose(&self, lookup: &dyn Fn(&[u8]) -> Option<u64>) -> Result<(), InterposeError> {
        let allocator: Vec<(&str, u64)> =
            ALLOCATOR.iter().filter_map(|name| Some((*name, lookup(name.as_bytes())?))).collect();
        let guard = if allocator.is_empty() {
            None
        } else {
            let spans = [Placement::Near, Placement::Low].map(|placement| self.memory.span(placement));
            let own: Vec<Range<u64>> = spans.into_iter().flatten().collect();
            // SAFETY: the session gives finished functions that the program defines under these names, before any of
            // its code runs.
            Some(unsafe { MallocGuard::install(&allocator, &own) }?)
        };
        let find = |name: &[u8]| guard.as_ref().and_then(|guard| guard.lookup(name)).or_else(|| lookup(name));
        // What somebody has loaded for himself, a compiler's plugin say, has been at work and goes on as it began.
        let skip = |importer: &Importer| importer.is_executable || !importer.is_global;
        // SAFETY: the same; the program stays for as long as the process.
        let rebinding = unsafe { interpose::rebind(&find, &skip) }?;
        rebinding.keep();
        Ok(())
    }
}

/// Arguments that a program may keep pointers to.
fn leak(arguments: Arguments) -> &'static Arguments {
    Box::leak(Box::new(arguments))
}
