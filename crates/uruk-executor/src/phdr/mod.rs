//! Names and lines for linked code in backtraces made by others: Rust's standard library, libbacktrace.
//!
//! Data flow: symbolizers ask `dl_iterate_phdr` for the loaded files and open those whose addresses they meet. With
//! the definitions in `interpose`, linked modules follow the loaded files in that list, each with the path of a file
//! that is written when it is needed. It is needed when a backtrace has met the module *and* somebody symbolizes; who
//! only throws, or walks the stack (an allocator's profiler, say), causes no work and no allocation.
//! - A walk (`_Unwind_Backtrace`) marks the modules it meets.
//! - The list, when asked for by a symbolizer, writes the images of the marked ones.
//! - From then on walks write them at once, since symbolizers ask for the list only once.
//!
//! Limits: that a symbolizer lists once means, for Rust's standard library, that it never names a module that was
//! registered after the first backtrace the process printed.
//! Invariants: no lock is held while images are made and callbacks run; registering makes no system call.
//! Sources: `dl_iterate_phdr(3)`; the symbolizer of Rust's standard library (crate `backtrace`).

mod interpose;

use crate::at_fork::{self, FirstUse};
use crate::in_process::MakeImage;
use once_cell::race::OnceBox;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub(crate) use interpose::loaded_files;
pub use interpose::{FrameCallback, PhdrCallback, backtrace, iterate_phdr};

pub use crate::range_index::RangeError;
use crate::range_index::RangeIndex;


/// Part of a module in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModuleSegment {
    /// Address less the module's base.
    pub vaddr: usize,
    /// Length in bytes.
    pub size: usize,
    /// `PF_R`, `PF_W` and `PF_X`.
    pub flags: u32,
}

/// Linked code as symbolizers see it: like a loaded shared library.
pub struct JitModule {
    /// What is added to addresses in the image.
    pub base: usize,
    /// What of it is mapped. Executable segments belong to no other module.
    pub segments: Vec<ModuleSegment>,
    /// An ELF executable with a symbol table whose addresses are relative to `base`; None if there is nothing to tell.
    pub image: MakeImage,
}

/// A module in the list, until this is dropped.
#[derive(Debug)]
pub struct ModuleRegistration {
    code: Box<[Range<usize>]>,
    entry: NonNull<Arc<Module>>,
    module: Arc<Module>,
}

// SAFETY: the pointer is a claim on an entry of the index, which any thread may take out.
unsafe impl Send for ModuleRegistration {}
// SAFETY: nothing can be done through a shared reference.
unsafe impl Sync for ModuleRegistration {}

struct Module {
    id: u64,
    base: usize,
    headers: Vec<libc::Elf64_Phdr>,
    image: MakeImage,
    /// A backtrace has met it.
    met: AtomicBool,
    /// The image is written, or cannot be had.
    written: AtomicBool,
    path: OnceBox<CString>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", self.id)
    }
}

static BY_ADDRESS: RangeIndex<Arc<Module>> = RangeIndex::new();
static MODULES: Mutex<Modules> = Mutex::new(Modules { list: BTreeMap::new(), removed: 0 });
/// A symbolizer has asked for the list.
static SYMBOLIZING: AtomicBool = AtomicBool::new(false);

struct Modules {
    /// By id.
    list: BTreeMap<u64, Arc<Module>>,
    removed: u64,
}

/// Whether `dl_iterate_phdr` of this process is ours, so that [`register`] has an effect.
pub fn in_use() -> bool {
    cfg!(feature = "backtrace-interposition")
}

/// A child must not inherit the list or the index in the middle of a change.
pub(crate) fn hold_across_fork() {
    static HELD: FirstUse = FirstUse::new();
    HELD.hold(|| Box::new((lock(), BY_ADDRESS.hold())), || BY_ADDRESS.forget_readers());
}

/// Adds a module to what `dl_iterate_phdr` lists. Without the interposition this has no effect.
pub fn register(module: JitModule) -> Result<ModuleRegistration, RangeError> {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    hold_across_fork();
    let JitModule { base, segments, image } = module;
    let executable = segments.iter().filter(|segment| segment.flags & libc::PF_X != 0);
    let code: Box<[_]> = executable
        .map(|segment| {
            let start = base.wrapping_add(segment.vaddr);
            start..start.saturating_add(segment.size)
        })
        .collect();
    let headers = segments.iter().map(program_header).collect();
    let id = NEXT_ID.fetch_add(1, Relaxed);
    let (met, written, path) = (AtomicBool::new(false), AtomicBool::new(false), OnceBox::new());
    let module = Arc::new(Module { id, base, headers, image, met, written, path });
    let entry = BY_ADDRESS.insert(&code, Box::new(Arc::clone(&module)))?;
    lock().list.insert(id, Arc::clone(&module));
    Ok(ModuleRegistration { code, entry, module })
}

impl Drop for ModuleRegistration {
    fn drop(&mut self) {
        // SAFETY: it was inserted with these ranges, and this is the only owner.
        unsafe { BY_ADDRESS.remove(&self.code, self.entry) };
        let mut modules = lock();
        modules.list.remove(&self.module.id);
        modules.removed += 1;
        drop(modules);
        if self.module.written.load(Acquire)
            && let Some(directory) = DIRECTORY.get()
        {
            _ = fs::remove_file(directory.join(self.module.id.to_string()));
        }
    }
}

fn program_header(segment: &ModuleSegment) -> libc::Elf64_Phdr {
    let (address, size) = (segment.vaddr as u64, segment.size as u64);
    libc::Elf64_Phdr {
        p_type: libc::PT_LOAD,
        p_flags: segment.flags,
        p_offset: 0,
        p_vaddr: address,
        p_paddr: address,
        p_filesz: 0,
        p_memsz: size,
        p_align: 1,
    }
}

fn lock() -> MutexGuard<'static, Modules> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the images are: a directory of this process's own, which is made for the first of them.
static DIRECTORY: OnceBox<PathBuf> = OnceBox::new();
static MADE_BY: AtomicU64 = AtomicU64::new(0);

fn directory() -> &'static PathBuf {
    DIRECTORY.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        Box::new(parent.join(format!("uruk-{}-{stamp:x}", process::id())))
    })
}

/// Makes the directory; if somebody else made one of that name, it is not used.
fn make_directory() -> bool {
    static MADE: Mutex<Option<bool>> = Mutex::new(None);
    extern "C" fn remove() {
        // A forked child leaves it to its parent.
        if MADE_BY.load(Relaxed) == u64::from(process::id()) {
            _ = fs::remove_dir_all(directory());
        }
    }
    let _forks = at_fork::hold_off();
    *MADE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| {
        MADE_BY.store(process::id().into(), Relaxed);
        // SAFETY: the function lives as long as the process.
        DirBuilder::new().mode(0o700).create(directory()).is_ok() && unsafe { libc::atexit(remove) } == 0
    })
}

impl Module {
    fn path(&self) -> &CString {
        self.path.get_or_init(|| {
            let path = directory().join(self.id.to_string()).into_os_string();
            Box::new(CString::new(path.into_vec()).unwrap_or_default()) // a path in use contains no zero
        })
    }

    fn write_image(&self) {
        /// Another thread may write the same image, and may have given it to a reader.
        static WRITES: AtomicU64 = AtomicU64::new(0);
        if self.written.load(Acquire) {
            return;
        }
        if let Some(image) = (self.image)()
            && make_directory()
        {
            let place = directory().join(self.id.to_string());
            let ours = place.with_extension(WRITES.fetch_add(1, Relaxed).to_string());
            // Without it the frame has no name.
            _ = fs::write(&ours, image).and_then(|()| fs::rename(ours, place));
        }
        self.written.store(true, Release);
    }
}

/// A stack walk meets `address`.
fn meet(address: usize) {
    let symbolizing = SYMBOLIZING.load(Relaxed);
    let module = BY_ADDRESS.find(address, |module| {
        module.met.store(true, Relaxed);
        symbolizing.then(|| Arc::clone(module))
    });
    if let Some(module) = module.flatten() {
        module.write_image();
    }
}

/// The modules for a symbolizer, and how many were added and removed so far.
fn list() -> (Vec<Arc<Module>>, u64, u64) {
    SYMBOLIZING.store(true, Relaxed);
    let (list, removed) = {
        let modules = lock();
        (modules.list.values().cloned().collect::<Vec<_>>(), modules.removed)
    };
    for module in list.iter().filter(|module| module.met.load(Relaxed)) {
        module.write_image();
    }
    let added = list.len() as u64 + removed;
    (list, added, removed)
}
