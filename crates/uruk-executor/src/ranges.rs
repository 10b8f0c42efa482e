//! A set of address ranges that do not overlap.

use std::ops::Range;

pub(crate) struct Ranges {
    /// In ascending order.
    ranges: Vec<Range<u64>>,
}

impl Ranges {
    pub fn new(ranges: &[Range<u64>]) -> Ranges {
        let mut ranges = ranges.to_vec();
        ranges.sort_unstable_by_key(|range| range.start);
        Ranges { ranges }
    }

    pub fn contains(&self, address: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.start <= address);
        next.checked_sub(1).is_some_and(|last| self.ranges[last].contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_as_in_ranges() {
        let ranges = Ranges::new(&[10..20, 30..31, 0..5]);
        let inside: Vec<u64> = (0..40).filter(|address| ranges.contains(*address)).collect();
        assert_eq!(inside, [0, 1, 2, 3, 4].into_iter().chain(10..20).chain([30]).collect::<Vec<_>>());
    }
}
