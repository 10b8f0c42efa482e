//! The functions themselves, and their table.
//! Those that need to know who calls are naked: they add their return address as one more argument
//! and jump, so no frame of theirs is ever on the stack.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handle::Handle;
use super::{Installed, installed};
use crate::sys;

/// Names and addresses of the shims. A session consults them before the process's own symbols.
pub fn overrides() -> [(&'static str, usize); 8] {
    [
        ("dladdr", dladdr as *const () as usize),
        ("dladdr1", dladdr1 as *const () as usize),
        ("dlclose", dlclose as *const () as usize),
        ("dlerror", dlerror as *const () as usize),
        ("dlinfo", dlinfo as *const () as usize),
        ("dlopen", dlopen as *const () as usize),
        ("dlsym", dlsym as *const () as usize),
        ("dlvsym", dlvsym as *const () as usize),
    ]
}

#[unsafe(naked)]
unsafe extern "C" fn dlopen(_name: *const c_char, _flags: c_int) -> *mut c_void {
    jump_with_caller!(after 2, open)
}

#[unsafe(naked)]
unsafe extern "C" fn dlsym(_handle: *mut c_void, _name: *const c_char) -> *mut c_void {
    jump_with_caller!(after 2, symbol)
}

#[unsafe(naked)]
unsafe extern "C" fn dlvsym(_handle: *mut c_void, _name: *const c_char, _version: *const c_char) -> *mut c_void {
    jump_with_caller!(after 3, versioned_symbol)
}

/// # Safety
/// As `dlopen`: `name` is null or a C string.
unsafe extern "C" fn open(name: *const c_char, flags: c_int, caller: u64) -> *mut c_void {
    let ours = answer(ptr::null_mut(), || {
        let sessions = from_caller(caller);
        if name.is_null() {
            let session = sessions.first()?;
            session.directory.dylib_containing(caller)?;
            return Some(Ok(Handle { session: session.id, dylib: None }.to_pointer()));
        }
        // SAFETY: the caller's promise.
        let name = unsafe { CStr::from_ptr(name) };
        sessions.iter().find_map(|session| {
            let opened = session.directory.open(name.to_bytes())?;
            let handle = |dylib| Handle { session: session.id, dylib: Some(dylib) }.to_pointer();
            Some(opened.map(handle).map_err(|error| format!("{}: {error}", name.to_string_lossy())))
        })
    });
    // SAFETY: the caller's promise.
    ours.unwrap_or_else(|| unsafe { libc::dlopen(name, flags) })
}

/// # Safety
/// As `dlsym`: `name` is a C string.
unsafe extern "C" fn symbol(handle: *mut c_void, name: *const c_char, caller: u64) -> *mut c_void {
    // SAFETY: the caller's promise.
    let ours = unsafe { our_symbol(handle, name, caller) };
    // SAFETY: the caller's promise; a handle that is not ours is glibc's.
    ours.unwrap_or_else(|| unsafe { libc::dlsym(process_handle(handle, caller), name) })
}

/// JIT'd symbols have no versions: any will do. The process's are asked for the version.
///
/// # Safety
/// As `dlvsym`: `name` and `version` are C strings.
unsafe extern "C" fn versioned_symbol(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
    caller: u64,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let ours = unsafe { our_symbol(handle, name, caller) };
    // SAFETY: the caller's promise; a handle that is not ours is glibc's.
    ours.unwrap_or_else(|| unsafe { libc::dlvsym(process_handle(handle, caller), name, version) })
}

/// `None` sends the question on to the process.
///
/// # Safety
/// `name` is a C string.
unsafe fn our_symbol(handle: *mut c_void, name: *const c_char, caller: u64) -> Option<*mut c_void> {
    answer(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(name) };
        let name = text.to_bytes();
        let found = if let Some(handle) = Handle::from_pointer(handle) {
            let Some(session) = session(handle) else { return Some(Err("invalid handle".to_owned())) };
            match handle.dylib {
                Some(dylib) => {
                    let undefined = || format!("undefined symbol: {}", text.to_string_lossy());
                    return Some(
                        session
                            .directory
                            .symbol(dylib, name)
                            .map(|address| address as *mut c_void)
                            .ok_or_else(undefined),
                    );
                }
                None => session.directory.program_symbol(name),
            }
        } else if handle == libc::RTLD_DEFAULT {
            from_caller(caller).iter().find_map(|session| session.directory.program_symbol(name))
        } else if handle == libc::RTLD_NEXT {
            let sessions = from_caller(caller);
            sessions
                .first()
                .and_then(|session| session.directory.next_symbol(session.directory.dylib_containing(caller)?, name))
        } else {
            return None;
        };
        // To the program, its `dlsym` is the process's: it must not get at the real one.
        let shim = || overrides().iter().find(|(shim, _)| shim.as_bytes() == name).map(|&(_, address)| address as u64);
        found.or_else(shim).map(|address| Ok(address as *mut c_void))
    })
}

/// What a handle that the sessions did not answer means to the process. The libraries come after
/// the whole JIT'd program, so what is next after one of its dylibs is the first of theirs.
fn process_handle(handle: *mut c_void, caller: u64) -> *mut c_void {
    let from_jit = || installed().iter().any(|session| session.directory.dylib_containing(caller).is_some());
    let is_program = Handle::from_pointer(handle).is_some_and(|handle| handle.dylib.is_none());
    if is_program || (handle == libc::RTLD_NEXT && from_jit()) { libc::RTLD_DEFAULT } else { handle }
}

/// # Safety
/// As `dlclose`: the handle is ours, or open.
unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    let ours = answer(-1, || {
        let handle = Handle::from_pointer(handle)?;
        let Some(session) = session(handle) else { return Some(Err("invalid handle".to_owned())) };
        // The program as a whole is never closed.
        Some(handle.dylib.map_or(Ok(()), |dylib| session.directory.close(dylib)).map(|()| 0))
    });
    // SAFETY: the caller's promise.
    ours.unwrap_or_else(|| unsafe { libc::dlclose(handle) })
}

/// # Safety
/// As `dladdr`: `info` can be written.
unsafe extern "C" fn dladdr(address: *const c_void, info: *mut libc::Dl_info) -> c_int {
    // SAFETY: the caller's promise.
    let ours = unsafe { describe(address, info) };
    // SAFETY: the caller's promise.
    ours.unwrap_or_else(|| unsafe { libc::dladdr(address, info) })
}

/// # Safety
/// As `dladdr1`: `info` can be written, and `extra` too if `flags` is not zero.
unsafe extern "C" fn dladdr1(
    address: *const c_void,
    info: *mut libc::Dl_info,
    extra: *mut *mut c_void,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    let ours = unsafe { describe(address, info) };
    if ours.is_some() && flags != 0 && !extra.is_null() {
        // A JIT dylib has neither a link map nor a symbol table of the loader's kind.
        // SAFETY: the caller's promise.
        unsafe { *extra = ptr::null_mut() };
    }
    // SAFETY: the caller's promise; the function has this type in `<dlfcn.h>`.
    ours.unwrap_or_else(|| unsafe { real_dladdr1(address, info, extra, flags) })
}

unsafe extern "C" {
    #[link_name = "dladdr1"]
    fn real_dladdr1(address: *const c_void, info: *mut libc::Dl_info, extra: *mut *mut c_void, flags: c_int) -> c_int;
}

/// # Safety
/// `info` can be written.
unsafe fn describe(address: *const c_void, info: *mut libc::Dl_info) -> Option<c_int> {
    answer(0, || {
        let found = installed().iter().find_map(|session| session.directory.describe(address as u64))?;
        let (symbol, symbol_address) = found.symbol.map_or((ptr::null(), 0), |(name, address)| (kept(name), address));
        let filled = libc::Dl_info {
            dli_fname: kept(found.dylib),
            dli_fbase: found.base as *mut c_void,
            dli_sname: symbol,
            dli_saddr: symbol_address as *mut c_void,
        };
        // SAFETY: the caller's promise.
        unsafe { info.write(filled) };
        Some(Ok(1))
    })
}

static STRINGS: Mutex<Option<HashSet<CString>>> = Mutex::new(None);

/// Nothing changes while this is held.
pub(super) fn hold() -> MutexGuard<'static, Option<HashSet<CString>>> {
    STRINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Programs keep the strings that `dladdr` gives them, as those of a library last until it is
/// unloaded. Ours last for ever, each distinct one once.
fn kept(string: CString) -> *const c_char {
    let mut strings = hold();
    let strings = strings.get_or_insert_default();
    if let Some(known) = strings.get(&string) {
        return known.as_ptr();
    }
    // A `CString`'s bytes do not move with it.
    let pointer = string.as_ptr();
    strings.insert(string);
    pointer
}

/// # Safety
/// As `dlinfo`.
unsafe extern "C" fn dlinfo(handle: *mut c_void, request: c_int, argument: *mut c_void) -> c_int {
    let ours = answer(-1, || {
        Handle::from_pointer(handle)?;
        Some(Err("dlinfo knows nothing of a dylib that was linked in memory".to_owned()))
    });
    // SAFETY: the caller's promise.
    ours.unwrap_or_else(|| unsafe { libc::dlinfo(handle, request, argument) })
}

#[derive(Default)]
struct Errors {
    /// Not yet fetched.
    pending: Option<CString>,
    /// Fetched by the last `dlerror`, whose caller may read it until the next.
    fetched: Option<CString>,
}

thread_local! {
    static ERRORS: RefCell<Errors> = RefCell::default();
}

unsafe extern "C" fn dlerror() -> *mut c_char {
    let ours = ERRORS.try_with(|errors| {
        let mut errors = errors.borrow_mut();
        errors.fetched = errors.pending.take();
        errors.fetched.as_ref().map(|text| text.as_ptr().cast_mut())
    });
    // SAFETY: no obligations.
    ours.ok().flatten().unwrap_or_else(|| unsafe { libc::dlerror() })
}

/// Runs what the sessions have to say: an error becomes this thread's `dlerror` and `failed` the
/// answer; no answer clears ours, as the process's function that is called next sets its own.
fn answer<T>(failed: T, ours: impl FnOnce() -> Option<Result<T, String>>) -> Option<T> {
    let (value, error) = match catch_unwind(AssertUnwindSafe(|| sys::uncancelled(ours))) {
        Ok(None) => (None, None),
        Ok(Some(Ok(value))) => (Some(value), None),
        Ok(Some(Err(error))) => (Some(failed), Some(error)),
        Err(panic) => {
            // A panic's payload may panic when dropped.
            std::mem::forget(panic);
            (Some(failed), Some("the session failed while it was asked".to_owned()))
        }
    };
    let error = error.map(|mut error| {
        error.retain(|character| character != '\0');
        CString::new(error).unwrap_or_default()
    });
    if error.is_some() {
        // SAFETY: no obligations. An older text of glibc's must not come after ours.
        unsafe { libc::dlerror() };
    }
    // Without thread-local storage the thread is ending, and the text is lost.
    let _ = ERRORS.try_with(|errors| errors.borrow_mut().pending = error);
    value
}

fn session(handle: Handle) -> Option<Installed> {
    installed().iter().find(|session| session.id == handle.session).cloned()
}

/// The session whose code calls; all of them where that cannot be told, as the caller of a shim
/// is JIT'd code, of which a tail call has left no trace.
fn from_caller(caller: u64) -> Vec<Installed> {
    let sessions = installed();
    match sessions.iter().find(|session| session.directory.dylib_containing(caller).is_some()) {
        Some(session) => vec![session.clone()],
        None => sessions.to_vec(),
    }
}
