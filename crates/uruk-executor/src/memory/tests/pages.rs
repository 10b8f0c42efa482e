//! What is released serves others, is zero for them, and is given back.

use super::*;
use std::collections::BTreeSet;

#[test]
fn small_allocations_share_pages_and_mappings() {
    let memory = packed();
    link(&memory, &sizes([200; 3]), 1);
    let mappings = mapping_count(&memory);
    let all: Vec<_> = (0..10_000).map(|value| link(&memory, &sizes([200; 3]), value)).collect();
    // 208 bytes each at an alignment of 16.
    for committed in memory.statistics().committed {
        assert!(committed <= 10_001 * 208 + (600 << 10), "{committed}");
    }
    assert!(mapping_count(&memory) <= mappings + 10);
    for (value, segments) in (0..).zip(&all) {
        assert_eq!(call(segments[CODE].address), value);
    }
    let addresses: BTreeSet<u64> = all.iter().map(|segments| segments[CODE].address >> 12).collect();
    assert!(addresses.len() <= 10_000 * 208 / 4096 + 2);
}

#[test]
fn release_returns_memory() {
    for memory in [packed(), strict()] {
        let small = sizes([1000, 300, 200]);
        let all: Vec<_> = (0..5000).map(|value| link(&memory, &small, value)).collect();
        let big = link(&memory, &sizes([9 << 20; 3]), 3);
        assert!(27 << 20 < resident(&memory));
        memory.release(&big);
        // The last to come is the last to go, with everything around it free.
        let (last, others) = all.split_last().expect("5000");
        for segments in others {
            memory.release(segments);
        }
        assert_eq!(memory.statistics().live, [1000, 300, 200]);
        assert_eq!(call(last[CODE].address), 4999);
        memory.release(last);
        assert_empty(&memory);
        assert!(resident(&memory) <= 3 * WARM_BYTES);
        assert!(mapping_count(&memory) <= 24, "{}: {}", memory.mode(), mapping_count(&memory));
    }
}

#[test]
fn any_part_may_be_released_alone() {
    for memory in [packed(), strict()] {
        for size in [3000, 3 << 20] {
            const NINES: u32 = 0x0909_0909;
            let segments = link(&memory, &sizes([size; 3]), NINES);
            let third = size / 3;
            for segment in segments {
                let middle = Segment { address: segment.address + third, size: third, ..segment };
                memory.release(&[middle]);
                let ends = [read(segment.address, 6), read(segment.address + size - 6, 6)];
                assert!(ends.iter().flatten().all(|byte| *byte != 0), "what is left is left alone");
            }
            assert_eq!(memory.statistics().live, [2 * third; 3]);
            check_linked(&segments.map(|segment| Segment { size: third, ..segment }), NINES);
            // Somebody else moves in meanwhile.
            let other = link(&memory, &sizes([third; 3]), 10);
            check_linked(&segments.map(|segment| Segment { size: third, ..segment }), NINES);
            check_linked(&other, 10);
            memory.release(&other);
            for segment in segments {
                let rest = Segment { address: segment.address + 2 * third, size: third, ..segment };
                memory.release(&[Segment { size: third, ..segment }, rest]);
            }
            assert_empty(&memory);
        }
    }
}

#[test]
fn pages_amid_live_pieces_are_given_back() {
    let memory = packed();
    let all: Vec<_> = (0..20_000).map(|value| link(&memory, &sizes([200; 3]), value)).collect();
    // One of 100 stays: 200 pieces, about one page in five.
    for (index, segments) in all.iter().enumerate().filter(|(index, _)| index % 100 != 0) {
        assert_eq!(call(segments[CODE].address), index as u32);
        memory.release(segments);
    }
    assert!(resident(&memory) <= 3 * (200 * 4096 + WARM_BYTES), "{}", resident(&memory));
    for index in (0..20_000).step_by(100) {
        check_linked(&all[index], index as u32);
    }
}

#[test]
fn released_variables_are_zero_for_the_next() {
    let memory = packed();
    for size in [10, 5000, 70_000, 3 << 20] {
        let half_zero = LaneDemand { size, align: 8, zero_fill: size / 2 };
        for round in 0..3 {
            // `link` checks the written half; programs write to the other one too.
            let demand = near([lane(12, 4), LaneDemand { zero_fill: size / 2, ..lane(size, 8) }, half_zero]);
            let segments = link(&memory, &demand, 0xff);
            let tail = |segment: &Segment| read(segment.address + size - size / 2, (size / 2) as usize);
            assert!(tail(&segments[READ_ONLY]).iter().all(|byte| *byte == 0), "{size}, round {round}");
            assert!(tail(&segments[DATA]).iter().all(|byte| *byte == 0), "{size}, round {round}");
            let zero_fill = segments[DATA].address + size - size / 2;
            // SAFETY: live variables of ours, to which nothing else refers.
            unsafe {
                std::ptr::with_exposed_provenance_mut::<u8>(zero_fill as usize).write_bytes(1, size as usize / 2)
            };
            memory.release(&segments);
        }
    }
}

#[test]
fn a_small_cycle_makes_only_the_calls_that_write() {
    for options in [false, true].map(|strict| Options { strict, ..Options::default() }) {
        let faults = Faults::new();
        let memory = InProcessMemory::with_system(options, faults.clone());
        let demand = sizes([1000, 300, 200]);
        memory.release(&link(&memory, &demand, 1));
        let count = || {
            let calls = &faults.calls;
            [&calls.protect, &calls.discard, &calls.write, &calls.barrier].map(|calls| calls.load(Ordering::SeqCst))
        };
        let before = count();
        for value in 0..100 {
            memory.release(&link(&memory, &demand, value));
        }
        let made: Vec<u64> = count().iter().zip(before).map(|(after, before)| after - before).collect();
        // Two lanes written by force; or two lanes made writable and protected again. The code was there before.
        assert_eq!(made, if options.strict { [400, 0, 0, 100] } else { [0, 0, 200, 100] });
    }
}

#[test]
fn fresh_code_needs_no_barrier() {
    let faults = Faults::new();
    let memory = InProcessMemory::with_system(Options::default(), faults.clone());
    let all: Vec<_> = (0..2000).map(|value| link(&memory, &sizes([300, 10, 10]), value)).collect();
    let big = link(&memory, &sizes([300_000, 10, 10]), 1);
    assert_eq!(faults.calls.barrier.load(Ordering::SeqCst), 0);
    for segments in all {
        memory.release(&segments);
    }
    memory.release(&big);
    link(&memory, &sizes([300_000, 10, 10]), 1);
    assert_eq!(faults.calls.barrier.load(Ordering::SeqCst), 1);
}

#[test]
fn fresh_pages_are_no_longer_fresh_after_code_had_them_to_itself() {
    let faults = Faults::new();
    let memory = InProcessMemory::with_system(Options::default(), faults.clone());
    let barriers = || faults.calls.barrier.load(Ordering::SeqCst);
    // Until more than is asked for next has just been readied.
    let mut committed = 0;
    loop {
        link(&memory, &sizes([1000, 0, 0]), 1);
        let now = memory.statistics().committed[CODE];
        if OWN_PAGES_BYTES * 2 < now - committed {
            break;
        }
        committed = now;
    }
    assert_eq!(barriers(), 0);
    let own = link(&memory, &sizes([OWN_PAGES_BYTES, 0, 0]), 2);
    memory.release(&own);
    let before = barriers();
    let small = link(&memory, &sizes([10_000, 0, 0]), 3);
    let range = own[CODE].address..own[CODE].address + own[CODE].size;
    assert!(range.contains(&(small[CODE].address + 9_999)), "it lies where the other lay");
    assert_eq!(barriers(), before + 1);
}

#[test]
fn dropped_unfinished_it_goes_back() {
    for memory in [packed(), strict()] {
        for size in [100, 100_000] {
            let mut allocation = memory.allocate(&sizes([size; 3])).expect("there is room");
            for bytes in allocation.working() {
                bytes.fill(0xcc);
            }
            drop(allocation);
            assert_empty(&memory);
            // `link` checks that working memory is zero again.
            let segments = link(&memory, &sizes([size; 3]), 8);
            check_linked(&segments, 8);
            memory.release(&segments);
        }
    }
}

#[test]
fn an_unfinished_allocation_outlives_its_manager() {
    let memory = packed();
    let mut allocation = memory.allocate(&sizes([100, 100, 100_000])).expect("there is room");
    drop(memory);
    allocation.working()[DATA].fill(1);
    drop(allocation);
}

#[test]
fn dropping_the_manager_unmaps_all() {
    let memory = packed();
    let span = memory.span(Placement::Low).expect("there are low addresses");
    link(&memory, &sizes([100; 3]), 1);
    drop(memory);
    // Other tests of this process may reserve a part of it meanwhile, but not with this size and start.
    assert!(entries().iter().all(|entry| entry.range != span));
}

#[test]
#[should_panic(expected = "which is not in use")]
fn a_second_release_is_refused() {
    let memory = packed();
    let segments = link(&memory, &sizes([100; 3]), 1);
    memory.release(&segments);
    memory.release(&segments);
}
