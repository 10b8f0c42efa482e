//! Destructors of linked code's `thread_local` objects, which run when their thread ends.
//!
//! Data flow: `__cxa_thread_atexit`, as linked code sees it → an entry in our table, and one in glibc's list of the thread →
//! the thread ends, and glibc calls us → the destructor, if its entry is still there. Entries go when the destructor's
//! code or the object's storage does: glibc itself keeps a library for them, but does not know what was linked in memory.
//! Invariant: the table is not locked while foreign code runs.
//! Sources: Itanium C++ ABI §3.3.6, extended to threads; glibc `stdlib/cxa_thread_atexit_impl.c`; dl_iterate_phdr(3).

use crate::at_fork::{self, ProcessMutex};
use crate::phdr::loaded_files;
use crate::ranges::Ranges;
use crate::tls::fixed;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::slice;

static TABLE: ProcessMutex<Table> = ProcessMutex::new(Table { exits: BTreeMap::new(), made: 0 });

struct Table {
    exits: BTreeMap<u64, ThreadExit>,
    /// How many there have been.
    made: u64,
}

type ThreadDestructor = unsafe extern "C" fn(*mut c_void);

#[derive(Clone, Copy)]
struct ThreadExit {
    destructor: ThreadDestructor,
    object: u64,
    /// The thread-local module that the object lies in, and where; 0 if it is elsewhere.
    place: (u64, u64),
    /// The `__dso_handle` of the dylib that registered it.
    dso_handle: u64,
}

pub(crate) fn hold_across_fork() {
    TABLE.hold_across_fork();
}

/// Functions that JIT'd code must get from here rather than from the process: name and address.
pub fn overrides() -> [(&'static str, usize); 2] {
    let address = thread_atexit as *const () as usize;
    [("__cxa_thread_atexit", address), ("__cxa_thread_atexit_impl", address)]
}

/// How many destructors of `thread_local` objects, in all threads, belong to the dylib with this `__dso_handle` and
/// have not finished.
pub fn pending_destructors(dso_handle: u64) -> usize {
    TABLE.lock().exits.values().filter(|exit| exit.dso_handle == dso_handle).count()
}

/// Forgets the destructors that lie in these ranges: they will not run, in any thread.
pub fn forget_within(ranges: &[Range<u64>]) {
    let ranges = Ranges::new(ranges);
    TABLE.lock().exits.retain(|_, exit| !ranges.contains(exit.destructor as *const () as u64));
}

/// Forgets the destructors of the objects in these parts of thread-local blocks, given by module and offset.
pub fn forget_variables(variables: &[(u64, Range<u64>)]) {
    if !variables.is_empty() {
        let gone = |(module, offset)| variables.iter().any(|(of, range)| *of == module && range.contains(&offset));
        TABLE.lock().exits.retain(|_, exit| !gone(exit.place));
    }
}

/// `__cxa_thread_atexit`.
///
/// # Safety
/// The destructor may be called with the object when this thread ends, unless it is forgotten before.
unsafe extern "C" fn thread_atexit(
    destructor: ThreadDestructor,
    object: *mut c_void,
    dso_handle: *mut c_void,
) -> c_int {
    unsafe extern "C" {
        fn __cxa_thread_atexit_impl(
            function: unsafe extern "C" fn(*mut c_void),
            object: *mut c_void,
            dso_handle: *mut c_void,
        ) -> c_int;
    }
    let object = object as u64;
    let exit = ThreadExit { destructor, object, place: place_of(object), dso_handle: dso_handle as u64 };
    let number = {
        let mut table = TABLE.lock();
        table.made += 1;
        let number = table.made;
        table.exits.insert(number, exit);
        number
    };
    let number_pointer = std::ptr::without_provenance_mut(number as usize);
    // glibc takes the loader's lock for that, which it leaves in a forked child as it was.
    let forks = at_fork::hold_off();
    // SAFETY: `thread_exit` takes such a number. glibc keeps the object that holds it loaded until then, which an address
    // in it stands for.
    let status =
        unsafe { __cxa_thread_atexit_impl(thread_exit, number_pointer, (&raw const EXECUTOR).cast_mut().cast()) };
    drop(forks);
    if status != 0 {
        TABLE.lock().exits.remove(&number);
    }
    status
}

/// An address in the object that this crate is linked into.
static EXECUTOR: u8 = 0;

/// # Safety
/// To be called by glibc only, with what `thread_atexit` gave it.
unsafe extern "C" fn thread_exit(number: *mut c_void) {
    let number = number as u64;
    let exit = TABLE.lock().exits.get(&number).copied();
    if let Some(ThreadExit { destructor, object, .. }) = exit {
        // SAFETY: whoever registered it promised that, and it has not been forgotten. Our lock is not held.
        unsafe { destructor(std::ptr::with_exposed_provenance_mut(object as usize)) };
        TABLE.lock().exits.remove(&number);
    }
}

/// The thread-local module of whose block in this thread an address is part, and the offset in that; 0 if there is none.
fn place_of(address: u64) -> (u64, u64) {
    let mut search = Search { address, place: (0, 0) };
    // SAFETY: `look` takes a pointer to such a search, which is nobody else's meanwhile.
    let found = unsafe { loaded_files(look, (&raw mut search).cast()) };
    let fixed = if found == 0 { fixed::place_of(address) } else { None };
    fixed.unwrap_or(search.place)
}

struct Search {
    address: u64,
    place: (u64, u64),
}

/// # Safety
/// `search` points to a `Search` that nobody else uses; `info` comes from the loader.
unsafe extern "C-unwind" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    if info.dlpi_tls_data.is_null() {
        return 0;
    }
    // SAFETY: the loader's description: `dlpi_phnum` headers, mapped during the callback.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let block = headers.iter().find(|header| header.p_type == libc::PT_TLS);
    let offset = search.address.wrapping_sub(info.dlpi_tls_data as u64);
    if block.is_some_and(|block| offset < block.p_memsz) {
        search.place = (info.dlpi_tls_modid as u64, offset);
        return 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn destructors_of_thread_local_objects_are_counted_until_they_have_run() {
        static ORDER: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
        const HANDLE: u64 = 0x1234;
        unsafe extern "C" fn destructor(object: *mut c_void) {
            ORDER.lock().unwrap().push((object as usize, pending_destructors(HANDLE)));
        }
        for (_, address) in overrides() {
            // SAFETY: the overrides have this type.
            let register: Register = unsafe { std::mem::transmute(address) };
            let thread = std::thread::spawn(move || {
                for object in [1, 2] {
                    // SAFETY: the destructor does not follow the pointer.
                    assert_eq!(unsafe { register(destructor, object as *mut c_void, HANDLE as *mut c_void) }, 0);
                }
                pending_destructors(HANDLE)
            });
            assert_eq!(thread.join().unwrap(), 2);
            assert_eq!(pending_destructors(HANDLE), 0);
            assert_eq!(std::mem::take(&mut *ORDER.lock().unwrap()), [(2, 2), (1, 1)]);
        }
    }

    type Register = unsafe extern "C" fn(ThreadDestructor, *mut c_void, *mut c_void) -> c_int;

    #[test]
    fn what_is_forgotten_does_not_run() {
        static RUN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
        unsafe extern "C" fn stays(object: *mut c_void) {
            RUN.lock().unwrap().push(object as usize);
        }
        unsafe extern "C" fn goes(_: *mut c_void) {
            RUN.lock().unwrap().push(0);
        }
        thread_local! {
            static OBJECT: u64 = const { 3 };
        }
        let (_, address) = overrides()[0];
        // SAFETY: the overrides have this type.
        let register: Register = unsafe { std::mem::transmute(address) };
        let thread = std::thread::spawn(move || {
            let object = OBJECT.with(|object| std::ptr::from_ref(object).cast_mut().cast::<c_void>());
            let (module, offset) = place_of(object as u64);
            assert_ne!(module, 0, "it is in the block of this program");
            let own = goes as *const () as u64;
            let number = std::ptr::without_provenance_mut::<c_void>;
            // SAFETY: the destructors do not follow the pointers.
            unsafe {
                assert_eq!(register(stays, number(1), number(8)), 0);
                assert_eq!(register(goes, number(2), number(8)), 0);
                assert_eq!(register(stays, object, number(8)), 0);
            }
            assert_eq!(pending_destructors(8), 3);
            forget_within(&[own..own + 1, 0..1]);
            assert_eq!(pending_destructors(8), 2);
            forget_variables(&[(module, 0..offset), (module, offset + 1..u64::MAX), (module + 1, 0..u64::MAX)]);
            assert_eq!(pending_destructors(8), 2);
            forget_variables(&[(module, offset..offset + 1)]);
            assert_eq!(pending_destructors(8), 1);
        });
        thread.join().unwrap();
        assert_eq!(*RUN.lock().unwrap(), [1]);
    }
}
