//! Memory as its user sees it: real code runs in it, neighbours are left alone, nothing is lost.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::lane::{OWN_PAGES_BYTES, WARM_BYTES};
use super::*;
use crate::sys::faults::Faults;
use crate::sys::maps::{self, Entry};

const CODE: usize = Lane::Code as usize;
const READ_ONLY: usize = Lane::ReadOnly as usize;
const DATA: usize = Lane::Data as usize;

fn packed() -> InProcessMemory {
    let memory = InProcessMemory::new(Options::default());
    assert_eq!(memory.mode(), Mode::Packed);
    memory
}

fn strict() -> InProcessMemory {
    InProcessMemory::new(Options { strict: true })
}

fn lane(size: u64, align: u64) -> LaneDemand {
    LaneDemand { size, align, zero_fill: 0 }
}

fn near(lanes: [LaneDemand; 3]) -> Demand {
    Demand { lanes, placement: Placement::Near }
}

/// Code, read-only data and variables of these sizes.
fn sizes(sizes: [u64; 3]) -> Demand {
    near(sizes.map(|size| lane(size, 16)))
}

/// A function that returns `value`.
fn returns(value: u32) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    let code = [&[0xb8][..], &value.to_le_bytes(), &[0xc3]].concat(); // mov eax, value; ret
    #[cfg(target_arch = "aarch64")]
    let code = {
        let low = 0x5280_0000 | (value & 0xffff) << 5; // movz w0, low
        let high = 0x72a0_0000 | (value >> 16) << 5; // movk w0, high, lsl 16
        [low, high, 0xd65f_03c0u32].map(u32::to_le_bytes).concat() // ret
    };
    code
}

/// Runs a function in finished code.
fn call(address: u64) -> u32 {
    // SAFETY: every caller has put one of `returns` there, finalized it and not released it.
    unsafe { std::mem::transmute::<usize, extern "C" fn() -> u32>(address as usize)() }
}

/// Reads finished memory.
fn read(address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = std::fs::File::open("/proc/self/mem").expect("own memory can be read");
    file.read_exact_at(&mut bytes, address).expect("it is mapped");
    bytes
}

fn segments(allocation: &dyn Allocation, demand: &Demand) -> [Segment; 3] {
    Lane::ALL.map(|lane| Segment { lane, address: allocation.address(lane), size: demand.lanes[lane as usize].size })
}

/// Allocates, checks that all is zero, fills and finalizes: a function that returns `value`, and `value`'s low byte
/// in all other bytes.
fn try_link(memory: &InProcessMemory, demand: &Demand, value: u32) -> Result<[Segment; 3], MemoryError> {
    let mut allocation = memory.allocate(demand)?;
    for (bytes, demand) in allocation.working().into_iter().zip(&demand.lanes) {
        assert_eq!(bytes.len() as u64, demand.size - demand.zero_fill);
        assert!(*bytes == vec![0; bytes.len()], "working memory is zero at first");
        bytes.fill(value as u8);
    }
    let code = returns(value);
    if let Some(start) = allocation.working()[CODE].get_mut(..code.len()) {
        start.copy_from_slice(&code);
    }
    let segments = segments(&*allocation, demand);
    for (segment, demand) in segments.iter().zip(&demand.lanes) {
        assert_eq!(segment.address % demand.align, 0);
    }
    allocation.finalize()?;
    Ok(segments)
}

fn link(memory: &InProcessMemory, demand: &Demand, value: u32) -> [Segment; 3] {
    try_link(memory, demand, value).expect("memory is to be had")
}

/// What `link` wrote is there and runs.
fn check_linked(segments: &[Segment; 3], value: u32) {
    let code = returns(value);
    if code.len() as u64 <= segments[CODE].size {
        assert_eq!(call(segments[CODE].address), value);
    }
    for segment in &segments[READ_ONLY..] {
        assert!(read(segment.address, segment.size as usize) == vec![value as u8; segment.size as usize]);
    }
}

/// Ends the loops of other threads, also when the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn entries() -> Vec<Entry> {
    maps::parse(&std::fs::read_to_string("/proc/self/maps").expect("it is readable"))
}

fn entry_of(address: u64) -> Entry {
    entries().into_iter().find(|entry| entry.range.contains(&address)).expect("it is mapped")
}

/// How many of the kernel's mappings the reservations of a manager are made of.
fn mapping_count(memory: &InProcessMemory) -> usize {
    let state = memory.shared.lock();
    let ranges: Vec<_> = state.regions.values().map(Region::range).collect();
    let inside = |e: &Entry| ranges.iter().any(|range| e.range.start < range.end && range.start < e.range.end);
    entries().into_iter().filter(inside).count()
}

/// Bytes of the reservations that have memory behind them, by the page table.
fn resident(memory: &InProcessMemory) -> u64 {
    let state = memory.shared.lock();
    let file = std::fs::File::open("/proc/self/pagemap").expect("it is readable");
    let page_bytes = sys::page_bytes();
    let mut pages = 0;
    for region in state.regions.values() {
        let range = region.range();
        let mut table = vec![0; ((range.end - range.start) / page_bytes * 8) as usize];
        file.read_exact_at(&mut table, range.start / page_bytes * 8).expect("the table covers it");
        // Bit 63 of a little-endian entry: present.
        pages += table.iter().skip(7).step_by(8).filter(|byte| **byte & 0x80 != 0).count() as u64;
    }
    pages * page_bytes
}

fn assert_empty(memory: &InProcessMemory) {
    let statistics = memory.statistics();
    assert_eq!(statistics.live, [0; 3]);
    assert!(statistics.committed.iter().all(|bytes| *bytes <= WARM_BYTES), "{statistics:?}");
}

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
    let demand = near([lane(6, 16), lane(8, 8), bss]);
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
    for options in [Options { strict: false }, Options { strict: true }] {
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

#[test]
fn without_the_descriptor_it_is_strict_and_says_so() {
    for refuse_opening in [true, false] {
        let faults = Faults::new();
        let refused = if refuse_opening { &faults.refuse_writer } else { &faults.refuse_writes };
        refused.store(true, Ordering::SeqCst);
        let memory = InProcessMemory::with_system(Options::default(), faults.clone());
        let cause = if refuse_opening { libc::EACCES } else { libc::EIO };
        assert_eq!(memory.mode(), Mode::Refused { cause });
        assert!(memory.mode().to_string().contains("/proc/self/mem was refused"));
        let segments = link(&memory, &sizes([100; 3]), 12);
        check_linked(&segments, 12);
    }
}

#[test]
fn a_refusal_later_on_costs_one_allocation() {
    let faults = Faults::new();
    let memory = InProcessMemory::with_system(Options::default(), faults.clone());
    let before = link(&memory, &sizes([100; 3]), 1);
    faults.refuse_writes.store(true, Ordering::SeqCst);
    let error = try_link(&memory, &sizes([100; 3]), 2).expect_err("it cannot be written");
    assert!(error.to_string().starts_with("writing 100 bytes at 0x"), "{error}");
    assert_eq!(memory.mode(), Mode::Refused { cause: libc::EIO });
    let after = link(&memory, &sizes([100; 3]), 3);
    check_linked(&before, 1);
    check_linked(&after, 3);
    memory.release(&before);
    memory.release(&after);
    assert_empty(&memory);
}

#[test]
fn any_call_may_fail_and_nothing_is_lost() {
    for options in [Options { strict: false }, Options { strict: true }] {
        let mut n = 0;
        loop {
            n += 1;
            let faults = Faults::new();
            faults.fail(n);
            let memory = InProcessMemory::with_system(options, faults.clone());
            let scenario = |value: u32| {
                let mut live: Vec<([Segment; 3], u32)> = Vec::new();
                let bss = LaneDemand { size: 2 << 30, align: 16, zero_fill: 2 << 30 };
                let low = Demand { placement: Placement::Low, ..sizes([100; 3]) };
                let small = (0..5).map(|_| sizes([30_000, 3000, 100]));
                let big =
                    [sizes([100_000; 3]), sizes([100, 100_000, 5 << 19]), near([lane(12, 4), lane(0, 1), bss]), low];
                for (index, demand) in (0..).zip(small.chain(big)) {
                    if let Ok(segments) = try_link(&memory, &demand, value + index) {
                        live.push((segments, value + index));
                    }
                }
                let linked = live.len();
                for (segments, value) in live {
                    if segments[DATA].size < 1 << 30 {
                        check_linked(&segments, value);
                    }
                    memory.release(&segments);
                }
                linked
            };
            let linked = scenario(100);
            let done = faults.clear();
            assert!(8 <= linked, "one failure costs one allocation, not more");
            assert_eq!(memory.statistics().live, [0; 3]);
            assert_eq!(scenario(200), 9, "the manager is usable after failure {n}");
            assert_empty_but_low(&memory);
            if done {
                assert_eq!(linked, 9);
                break;
            }
        }
        assert!(20 < n, "the scenario makes calls");
    }
}

/// As `assert_empty`, where there are a near and a low reservation.
fn assert_empty_but_low(memory: &InProcessMemory) {
    let statistics = memory.statistics();
    assert_eq!(statistics.live, [0; 3]);
    assert!(statistics.committed.iter().all(|bytes| *bytes <= 2 * WARM_BYTES), "{statistics:?}");
    assert_eq!(statistics.reservations, 2);
}

/// Runs `child` in a forked child, which must not panic across; says whether it returned true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what `fork` leaves usable (malloc, and what is tested here), and ends by `_exit`.
    unsafe {
        let pid = libc::fork();
        assert!(0 <= pid);
        if pid == 0 {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            libc::_exit(if good { 7 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
    }
}

#[test]
fn a_forked_child_writes_its_own_memory() {
    let memory = packed();
    let demand = sizes([100; 3]);
    let old = link(&memory, &demand, 1);
    let next = link(&memory, &demand, 2);
    memory.release(&next);
    let before = read(next[CODE].address, 100);
    let good = in_child(|| {
        let segments = link(&memory, &demand, 3);
        check_linked(&segments, 3);
        check_linked(&old, 1);
        memory.release(&old);
        segments == next && memory.mode() == Mode::Packed
    });
    assert!(good, "the child links where the parent would have");
    assert_eq!(read(next[CODE].address, 100), before, "and the parent's memory is as it was");
    let segments = link(&memory, &demand, 4);
    assert_eq!(segments, next);
    check_linked(&segments, 4);
    check_linked(&old, 1);
}

#[test]
fn fork_waits_for_other_threads() {
    let memory = packed();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (memory, stop) = (&memory, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let segments = link(memory, &sizes([100 + thread; 3]), 5);
                    memory.release(&segments);
                }
            });
        }
        let _stop = SetOnDrop(&stop);
        for value in 0..50 {
            let good = in_child(|| {
                // SAFETY: ends the child should a lock have been left held.
                unsafe { libc::alarm(20) };
                check_linked(&link(&memory, &sizes([300; 3]), value), value);
                true
            });
            assert!(good);
        }
    });
}

#[test]
fn a_child_never_finds_the_lock_held() {
    let memory = packed();
    let about_to_fork = AtomicBool::new(false);
    for _ in 0..20 {
        about_to_fork.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let locked = memory.shared.lock();
            let forker = scope.spawn(|| {
                about_to_fork.store(true, Ordering::Relaxed);
                in_child(|| {
                    // SAFETY: ends the child should it wait for ever.
                    unsafe { libc::alarm(5) };
                    memory.statistics() == Statistics::default()
                })
            });
            while !about_to_fork.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            // Time enough to fork, if nothing held it off.
            (0..2000).for_each(|_| std::thread::yield_now());
            drop(locked);
            assert!(forker.join().expect("it does not panic"));
        });
    }
}

#[test]
fn few_addresses_make_smaller_reservations() {
    let good = in_child(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("it is readable");
        let line = status.lines().find(|line| line.starts_with("VmSize:")).expect("it is listed");
        let used: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
        let limit = libc::rlimit { rlim_cur: (used << 10) + (200 << 20), rlim_max: libc::RLIM_INFINITY };
        // SAFETY: lowers a limit of this child.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        let memory = packed();
        check_linked(&link(&memory, &sizes([100, 1 << 20, 100]), 6), 6);
        let first = memory.statistics().reserved;
        let mut more = 0;
        while memory.allocate(&sizes([16, 16, 32 << 20])).map(std::mem::forget).is_ok() {
            more += 1;
        }
        first <= 200 << 20 && 0 < more && memory.allocate(&sizes([100; 3])).is_ok()
    });
    assert!(good);
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
