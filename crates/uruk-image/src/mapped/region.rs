//! The memory of a loaded image: the one module here with unsafe code.
//!
//! Invariant: a region is memory that it alone has mapped, of which all offsets are checked, until it is dropped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Memory of this process.
pub struct Region {
    start: NonNull<u8>,
    size: usize,
    /// Bytes that can be read and written until they are protected.
    open: usize,
    /// Bytes that the program can write to once they are.
    variables: Range<u64>,
}

// SAFETY: it is memory that nothing else has; what changes it takes it by `&mut`.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// What may be done with memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    Write,
    Execute,
}

impl Region {
    /// Maps the first `mapped` bytes of a file, privately, with `size` bytes in all, both in whole pages: at an address if that is free, or
    /// else at a multiple of `align`. What is not the file's is zero, and all of it can be written to.
    pub fn map(file: &File, mapped: u64, size: u64, align: u64, address: Option<u64>) -> io::Result<Region> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let (mapped, size) = (usize::try_from(mapped), usize::try_from(size));
        let (mapped, size) = (mapped.map_err(|_| too_large())?, size.map_err(|_| too_large())?);
        let reserved = match address {
            Some(address) => reserve(size, address as usize).or_else(|_| reserve_aligned(size, align as usize))?,
            None => reserve_aligned(size, align as usize)?,
        };
        let region = Region { start: reserved, size, open: size, variables: 0..0 };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: both take the place of memory that was reserved for this region.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
            done(libc::mmap(region.start.as_ptr().cast(), mapped, access, flags, file.as_raw_fd(), 0))?;
            if mapped < size {
                let rest = region.start.add(mapped).as_ptr().cast();
                done(libc::mmap(rest, size - mapped, access, flags | libc::MAP_ANONYMOUS, -1, 0))?;
            }
        }
        Ok(region)
    }

    /// Its first address.
    pub fn address(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }

    /// All its addresses.
    pub fn range(&self) -> Range<u64> {
        self.address()..self.address() + self.size as u64
    }

    /// Bytes at an offset, as long as they can be read.
    pub fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.end < range.start || self.open as u64 - range.start.min(self.open as u64) < range.end - range.start {
            return None;
        }
        // SAFETY: they are mapped, can be read, and are changed by `&mut self` only as long as the region is open.
        Some(unsafe {
            std::slice::from_raw_parts(
                self.start.add(range.start as usize).as_ptr(),
                (range.end - range.start) as usize,
            )
        })
    }

    /// The same, to be changed.
    pub fn bytes_mut(&mut self, range: Range<u64>) -> Option<&mut [u8]> {
        let (start, length) = (range.start as usize, self.bytes(range)?.len());
        // SAFETY: as in `bytes`, and nobody else has them.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.add(start).as_ptr(), length) })
    }

    /// Protects its parts, whose ends are in whole pages and of which each begins where another ends. From then on its bytes are the program's,
    /// and nobody reads or writes them here.
    pub fn protect(&mut self, parts: &[(Range<u64>, Access)]) -> io::Result<()> {
        self.open = 0;
        for (range, access) in parts.iter().filter(|(range, _)| range.start < range.end) {
            if range.end > self.size as u64 {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if *access == Access::Write {
                self.variables = range.clone();
            }
            let flags = match access {
                Access::Read => libc::PROT_READ,
                Access::Write => libc::PROT_READ | libc::PROT_WRITE,
                Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
            };
            // SAFETY: these pages are the region's, and nothing refers to their bytes.
            let result = unsafe {
                let start = self.start.add(range.start as usize);
                libc::mprotect(start.as_ptr().cast(), (range.end - range.start) as usize, flags)
            };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// Gives variables of the program other values, while it is not at work. Panics if they do not all lie among its variables.
    pub fn overwrite(&self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        assert!(self.variables.start <= offset && end <= self.variables.end, "what is overwritten has been checked");
        // SAFETY: they are mapped and can be written to, and no reference to them is left here.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(offset as usize), bytes.len()) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped for this region, whose user says that nothing refers to it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

fn done(result: *mut libc::c_void) -> io::Result<NonNull<u8>> {
    if result == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(result.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Reserves memory at an address, or anywhere if that is 0.
fn reserve(size: usize, address: usize) -> io::Result<NonNull<u8>> {
    let fixed = if address == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
    let hint = std::ptr::without_provenance_mut(address);
    // SAFETY: it takes the place of nothing.
    let reserved = done(unsafe { libc::mmap(hint, size, libc::PROT_NONE, flags, -1, 0) })?;
    if address != 0 && reserved.addr().get() != address {
        // SAFETY: it was mapped right now. An old kernel takes the address for a wish.
        unsafe { libc::munmap(reserved.as_ptr().cast(), size) };
        return Err(io::ErrorKind::AddrInUse.into());
    }
    Ok(reserved)
}

fn reserve_aligned(size: usize, align: usize) -> io::Result<NonNull<u8>> {
    let whole = size.checked_add(align).ok_or(io::ErrorKind::OutOfMemory)?;
    let start = reserve(whole, 0)?;
    let skipped = start.addr().get().next_multiple_of(align) - start.addr().get();
    // SAFETY: what is unmapped lies in what was just mapped, before and behind what is kept.
    unsafe {
        if skipped != 0 {
            libc::munmap(start.as_ptr().cast(), skipped);
        }
        if skipped != align {
            libc::munmap(start.add(skipped + size).as_ptr().cast(), align - skipped);
        }
        Ok(start.add(skipped))
    }
}
