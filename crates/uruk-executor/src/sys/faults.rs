//! A system that fails on purpose, for tests: the n-th call that can fail does, the rest goes to Native.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Native, Protection, System, Where};

/// Fails once, at a chosen call, and counts calls.
#[derive(Default)]
pub(crate) struct Faults {
    /// Calls until the one that fails; 0 when none will.
    left: AtomicU64,
    /// Whether the writer is refused altogether.
    pub(crate) refuse_writer: AtomicBool,
    /// Whether it opens but every write is refused.
    pub(crate) refuse_writes: AtomicBool,
    /// Kinds of calls made so far.
    pub(crate) calls: Calls,
}

/// How often each was called.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) protect: AtomicU64,
    pub(crate) discard: AtomicU64,
    pub(crate) write: AtomicU64,
    pub(crate) barrier: AtomicU64,
}

impl Faults {
    pub(crate) fn new() -> Arc<Faults> {
        Arc::default()
    }

    /// The `n`-th call from now fails, counted from 1.
    pub(crate) fn fail(&self, n: u64) {
        self.left.store(n, Ordering::SeqCst);
    }

    /// Whether the chosen call was not reached; none fails any more.
    pub(crate) fn clear(&self) -> bool {
        self.left.swap(0, Ordering::SeqCst) != 0
    }

    fn step(&self) -> io::Result<()> {
        let count_down = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down) {
            Ok(1) => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
            _ => Ok(()),
        }
    }
}

// SAFETY: every call is passed on unchanged to `Native` or not made at all.
unsafe impl System for Faults {
    fn reserve(&self, place: Where, size: u64) -> io::Result<u64> {
        self.step()?;
        Native.reserve(place, size)
    }

    unsafe fn unmap(&self, range: Range<u64>) -> io::Result<()> {
        // SAFETY: the caller's contract, passed on; so below.
        unsafe { Native.unmap(range) }
    }

    unsafe fn protect(&self, range: Range<u64>, protection: Protection) -> io::Result<()> {
        self.calls.protect.fetch_add(1, Ordering::SeqCst);
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.protect(range, protection) }
    }

    unsafe fn discard(&self, range: Range<u64>) -> io::Result<()> {
        self.calls.discard.fetch_add(1, Ordering::SeqCst);
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.discard(range) }
    }

    unsafe fn put_file(&self, range: Range<u64>, file: &File, offset: u64) -> io::Result<()> {
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.put_file(range, file, offset) }
    }

    unsafe fn renew(&self, range: Range<u64>) -> io::Result<()> {
        self.calls.discard.fetch_add(1, Ordering::SeqCst);
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.renew(range) }
    }

    unsafe fn advise_huge(&self, range: Range<u64>) -> io::Result<()> {
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.advise_huge(range) }
    }

    fn open_writer(&self) -> io::Result<()> {
        if self.refuse_writer.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        self.step()?;
        Native.open_writer()
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.calls.write.fetch_add(1, Ordering::SeqCst);
        if self.refuse_writes.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.step()?;
        // SAFETY: as above.
        unsafe { Native.write(address, bytes) }
    }

    fn publish_code(&self, range: Range<u64>, reused: bool) {
        self.calls.barrier.fetch_add(u64::from(reused), Ordering::SeqCst);
        Native.publish_code(range, reused);
    }

    fn maps(&self) -> io::Result<String> {
        self.step()?;
        Native.maps()
    }
}
