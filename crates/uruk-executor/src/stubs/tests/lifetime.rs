//! Stubs that are made, redirected and freed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use super::super::block::MAX_CELLS;
use super::super::{MAX_STUBS, StubError, StubId};
use super::*;
use crate::memory::Mode;
use crate::sys::faults::Faults;

fn ids(stubs: &[Stub]) -> Vec<StubId> {
    stubs.iter().map(|stub| stub.id).collect()
}

#[test]
fn a_hundred_thousand_stubs_come_and_go_without_a_trace() {
    let memory = memory();
    let before = memory.statistics();
    let pool = pool(&memory, |_| Some(address(one)));
    let stubs = pool.make(100_000).unwrap();
    let distinct: HashSet<u64> = stubs.iter().map(|stub| stub.address).collect();
    assert_eq!((stubs.len(), distinct.len()), (100_000, 100_000));
    assert!(stubs.iter().all(|stub| stub.address.is_multiple_of(16)));
    let [code, read_only, data] = memory.statistics().live;
    assert!(code <= 100_000 * 18 && read_only == 0 && data <= 100_000 * 9, "{code} {data}");
    for stub in stubs.iter().step_by(997) {
        assert_eq!(call(stub.address), 1);
    }
    // In another order than they were made.
    let (even, odd): (Vec<_>, Vec<_>) = ids(&stubs).into_iter().partition(|id| id.0 % 2 == 0);
    pool.free(&odd).unwrap();
    assert_eq!(memory.statistics().live[0], code, "each block is still in use");
    pool.free(&even).unwrap();
    assert_eq!(memory.statistics().live, before.live);
    drop(pool);
    assert_eq!(memory.statistics().live, before.live);
}

#[test]
fn places_are_used_again_under_other_names() {
    let memory = memory();
    let pool = pool(&memory, |_| Some(address(one)));
    let stubs = pool.make(1000).unwrap();
    let live = memory.statistics().live;
    let mut names: HashSet<StubId> = ids(&stubs).into_iter().collect();
    let mut current = stubs[500..].to_vec();
    for _ in 0..100 {
        pool.free(&ids(&current)).unwrap();
        current = pool.make(500).unwrap();
        names.extend(ids(&current));
        assert_eq!(memory.statistics().live, live);
    }
    assert_eq!(names.len(), 1000 + 100 * 500);
    assert_eq!(pool.targets(&ids(&current)).unwrap(), [None; 500], "they are lazy again");
}

#[test]
fn a_freed_stub_leads_to_the_failure_handler() {
    let pool = pool(&memory(), |_| Some(address(one)));
    let stubs = pool.make(2).unwrap();
    assert_eq!(call(stubs[0].address), 1);
    pool.free(&[stubs[0].id, stubs[0].id]).unwrap();
    assert_eq!((call(stubs[0].address), call(stubs[1].address)), (404, 1));
}

#[test]
fn nothing_is_done_if_one_of_the_stubs_does_not_exist() {
    let memory = memory();
    let pool = pool(&memory, |_| Some(address(one)));
    let stubs = ids(&pool.make(3).unwrap());
    pool.free(&stubs[2..]).unwrap();
    let to = stubs.iter().map(|id| (*id, address(two))).collect::<Vec<_>>();
    for unknown in [stubs[2], StubId(0), StubId(u64::MAX)] {
        let is_unknown = |result: Result<(), StubError>| matches!(result, Err(StubError::Unknown(id)) if id == unknown);
        assert!(is_unknown(pool.redirect(&[to[0], to[1], (unknown, address(two))])));
        assert!(is_unknown(pool.free(&[stubs[0], unknown])));
        assert!(is_unknown(pool.targets(&[stubs[0], unknown]).map(drop)));
        assert_eq!(pool.targets(&stubs[..2]).unwrap(), [None, None]);
    }
    assert!(matches!(pool.make(MAX_STUBS + 1), Err(StubError::TooMany { .. })));
    assert_eq!(pool.make(0).unwrap(), []);
}

#[test]
fn calls_see_the_old_target_or_the_new_one() {
    const THREADS: usize = 4;
    let pool = pool(&memory(), |_| None);
    let stub = pool.make(1).unwrap()[0];
    pool.redirect(&[(stub.id, address(one))]).unwrap();
    let (done, started) = (AtomicBool::new(false), Barrier::new(THREADS + 1));
    let calls: [AtomicU64; THREADS] = Default::default();
    thread::scope(|scope| {
        for calls in &calls {
            let (done, started) = (&done, &started);
            scope.spawn(move || {
                started.wait();
                while !done.load(SeqCst) {
                    let answer = call(stub.address);
                    assert!(answer == 1 || answer == 2, "{answer}");
                    calls.fetch_add(1, SeqCst);
                }
            });
        }
        started.wait();
        // On until each thread has met many changes.
        while calls.iter().any(|calls| calls.load(SeqCst) < 100_000) {
            for target in [two, one] {
                pool.redirect(&[(stub.id, address(target))]).unwrap();
            }
        }
        done.store(true, SeqCst);
    });
}

#[test]
fn whoever_asks_sees_all_of_a_redirection_or_nothing() {
    let pool = pool(&memory(), |_| None);
    let stubs = ids(&pool.make(500).unwrap());
    let to = |target: u64| stubs.iter().map(|id| (*id, target)).collect::<Vec<_>>();
    let done = AtomicBool::new(false);
    // A function may have more than one address.
    let (one, two) = (address(one), address(two));
    pool.redirect(&to(one)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                pool.redirect(&to(two)).unwrap();
                pool.redirect(&to(one)).unwrap();
            }
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            let targets = pool.targets(&stubs).unwrap();
            assert!(targets.iter().all(|target| *target == targets[0]));
        }
    });
    assert_eq!(pool.targets(&stubs).unwrap(), vec![Some(one); 500]);
}

#[test]
fn failing_system_calls_leave_nothing_behind() {
    for strict in [false, true] {
        let faults = Faults::new();
        let memory = Arc::new(InProcessMemory::with_system(Options { strict, ..Options::default() }, faults.clone()));
        let pool = pool(&memory, |_| Some(address(one)));
        let kept = pool.make(1).unwrap()[0];
        let live = memory.statistics().live;
        let mut failures = 0;
        loop {
            faults.fail(failures + 1);
            // Several blocks, of which the later ones may fail.
            let result = pool.make(2 * MAX_CELLS);
            if faults.clear() {
                pool.free(&ids(&result.unwrap())).unwrap();
                break;
            }
            failures += 1;
            assert!(matches!(result, Err(StubError::Memory(_))), "at call {failures}");
            assert_eq!(memory.statistics().live, live, "at call {failures}");
        }
        assert!(2 < failures);
        assert_eq!(memory.statistics().live, live);
        assert_eq!(call(kept.address), 1);
    }
}

#[test]
fn code_is_written_once_even_where_memory_would_allow_more() {
    let faults = Faults::new();
    let memory = Arc::new(InProcessMemory::with_system(Options { strict: true, ..Options::default() }, faults.clone()));
    assert_eq!(memory.mode(), Mode::Strict);
    let pool = pool(&memory, |_| Some(address(one)));
    let stubs = pool.make(5000).unwrap();
    let (start, end) = (stubs[0].address, stubs[MAX_CELLS / 2].address);
    // SAFETY: the code of one block, from its first stub to one of its last.
    let code = || unsafe { std::slice::from_raw_parts(start as *const u8, (end - start) as usize) }.to_vec();
    let (before, protections) = (code(), faults.calls.protect.load(SeqCst));
    for stub in &stubs {
        assert_eq!(call(stub.address), 1);
    }
    pool.redirect(&stubs.iter().map(|stub| (stub.id, address(two))).collect::<Vec<_>>()).unwrap();
    pool.free(&ids(&stubs[1..100])).unwrap();
    pool.make(50).unwrap();
    assert_eq!(call(stubs[0].address), 2);
    assert!(code() == before);
    assert_eq!(faults.calls.protect.load(SeqCst), protections);
    assert_eq!(faults.calls.write.load(SeqCst), 0);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let entries = crate::sys::maps::parse(&maps);
    let of_code = entries.iter().find(|entry| entry.range.contains(&start)).unwrap();
    assert!(of_code.executable && !of_code.writable);
}

#[test]
fn a_forked_child_makes_its_own_first_calls() {
    let pool = pool(&memory(), |_| Some(address(two)));
    let (done, busy) = (AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        // Holds the lock nearly always.
        let others = ids(&pool.make(20_000).unwrap());
        let (pool, done, busy) = (&pool, &done, &busy);
        scope.spawn(move || {
            busy.wait();
            while !done.load(SeqCst) {
                assert_eq!(pool.targets(&others).unwrap().len(), others.len());
            }
        });
        busy.wait();
        for _ in 0..50 {
            let stub = pool.make(1).unwrap()[0];
            // SAFETY: the child calls what is tested here, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let first = call(stub.address);
                let own = pool.make(1).map_or(0, |stubs| call(stubs[0].address));
                // SAFETY: ends the child without the parent's destructors.
                unsafe { libc::_exit(if (first, own) == (2, 2) { 7 } else { 1 }) };
            }
            assert_eq!(pool.targets(&[stub.id]).unwrap(), [None], "the child's call was not the parent's");
            assert_eq!(call(stub.address), 2);
            let mut status = 0;
            // SAFETY: waits for the child above.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(libc::WEXITSTATUS(status), 7, "{status:#x}");
        }
        done.store(true, SeqCst);
    });
}
