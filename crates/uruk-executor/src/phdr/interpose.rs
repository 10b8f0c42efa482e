//! Our `dl_iterate_phdr` and `_Unwind_Backtrace`, in front of the C library's and libgcc's.
//!
//! Code linked into the executable, Rust's standard library among it, uses them because the linker takes a definition
//! from an archive before one from a shared library. Shared libraries use them because the linker exports names that
//! the shared libraries on its command line define, too. Without the feature the functions have no such names, but a
//! host can call them from its own definitions.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use libc::{dl_phdr_info, size_t};

use crate::at_fork;

/// What is called for each file or module.
pub type PhdrCallback = unsafe extern "C-unwind" fn(*mut dl_phdr_info, size_t, *mut c_void) -> c_int;
type Iterate = unsafe extern "C-unwind" fn(PhdrCallback, *mut c_void) -> c_int;
/// What is called for each frame.
pub type FrameCallback = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void) -> c_int;
type Walk = unsafe extern "C-unwind" fn(FrameCallback, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// `_URC_FATAL_PHASE1_ERROR`, which ends a walk that could not begin.
const FATAL: c_int = 3;

static NEXT_ITERATE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static NEXT_WALK: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Where libgcc_s lies, which older versions of it list the loaded files from during a throw.
static UNWINDER: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

#[cfg(feature = "backtrace-interposition")]
#[used]
#[unsafe(link_section = ".init_array")]
static RESOLVE_AT_START: extern "C" fn() = resolve;

extern "C" fn resolve() {
    // SAFETY: the names are C strings.
    let (iterate, walk) = unsafe {
        let next = libc::RTLD_NEXT;
        (libc::dlsym(next, c"dl_iterate_phdr".as_ptr()), libc::dlsym(next, c"_Unwind_Backtrace".as_ptr()))
    };
    NEXT_WALK.store(walk, Relaxed);
    NEXT_ITERATE.store(iterate, Relaxed);
    if let Some(iterate) = next_iterate() {
        // SAFETY: the callback ignores its argument.
        unsafe { iterate(note_unwinder, ptr::null_mut()) };
    }
}

fn next_iterate() -> Option<Iterate> {
    let next = NEXT_ITERATE.load(Relaxed);
    // SAFETY: it is null or the C library's function of this type.
    unsafe { mem::transmute::<*mut c_void, Option<Iterate>>(next) }
}

unsafe extern "C-unwind" fn note_unwinder(info: *mut dl_phdr_info, _size: size_t, _data: *mut c_void) -> c_int {
    let walk = NEXT_WALK.load(Relaxed).addr();
    // SAFETY: the C library passes a valid record with its program headers.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize);
        if (start..end).contains(&walk) {
            UNWINDER[0].store(start, Relaxed);
            UNWINDER[1].store(end, Relaxed);
            return 1;
        }
    }
    0
}

// The third argument is where the call came from: who asks decides what is listed.

/// Lists loaded files, then linked modules, by the name `dl_iterate_phdr`.
///
/// # Safety
/// As the C library's: the callback may be called with the data.
#[unsafe(naked)]
#[cfg_attr(feature = "backtrace-interposition", unsafe(export_name = "dl_iterate_phdr"))]
pub unsafe extern "C-unwind" fn iterate_phdr(callback: PhdrCallback, data: *mut c_void) -> c_int {
    jump_with_caller!(after 2, iterate)
}

/// Lists loaded files only, in the C library's own way. The callback is no foreign code; `fork` is held off meanwhile,
/// since glibc leaves the loader's lock in the child as it was.
///
/// # Safety
/// As `dl_iterate_phdr`: the callback may be called with the data.
pub(crate) unsafe fn loaded_files(callback: PhdrCallback, data: *mut c_void) -> c_int {
    if NEXT_ITERATE.load(Relaxed).is_null() {
        resolve();
    }
    let next = next_iterate().unwrap_or(iterate_phdr);
    let _forks = at_fork::hold_off();
    // SAFETY: the caller's promise.
    unsafe { next(callback, data) }
}

struct Listing {
    callback: PhdrCallback,
    data: *mut c_void,
    last: Option<dl_phdr_info>,
    added: u64,
    removed: u64,
}

/// # Safety
/// As `dl_iterate_phdr`: the callback may be called with the data.
unsafe extern "C-unwind" fn iterate(callback: PhdrCallback, data: *mut c_void, caller: usize) -> c_int {
    if NEXT_ITERATE.load(Relaxed).is_null() {
        resolve(); // another initialiser, before ours
    }
    let Some(next) = next_iterate() else { return 0 };
    let [start, end] = UNWINDER.each_ref().map(|bound| bound.load(Relaxed));
    if (start..end).contains(&caller) {
        // SAFETY: passed on as it came.
        return unsafe { next(callback, data) };
    }
    let (modules, added, removed) = super::list();
    let mut listing = Listing { callback, data, last: None, added, removed };
    // SAFETY: `pass_on` is called with the listing, which outlives the call.
    let result = unsafe { next(pass_on, (&raw mut listing).cast()) };
    let Some(last) = listing.last.filter(|_| result == 0) else { return result };
    for module in modules {
        let mut info = last;
        info.dlpi_addr = module.base as u64;
        info.dlpi_name = module.path().as_ptr();
        info.dlpi_phdr = module.headers.as_ptr();
        info.dlpi_phnum = module.headers.len() as u16;
        info.dlpi_tls_modid = 0;
        info.dlpi_tls_data = ptr::null_mut();
        // SAFETY: the caller's callback gets a record as the C library makes it; the module outlives the call.
        let result = unsafe { callback(&mut info, mem::size_of::<dl_phdr_info>(), data) };
        if result != 0 {
            return result;
        }
    }
    0
}

/// Passes a loaded file on, with the counters of files added and removed raised by ours.
unsafe extern "C-unwind" fn pass_on(info: *mut dl_phdr_info, size: size_t, listing: *mut c_void) -> c_int {
    // SAFETY: `iterate` passes its listing, and the C library a valid record of a type that has had these fields for
    // longer than Rust's standard library supports.
    let (listing, mut info) = unsafe { (&mut *listing.cast::<Listing>(), *info) };
    info.dlpi_adds += listing.added;
    info.dlpi_subs += listing.removed;
    listing.last = Some(info);
    // SAFETY: the caller's callback with the caller's data.
    unsafe { (listing.callback)(&mut info, size.min(mem::size_of::<dl_phdr_info>()), listing.data) }
}

struct Walking {
    callback: FrameCallback,
    argument: *mut c_void,
}

/// Walks the stack, by the name `_Unwind_Backtrace`.
///
/// # Safety
/// As libgcc's: the callback may be called with the argument.
#[cfg_attr(feature = "backtrace-interposition", unsafe(export_name = "_Unwind_Backtrace"))]
pub unsafe extern "C-unwind" fn backtrace(callback: FrameCallback, argument: *mut c_void) -> c_int {
    if NEXT_WALK.load(Relaxed).is_null() {
        resolve();
    }
    // SAFETY: it is null or libgcc's function of this type.
    let next = unsafe { mem::transmute::<*mut c_void, Option<Walk>>(NEXT_WALK.load(Relaxed)) };
    let Some(next) = next else { return FATAL };
    let mut walking = Walking { callback, argument };
    // SAFETY: `step` is called with `walking`, which outlives the call.
    unsafe { next(step, (&raw mut walking).cast()) }
}

unsafe extern "C-unwind" fn step(context: *mut c_void, walking: *mut c_void) -> c_int {
    // SAFETY: the unwinder passes its context, and what it was given.
    let (address, walking) = unsafe { (_Unwind_GetIP(context), &*walking.cast::<Walking>()) };
    super::meet(address.wrapping_sub(1));
    // SAFETY: the caller's callback with the caller's argument.
    unsafe { (walking.callback)(context, walking.argument) }
}
