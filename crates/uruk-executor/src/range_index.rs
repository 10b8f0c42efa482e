//! From an address to the thing that owns it, read without locks: by the unwinder in the middle of a throw, and in
//! signal handlers.
//!
//! The address space is cut into granules of 16 KiB, found through two levels of tables that only ever grow. A granule
//! has a sorted list of the ranges in it. A range above all others of its granule is appended, a removed one is struck
//! out; otherwise the list is replaced, so a writer copies a few KiB at most however many ranges there are in all.
//! Lists and values that were replaced wait until no reader can hold them.
//! Invariants: readers write nothing but two counters and never wait, allocate or lock; ranges of one index do not
//! overlap; tables are never freed, so only lists and values need the counters.

use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

const GRANULE_BITS: u32 = 14;
const TABLE_BITS: u32 = 11;
const TABLE_LEN: usize = 1 << TABLE_BITS;
/// User addresses are below this; a kernel gives out higher ones only on request.
const ADDRESS_LIMIT: usize = 1 << (GRANULE_BITS + 3 * TABLE_BITS);

/// The ranges of one granule, in ascending order.
struct List<T> {
    /// How many of the slots are in use. Those stay as they are, but for their value.
    len: AtomicUsize,
    /// How many of those are struck out. The writer's.
    struck: AtomicUsize,
    slots: Box<[Slot<T>]>,
}

struct Slot<T> {
    start: AtomicUsize,
    end: AtomicUsize,
    /// Null when struck out.
    value: AtomicPtr<T>,
}

type Leaf<T> = [AtomicPtr<List<T>>; TABLE_LEN];
type Middle<T> = [AtomicPtr<Leaf<T>>; TABLE_LEN];

impl<T> List<T> {
    fn used(&self) -> &[Slot<T>] {
        &self.slots[..self.len.load(SeqCst)]
    }

    /// The value at an address, or null.
    fn find(&self, address: usize) -> *mut T {
        let used = self.used();
        let next = used.partition_point(|slot| slot.start.load(Relaxed) <= address);
        match next.checked_sub(1).map(|last| &used[last]) {
            Some(slot) if address < slot.end.load(Relaxed) => slot.value.load(SeqCst),
            _ => ptr::null_mut(),
        }
    }

    fn lies_below(&self, range: &Range<usize>) -> bool {
        self.used().last().is_none_or(|last| last.end.load(Relaxed) <= range.start)
    }

    /// For the writer: takes a range that lies above all others while there is room.
    fn append(&self, range: &Range<usize>, value: NonNull<T>) -> bool {
        let len = self.len.load(SeqCst);
        let Some(slot) = self.slots.get(len).filter(|_| self.lies_below(range)) else { return false };
        slot.start.store(range.start, Relaxed);
        slot.end.store(range.end, Relaxed);
        slot.value.store(value.as_ptr(), Relaxed);
        self.len.store(len + 1, SeqCst); // Only now may readers look at the slot.
        true
    }

    /// For the writer: the ranges that are not struck out.
    fn live(&self) -> impl Iterator<Item = (Range<usize>, NonNull<T>)> {
        self.used().iter().filter_map(|slot| {
            Some((slot.start.load(Relaxed)..slot.end.load(Relaxed), NonNull::new(slot.value.load(Relaxed))?))
        })
    }

    /// With room for as many again, unless one range fills the granule.
    fn new(ranges: &[(Range<usize>, NonNull<T>)]) -> List<T> {
        let whole = ranges.len() == 1 && 1 << GRANULE_BITS <= ranges[0].0.len();
        let capacity = if whole { 1 } else { (2 * ranges.len()).max(4) };
        let empty = || Slot { start: 0.into(), end: 0.into(), value: AtomicPtr::new(ptr::null_mut()) };
        let slots = (0..capacity).map(|_| empty()).collect();
        let list = List { len: 0.into(), struck: 0.into(), slots };
        ranges.iter().for_each(|(range, value)| assert!(list.append(range, *value), "in ascending order"));
        list
    }
}

/// Why ranges were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A range is empty, backward or beyond what a process can map.
    #[error("{start:#x}..{end:#x} is not a range of user addresses")]
    Unmappable {
        /// First address.
        start: usize,
        /// Address after the last.
        end: usize,
    },
    /// A range is in use already.
    #[error("{start:#x}..{end:#x} overlaps a range that is registered already")]
    Overlap {
        /// First address.
        start: usize,
        /// Address after the last.
        end: usize,
    },
}

/// A set of address ranges, each with a value. Meant to be a static.
pub struct RangeIndex<T: Send + Sync + 'static> {
    root: [AtomicPtr<Middle<T>>; TABLE_LEN],
    /// Counts up when everybody who entered before the last step has left.
    epoch: AtomicUsize,
    /// How many readers entered in even and in odd epochs and have not left.
    readers: [AtomicUsize; 2],
    writer: Mutex<Retired<T>>,
}

/// What readers may still hold.
struct Retired<T> {
    /// Replaced in the present epoch.
    newer: Garbage<T>,
    /// Replaced in the one before.
    older: Garbage<T>,
}

struct Garbage<T> {
    lists: Vec<NonNull<List<T>>>,
    values: Vec<NonNull<T>>,
}

// SAFETY: the pointers are owned boxes of a `Send` type; they are only freed, under the writer's mutex.
unsafe impl<T: Send> Send for Retired<T> {}

/// The right to look at lists and values; ends the epoch's claim when dropped.
struct Reading<'a>(&'a AtomicUsize);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl<T: Send + Sync + 'static> Default for RangeIndex<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + Sync + 'static> RangeIndex<T> {
    /// An index without ranges.
    pub const fn new() -> Self {
        RangeIndex {
            root: [const { AtomicPtr::new(ptr::null_mut()) }; TABLE_LEN],
            epoch: AtomicUsize::new(0),
            readers: [AtomicUsize::new(0), AtomicUsize::new(0)],
            writer: Mutex::new(Retired { newer: Garbage::new(), older: Garbage::new() }),
        }
    }

    /// Calls `look` with the value whose ranges contain `address`. The value is not freed before `look` returns.
    pub fn find<R>(&self, address: usize, look: impl FnOnce(&T) -> R) -> Option<R> {
        let cell = self.cell(address)?;
        if cell.load(SeqCst).is_null() {
            return None; // Most addresses that are asked for belong to somebody else: no counter is touched.
        }
        let reading = self.enter();
        // SAFETY: a list that was in its cell after `enter` is freed only after `reading` ends (see `collect`).
        let list = unsafe { cell.load(SeqCst).as_ref()? };
        // SAFETY: values are retired after they were struck out of all lists, so the same holds for them.
        let value = unsafe { list.find(address).as_ref()? };
        let result = look(value);
        drop(reading);
        Some(result)
    }

    /// Adds `value` under `ranges`. The pointer stays valid until [`remove`](Self::remove) gets it back.
    pub fn insert(&self, ranges: &[Range<usize>], value: Box<T>) -> Result<NonNull<T>, RangeError> {
        let mut retired = self.lock();
        for (position, range) in ranges.iter().enumerate() {
            let (start, end) = (range.start, range.end);
            if end <= start || ADDRESS_LIMIT < end {
                return Err(RangeError::Unmappable { start, end });
            }
            let clash = |other: &Range<usize>| other.start < end && start < other.end;
            let taken = granules(range).any(|granule| {
                let list = self.list(granule).filter(|list| !list.lies_below(range));
                list.is_some_and(|list| list.live().any(|(other, _)| clash(&other)))
            });
            if taken || ranges[..position].iter().any(clash) {
                return Err(RangeError::Overlap { start, end });
            }
        }
        let value = NonNull::from(Box::leak(value));
        for range in ranges {
            for granule in granules(range) {
                let list = self.list(granule);
                if list.is_some_and(|list| list.append(range, value)) {
                    continue;
                }
                let mut ranges: Vec<_> = list.into_iter().flat_map(List::live).collect();
                let at = ranges.partition_point(|(other, _)| other.start < range.start);
                ranges.insert(at, (range.clone(), value));
                self.replace(granule, &ranges, &mut retired);
            }
        }
        self.collect(retired);
        Ok(value)
    }

    /// Takes a value out; it is dropped when no reader can hold it any more, by whoever changes the index then.
    ///
    /// # Safety
    /// `value` came from [`insert`](Self::insert) of this index with the same `ranges` and was not removed before.
    pub unsafe fn remove(&self, ranges: &[Range<usize>], value: NonNull<T>) {
        let mut retired = self.lock();
        for granule in ranges.iter().flat_map(granules) {
            let Some(list) = self.list(granule) else { continue };
            let ours = list.used().iter().filter(|slot| slot.value.load(Relaxed) == value.as_ptr());
            let struck = ours.map(|slot| slot.value.store(ptr::null_mut(), SeqCst)).count();
            let all_struck = struck + list.struck.fetch_add(struck, Relaxed);
            if list.used().len() < 2 * all_struck {
                let live: Vec<_> = list.live().collect();
                self.replace(granule, &live, &mut retired);
            }
        }
        retired.newer.values.push(value);
        self.collect(retired);
    }

    /// Held, nothing changes; readers go on. For `fork`, whose child must find the index whole.
    pub fn hold(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// In the child of a `fork`: forgets the readers, which were other threads.
    pub fn forget_readers(&self) {
        self.readers.iter().for_each(|count| count.store(0, SeqCst));
    }

    fn lock(&self) -> MutexGuard<'_, Retired<T>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Reading<'_> {
        loop {
            let epoch = self.epoch.load(SeqCst);
            let count = &self.readers[epoch & 1];
            count.fetch_add(1, SeqCst);
            let reading = Reading(count);
            // Between the two steps the epoch may have moved on without having seen this reader.
            if self.epoch.load(SeqCst) == epoch {
                return reading;
            }
        }
    }

    fn cell(&self, address: usize) -> Option<&AtomicPtr<List<T>>> {
        if ADDRESS_LIMIT <= address {
            return None;
        }
        let (root, middle, leaf) = indices(address);
        // SAFETY: tables are zeroed before they are published and never freed.
        let table = unsafe { self.root[root].load(SeqCst).as_ref()? };
        // SAFETY: as above.
        let table = unsafe { table[middle].load(SeqCst).as_ref()? };
        Some(&table[leaf])
    }

    /// For the writer only: a list may be freed once the writer's lock is released.
    fn list(&self, granule: usize) -> Option<&List<T>> {
        // SAFETY: only the writer replaces lists, and it is the caller.
        unsafe { self.cell(granule)?.load(SeqCst).as_ref() }
    }

    fn replace(&self, granule: usize, ranges: &[(Range<usize>, NonNull<T>)], retired: &mut Retired<T>) {
        let (root, middle, leaf) = indices(granule);
        let table = existing_or_new(&self.root[root]);
        let table = existing_or_new(&table[middle]);
        let new = if ranges.is_empty() { ptr::null_mut() } else { Box::into_raw(Box::new(List::new(ranges))) };
        retired.newer.lists.extend(NonNull::new(table[leaf].swap(new, SeqCst)));
    }

    /// Frees what nobody can hold. What was replaced in epoch `e` can be held by readers that entered in `e` or
    /// before. Those of `e` are gone when the epoch moves from `e + 1` to `e + 2`, since the counter that `e + 2` will
    /// use is zero then; those before `e` were gone a step earlier. The dropping itself is done unlocked.
    fn collect(&self, mut retired: MutexGuard<'_, Retired<T>>) {
        if retired.newer.is_empty() && retired.older.is_empty() {
            return;
        }
        let epoch = self.epoch.load(SeqCst);
        if self.readers[(epoch + 1) & 1].load(SeqCst) != 0 {
            return;
        }
        let newer = std::mem::replace(&mut retired.newer, Garbage::new());
        let free = std::mem::replace(&mut retired.older, newer);
        self.epoch.store(epoch + 1, SeqCst);
        drop(retired);
        for list in free.lists {
            // SAFETY: it came from `Box::into_raw` in `replace`, was swapped out, and is in no other garbage.
            drop(unsafe { Box::from_raw(list.as_ptr()) });
        }
        for value in free.values {
            // SAFETY: it was leaked in `insert`, and `remove` was promised to be the only one for it.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl<T> Garbage<T> {
    const fn new() -> Self {
        Garbage { lists: Vec::new(), values: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.values.is_empty()
    }
}

fn granules(range: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
    (range.start >> GRANULE_BITS << GRANULE_BITS..range.end).step_by(1 << GRANULE_BITS)
}

fn indices(address: usize) -> (usize, usize, usize) {
    let granule = address >> GRANULE_BITS;
    (granule >> (2 * TABLE_BITS), granule >> TABLE_BITS & (TABLE_LEN - 1), granule & (TABLE_LEN - 1))
}

/// The table in a slot, made if absent. For the writer only.
fn existing_or_new<P>(slot: &AtomicPtr<[AtomicPtr<P>; TABLE_LEN]>) -> &[AtomicPtr<P>; TABLE_LEN] {
    // SAFETY: tables are never freed.
    if let Some(table) = unsafe { slot.load(SeqCst).as_ref() } {
        return table;
    }
    // SAFETY: zeroed pointers are null pointers.
    let table = Box::leak(unsafe { Box::<[AtomicPtr<P>; TABLE_LEN]>::new_zeroed().assume_init() });
    slot.store(table, SeqCst);
    table
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]
mod tests {
    use super::*;

    struct Counted(usize, &'static AtomicUsize);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn ranges_interleave_and_end_where_they_end() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let index = RangeIndex::new();
        let a = [0x1000..0x1010, 0x1020..0x1030, 0x20_0000..0x30_0000];
        let b = [0x1010..0x1020, 0x1ff_fff0..0x200_0000];
        let first = index.insert(&a, Box::new(Counted(1, &DROPS))).unwrap();
        index.insert(&b, Box::new(Counted(2, &DROPS))).unwrap();
        let find = |address| index.find(address, |value| value.0);
        for (address, owner) in [
            (0xfff, None),
            (0x1000, Some(1)),
            (0x100f, Some(1)),
            (0x1010, Some(2)),
            (0x102f, Some(1)),
            (0x1030, None),
            (0x2a_1234, Some(1)),
            (0x2f_ffff, Some(1)),
            (0x30_0000, None),
            (0x1ff_ffff, Some(2)),
            (usize::MAX, None),
        ] {
            assert_eq!(find(address), owner, "{address:#x}");
        }
        // SAFETY: inserted above with these ranges.
        unsafe { index.remove(&a, first) };
        assert_eq!((find(0x1000), find(0x1010), find(0x2a_1234)), (None, Some(2), None));
        // Where a range was struck out, others fit.
        index.insert(&[0x1000..0x1008, 0x1028..0x1040], Box::new(Counted(3, &DROPS))).unwrap();
        let found = [0x1000, 0x1008, 0x1010, 0x1020, 0x1028, 0x103f].map(find);
        assert_eq!(found, [Some(3), None, Some(2), None, Some(3), Some(3)]);
    }

    #[test]
    fn thousands_of_ranges_in_any_order_are_found() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let index = RangeIndex::new();
        let at = |n: usize| [0x40_0000 + n * 16..0x40_0008 + n * 16];
        // 7919 is prime, so the multiples visit every place once.
        let order = || (0..4096).map(|n| n * 7919 % 4096);
        let check = |index: &RangeIndex<Counted>, present: &dyn Fn(usize) -> bool| {
            for n in 0..4096 {
                let found = [0, 7, 8].map(|offset| index.find(at(n)[0].start + offset, |value| value.0));
                assert_eq!(found, if present(n) { [Some(n), Some(n), None] } else { [None; 3] });
            }
        };
        let values: Vec<_> =
            order().map(|n| (n, index.insert(&at(n), Box::new(Counted(n, &DROPS))).unwrap())).collect();
        check(&index, &|_| true);
        for (n, value) in values.iter().filter(|(n, _)| n % 3 != 0) {
            // SAFETY: inserted above with these ranges.
            unsafe { index.remove(&at(*n), *value) };
        }
        check(&index, &|n| n % 3 == 0);
        for n in order().filter(|n| n % 3 == 1) {
            index.insert(&at(n), Box::new(Counted(n, &DROPS))).unwrap();
        }
        check(&index, &|n| n % 3 != 2);
    }

    #[test]
    fn overlaps_and_senseless_ranges_are_refused() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let index = RangeIndex::new();
        let insert = |ranges: &[Range<usize>]| {
            index.insert(ranges, Box::new(Counted(0, &DROPS))).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(insert(&[0x1000..0x2000]), Ok(()));
        assert_eq!(
            insert(&[0x3000..0x3001, 0x1fff..0x2001]),
            Err("0x1fff..0x2001 overlaps a range that is registered already".into())
        );
        assert_eq!(insert(&[0x3000..0x3001]), Ok(()), "a refused set leaves nothing behind");
        #[expect(clippy::reversed_empty_ranges)]
        for wrong in [5..5, 6..5, 1..usize::MAX] {
            let text = format!("{:#x}..{:#x} is not a range of user addresses", wrong.start, wrong.end);
            assert_eq!(insert(&[wrong]), Err(text));
        }
    }

    #[test]
    fn a_value_outlives_its_readers_and_no_more() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let index = RangeIndex::new();
        let ranges = [0x1000..0x2000];
        let churn = || {
            for _ in 0..4 {
                let other = [0x8000..0x9000];
                let value = index.insert(&other, Box::new(Counted(0, &DROPS))).unwrap();
                // SAFETY: inserted on the line above.
                unsafe { index.remove(&other, value) };
            }
        };
        let value = index.insert(&ranges, Box::new(Counted(7, &DROPS))).unwrap();
        index.find(0x1000, |seen| {
            // SAFETY: inserted above with these ranges.
            unsafe { index.remove(&ranges, value) };
            churn();
            assert_eq!((seen.0, DROPS.load(SeqCst)), (7, 0), "nothing is freed under a reader");
        });
        churn();
        assert!(5 < DROPS.load(SeqCst), "the value and the ones before it are freed: {DROPS:?}");
    }
}
