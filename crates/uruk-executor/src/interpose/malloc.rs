//! Replacing `malloc` in a process whose libraries have blocks of glibc's already.
//! Data flow: at [`MallocGuard::install`] the ranges are noted in which such blocks can lie; from
//! then on `free`, `realloc` and `malloc_usable_size`, rebound to the wrappers below, look where a
//! block lies: in such a range, with glibc's header before it, it is glibc's; all others are the
//! replacement's.
//! Invariants: the wrappers take no lock and allocate nothing; the state is set once, before anybody
//! can call them, and lasts as long as the process; no old address is ever given out anew, so the
//! ranges stay true. For this, old blocks outside the `brk` heap (large ones, and those of other
//! threads' arenas) are kept for ever instead of being freed, and the `brk` heap no longer shrinks.
//! Limits: once per process and for good, as the replacement's blocks cannot go to glibc either. The
//! replacement must define `malloc`, `free`, `calloc` and `realloc`; an aligned allocator that it
//! does not define fails with ENOMEM, as its blocks could not be told from the replacement's. The
//! replacement must not have given out a block before, nor take memory from a mapping that exists
//! and is not named as excluded. An old block aligned to a page and large enough for a mapping of its
//! own is taken for the replacement's. A `free` that is not called through an import (the program's own
//! calls, if they are not bound to the wrapper) is not guarded.
//! Sources: glibc manual, "Replacing malloc"; glibc `malloc/malloc.c`.

use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

use crate::libraries;
use crate::sys::maps::{self, Entry};
use crate::sys::{Native, System, page_bytes};

/// Why `malloc` cannot be replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MallocError {
    /// The program replaces some functions but not all that must agree.
    #[error(
        "the program replaces `malloc` or its kin but not `{missing}`; define `malloc`, `free`, `calloc` and `realloc` together"
    )]
    Incomplete {
        /// A function that it does not define.
        missing: &'static str,
    },
    /// The process allocates with something else than glibc, whose blocks cannot be told apart.
    #[error("this process allocates with {library}, not glibc, so the program cannot replace `malloc` in it")]
    NotGlibc {
        /// The library that defines `free`, or `the executable`.
        library: String,
    },
    /// A program before has done so.
    #[error("`malloc` was replaced in this process before, which can be done only once")]
    Installed,
    /// The process's own map could not be read.
    #[error("cannot read the memory map of this process: {0}")]
    Maps(#[source] io::Error),
}

/// Blocks of the old heap are told from the replacement's, from now to the end of the process.
#[derive(Debug)]
pub struct MallocGuard {
    addresses: Vec<(&'static str, u64)>,
}

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
type UsableSize = unsafe extern "C" fn(*mut c_void) -> usize;

struct State {
    /// Sorted, apart from each other.
    old: Vec<Range<u64>>,
    /// The `brk` heap, in which old blocks are freed.
    heap: Range<u64>,
    malloc: Malloc,
    free: Free,
    realloc: Realloc,
    usable_size: Option<UsableSize>,
    old_free: Free,
    old_usable_size: UsableSize,
}

static STATE: OnceLock<State> = OnceLock::new();

const REQUIRED: [&str; 4] = ["malloc", "free", "calloc", "realloc"];

impl MallocGuard {
    /// Notes what is glibc's now. `replacement` has the program's functions by name, `excluded` the
    /// ranges from which the replacement may give out blocks although they are mapped already (the
    /// program's own data, above all).
    ///
    /// # Safety
    /// Each address is that of a finished function with the contract of its name; none of them has
    /// given out a block yet.
    pub unsafe fn install(replacement: &[(&str, u64)], excluded: &[Range<u64>]) -> Result<Self, MallocError> {
        let find = |name: &str| replacement.iter().find(|(other, _)| *other == name).map(|&(_, address)| address);
        if let Some(missing) = REQUIRED.into_iter().find(|name| find(name).is_none()) {
            return Err(MallocError::Incomplete { missing });
        }
        let [old_free, old_usable_size, mallopt] = ["free", "malloc_usable_size", "mallopt"].map(of_glibc);
        let (old_free, old_usable_size, mallopt) = (old_free?, old_usable_size?, mallopt?);
        let function = |name| find(name).unwrap_or(0) as *const c_void;
        let mappings = maps::parse(&Native.maps().map_err(MallocError::Maps)?);
        // SAFETY: asks for the end of the heap, which stays where it is.
        let last = (unsafe { libc::sbrk(0) } as u64).wrapping_sub(1);
        // Emulators do not name it.
        let is_heap = |mapping: &&Entry| mapping.name == "[heap]" || mapping.range.contains(&last);
        let heap = mappings.iter().filter(is_heap).map(|mapping| mapping.range.clone());
        let heap = heap.reduce(|all, next| all.start.min(next.start)..all.end.max(next.end)).unwrap_or(0..0);
        // SAFETY: the caller's promise for the replacement's functions; glibc's have these types.
        let state = unsafe {
            State {
                old: old_ranges(&mappings, excluded),
                heap,
                malloc: std::mem::transmute::<*const c_void, Malloc>(function("malloc")),
                free: std::mem::transmute::<*const c_void, Free>(function("free")),
                realloc: std::mem::transmute::<*const c_void, Realloc>(function("realloc")),
                usable_size: std::mem::transmute::<*const c_void, Option<UsableSize>>(function("malloc_usable_size")),
                old_free: std::mem::transmute::<*const c_void, Free>(old_free),
                old_usable_size: std::mem::transmute::<*const c_void, UsableSize>(old_usable_size),
            }
        };
        STATE.set(state).map_err(|_| MallocError::Installed)?;
        /// `M_TRIM_THRESHOLD`, `<malloc.h>`.
        const TRIM_THRESHOLD: c_int = -1;
        // SAFETY: the function's type; a threshold that is never reached keeps the heap's addresses.
        unsafe {
            let mallopt = std::mem::transmute::<*const c_void, unsafe extern "C" fn(c_int, c_int) -> c_int>(mallopt);
            mallopt(TRIM_THRESHOLD, c_int::MAX);
        }
        Ok(MallocGuard { addresses: addresses(&find) })
    }

    /// What imports of these names must be bound to: wrappers, the replacement's own functions, or
    /// functions that fail.
    pub fn addresses(&self) -> &[(&'static str, u64)] {
        &self.addresses
    }

    /// The same, in the form [`super::rebind`] asks for it.
    pub fn lookup(&self, name: &[u8]) -> Option<u64> {
        self.addresses.iter().find(|(other, _)| other.as_bytes() == name).map(|&(_, address)| address)
    }
}

fn addresses(find: &dyn Fn(&str) -> Option<u64>) -> Vec<(&'static str, u64)> {
    let aligned = no_aligned_block as *const () as u64;
    let own = |name| find(name).map(|address| (name, address));
    let or = |name, other: u64| (name, find(name).unwrap_or(other));
    let mut all = vec![
        ("free", free as *const () as u64),
        ("cfree", free as *const () as u64),
        ("realloc", realloc as *const () as u64),
        ("malloc_usable_size", malloc_usable_size as *const () as u64),
        or("aligned_alloc", aligned),
        or("memalign", aligned),
        or("valloc", aligned),
        or("pvalloc", aligned),
        or("posix_memalign", no_posix_memalign as *const () as u64),
    ];
    // glibc's `reallocarray` calls `realloc` through an import.
    all.extend(["malloc", "calloc", "reallocarray"].into_iter().filter_map(own));
    all
}

/// A function of the allocator that the process started with. Not through our own imports, which
/// may be rebound as well.
fn of_glibc(name: &'static str) -> Result<*const c_void, MallocError> {
    let definer = libraries::defining_object(name.as_bytes());
    let path = definer.map(|definer| String::from_utf8_lossy(&definer.path).into_owned());
    match path {
        Some(path) if path.rsplit('/').next().is_some_and(|file| file.starts_with("libc.so")) => {}
        path => {
            let library = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "the executable".to_owned());
            return Err(MallocError::NotGlibc { library });
        }
    }
    let address = libraries::find(name.as_bytes()).map_or(0, |definition| definition.address);
    Ok(address as *const c_void)
}

/// All anonymous memory that can be written: more than glibc's heaps, never less.
fn old_ranges(mappings: &[Entry], excluded: &[Range<u64>]) -> Vec<Range<u64>> {
    let is_old = |mapping: &&Entry| mapping.anonymous && mapping.writable && mapping.name != "[stack]";
    let mut ranges: Vec<Range<u64>> = mappings.iter().filter(is_old).map(|mapping| mapping.range.clone()).collect();
    for hole in excluded {
        ranges = ranges
            .into_iter()
            .flat_map(|range| {
                let before = range.start..range.end.min(hole.start).max(range.start);
                let after = range.start.max(hole.end).min(range.end)..range.end;
                if hole.is_empty() { [range, 0..0] } else { [before, after] }
            })
            .filter(|range| !range.is_empty())
            .collect();
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}

impl State {
    /// A noted range may since have become something else (a thread's stack is anonymous memory
    /// too), so outside the `brk` heap a block must look like glibc's as well.
    ///
    /// # Safety
    /// A block that has not been freed, of either allocator.
    unsafe fn is_old(&self, block: *mut c_void) -> bool {
        /// `HEAP_MAX_SIZE`: other arenas consist of heaps that are aligned to it.
        const ARENA_ALIGN: u64 = 64 << 20;
        const IS_MMAPPED: u64 = 2;
        const NON_MAIN_ARENA: u64 = 4;
        let (address, page_bytes) = (block as u64, page_bytes());
        let index = self.old.partition_point(|range| range.end <= address);
        let Some(range) = self.old.get(index).filter(|range| range.start + 16 <= address) else { return false };
        if self.heap.contains(&address) {
            return true;
        }
        // SAFETY: called for blocks only: what lies before a block in the same page is mapped. In the
        // page before it is, if this is an arena, which is what the first branch has found out.
        let word = |before: u64| unsafe { *((address - before) as *const u64) };
        if range.contains(&(address & !(ARENA_ALIGN - 1))) {
            return word(8) & NON_MAIN_ARENA != 0;
        }
        if address.is_multiple_of(page_bytes) {
            // glibc's blocks with a mapping of their own begin after a header; this one would have
            // been asked for with a page's alignment, the replacement's may well begin like this.
            return false;
        }
        let (size, before) = (word(8), word(16));
        let start = (address - 16).wrapping_sub(before);
        size & IS_MMAPPED != 0
            && start.is_multiple_of(page_bytes)
            && before.wrapping_add(size & !7).is_multiple_of(page_bytes)
    }

    /// # Safety
    /// An old block that nobody uses any more.
    unsafe fn release_old(&self, block: *mut c_void) {
        if self.heap.contains(&(block as u64)) {
            // SAFETY: the caller's promise; the block is glibc's.
            unsafe { (self.old_free)(block) };
        }
    }
}

/// # Safety
/// As `free`.
unsafe extern "C" fn free(block: *mut c_void) {
    let Some(state) = STATE.get().filter(|_| !block.is_null()) else { return };
    // SAFETY: the caller's promise; each block goes to the allocator that made it.
    unsafe { if state.is_old(block) { state.release_old(block) } else { (state.free)(block) } }
}

/// # Safety
/// As `realloc`.
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    let Some(state) = STATE.get() else { return ptr::null_mut() };
    // SAFETY: the caller's promise.
    if block.is_null() || unsafe { !state.is_old(block) } {
        // SAFETY: the caller's promise; the block is the replacement's.
        return unsafe { (state.realloc)(block, size) };
    }
    // SAFETY: the caller's promise; the block is glibc's. Both blocks have as many bytes as are copied.
    unsafe {
        if size == 0 {
            // As glibc does.
            state.release_old(block);
            return ptr::null_mut();
        }
        let new = (state.malloc)(size);
        if !new.is_null() {
            ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), size.min((state.old_usable_size)(block)));
            state.release_old(block);
        }
        new
    }
}

/// # Safety
/// As `malloc_usable_size`. Zero for the replacement's blocks if it does not say.
unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    let Some(state) = STATE.get().filter(|_| !block.is_null()) else { return 0 };
    // SAFETY: the caller's promise; each block's own allocator is asked.
    unsafe {
        if state.is_old(block) {
            return (state.old_usable_size)(block);
        }
        state.usable_size.map_or(0, |usable_size| usable_size(block))
    }
}

/// `aligned_alloc`, `memalign`, `valloc` and `pvalloc`, of whatever arguments.
extern "C" fn no_aligned_block() -> *mut c_void {
    // SAFETY: this thread's variable.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
    ptr::null_mut()
}

/// `posix_memalign`, of whatever arguments.
extern "C" fn no_posix_memalign() -> c_int {
    libc::ENOMEM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_ranges_are_cut_out() {
        let map = |range: Range<u64>, writable, name: &str| Entry {
            range,
            readable: true,
            writable,
            executable: false,
            anonymous: !name.starts_with('/'),
            name: name.to_owned(),
        };
        let mappings = [
            map(10..20, true, "[heap]"),
            map(30..60, true, ""),
            map(60..70, false, ""),
            map(80..90, true, "/file"),
            map(90..95, true, "[stack]"),
        ];
        assert_eq!(old_ranges(&mappings, &[]), [10..20, 30..60]);
        assert_eq!(old_ranges(&mappings, &[40..50, 0..12]), [12..20, 30..40, 50..60]);
        assert_eq!(old_ranges(&mappings, &[25..65, 15..15]), [10..20; 1]);
    }

    #[test]
    fn a_partial_replacement_is_refused() {
        // SAFETY: refused before any address is used.
        let error = unsafe { MallocGuard::install(&[("malloc", 1), ("free", 1), ("calloc", 1)], &[]) }.unwrap_err();
        assert!(matches!(error, MallocError::Incomplete { missing: "realloc" }), "{error}");
    }
}
