//! What this process is asked on Linux only, or has its own way of there: symbols of ELF libraries, backtraces, replaced
//! functions of libraries.

use super::{InProcess, Kept, MakeImage};
use crate::dl::{self, DylibDirectory};
use crate::interpose::{self, Importer, MallocError, MallocGuard, RebindError};
use crate::libraries::{self, Definition, SymbolKind};
use crate::phdr::{self, JitModule, ModuleSegment};
use crate::{at_exit, darwin, gdb, lifecycle, support, thread_exit, tls, unwind};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError};
use uruk_jitlink::memory::Placement;

pub(super) use gdb::debugger_present;

/// Announces what is held across `fork` before there is any of it: whoever uses it first may hold `fork` off, or have a lock that
/// forks hold, and must not announce anything then.
pub(super) fn hold_across_fork() {
    unwind::hold_across_fork();
    phdr::hold_across_fork();
    gdb::hold_across_fork();
    at_exit::hold_across_fork();
    thread_exit::hold_across_fork();
    tls::fixed::hold_across_fork();
}

/// The address of what stands in for a function of the process.
pub(crate) fn overridden(name: &[u8]) -> Option<u64> {
    if name == unwind::FIND_FDE {
        return Some(unwind::find_fde as *const () as u64);
    }
    let functions = crate::dl::overrides().into_iter().chain(at_exit::overrides()).chain(thread_exit::overrides());
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
    /// What the process and its libraries define under a name, perhaps with a version (`name@V`), and whether it is
    /// thread-local.
    pub fn find(&self, name: &[u8]) -> Option<(u64, bool)> {
        self.definition(name).map(|definition| (definition.address, definition.kind == SymbolKind::ThreadLocal))
    }

    /// The same with all that is known of it: nothing, where this library stands in for what the process has.
    pub fn definition(&self, name: &[u8]) -> Option<Definition> {
        let version = name.iter().position(|byte| *byte == b'@').filter(|at| *at != 0);
        // What stands in for a function does so for all its versions.
        let own = overridden(&name[..version.unwrap_or(name.len())]).or_else(|| lifecycle::private_variable(name));
        if let Some(address) = own {
            return Some(Definition { address, kind: SymbolKind::Unknown, size_bytes: 0 });
        }
        self.find_in_loaded(name).or_else(|| match version {
            Some(at) => libraries::find_versioned(&name[..at], &name[at + 1..]),
            None => libraries::find(name),
        })
    }

    /// What the libraries that this executor loaded define under a name that the executable does not define.
    fn find_in_loaded(&self, name: &[u8]) -> Option<Definition> {
        let libraries = self.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        if libraries.is_empty() || libraries::executable_defines(name) {
            return None;
        }
        libraries.iter().find_map(|library| library.find(name))
    }

    /// Reads memory of this process; false if it is not there.
    pub fn read(address: u64, bytes: &mut [u8]) -> bool {
        File::open("/proc/self/mem").is_ok_and(|memory| memory.read_exact_at(bytes, address).is_ok())
    }

    /// Names for which linked code has to use what the process has.
    pub fn insists_on() -> &'static [&'static [u8]] {
        &[unwind::FIND_FDE]
    }

    /// Where debuggers take offsets of thread-local variables from, relative to the thread pointer; `None` if they show none.
    pub fn debug_thread_base() -> Option<u64> {
        gdb::thread_base()
    }

    /// Shows an image to debuggers until what is returned is dropped.
    pub fn register_debug(&self, image: Vec<u8>) -> io::Result<Kept> {
        Ok(Box::new(gdb::register(image)))
    }

    /// Whether backtraces ask for names of linked code.
    pub fn backtraces_wanted() -> bool {
        phdr::in_use()
    }

    /// Lets backtraces name functions of linked code, until what is returned is dropped: `base` is added to addresses in the
    /// image, which is made when a backtrace needs it. Without it functions have no names, which fails nothing.
    pub fn register_names(&self, base: u64, code: Vec<Range<u64>>, image: MakeImage) -> Option<Kept> {
        /// `PF_R` and `PF_X` (gABI 4.3, "Segment Permissions").
        const EXECUTABLE: u32 = 5;
        let segments = code.into_iter().map(|range| ModuleSegment {
            vaddr: range.start.wrapping_sub(base) as usize,
            size: (range.end - range.start) as usize,
            flags: EXECUTABLE,
        });
        let module = JitModule { base: base as usize, segments: segments.collect(), image };
        phdr::register(module).ok().map(|registration| Box::new(registration) as Kept)
    }

    /// Function records are for Windows' unwinder, which is not here.
    pub fn register_functions(&self, _: u64, _: Range<u64>) -> io::Result<Option<Kept>> {
        Ok(None)
    }

    /// Lets linked code find a session's dylibs by `dlopen` until what is returned is dropped.
    pub fn offer_dylibs(&self, directory: Arc<dyn DylibDirectory>) -> Kept {
        Box::new(dl::install(directory))
    }

    /// The object that a static link adds for a name, if there is one.
    pub fn support_object(name: &[u8]) -> Option<Vec<u8>> {
        support::object(name)
    }

    /// Forgets all that code and data in these ranges have registered, and destructors of these thread-local variables,
    /// given by module and offset.
    pub fn forget(&self, memory: &[Range<u64>], variables: &[(u64, Range<u64>)]) {
        at_exit::forget_within(memory);
        thread_exit::forget_within(memory);
        thread_exit::forget_variables(variables);
    }

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
