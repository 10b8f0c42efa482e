//! What the operating system does for memory: reserve, protect, give back, write by force, publish code.
//! Data flow: [`Mapping::reserve`] makes an address reservation; its methods change parts of it, checked against
//! its bounds; dropping it unmaps it. Behind it stands a [`System`]: Linux or Windows, or in tests one that fails on purpose.
//! Invariants: only this module and `memory::allocation` hold `unsafe` code. The methods of `Mapping` are safe to call
//! because no Rust reference to mapped bytes exists but those `memory::allocation` makes, under the contract stated there,
//! and because they reach no byte outside of the mapping.
//! Sources: mmap(2), mprotect(2), madvise(2), membarrier(2), proc_pid_mem(5).

#[cfg(unix)]
#[cfg_attr(target_arch = "x86_64", path = "cache/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "cache/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "cache/riscv64.rs")]
mod cache;
pub mod maps;
#[cfg_attr(unix, path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod native;
#[cfg_attr(windows, path = "reading/windows.rs")]
mod reading;

#[cfg(test)]
pub(crate) mod faults;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use native::Native;
pub(crate) use reading::read_memory;

/// Where a reservation may lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    /// Wherever the system likes, which is right below the libraries if there is room.
    Anywhere,
    /// At this address and nowhere else.
    Exactly(u64),
    /// In the low 2 GiB, where the system can look there by itself.
    Low,
}

/// Never both writable and executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protection {
    /// No access.
    None,
    /// Read.
    Read,
    /// Read and execute.
    ReadExecute,
    /// Read and write.
    ReadWrite,
}

/// The calls themselves. Addresses and sizes are in bytes and multiples of the page size, except for writing.
///
/// # Safety
/// The ranges given to `unmap`, `protect`, `discard`, `put_file`, `renew`, `advise_huge` and `write` must lie within one reservation made
/// by `reserve` and not yet unmapped, and no Rust reference may be invalidated by the change.
pub(crate) unsafe trait System: Send + Sync {
    /// Reserves addresses without access and without memory behind them.
    fn reserve(&self, place: Where, size: u64) -> io::Result<u64>;
    /// Ends a reservation.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn unmap(&self, range: Range<u64>) -> io::Result<()>;
    /// Changes the protection of a range.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn protect(&self, range: Range<u64>, protection: Protection) -> io::Result<()>;
    /// Gives the memory of a range back; it reads as zero afterwards. Its protection stays.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn discard(&self, range: Range<u64>) -> io::Result<()>;
    /// Puts pages of a file at whole pages of a reservation, to be read and written for this process alone.
    ///
    /// # Safety
    /// See the trait. The file must have these bytes for good.
    unsafe fn put_file(&self, _range: Range<u64>, _file: &File, _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Replaces pages, perhaps of files, by such as read as zero and can be written.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn renew(&self, _range: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Asks for huge pages.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn advise_huge(&self, range: Range<u64>) -> io::Result<()>;
    /// Opens the way by which `write` reaches pages that are not writable.
    fn open_writer(&self) -> io::Result<()>;
    /// Writes to pages whatever their protection.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes written code visible to instruction fetch on every core; `reused` says that the same addresses held
    /// other code before.
    fn publish_code(&self, range: Range<u64>, reused: bool);
    /// The text of the list of the process's mappings.
    fn maps(&self) -> io::Result<String>;
}

/// Prepares the process for `fork` and for code that is replaced. To be called before anything else here; cheap
/// when called again.
pub(crate) fn prepare_process() {
    native::prepare_process();
}

/// To be called first in a forked child.
#[cfg(unix)]
pub(crate) fn after_fork() {
    native::reopen_forced_writer();
}

/// Does something for a thread of a program, which may be asked to end (`pthread_cancel`) while it does: that has to wait until
/// it is in code of the program again, where it can be unwound.
#[cfg(unix)]
pub(crate) fn uncancelled<R>(something: impl FnOnce() -> R) -> R {
    let _uncancelled = native::Uncancelled::new();
    something()
}

/// There is no such thing.
#[cfg(windows)]
pub(crate) fn uncancelled<R>(something: impl FnOnce() -> R) -> R {
    something()
}

/// Reads a file of `/proc`.
#[cfg(unix)]
pub(crate) fn read_proc(path: &str) -> io::Result<Vec<u8>> {
    native::read_proc(path)
}

/// Changes the protection of whole pages that no reservation here has, and makes code in them visible to instruction fetch.
///
/// # Safety
/// The pages that the range touches are the caller's, and no reference needs their old protection.
pub(crate) unsafe fn protect_foreign(range: Range<u64>, protection: Protection) -> io::Result<()> {
    let page_bytes = page_bytes();
    let pages = range.start & !(page_bytes - 1)..range.end.next_multiple_of(page_bytes);
    // SAFETY: the caller's promise.
    unsafe { Native.protect(pages, protection)? };
    if protection == Protection::ReadExecute {
        Native.publish_code(range, true);
    }
    Ok(())
}

/// The size of a page in bytes.
pub(crate) fn page_bytes() -> u64 {
    native::page_bytes()
}

/// The lowest address that a process may map.
pub(crate) fn lowest_address() -> u64 {
    native::lowest_address()
}

/// An address reservation, unmapped when dropped.
pub(crate) struct Mapping {
    system: Arc<dyn System>,
    range: Range<u64>,
    /// Whether pages of files were put anywhere.
    has_files: AtomicBool,
}

impl Mapping {
    /// Reserves `size` bytes, a multiple of the page size.
    pub(crate) fn reserve(system: &Arc<dyn System>, place: Where, size: u64) -> io::Result<Mapping> {
        let start = system.reserve(place, size)?;
        Ok(Mapping { system: Arc::clone(system), range: start..start + size, has_files: AtomicBool::new(false) })
    }

    /// All its addresses.
    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Changes the protection of whole pages.
    pub(crate) fn protect(&self, part: &Range<u64>, protection: Protection) -> io::Result<()> {
        self.check(part, page_bytes());
        // SAFETY: `check` has bounded the range and `self` is mapped while it lives; for references see the header.
        unsafe { self.system.protect(part.clone(), protection) }
    }

    /// Puts pages of a file at whole pages, to be read and written for this process alone: the file stays as it is. The
    /// caller has made sure that it does, and that it has these bytes.
    pub(crate) fn put_file(&self, part: &Range<u64>, file: &File, offset: u64) -> io::Result<()> {
        self.check(part, page_bytes());
        self.has_files.store(true, Ordering::Relaxed);
        // SAFETY: as in `protect`; beyond the end of a file that is shorter than was said, access would stop the process, not
        // corrupt it.
        unsafe { self.system.put_file(part.clone(), file, offset) }
    }

    /// Gives the memory of whole pages back; they read as zero afterwards. They keep their protection or can be written.
    pub(crate) fn discard(&self, part: &Range<u64>) -> io::Result<()> {
        self.check(part, page_bytes());
        // SAFETY: as in `protect`.
        unsafe {
            // A page of a file would read as the file has it.
            if self.has_files.load(Ordering::Relaxed) {
                self.system.renew(part.clone())
            } else {
                self.system.discard(part.clone())
            }
        }
    }

    /// Asks for huge pages. A refusal is of no consequence but speed.
    pub(crate) fn advise_huge(&self, part: &Range<u64>) {
        self.check(part, page_bytes());
        // SAFETY: as in `protect`.
        let _ = unsafe { self.system.advise_huge(part.clone()) };
    }

    /// Writes to pages whatever their protection.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.check(&(address..address + bytes.len() as u64), 1);
        // SAFETY: as in `protect`.
        unsafe { self.system.write(address, bytes) }
    }

    /// Clears bytes of pages that are writable now.
    pub(crate) fn zero(&self, part: &Range<u64>) {
        self.check(part, 1);
        let start = std::ptr::with_exposed_provenance_mut::<u8>(part.start as usize);
        // SAFETY: `check` has bounded the range, `self` is mapped while it lives, and the caller knows the pages to
        // be writable (if they were not, the process would be stopped, not corrupted); for references see the header.
        unsafe { start.write_bytes(0, (part.end - part.start) as usize) };
    }

    fn check(&self, part: &Range<u64>, unit: u64) {
        let inside = self.range.start <= part.start && part.start <= part.end && part.end <= self.range.end;
        assert!(
            inside && part.start.is_multiple_of(unit) && part.end.is_multiple_of(unit),
            "{part:x?} of {:x?}",
            self.range
        );
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the reservation made in `reserve`; its owner is gone, and with it all that lay in it.
        // An error would mean that it cannot be split from a neighbour for want of kernel memory: it then stays
        // mapped, which harms nobody.
        let _ = unsafe { self.system.unmap(self.range.clone()) };
    }
}
