//! An allocator for a program whose main work is linking: what a link needs for a short time and in bulk comes from
//! huge pages, since touching memory for the first time is much of a link's cost, and none of it lies in the C
//! library's heap, which the linked program then finds as it would have.
//!
//! Data flow: small requests go to the C library. Others are rounded up to a power of two and taken from the free list
//! of that size, else from the end of a region; what is freed goes to its list. Regions are never given back: they
//! are for the command's own process, which ends with the program.
//! Invariants: a block on a list is aligned to its size or to a huge page, whichever is less, and belongs to nobody;
//! lists and the region's end are only touched under the lock; nothing in here allocates.

use crate::at_fork;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Requests below this go to the C library.
const SMALL: usize = 16 << 10;
/// Requests above this do too; it maps them one by one.
const LARGE: usize = 64 << 20;
/// What is reserved at a time.
const REGION: usize = 256 << 20;
/// Transparent huge pages of x86-64.
const HUGE_PAGE: usize = 2 << 20;
/// Number of sizes, from `SMALL` to `LARGE`.
const CLASSES: usize = (LARGE / SMALL).trailing_zeros() as usize + 1;

/// The allocator; to be the `#[global_allocator]` of a command.
pub struct ScratchAllocator {
    state: Mutex<State>,
}

struct State {
    /// The unused part of the newest region.
    start: usize,
    end: usize,
    /// For each size the first free block, whose first word holds the next one's address, or 0.
    free: [usize; CLASSES],
}

impl ScratchAllocator {
    /// An allocator that has nothing yet.
    pub const fn new() -> Self {
        ScratchAllocator { state: Mutex::new(State { start: 0, end: 0, free: [0; CLASSES] }) }
    }
}

/// The allocator whose lock is held across `fork`.
static HELD: OnceLock<&ScratchAllocator> = OnceLock::new();

impl ScratchAllocator {
    /// Lets a forked child use this allocator whatever other threads were doing. To be called once, for one allocator
    /// of the process.
    pub fn hold_across_fork(&'static self) {
        HELD.get_or_init(|| self);
        at_fork::hold_allocator(|| Box::new(HELD.get().map(|allocator| allocator.lock())));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ScratchAllocator {
    fn default() -> Self {
        Self::new()
    }
}

/// The size class of a request, or `None` where the C library serves it.
fn class(layout: Layout) -> Option<usize> {
    let wanted = SMALL <= layout.size() && layout.size() <= LARGE && layout.align() <= SMALL;
    wanted.then(|| (layout.size().next_power_of_two() / SMALL).trailing_zeros() as usize)
}

impl State {
    fn take(&mut self, class: usize) -> Option<NonNull<u8>> {
        let block = self.free[class];
        if block != 0 {
            // SAFETY: a block on a list is ours, at least a word long and aligned; its first word is the link.
            self.free[class] = unsafe { *(block as *const usize) };
            return NonNull::new(block as *mut u8);
        }
        let size = SMALL << class;
        let align = size.min(HUGE_PAGE);
        let place = self.start.next_multiple_of(align);
        if self.end < place + size {
            self.reserve()?;
            return self.take(class);
        }
        self.start = place + size;
        NonNull::new(place as *mut u8)
    }

    /// Begins another region; what is left of the one before is lost.
    fn reserve(&mut self) -> Option<()> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh mapping wherever the kernel likes; nothing that exists is touched.
        let region = unsafe { libc::mmap(ptr::null_mut(), REGION, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if region == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the range was just mapped; advice that the kernel does not take changes nothing.
        unsafe { libc::madvise(region, REGION, libc::MADV_HUGEPAGE) };
        self.start = region as usize;
        self.end = self.start + REGION;
        Some(())
    }
}

// SAFETY: blocks of a class are as large as its power of two and aligned to it up to a huge page, so to `SMALL`, the
// strictest alignment that is served; a block is handed out once until it comes back, as the lock sees to.
unsafe impl GlobalAlloc for ScratchAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => {
                let mut state = self.lock();
                state.take(class).map_or(ptr::null_mut(), NonNull::as_ptr)
            }
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class(layout) {
            Some(class) => {
                let mut state = self.lock();
                // SAFETY: the caller gives a block of this layout back, which `take` gave out for this class.
                unsafe { *block.cast::<usize>() = state.free[class] };
                state.free[class] = block as usize;
            }
            // SAFETY: the caller's promise; a request of this layout went to the C library.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is a valid one for this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(new)) {
            // SAFETY: the caller's promise; both layouts are the C library's.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (Some(old), Some(new)) if old == new => block,
            _ => {
                // SAFETY: the new block is another one, and both hold the smaller of the two sizes.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_aligned_and_used_again() {
        let allocator = ScratchAllocator::new();
        let layout = |size| Layout::from_size_align(size, 4096).unwrap();
        let sizes = [SMALL, SMALL + 1, 100_000, 3 << 20, LARGE, LARGE + 1, 5000];
        // SAFETY: each block is written within its size, and given back once with its layout.
        unsafe {
            let blocks: Vec<*mut u8> = sizes.iter().map(|size| allocator.alloc(layout(*size))).collect();
            for (number, (block, size)) in blocks.iter().zip(sizes).enumerate() {
                assert!(!block.is_null() && (*block as usize).is_multiple_of(4096));
                block.write_bytes(number as u8, size);
            }
            for (number, (block, size)) in blocks.iter().zip(sizes).enumerate() {
                assert!(std::slice::from_raw_parts(*block, size).iter().all(|byte| *byte == number as u8));
            }
            allocator.dealloc(blocks[2], layout(100_000));
            assert_eq!(allocator.alloc(layout(131_072)), blocks[2], "the same size class, so the same block");
            let grown = allocator.realloc(blocks[0], layout(SMALL), 1 << 20);
            assert_ne!(grown, blocks[0]);
            assert!(std::slice::from_raw_parts(grown, SMALL).iter().all(|byte| *byte == 0));
            assert_eq!(allocator.realloc(grown, layout(1 << 20), (1 << 20) - 5), grown);
        }
    }

    #[test]
    fn threads_never_share_a_block() {
        let allocator = ScratchAllocator::new();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let allocator = &allocator;
                scope.spawn(move || {
                    let layout = Layout::from_size_align(SMALL, 8).unwrap();
                    for _ in 0..2000 {
                        // SAFETY: the block is this thread's own from `alloc` to `dealloc`.
                        unsafe {
                            let block = allocator.alloc(layout);
                            block.write_bytes(thread, SMALL);
                            assert!(std::slice::from_raw_parts(block, SMALL).iter().all(|byte| *byte == thread));
                            allocator.dealloc(block, layout);
                        }
                    }
                });
            }
        });
    }
}
