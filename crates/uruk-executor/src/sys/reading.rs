//! Reading memory that may not be there.
//!
//! Data flow: memory → the system, which writes it to a file page by page and refuses what is not there → the file's bytes. Emulators
//! know the program's addresses in what is written, and not in `/proc/self/mem`.
//! Sources: memfd_create(2), write(2).

use super::page_bytes;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::FromRawFd;

/// Reads what is at an address, up to where nothing can be read. Any address will do.
pub(crate) fn read_memory(address: u64, size: u64) -> io::Result<Vec<u8>> {
    // SAFETY: the name is a C string.
    let number = unsafe { libc::memfd_create(c"uruk-read".as_ptr(), libc::MFD_CLOEXEC) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: opened above, and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(number) };
    let (mut next, end) = (address, address.saturating_add(size));
    while next < end {
        let most = (page_bytes() - next % page_bytes()).min(end - next);
        let bytes = std::ptr::with_exposed_provenance(next as usize);
        // SAFETY: the system reads memory, and says so if it is not there; no reference is made.
        match unsafe { libc::write(number, bytes, most as usize) } {
            ..=0 => break,
            written => next += written as u64,
        }
    }
    let mut bytes = Vec::with_capacity((next - address) as usize);
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{Native, Protection, System, Where};
    use super::*;

    #[test]
    fn memory_is_read_up_to_where_there_is_none() {
        let pages = 3 * page_bytes();
        let start = Native.reserve(Where::Anywhere, pages).unwrap();
        // SAFETY: reserved above, and nothing refers to it.
        unsafe { Native.protect(start..start + 2 * page_bytes(), Protection::ReadWrite).unwrap() };
        let word = std::ptr::with_exposed_provenance_mut::<u64>((start + page_bytes() - 8) as usize);
        // SAFETY: writable since above.
        unsafe { word.write(42) };
        let bytes = read_memory(start + page_bytes() - 8, pages).unwrap();
        assert_eq!((&bytes[..8], bytes.len() as u64), (&42u64.to_le_bytes()[..], page_bytes() + 8));
        assert_eq!(read_memory(start, 2 * page_bytes()).unwrap().len() as u64, 2 * page_bytes());
        assert!(read_memory(start + 2 * page_bytes(), 8).unwrap().is_empty());
        assert!(read_memory(8, 8).unwrap().is_empty() && read_memory(u64::MAX - 4, 8).unwrap().is_empty());
        // SAFETY: reserved above, and nothing refers to it.
        unsafe { Native.unmap(start..start + pages).unwrap() };
    }
}
