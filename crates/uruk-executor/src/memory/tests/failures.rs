//! Calls that the system refuses cost one allocation, and nothing is lost.

use super::*;

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
    for options in [false, true].map(|strict| Options { strict, ..Options::default() }) {
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
