//! A forked child has memory of its own.

use super::*;

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
