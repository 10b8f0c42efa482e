//! Where in the address space a reservation goes.
//! Data flow: a size and a [`Placement`] → a reservation, by way of the process's mappings.
//! Invariants: a low reservation lies wholly below 2 GiB. A near one has its `near_bytes` first bytes within signed
//! 32-bit reach of the shared libraries, with a margin, in both directions.
//! Sources: mmap(2); x86-64 psABI §3.5.1 (what the small code model reaches).

use std::io;
use std::ops::Range;
use std::sync::Arc;

use uruk_jitlink::memory::Placement;

use super::lane::HUGE_BYTES;
use crate::sys::maps::{self, Entry};
use crate::sys::{Mapping, System, Where, lowest_address};

/// Exclusive end of what a sign-extended 32-bit address can say.
const LOW_END: u64 = 1 << 31;
/// What a signed 32-bit distance reaches, less a margin for addends and for libraries that are loaded later.
const REACH: u64 = (1 << 31) - (64 << 20);
/// Libraries further apart than this are not all aimed at: a reservation of a GiB would not reach them.
const MAX_SPREAD: u64 = 768 << 20;
/// Left free below the stack and above the heap, which grow.
const GROWTH: u64 = 256 << 20;
/// How often the list of mappings is read again, and how many of its gaps are tried each time.
const RETRIES: usize = 8;

/// Reserves `size` bytes, of which the first `near_bytes` matter to reach. An error if there is no such room; where
/// the list of mappings cannot be read, reach is taken for granted.
pub(super) fn reserve(
    system: &Arc<dyn System>,
    placement: Placement,
    size: u64,
    near_bytes: u64,
) -> io::Result<Mapping> {
    match placement {
        Placement::Near => reserve_near(system, size, near_bytes),
        Placement::Low => reserve_low(system, size),
    }
}

fn reserve_near(system: &Arc<dyn System>, size: u64, near_bytes: u64) -> io::Result<Mapping> {
    // The system's own choice is right below the libraries, if there is room.
    let anywhere = Mapping::reserve(system, Where::Anywhere, size)?;
    let start = anywhere.range().start;
    for _ in 0..RETRIES {
        let Some(entries) = system.maps().ok().map(|text| maps::parse(&text)) else { return Ok(anywhere) };
        let Some(libraries) = libraries(&entries) else { return Ok(anywhere) };
        if reaches(&(start..start + near_bytes), &libraries) {
            return Ok(anywhere);
        }
        // Its own mapping is in `entries`, and so not offered again.
        let candidates = near_candidates(&entries, &libraries, size, near_bytes);
        if let Some(mapping) = first_free(system, &candidates, size) {
            return Ok(mapping);
        }
        if candidates.is_empty() {
            break;
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOMEM))
}

/// Tries addresses in turn. Those at the front are free unless another thread was faster.
fn first_free(system: &Arc<dyn System>, candidates: &[u64], size: u64) -> Option<Mapping> {
    let mut tries = candidates.iter().take(RETRIES);
    tries.find_map(|address| Mapping::reserve(system, Where::Exactly(*address), size).ok())
}

fn reserve_low(system: &Arc<dyn System>, size: u64) -> io::Result<Mapping> {
    if let Ok(mapping) = Mapping::reserve(system, Where::Low, size)
        && mapping.range().end <= LOW_END
    {
        return Ok(mapping);
    }
    for _ in 0..RETRIES {
        // Highest first: programs that are not position independent lie at the bottom, and their heap above them.
        let entries = maps::parse(&system.maps()?);
        let candidates = low_candidates(&entries, lowest_address(), size);
        if let Some(mapping) = first_free(system, &candidates, size) {
            return Ok(mapping);
        }
        if candidates.is_empty() {
            break;
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOMEM))
}

/// From the lowest to the highest address of the process's shared libraries, without those too far from libc; the
/// program's own range if there are none.
fn libraries(entries: &[Entry]) -> Option<Range<u64>> {
    let is_library = |name: &str| name.starts_with('/') && (name.ends_with(".so") || name.contains(".so."));
    let has_code = |name: &str| entries.iter().any(|entry| entry.executable && entry.name == name);
    let mut ranges: Vec<&Entry> = entries.iter().filter(|e| is_library(&e.name) && has_code(&e.name)).collect();
    if ranges.is_empty() {
        ranges = entries.iter().filter(|entry| entry.executable && entry.name.starts_with('/')).collect();
    }
    let file = |entry: &Entry| entry.name.rsplit('/').next().unwrap_or("").to_owned();
    let is_libc = |entry: &&&Entry| file(entry).starts_with("libc.") || file(entry).starts_with("ld-");
    let anchor = ranges.iter().find(is_libc).or(ranges.first())?.range.clone();
    ranges.sort_by_key(|entry| entry.range.start.abs_diff(anchor.start));
    let mut hull = anchor;
    for entry in ranges {
        let wider = hull.start.min(entry.range.start)..hull.end.max(entry.range.end);
        if wider.end - wider.start <= MAX_SPREAD {
            hull = wider;
        }
    }
    Some(hull)
}

/// Whether every byte of one range reaches every byte of the other.
fn reaches(range: &Range<u64>, libraries: &Range<u64>) -> bool {
    libraries.end.saturating_sub(range.start) <= REACH && range.end.saturating_sub(libraries.start) <= REACH
}

/// Start addresses in unmapped ranges from which the libraries are reached, nearest to them first.
fn near_candidates(entries: &[Entry], libraries: &Range<u64>, size: u64, near_bytes: u64) -> Vec<u64> {
    let lowest = libraries.end.saturating_sub(REACH).max(lowest_address());
    let Some(highest) = libraries.start.saturating_add(REACH).checked_sub(near_bytes) else { return Vec::new() };
    let mut candidates = Vec::new();
    for gap in maps::gaps(&with_growth(entries), lowest..u64::MAX >> 17) {
        // The end of the gap that is nearer to the libraries.
        let below = gap.end.checked_sub(size).map(|start| start.min(highest) & !(HUGE_BYTES - 1));
        let above = gap.start.checked_next_multiple_of(HUGE_BYTES);
        let start = if gap.end <= libraries.start { below } else { above };
        let fits = |start: &u64| gap.start <= *start && *start <= highest && size <= gap.end.saturating_sub(*start);
        candidates.extend(start.filter(fits));
    }
    candidates.sort_by_key(|start| start.abs_diff(libraries.start));
    candidates
}

/// Start addresses in unmapped ranges below 2 GiB, highest first.
fn low_candidates(entries: &[Entry], lowest: u64, size: u64) -> Vec<u64> {
    let gaps = maps::gaps(&with_growth(entries), lowest..LOW_END);
    let starts = gaps.iter().rev().filter_map(|gap| {
        let start = gap.end.checked_sub(size)?;
        let aligned = start & !(HUGE_BYTES - 1);
        let page_aligned = start & !(crate::sys::page_bytes() - 1);
        [aligned, page_aligned].into_iter().find(|start| gap.start <= *start)
    });
    starts.collect()
}

/// The mappings, with room around those that grow.
fn with_growth(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        match entry.name.as_str() {
            "[stack]" => entry.range.start = entry.range.start.saturating_sub(GROWTH),
            "[heap]" => entry.range.end += GROWTH,
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn entry(range: Range<u64>, name: &str) -> Entry {
        let name = name.into();
        Entry { range, readable: true, writable: false, executable: true, anonymous: false, name }
    }

    #[test]
    fn libraries_far_from_libc_are_not_aimed_at() {
        let entries = [
            entry(0x1000..0x2000, "/bin/program"),
            entry(90 * GIB..90 * GIB + 4096, "/lib/libfar.so.1"),
            entry(100 * GIB..100 * GIB + 4096, "/lib/libnear.so"),
            entry(100 * GIB + 8192..100 * GIB + 12288, "/lib/libc.so.6"),
        ];
        assert_eq!(libraries(&entries), Some(100 * GIB..100 * GIB + 12288));
        assert_eq!(libraries(&entries[..1]), Some(0x1000..0x2000), "the program stands in");
    }

    #[test]
    fn candidates_reach_and_the_nearest_comes_first() {
        let libraries = 100 * GIB..100 * GIB + 4096;
        let entries = [
            entry(97 * GIB..97 * GIB + 4096, "wall"),
            entry(100 * GIB - 4096..100 * GIB, "neighbour"),
            entry(libraries.clone(), "/lib/libc.so.6"),
            entry(110 * GIB..111 * GIB, "[stack]"),
        ];
        let candidates = near_candidates(&entries, &libraries, GIB, GIB);
        assert_eq!(candidates, [100 * GIB + HUGE_BYTES, 99 * GIB - HUGE_BYTES]);
        // Several GiB of which the start must be near: only above is there room.
        assert_eq!(near_candidates(&entries, &libraries, 5 * GIB, GIB), [100 * GIB + HUGE_BYTES]);
        assert_eq!(near_candidates(&entries, &libraries, 10 * GIB, GIB), []);
        for start in candidates {
            assert!(reaches(&(start..start + GIB), &libraries));
        }
    }

    #[test]
    fn low_candidates_end_below_two_gib_and_leave_the_heap_room() {
        let entries = [entry(0x40_0000..0x50_0000, "/bin/program"), entry(0x50_0000..0x60_0000, "[heap]")];
        assert_eq!(low_candidates(&entries, 0x1_0000, GIB), [GIB]);
        assert_eq!(low_candidates(&entries, 0x1_0000, 2 * GIB), []);
        assert_eq!(low_candidates(&entries, 0x1_0000, LOW_END - 0x60_0000), [], "that would be in the heap's way");
    }

    #[test]
    fn several_gib_start_near_the_libraries_if_there_is_room() {
        let system: Arc<dyn System> = Arc::new(crate::sys::Native);
        let near_bytes = 1 << 20;
        // Other tests take and return the same room.
        let found = (0..100).any(|_| {
            let mapping = reserve(&system, Placement::Near, 5 * GIB, near_bytes);
            let entries = maps::parse(&system.maps().expect("it is readable"));
            let libraries = libraries(&entries).expect("there is libc");
            let missed = near_candidates(&entries, &libraries, 5 * GIB, near_bytes);
            mapping.map_or(missed.is_empty(), |mapping| {
                let start = mapping.range().start;
                reaches(&(start..start + near_bytes), &libraries)
            })
        });
        assert!(found);
    }
}
