//! Whatever is demanded lies where it must, runs, and has its protection.

use super::*;

#[test]
fn code_runs_and_data_is_there_whatever_its_size() {
    for memory in [packed(), strict()] {
        let mut all = Vec::new();
        for (value, size) in (1..).zip([6, 200, 4096, 65535, 65536, 65537, 300_000, 5 << 20, 7, 100_000]) {
            let linked = link(&memory, &sizes([size.max(12), size, size]), value);
            all.push((linked, value));
        }
        for (segments, value) in &all {
            check_linked(segments, *value);
        }
        assert_eq!(memory.statistics().reservations, 1);
        for (segments, _) in &all {
            memory.release(segments);
        }
        assert_empty(&memory);
    }
}

#[test]
fn protections_are_those_of_the_lanes() {
    for memory in [packed(), strict()] {
        for size in [100, 100_000] {
            let demand = sizes([size; 3]);
            let mut allocation = memory.allocate(&demand).expect("there is room");
            allocation.working()[CODE].fill(0x90);
            let segments = segments(&*allocation, &demand);
            let lane_range = {
                let state = memory.shared.lock();
                state.regions.values().next().expect("one was made").range()
            };
            let no_both = || {
                let mut inside = entries().into_iter().filter(|entry| lane_range.contains(&entry.range.start));
                inside.all(|entry| !(entry.writable && entry.executable))
            };
            assert!(no_both(), "while it is written");
            allocation.finalize().expect("it is granted");
            assert!(no_both(), "when it is finished");
            let flags = segments.map(|segment| {
                let first = entry_of(segment.address);
                assert_eq!(entry_of(segment.address + size - 1).executable, first.executable);
                (first.writable, first.executable)
            });
            assert_eq!(flags, [(false, true), (false, false), (true, false)]);
        }
    }
}

#[test]
fn neighbours_run_while_a_packed_one_is_written() {
    let memory = packed();
    let demand = sizes([64, 64, 64]);
    let runner = link(&memory, &demand, 4711);
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let runner_thread = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(call(runner[CODE].address), 4711);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop = SetOnDrop(&stop);
        let mut rounds = 0;
        while rounds < 2000 || calls.load(Ordering::Relaxed) < 1000 {
            let segments = link(&memory, &demand, rounds);
            assert_eq!(segments[CODE].address & !0xffff, runner[CODE].address & !0xffff, "they share a chunk");
            assert_eq!(call(segments[CODE].address), rounds);
            memory.release(&segments);
            rounds += 1;
            assert!(!runner_thread.is_finished(), "it runs on");
        }
    });
}

#[test]
fn threads_share_a_manager() {
    let memory = packed();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let memory = &memory;
            scope.spawn(move || {
                let mut live = Vec::new();
                for round in 0..300 {
                    let size = 16 + u64::from(round * 37 % 900) * if round % 50 == 0 { 200 } else { 1 };
                    let value = thread * 1000 + round;
                    live.push((link(memory, &sizes([size, size / 2, size]), value), value));
                    if round % 3 == 0 {
                        let (segments, value) = live.swap_remove(round as usize % live.len());
                        check_linked(&segments, value);
                        memory.release(&segments);
                    }
                }
                for (segments, value) in live {
                    check_linked(&segments, value);
                    memory.release(&segments);
                }
            });
        }
    });
    assert_empty(&memory);
}

#[test]
fn near_memory_reaches_libc_and_itself() {
    let memory = packed();
    let span = memory.span(Placement::Near).expect("there are addresses");
    let libc = libc::getpid as *const () as u64;
    for end in [span.start, span.end] {
        assert!(i32::try_from(end as i64 - libc as i64).is_ok(), "{span:#x?} and {libc:#x}");
    }
    let segments = link(&memory, &sizes([100, 200_000, 300_000]), 1);
    assert!(segments.iter().all(|s| span.contains(&s.address) && s.address + s.size <= span.end));
    assert_eq!(memory.span(Placement::Near).expect("it exists"), span);
    assert!(span.end - span.start <= 1 << 31);
}

#[test]
fn low_memory_lies_below_two_gib() {
    let memory = packed();
    let span = memory.span(Placement::Low).expect("there are low addresses");
    assert!(0x1_0000 <= span.start && span.end <= 1 << 31, "{span:#x?}");
    for size in [50, 500_000] {
        let demand = Demand { placement: Placement::Low, ..sizes([size; 3]) };
        let segments = link(&memory, &demand, 77);
        assert!(segments.iter().all(|s| span.contains(&s.address)));
        check_linked(&segments, 77);
        memory.release(&segments);
    }
    assert_empty(&memory);
    let near = link(&memory, &sizes([50; 3]), 1);
    assert!(near.iter().all(|segment| !span.contains(&segment.address)), "placements are kept apart");
}

#[test]
fn a_low_demand_beyond_two_gib_is_an_error() {
    let memory = packed();
    let zero_fill = LaneDemand { size: 3 << 30, align: 16, zero_fill: 3 << 30 };
    let demand = Demand { lanes: [lane(16, 16), lane(0, 1), zero_fill], placement: Placement::Low };
    let error = memory.allocate(&demand).err().expect("there is no such room").to_string();
    assert!(error.contains("below 2 GiB"), "{error}");
    assert_eq!(memory.statistics(), Statistics::default());
}

#[test]
fn alignments_above_a_page_are_met() {
    for memory in [packed(), strict()] {
        let mut all = Vec::new();
        for (value, align) in (1..).zip([1, 64, 4096, 1 << 16, 1 << 16, 1 << 21, 1 << 30]) {
            let demand = near([lane(20, align), lane(100_000, align), lane(20, align)]);
            let segments = link(&memory, &demand, value);
            check_linked(&segments, value);
            all.push(segments);
        }
        for segments in all {
            memory.release(&segments);
        }
        assert_empty(&memory);
        assert_eq!(memory.statistics().reservations, 1, "the one made for an alignment of a GiB is gone");
    }
}

#[test]
fn impossible_demands_are_refused() {
    let memory = packed();
    let zero_fill = LaneDemand { size: 1, align: 1, zero_fill: 2 };
    for bad in [lane(8, 3), lane(8, 0), lane(u64::MAX, 1), lane(8, 1 << 63), zero_fill] {
        let result = memory.allocate(&near([lane(8, 1), bad, lane(8, 1)]));
        assert!(matches!(result, Err(MemoryError::Unsatisfiable { .. })), "{bad:?}");
    }
    let result = memory.allocate(&near([lane(8, 1), lane(1 << 46, 1), lane(1 << 46, 1)]));
    assert!(matches!(result, Err(MemoryError::Exhausted { .. })));
    assert_eq!(memory.statistics(), Statistics::default());
}

#[test]
fn several_gib_of_zero_fill_cost_nothing() {
    let memory = packed();
    let bss = LaneDemand { size: (5 << 30) + 100, align: 4096, zero_fill: 5 << 30 };
    let demand = near([lane(12, 16), lane(8, 8), bss]);
    let segments = link(&memory, &demand, 5);
    assert_eq!(call(segments[CODE].address), 5);
    assert!(segments.is_sorted_by_key(|segment| segment.address), "the zero-fill comes last");
    assert!(segments[DATA].address - segments[CODE].address < 1 << 30);
    assert_eq!(read(segments[DATA].address + segments[DATA].size - 64, 64), [0; 64]);
    assert!(resident(&memory) <= 64 << 10);
    // In pieces: the end of the zero-fill first.
    let [code, read_only, data] = segments;
    let cut = 1 << 30;
    memory.release(&[Segment { address: data.address + cut, size: data.size - cut, ..data }, code]);
    memory.release(&[Segment { size: cut, ..data }, read_only]);
    assert_eq!(memory.statistics(), Statistics::default(), "its reservation went with it");
}

#[test]
fn a_full_lane_is_followed_by_another_reservation() {
    let memory = packed();
    // 100 MiB of addresses at a time; none is touched.
    let zero_fill = LaneDemand { size: 100 << 20, align: 16, zero_fill: 100 << 20 };
    let demand = near([lane(12, 4), lane(8, 8), zero_fill]);
    let all: Vec<_> = (0..8).map(|value| link(&memory, &demand, value)).collect();
    assert!(2 <= memory.statistics().reservations);
    for (value, segments) in (0..).zip(&all) {
        assert_eq!(call(segments[CODE].address), value);
        let addresses = segments.map(|segment| segment.address);
        let distance = addresses.iter().max().unwrap() + zero_fill.size - addresses.iter().min().unwrap();
        assert!(distance < 1 << 31, "the lanes of one demand reach each other");
    }
    let span = memory.span(Placement::Near).expect("it exists");
    assert!(all.iter().flatten().all(|segment| span.contains(&segment.address)));
    for segments in &all {
        memory.release(segments);
    }
    assert_empty_twice(&memory);
}

/// As `assert_empty`, where each of several reservations may keep a little.
fn assert_empty_twice(memory: &InProcessMemory) {
    let statistics = memory.statistics();
    assert_eq!(statistics.live, [0; 3]);
    let allowed = WARM_BYTES * statistics.reservations as u64;
    assert!(statistics.committed.iter().all(|bytes| *bytes <= allowed), "{statistics:?}");
}
