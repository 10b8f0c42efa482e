//! Gives an object's bytes to the loader: through a file in memory, or a temporary one.
//! Invariants: every path is new to the process, because glibc takes a path it has seen for the
//! object it has loaded, and descriptor numbers come back; nothing stays behind in the file system.
//! Sources: memfd_create(2); glibc `elf/dl-load.c`, `_dl_map_object` (match by name, then by inode).

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::libraries::{Library, open};

pub(super) enum LoadError {
    File(io::Error),
    Loader(String),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        LoadError::File(error)
    }
}

/// Loads the object that these bytes are.
pub(super) fn load(bytes: &[u8]) -> Result<Library, LoadError> {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    match load_from_memory(bytes, number) {
        // Without memfd_create or /proc the same bytes go through the file system.
        Err(LoadError::File(_)) => load_from_folder(bytes, number, &std::env::temp_dir()),
        done => done,
    }
}

fn load_from_memory(bytes: &[u8], number: u64) -> Result<Library, LoadError> {
    let mut file = memory_file()?;
    file.write_all(bytes)?;
    let path = unique_path(&file, number).ok_or(io::Error::from(io::ErrorKind::NotFound))?;
    open(&path, libc::RTLD_NOW | libc::RTLD_LOCAL).map_err(LoadError::Loader)
}

fn memory_file() -> io::Result<File> {
    // The object has no code, so it asks for no right to execute (Linux 6.3; older ones know no such flag).
    [libc::MFD_CLOEXEC | libc::MFD_NOEXEC_SEAL, libc::MFD_CLOEXEC]
        .into_iter()
        .map(|flags| {
            // SAFETY: the name is a C string; the call has no other obligation.
            let descriptor = unsafe { libc::memfd_create(c"uruk-tls".as_ptr(), flags) };
            // SAFETY: a new descriptor, which nobody else owns.
            if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { File::from_raw_fd(descriptor) }) }
        })
        .reduce(|first, second| first.or(second))
        .expect("there are two flags")
}

/// A path to the descriptor that was never used before. The kernel takes `//` and `/./` for `/`, so
/// the number is spelt in binary with these. The process's number is used rather than `self` so
/// that a debugger which opens the path does not find a file of its own.
fn unique_path(file: &File, number: u64) -> Option<CString> {
    let digits: String =
        (0..64 - number.leading_zeros()).map(|bit| if number >> bit & 1 == 1 { "./" } else { "/" }).collect();
    let descriptor = file.as_raw_fd();
    [std::process::id().to_string(), "self".to_owned()]
        .into_iter()
        .map(|process| format!("/proc/{process}/fd/{digits}{descriptor}"))
        .find(|path| Path::new(path).exists())
        .and_then(|path| CString::new(path).ok())
}

fn load_from_folder(bytes: &[u8], number: u64, folder: &Path) -> Result<Library, LoadError> {
    let path = folder.join(format!("uruk-tls-{}-{number}.so", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let name =
        CString::new(path.as_os_str().as_bytes()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error));
    let library = file.write_all(bytes).and(name).map_err(LoadError::File).and_then(|name| {
        drop(file);
        open(&name, libc::RTLD_NOW | libc::RTLD_LOCAL).map_err(LoadError::Loader)
    });
    // The mapping keeps the file's content; the name is not needed any more.
    let removed = std::fs::remove_file(&path);
    let library = library?;
    removed?;
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::super::{TlsRequest, image};
    use super::*;

    fn empty_object() -> Vec<u8> {
        image::build(&TlsRequest { image: &[1], mem_size: 1, align: 1, slots: &[] }).bytes
    }

    #[test]
    fn a_folder_serves_where_memory_files_are_not_to_be_had() {
        let folder = std::env::temp_dir().join(format!("uruk-tls-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(load_from_folder(&empty_object(), 0, &folder).is_ok());
        assert!(matches!(load_from_folder(b"no object", 1, &folder), Err(LoadError::Loader(_))));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_descriptor_number_that_comes_back_names_another_object() {
        let libraries: Vec<Library> = (0..20).map(|_| load(&empty_object()).ok().unwrap()).collect();
        let mut bases: Vec<u64> = libraries.iter().map(|library| library.base().unwrap()).collect();
        bases.sort_unstable();
        bases.dedup();
        assert_eq!(bases.len(), libraries.len());
    }
}
