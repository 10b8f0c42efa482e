//! Free ranges of an address space, found by size and joined by address.
//! Data flow: ranges go in with `insert`, aligned pieces come out with `take`. Pure; addresses are numbers here.
//! Invariants: ranges neither overlap nor touch (neighbours are joined at once), none is empty, and both indexes
//! hold exactly the same ranges; `whole_pages` is the number of bytes in pages that are free from end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How many ranges, smallest first, are tried for one that fits by the luck of its alignment, before one is taken
/// that fits whatever its alignment. Bounds the time of `take` when thousands of ranges have nearly the right size.
const LUCKY_TRIES: usize = 4;

/// A set of free ranges. Best fit, lowest address among equals.
pub(super) struct FreeList {
    by_address: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
    page_bytes: u64,
    total: u64,
    whole_pages: u64,
}

impl FreeList {
    /// An empty list; `page_bytes` is a power of two and matters to `whole_pages` alone.
    pub(super) fn new(page_bytes: u64) -> FreeList {
        FreeList { by_address: BTreeMap::new(), by_size: BTreeSet::new(), page_bytes, total: 0, whole_pages: 0 }
    }

    /// Free bytes in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Free bytes that lie in pages of which every byte is free.
    pub(super) fn whole_pages(&self) -> u64 {
        self.whole_pages
    }

    /// Whether any byte of `range` is free.
    pub(super) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.by_address.range(..range.end).next_back().is_some_and(|(&start, &len)| range.start < start + len)
    }

    /// Adds `range` and returns the free range it has become part of.
    /// Panics, with nothing changed, if a byte of it is free already: it was released twice.
    pub(super) fn insert(&mut self, range: Range<u64>) -> Range<u64> {
        if range.is_empty() {
            return range;
        }
        let before = self.by_address.range(..range.end).next_back().map(|(&start, &len)| start..start + len);
        let before = before.filter(|before| {
            assert!(before.end <= range.start, "memory {range:#x?} is released twice");
            before.end == range.start
        });
        let after = self.by_address.get(&range.end).map(|&len| range.end..range.end + len);
        let joined = before.as_ref().unwrap_or(&range).start..after.as_ref().unwrap_or(&range).end;
        if let Some(after) = after {
            self.remove(after);
        }
        match before {
            Some(before) => self.resize(before, joined.end),
            None => self.add(joined.clone()),
        }
        joined
    }

    /// Takes `size` bytes (not 0) whose address is a multiple of `align`, a power of two. Finds room whenever some
    /// range has `size + align - 1` bytes.
    pub(super) fn take(&mut self, size: u64, align: u64) -> Option<u64> {
        let fit = |&(len, start): &(u64, u64)| {
            let address = start.checked_next_multiple_of(align)?;
            (address.checked_add(size)? <= start + len).then_some((start..start + len, address))
        };
        let lucky = self.by_size.range((size, 0)..).take(LUCKY_TRIES).find_map(fit);
        let (range, address) = match lucky {
            Some(found) => found,
            None => fit(self.by_size.range((size.checked_add(align - 1)?, 0)..).next()?)?,
        };
        self.cut(range, address..address + size);
        Some(address)
    }

    /// Takes exactly `part`, which must lie within one free range.
    pub(super) fn take_part(&mut self, part: Range<u64>) {
        let (&start, &len) = self.by_address.range(..=part.start).next_back().expect("the part is free");
        assert!(part.end <= start + len, "the part is free");
        self.cut(start..start + len, part);
    }

    /// The runs of whole free pages, those in the largest ranges first.
    pub(super) fn page_runs(&self) -> impl Iterator<Item = Range<u64>> {
        let ranges = self.by_size.range((self.page_bytes, 0)..).rev();
        ranges.map(|&(len, start)| self.pages_within(&(start..start + len))).filter(|run| !run.is_empty())
    }

    /// The whole pages of `range`, an empty range if there is none.
    pub(super) fn pages_within(&self, range: &Range<u64>) -> Range<u64> {
        let start = range.start.next_multiple_of(self.page_bytes);
        start..(range.end & !(self.page_bytes - 1)).max(start)
    }

    /// Removes `part` from the free range `range` that contains it; what is left on either side stays free.
    fn cut(&mut self, range: Range<u64>, part: Range<u64>) {
        let tail = part.end..range.end;
        if range.start < part.start {
            self.resize(range, part.start);
        } else {
            self.remove(range);
        }
        if !tail.is_empty() {
            self.add(tail);
        }
    }

    fn add(&mut self, range: Range<u64>) {
        self.by_address.insert(range.start, range.end - range.start);
        self.count_in(range);
    }

    fn remove(&mut self, range: Range<u64>) {
        self.by_address.remove(&range.start);
        self.count_out(range);
    }

    /// Moves the end of a range, which saves two walks of the index by address.
    fn resize(&mut self, range: Range<u64>, end: u64) {
        *self.by_address.get_mut(&range.start).expect("the range is free") = end - range.start;
        let start = range.start;
        self.count_out(range);
        self.count_in(start..end);
    }

    fn count_in(&mut self, range: Range<u64>) {
        let len = range.end - range.start;
        self.by_size.insert((len, range.start));
        self.total += len;
        let pages = self.pages_within(&range);
        self.whole_pages += pages.end - pages.start;
    }

    fn count_out(&mut self, range: Range<u64>) {
        let len = range.end - range.start;
        self.by_size.remove(&(len, range.start));
        self.total -= len;
        let pages = self.pages_within(&range);
        self.whole_pages -= pages.end - pages.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift64: the same sequence in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    const BASE: u64 = 0x7000_0000_0000;
    const LEN: u64 = 1 << 16;
    const PAGE: u64 = 4096;

    /// The naive model: one flag a byte.
    struct Model(Vec<bool>);

    impl Model {
        fn set(&mut self, range: Range<u64>, free: bool) {
            for flag in &mut self.0[(range.start - BASE) as usize..(range.end - BASE) as usize] {
                assert_ne!(*flag, free, "{range:x?} overlaps another piece");
                *flag = free;
            }
        }

        /// Maximal free ranges, in address order.
        fn ranges(&self) -> Vec<Range<u64>> {
            let mut ranges: Vec<Range<u64>> = Vec::new();
            for (index, _) in self.0.iter().enumerate().filter(|(_, free)| **free) {
                let address = BASE + index as u64;
                match ranges.last_mut() {
                    Some(last) if last.end == address => last.end += 1,
                    _ => ranges.push(address..address + 1),
                }
            }
            ranges
        }

        fn check(&self, list: &FreeList) {
            let ranges: Vec<_> = list.by_address.iter().map(|(&start, &len)| start..start + len).collect();
            assert_eq!(ranges, self.ranges());
            let mut sizes: Vec<_> = ranges.iter().map(|r| (r.end - r.start, r.start)).collect();
            sizes.sort_unstable();
            assert!(list.by_size.iter().copied().eq(sizes));
            assert_eq!(list.total(), self.0.iter().filter(|free| **free).count() as u64);
            let pages = self.0.chunks(PAGE as usize).filter(|page| page.iter().all(|free| *free)).count() as u64;
            assert_eq!(list.whole_pages(), pages * PAGE);
            let runs: u64 = list.page_runs().map(|run| run.end - run.start).sum();
            assert_eq!(runs, pages * PAGE);
        }
    }

    #[test]
    fn behaves_like_one_flag_a_byte() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut list = FreeList::new(PAGE);
        let mut model = Model(vec![true; LEN as usize]);
        let mut live: Vec<Range<u64>> = Vec::new();
        list.insert(BASE..BASE + LEN);
        for step in 0..20_000 {
            if random.below(100) < 55 {
                let bound = if random.below(10) == 0 { 6000 } else { 300 };
                let size = 1 + random.below(bound);
                let align = 1 << random.below(14);
                match list.take(size, align) {
                    Some(address) => {
                        assert_eq!(address % align, 0);
                        model.set(address..address + size, false);
                        live.push(address..address + size);
                    }
                    None => {
                        let sure = size + align - 1;
                        assert!(model.ranges().iter().all(|range| range.end - range.start < sure));
                    }
                }
            } else if !live.is_empty() {
                // Released whole, or its middle first and the rest later.
                let index = random.below(live.len() as u64) as usize;
                let piece = live.swap_remove(index);
                let len = piece.end - piece.start;
                let from = piece.start + random.below(len);
                let to = from + 1 + random.below(piece.end - from);
                let part = if random.below(2) == 0 { piece.clone() } else { from..to };
                live.extend([piece.start..part.start, part.end..piece.end].into_iter().filter(|r| !r.is_empty()));
                model.set(part.clone(), true);
                let joined = list.insert(part.clone());
                assert!(joined.start <= part.start && part.end <= joined.end);
            }
            if step % 200 == 0 {
                model.check(&list);
            }
        }
        for piece in live {
            model.set(piece.clone(), true);
            list.insert(piece);
        }
        model.check(&list);
        assert_eq!(list.by_address.len(), 1, "everything is one range again");
    }

    #[test]
    fn takes_an_exact_part() {
        let mut list = FreeList::new(PAGE);
        list.insert(BASE..BASE + 3 * PAGE);
        list.take_part(BASE + PAGE..BASE + 2 * PAGE);
        assert_eq!(list.total(), 2 * PAGE);
        assert!(list.overlaps(&(BASE..BASE + PAGE + 1)));
        assert!(!list.overlaps(&(BASE + PAGE..BASE + 2 * PAGE)));
        assert_eq!(list.insert(BASE + PAGE..BASE + 2 * PAGE), BASE..BASE + 3 * PAGE);
    }

    #[test]
    #[should_panic(expected = "is released twice")]
    fn a_second_release_is_refused() {
        let mut list = FreeList::new(PAGE);
        list.insert(BASE..BASE + 64);
        list.insert(BASE + 32..BASE + 40);
    }

    #[test]
    fn sizes_beyond_the_address_space_find_no_room() {
        let mut list = FreeList::new(PAGE);
        list.insert(BASE..BASE + LEN);
        assert_eq!(list.take(u64::MAX, 4096), None);
        assert_eq!(list.take(16, 1 << 63), None);
        assert_eq!(list.total(), LEN);
    }
}
