//! The process's DLLs: loading them, and finding what they export.
//! Sources: Microsoft's documentation of `LoadLibraryW`, `GetProcAddress`, `EnumProcessModules`.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem;
use std::os::windows::ffi::OsStrExt;
use std::ptr;
use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress, LoadLibraryW};
use windows_sys::Win32::System::ProcessStatus::K32EnumProcessModules;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// What is defined. DLLs do not say more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    /// A function or variable.
    Unknown,
    /// A thread-local variable, which no DLL exports.
    ThreadLocal,
}

/// Where a DLL defines a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The address.
    pub address: u64,
    /// What is defined.
    pub kind: SymbolKind,
}

/// Why a library could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("cannot load library `{name}`: {source}")]
pub struct LibraryError {
    /// The path or name asked for.
    name: String,
    /// What the system says.
    source: io::Error,
}

/// A DLL that this process loaded; dropping it gives the load back.
#[derive(Debug)]
pub struct Library {
    module: HMODULE,
}

// SAFETY: the loader's functions may be called from any thread; the handle is only a name for them.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Loads a DLL by path or name. Its start code runs before this returns.
pub fn load(path_or_name: impl AsRef<OsStr>) -> Result<Library, LibraryError> {
    let path_or_name = path_or_name.as_ref();
    let name: Vec<u16> = path_or_name.encode_wide().chain([0]).collect();
    // SAFETY: the name ends with a zero. Whoever names a library vouches for its start code, as with any linked library.
    let module = unsafe { LoadLibraryW(name.as_ptr()) };
    if module.is_null() {
        return Err(LibraryError {
            name: path_or_name.to_string_lossy().into_owned(),
            source: io::Error::last_os_error(),
        });
    }
    Ok(Library { module })
}

/// The same: modules have no scopes.
pub fn load_apart(path_or_name: &str) -> Result<Library, LibraryError> {
    load(path_or_name)
}

impl Library {
    /// What it exports under a name, or for `#number` by that number.
    pub fn find(&self, name: &[u8]) -> Option<Definition> {
        find_in(self.module, name)
    }

    /// Leaves it loaded for the life of the process.
    pub fn keep(self) {
        mem::forget(self);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: it was loaded, and is given back once.
        unsafe { FreeLibrary(self.module) };
    }
}

fn find_in(module: HMODULE, name: &[u8]) -> Option<Definition> {
    let number = name.strip_prefix(b"#").and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    // SAFETY: the module is loaded; the name is a C string, or a number in place of an address.
    let address = unsafe {
        match number {
            Some(number) => GetProcAddress(module, ptr::without_provenance(usize::from(number)))?,
            None => {
                let name = CString::new(name).ok()?;
                GetProcAddress(module, name.as_ptr().cast())?
            }
        }
    };
    Some(Definition { address: address as usize as u64, kind: SymbolKind::Unknown })
}

/// DLLs whose exports come before those of others. The system's own library has some of the C library, too.
const FIRST: [&str; 2] = ["msvcrt.dll", "kernel32.dll"];

/// What any DLL of the process exports under a name.
pub fn find(name: &[u8]) -> Option<Definition> {
    let first = FIRST.iter().filter_map(|name| {
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: the name ends with a zero.
        let module = unsafe { GetModuleHandleW(name.as_ptr()) };
        (!module.is_null()).then_some(module)
    });
    first.chain(modules()).find_map(|module| find_in(module, name))
}

/// The process's modules.
fn modules() -> impl Iterator<Item = HMODULE> {
    const MANY: usize = 1024;
    let mut modules: Vec<HMODULE> = vec![ptr::null_mut(); MANY];
    let (bytes, mut needed) = (size_of_val(&modules[..]) as u32, 0);
    // SAFETY: there is room for so many bytes. Where it fails, no module is found.
    let found = unsafe { K32EnumProcessModules(GetCurrentProcess(), modules.as_mut_ptr(), bytes, &mut needed) };
    let count = if found == 0 { 0 } else { needed as usize / size_of::<HMODULE>() };
    modules.into_iter().take(count)
}
