//! The loader's own functions: `dlopen`, `dlsym`, `dlvsym`, `dlclose`, `dlerror`.
//! Invariants: the error text is fetched on the thread that made the call, right after it; a symbol
//! whose address is null is told from an absent one by that text alone.
//! Sources: POSIX.1-2024 `dlopen`, `dlsym`; dlsym(3).

use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::list::{forget_global, note_global, with_objects};
use super::symbols::SymbolName;
use super::{Definition, SymbolKind};
use crate::at_fork;

/// Why a library could not be loaded or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The loader refused the file; the message is its own.
    #[error("cannot load library `{name}`: {message}")]
    Load {
        /// The path or soname asked for.
        name: String,
        /// What `dlerror` said.
        message: String,
    },
    /// A path or soname cannot hold a zero byte.
    #[error("library name `{name}` holds a zero byte")]
    Name {
        /// The name as given.
        name: String,
    },
}

/// A library that this process loaded; dropping it gives the load back (`dlclose`).
#[derive(Debug)]
pub struct Library {
    handle: *mut c_void,
    /// The base, if the library was noted as part of the global scope.
    noted: Option<u64>,
}

// SAFETY: the loader's functions may be called from any thread; the handle is only a name for them.
unsafe impl Send for Library {}
// SAFETY: as above; `&Library` offers look-ups only, which the loader serialises.
unsafe impl Sync for Library {}

/// Loads a library by path or, without a slash, by soname, with its symbols offered to the whole
/// process (`RTLD_NOW | RTLD_GLOBAL`). Its constructors run before this returns.
pub fn load(path_or_soname: impl AsRef<OsStr>) -> Result<Library, LibraryError> {
    let mut library = load_with(path_or_soname.as_ref(), libc::RTLD_GLOBAL)?;
    library.noted = library.base();
    library.noted.into_iter().for_each(note_global);
    Ok(library)
}

/// The same with its symbols offered to nobody but who has it (`RTLD_NOW | RTLD_LOCAL`).
pub fn load_apart(path_or_soname: &str) -> Result<Library, LibraryError> {
    load_with(path_or_soname.as_ref(), libc::RTLD_LOCAL)
}

/// Whether the process has loaded a library, by path or, without a slash, by soname.
pub fn is_loaded(path_or_soname: &str) -> bool {
    load_with(path_or_soname.as_ref(), libc::RTLD_NOLOAD).is_ok()
}

fn load_with(path_or_soname: &OsStr, scope: i32) -> Result<Library, LibraryError> {
    let shown = || path_or_soname.to_string_lossy();
    let name = CString::new(path_or_soname.as_bytes())
        .map_err(|_| LibraryError::Name { name: shown().escape_default().to_string() })?;
    open(&name, libc::RTLD_NOW | scope).map_err(|message| LibraryError::Load { name: shown().into_owned(), message })
}

/// `dlopen`; the error is the loader's text.
pub(crate) fn open(name: &CStr, flags: i32) -> Result<Library, String> {
    // SAFETY: `name` is a C string that outlives the call. The library's constructors run: whoever
    // names a library vouches for it, as with any linked library.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    if handle.is_null() { Err(last_error().unwrap_or_default()) } else { Ok(Library { handle, noted: None }) }
}

impl Library {
    /// Finds `name` in this library and the libraries it needs.
    pub fn find(&self, name: &[u8]) -> Option<Definition> {
        let symbol_name = SymbolName::new(name, None);
        let base = self.base();
        let (symbol, own) = with_objects(|objects| {
            let own = objects
                .iter()
                .filter(|object| Some(object.base()) == base)
                .find_map(|object| object.find(&symbol_name));
            let any = || objects.exporting().find_map(|object| object.find(&symbol_name));
            own.map(|symbol| (symbol, true)).or_else(|| any().map(|symbol| (symbol, false)))
        })?;
        if symbol.kind == SymbolKind::ThreadLocal {
            // A thread-local symbol of a needed library is found by `super::find`; to answer here
            // would take the loader, which must not see it.
            return own.then_some(Definition {
                address: symbol.value,
                kind: symbol.kind,
                size_bytes: symbol.size_bytes,
            });
        }
        let address = look_up(self.handle, name, None)?;
        let kind = match symbol.kind {
            SymbolKind::IndirectFunction => SymbolKind::Function,
            kind => kind,
        };
        Some(Definition { address, kind, size_bytes: symbol.size_bytes })
    }

    /// What the loader adds to the library's own addresses.
    pub(crate) fn base(&self) -> Option<u64> {
        let mut map: *const LinkMap = ptr::null();
        let _forks = at_fork::hold_off();
        // SAFETY: the handle is open; the request stores one pointer, which `map` can hold.
        let status = unsafe { libc::dlinfo(self.handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        // SAFETY: on success `map` is the library's link map, which lives while the handle is open;
        // its first member is public (`<link.h>`) and never changes after loading.
        (status == 0 && !map.is_null()).then(|| unsafe { (*map).l_addr })
    }

    /// Gives up the right to unload: the library stays for the life of the process.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.noted.into_iter().for_each(forget_global);
        // SAFETY: the handle came from `dlopen` and is closed once.
        unsafe { libc::dlclose(self.handle) };
    }
}

/// The public head of `struct link_map`, `<link.h>`.
#[repr(C)]
struct LinkMap {
    l_addr: u64,
}

/// The loader's answer in the global scope. The caller has made sure that it is not thread-local.
pub(super) fn global(name: &[u8], version: Option<&[u8]>) -> Option<u64> {
    look_up(libc::RTLD_DEFAULT, name, version)
}

fn look_up(handle: *mut c_void, name: &[u8], version: Option<&[u8]>) -> Option<u64> {
    let name = CString::new(name).ok()?;
    let version = version.map(CString::new).transpose().ok()?;
    // glibc leaves the loader's lock in a forked child as it was.
    let _forks = at_fork::hold_off();
    // SAFETY: the names are C strings that outlive the call; `handle` is `RTLD_DEFAULT` or open.
    // Resolvers of indirect functions may run: they belong to libraries the process already trusts.
    let address = unsafe {
        match &version {
            None => libc::dlsym(handle, name.as_ptr()),
            Some(version) => libc::dlvsym(handle, name.as_ptr(), version.as_ptr()),
        }
    };
    // `dlsym` forgets an earlier error when it succeeds, so a null without a text is a symbol
    // whose address is null.
    if address.is_null() && last_error().is_some() { None } else { Some(address as u64) }
}

/// Takes this thread's `dlerror` text.
fn last_error() -> Option<String> {
    // SAFETY: no obligations; the text stays valid until this thread's next call into the loader.
    let text = unsafe { libc::dlerror() };
    // SAFETY: when not null it is a C string, copied before anything else can run on this thread.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
