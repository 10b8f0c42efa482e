//! An allocator for a program whose main work is linking: what a link needs for a short time and in bulk comes from
//! huge pages, since touching memory for the first time is much of a link's cost, and none of it lies in the C
//! library's heap, which the linked program then finds as it would have.
//!
//! Data flow: small requests go to the C library. Others are rounded up to the next of four sizes between two powers of
//! two and taken from the free list of that size, else from the largest block that was freed and is being cut up, else from
//! the end of a region; what is freed goes to its list, or is cut up next. Regions are never given back: they are for the
//! command's own process, which ends with the program.
//! Invariants: a block on a list is aligned to a page and belongs to nobody; lists and the region's end are only touched
//! under the lock; nothing in here allocates.

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
/// Every size is a multiple of this.
const PAGE: usize = 4 << 10;
/// Number of sizes, from `SMALL` to `LARGE`.
const CLASSES: usize = (LARGE / SMALL).trailing_zeros() as usize * 4 + 1;

/// The allocator; to be the `#[global_allocator]` of a command.
pub struct ScratchAllocator {
    state: Mutex<State>,
}

struct State {
    /// The unused part of the newest region.
    region: Rest,
    /// What is left of a large block that was freed: it has been touched, which the region has not.
    cut: Rest,
    /// For each size the first free block, whose first word holds the next one's address, or 0.
    free: [usize; CLASSES],
}

/// Memory that blocks are cut from, whole pages.
#[derive(Clone, Copy)]
struct Rest {
    start: usize,
    end: usize,
}

impl Rest {
    const NONE: Rest = Rest { start: 0, end: 0 };

    fn size(&self) -> usize {
        self.end - self.start
    }

    fn cut(&mut self, size: usize) -> Option<NonNull<u8>> {
        if self.size() < size {
            return None;
        }
        let block = self.start;
        self.start += size;
        NonNull::new(block as *mut u8)
    }
}

impl ScratchAllocator {
    /// An allocator that has nothing yet.
    pub const fn new() -> Self {
        ScratchAllocator { state: Mutex::new(State { region: Rest::NONE, cut: Rest::NONE, free: [0; CLASSES] }) }
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

/// A size of blocks: its number, and its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Class {
    number: usize,
    size: usize,
}

/// The size class of a request, or `None` where the C library serves it.
fn class(layout: Layout) -> Option<Class> {
    let wanted = SMALL <= layout.size() && layout.size() <= LARGE && layout.align() <= PAGE;
    wanted.then(|| Class::of(layout.size()))
}

impl Class {
    /// The smallest class that holds `size` bytes, between `SMALL` and `LARGE`.
    fn of(size: usize) -> Class {
        let last = size - 1;
        let power = last.ilog2() as usize;
        // A quarter of the power of two below the size. There are 4 to 7 whole ones, and one for the rest.
        let quarter = power - 2;
        let quarters = last >> quarter;
        const FIRST: usize = (SMALL - 1).ilog2() as usize * 4 + 7;
        Class { number: power * 4 + quarters - FIRST, size: (quarters + 1) << quarter }
    }

    /// The largest class that fits into `size` bytes.
    fn within(size: usize) -> Option<Class> {
        if size < SMALL {
            return None;
        }
        let above = Class::of(size.min(LARGE));
        if above.size <= size {
            return Some(above);
        }
        let quarter = above.size.ilog2() as usize - 2;
        // A power of two ends a row of smaller steps.
        let step = if above.size.is_power_of_two() { 1 << (quarter - 1) } else { 1 << quarter };
        Some(Class { number: above.number - 1, size: above.size - step })
    }
}

impl State {
    fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
        let block = self.free[class.number];
        if block != 0 {
            // SAFETY: a block on a list is ours, at least a word long and aligned; its first word is the link.
            self.free[class.number] = unsafe { *(block as *const usize) };
            return NonNull::new(block as *mut u8);
        }
        if let Some(block) = self.cut.cut(class.size) {
            return Some(block);
        }
        if self.region.size() < class.size {
            self.reserve()?;
        }
        self.region.cut(class.size)
    }

    /// Takes a block back. The larger of it and what is being cut up is cut up from now on.
    ///
    /// # Safety
    /// The block has the size of the class and is nobody's any more.
    unsafe fn give(&mut self, block: usize, class: Class) {
        let (mut start, mut class) = (block, Some(class));
        if let Some(Class { size, .. }) = class
            && self.cut.size() < size
        {
            let rest = std::mem::replace(&mut self.cut, Rest { start, end: start + size });
            (start, class) = (rest.start, Class::within(rest.size()));
        }
        if let Some(class) = class {
            // SAFETY: the start of a block that is nobody's, by the caller's promise, or of what is no longer cut up.
            unsafe { *(start as *mut usize) = self.free[class.number] };
            self.free[class.number] = start;
        }
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
        self.region = Rest { start: region as usize, end: region as usize + REGION };
        Some(())
    }
}

// SAFETY: blocks of a class have its size, which is no less than what is asked for, and begin at a multiple of a page, the
// strictest alignment that is served, since regions do and all sizes are multiples of one; a block is handed out once until it comes back, as the lock sees to.
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
                unsafe { state.give(block as usize, class) };
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
            allocator.dealloc(blocks[3], layout(3 << 20));
            allocator.dealloc(blocks[2], layout(100_000));
            assert_eq!(allocator.alloc(layout(114_688)), blocks[2], "the same size class, so the same block");
            assert_eq!(allocator.alloc(layout(SMALL)), blocks[3], "a part of the larger block");
            let grown = allocator.realloc(blocks[0], layout(SMALL), 1 << 20);
            assert_ne!(grown, blocks[0]);
            assert!(std::slice::from_raw_parts(grown, SMALL).iter().all(|byte| *byte == 0));
            assert_eq!(allocator.realloc(grown, layout(1 << 20), (1 << 20) - 5), grown);
        }
    }

    #[test]
    fn classes_waste_a_fifth_at_most() {
        let (mut below, mut before) = (None, Class { number: 0, size: SMALL });
        for size in (SMALL..=LARGE).step_by(1000).chain([LARGE]) {
            let found = class(Layout::from_size_align(size, PAGE).unwrap()).unwrap();
            assert!(found.number < CLASSES && found.size.is_multiple_of(PAGE));
            assert!(size <= found.size && found.size - size <= found.size / 5 + 1, "{size} has {}", found.size);
            assert!(found == before || found.number == before.number + 1 && before.size < found.size);
            if found != before {
                below = Some(before);
            }
            assert!(Class::within(size) == if found.size == size { Some(found) } else { below }, "{size}");
            before = found;
        }
        assert_eq!((before.number, before.size), (CLASSES - 1, LARGE));
        assert!(Class::within(SMALL - 1).is_none());
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
