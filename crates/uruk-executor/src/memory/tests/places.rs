//! Memory where a user wants it: at an address, below 2 GiB, in huge pages.

use super::*;
use crate::sys::{Native, System};

/// Addresses that nobody has, now.
fn free(size: u64) -> u64 {
    let system: Arc<dyn System> = Arc::new(Native);
    Mapping::reserve(&system, Where::Anywhere, size).expect("there are addresses").range().start
}

#[test]
fn all_memory_lies_in_the_fixed_range_and_no_more_is_taken() {
    for size in [256 << 10, 32 << 20] {
        let start = free(size);
        let place = Place::At { start, size };
        let memory = InProcessMemory::new(Options { place, ..Options::default() });
        assert_eq!(memory.statistics(), Statistics::default(), "nothing is reserved before it is needed");
        let range = start..start + size;
        assert_eq!(memory.span(Placement::Near).unwrap(), range);
        for placement in [Placement::Low, Placement::Near] {
            let segments = link(&memory, &Demand { placement, ..sizes([500, 50_000, 900]) }, 3);
            assert!(segments.iter().all(|segment| range.contains(&segment.address)));
            check_linked(&segments, 3);
            memory.release(&segments);
        }
        let error = memory.allocate(&sizes([size, 0, 0])).err().expect("that is more than there is").to_string();
        assert!(error.contains("in the fixed range"), "{error}");
        assert_empty(&memory);
        assert_eq!(memory.statistics().reserved, size);
    }
}

#[test]
fn a_range_that_is_taken_or_no_pages_is_an_error() {
    let taken = packed();
    let there = taken.span(Placement::Near).unwrap();
    for (start, size, text) in [
        (there.start, 1 << 20, "at the fixed address"),
        (there.start + 1, 1 << 20, "cannot be met"),
        (free(1 << 20), 0, "cannot be met"),
        (free(1 << 20), 1000, "cannot be met"),
    ] {
        let memory = InProcessMemory::new(Options { place: Place::At { start, size }, ..Options::default() });
        let error = memory.allocate(&sizes([8; 3])).err().expect("there is no such place").to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn everything_lies_low_if_that_is_wanted() {
    let memory = InProcessMemory::new(Options { place: Place::Low, ..Options::default() });
    let segments = link(&memory, &sizes([50, 500_000, 50]), 5);
    assert!(segments.iter().all(|segment| segment.address + segment.size <= 1 << 31), "{segments:x?}");
    assert!(memory.span(Placement::Near).unwrap().end <= 1 << 31);
    memory.release(&segments);
    assert_empty(&memory);
}

/// Whether the system was asked for huge pages at an address; `hg` of proc_pid_smaps(5).
#[cfg(target_os = "linux")]
fn is_huge(address: u64) -> bool {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        if let Some(entry) = maps::parse(line).first() {
            inside = entry.range.contains(&address);
        } else if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
            return flags.split_whitespace().any(|flag| flag == "hg");
        }
    }
    false
}

#[test]
#[cfg(target_os = "linux")]
fn small_allocations_lie_in_huge_pages_if_that_is_wanted() {
    if emulated() {
        // An emulator's mappings are not those of the system.
        return;
    }
    for strict in [false, true] {
        for huge_pages in [false, true] {
            let memory = InProcessMemory::new(Options { strict, huge_pages, ..Options::default() });
            let segments = link(&memory, &sizes([300, 300, 300]), 9);
            check_linked(&segments, 9);
            for segment in &segments {
                assert_eq!(is_huge(segment.address), huge_pages, "{segment:x?}, strict {strict}");
            }
            memory.release(&segments);
            assert_empty(&memory);
        }
    }
}
