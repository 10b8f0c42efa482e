//! One registered section: from an address to its FDE.
//!
//! The first few records are walked; where that is not enough, a sorted table is built, by the first look-up that
//! needs it. Registration itself reads nothing. The table lies in pages of its own, since a look-up may happen in a
//! signal handler that interrupted the allocator; look-ups that race build twice and keep one.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::{mem, slice};

use super::eh_frame::{Fde, Section};

/// Walking this many records costs about as much as everything else in the step of a throw.
const WALK: usize = 16;

#[derive(Debug)]
pub struct Records {
    eh_frame: usize,
    len: usize,
    table: AtomicPtr<Header>,
}

/// The first bytes of a table's pages; `count` rows follow.
#[derive(Debug)]
struct Header {
    count: usize,
    mapped_bytes: usize,
}

#[derive(Clone, Copy)]
struct Row {
    /// Address of the first instruction.
    start: usize,
    /// Offset of the FDE in the section.
    fde: usize,
}

/// What the unwinder is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Address of the FDE.
    pub fde: usize,
    /// Address of the first instruction it covers.
    pub function: usize,
}

impl Records {
    /// # Safety
    /// `len` bytes at `eh_frame` are readable and unchanged while the value lives.
    pub unsafe fn new(eh_frame: usize, len: usize) -> Records {
        Records { eh_frame, len, table: AtomicPtr::new(ptr::null_mut()) }
    }

    pub fn section(&self) -> Section<'_> {
        let bytes = match ptr::NonNull::new(self.eh_frame as *mut u8) {
            // SAFETY: `new` was promised readable, unchanging bytes for as long as `self` lives.
            Some(start) if self.len != 0 => unsafe { slice::from_raw_parts(start.as_ptr(), self.len) },
            _ => &[],
        };
        Section { bytes, address: self.eh_frame }
    }

    pub fn find(&self, pc: usize) -> Option<Found> {
        let section = self.section();
        let fde = match self.rows() {
            Some(rows) => search(rows, section, pc),
            None => {
                let mut fdes = section.fdes();
                match fdes.by_ref().take(WALK).find(|fde| fde.code.contains(&pc)) {
                    Some(fde) => Some(fde),
                    None => fdes.next().and_then(|_| match self.build(section) {
                        Some(rows) => search(rows, section, pc),
                        None => section.fdes().find(|fde| fde.code.contains(&pc)), // no memory
                    }),
                }
            }
        }?;
        Some(Found { fde: self.eh_frame + fde.offset, function: fde.code.start })
    }

    fn rows(&self) -> Option<&[Row]> {
        let header = NonNull::new(self.table.load(SeqCst))?;
        // SAFETY: a published table is whole, and lives until `self` is dropped.
        Some(unsafe { rows_of(header) })
    }

    fn build(&self, section: Section<'_>) -> Option<&[Row]> {
        let count = section.fdes().count();
        let mapped_bytes = mem::size_of::<Header>() + count * mem::size_of::<Row>();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping touches no existing memory.
        let pages = unsafe { libc::mmap(ptr::null_mut(), mapped_bytes, protection, flags, -1, 0) };
        if pages == libc::MAP_FAILED {
            return None;
        }
        let header = NonNull::new(pages.cast::<Header>())?;
        // SAFETY: the pages are writable, large enough and aligned for the header.
        unsafe { header.write(Header { count, mapped_bytes }) };
        // SAFETY: `count` zeroed rows follow the header; nobody else knows the pages.
        let rows = unsafe { slice::from_raw_parts_mut(header.add(1).cast::<Row>().as_ptr(), count) };
        for (row, fde) in rows.iter_mut().zip(section.fdes()) {
            *row = Row { start: fde.code.start, fde: fde.offset };
        }
        rows.sort_unstable_by_key(|row| row.start); // sorts in place, without allocating
        if self.table.compare_exchange(ptr::null_mut(), header.as_ptr(), SeqCst, SeqCst).is_err() {
            // SAFETY: these pages were not published.
            unsafe { unmap(header) };
        }
        self.rows()
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        if let Some(header) = NonNull::new(*self.table.get_mut()) {
            // SAFETY: nobody borrows from `self` any more.
            unsafe { unmap(header) };
        }
    }
}

/// FDEs of no bytes may share a start with the one that covers the address; they are all tried.
fn search(rows: &[Row], section: Section<'_>, pc: usize) -> Option<Fde> {
    let end = rows.partition_point(|row| row.start <= pc);
    let start = rows.get(end.checked_sub(1)?)?.start;
    let same = rows[..end].iter().rev().take_while(|row| row.start == start);
    same.filter_map(|row| section.fde_at(row.fde)).find(|fde| fde.code.contains(&pc))
}

/// # Safety
/// `header` is the start of a whole table that outlives the result.
unsafe fn rows_of<'a>(header: NonNull<Header>) -> &'a [Row] {
    // SAFETY: `count` rows follow the header, as the caller promises.
    unsafe { slice::from_raw_parts(header.add(1).cast::<Row>().as_ptr(), header.as_ref().count) }
}

/// # Safety
/// `header` is the start of a table that nobody uses.
unsafe fn unmap(header: NonNull<Header>) {
    // SAFETY: the size is the one mapped, and the caller gives the pages up.
    unsafe { libc::munmap(header.as_ptr().cast(), header.as_ref().mapped_bytes) };
}
