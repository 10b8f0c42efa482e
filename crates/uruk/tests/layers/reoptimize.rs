//! Functions that are made again when they have been called often, while threads call them.

use crate::functions::{Assembler, Numbered};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use uruk::orc::layer::ReoptimizeLayer;
use uruk::{Cause, CompileLayer, Jit, Session};

type Walk = extern "C" fn(u32) -> u32;

const THRESHOLD: u32 = 1000;

/// Two functions that call each other.
fn functions() -> [Numbered; 2] {
    [Numbered::new(0, vec![1]), Numbered::new(1, vec![0])]
}

/// A version that returns another number.
fn better(function: Numbered) -> Numbered {
    Numbered { answer: 100 + function.number, ..function }
}

#[test]
fn a_function_is_made_again_when_it_has_been_called_often() {
    let jit = Jit::new().unwrap();
    let improved = Arc::new(AtomicUsize::new(0));
    let count = improved.clone();
    let improve = move |_: &Session, function: Numbered| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Cause>(better(function))
    };
    let layer = Arc::new(ReoptimizeLayer::new(THRESHOLD, improve, Arc::new(CompileLayer::new(Assembler::default()))));
    let tracker = jit.main().create_tracker();
    functions().into_iter().for_each(|function| tracker.add(&layer, function).unwrap());
    // SAFETY: that is what the functions are; they are not called after their removal.
    let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
    let answers: Vec<u32> = (0..2 * THRESHOLD).map(|_| first(1)).collect();
    // In place, the call that fills the count has the better version made, and goes on in the old one. `f1` is called by
    // `f0`, whose own count is full in the same call, before.
    let (old, new) = answers.split_at(THRESHOLD as usize);
    assert!(old.iter().all(|answer| *answer == 1) && new.iter().all(|answer| *answer == 101));
    assert_eq!((first(0), improved.load(Ordering::Relaxed)), (100, 2));
    assert!(jit.session().take_reports().is_empty());
    tracker.remove().wait();
    assert_eq!(jit.memory_statistics().live.iter().sum::<u64>(), 0);
}

#[test]
fn threads_call_on_while_a_better_version_is_made() {
    const THREADS: usize = 4;
    let jit = Jit::builder().compile_threads(2).build().unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let improve = move |_: &Session, function: Numbered| {
        begun.send(())?;
        may_go_on.lock().unwrap().recv()?;
        Ok::<_, Cause>(better(function))
    };
    let layer = Arc::new(ReoptimizeLayer::new(THRESHOLD, improve, Arc::new(CompileLayer::new(Assembler::default()))));
    functions().into_iter().for_each(|function| jit.main().add(&layer, function).unwrap());
    // SAFETY: as declared.
    let second = unsafe { jit.main().function::<Walk>("f1").unwrap() };
    let (ended, late) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut new = false;
                while !ended.load(Ordering::Relaxed) {
                    let answer = second(0);
                    assert!(answer == 101 || answer == 1 && !new, "{answer}");
                    new |= answer == 101;
                }
                late.fetch_add(usize::from(second(0) == 101), Ordering::Relaxed);
            });
        }
        has_begun.recv().unwrap();
        assert_eq!(second(0), 1, "nobody waits for the better version");
        go_on.send(()).unwrap();
        jit.session().wait_until_idle();
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(late.load(Ordering::Relaxed), THREADS);
    assert!(jit.session().take_reports().is_empty());
}

#[test]
fn a_better_version_that_cannot_be_had_is_reported_and_the_old_one_stays() {
    let jit = Jit::new().unwrap();
    let improve = |_: &Session, _: Numbered| Err::<Numbered, Cause>("out of ideas".into());
    let layer = Arc::new(ReoptimizeLayer::new(3, improve, Arc::new(CompileLayer::new(Assembler::default()))));
    functions().into_iter().for_each(|function| jit.main().add(&layer, function).unwrap());
    // SAFETY: as declared.
    let first = unsafe { jit.main().function::<Walk>("f0").unwrap() };
    assert!((0..10).all(|_| first(0) == 0));
    let reports = jit.session().take_reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].to_string(), "f0 cannot be compiled: out of ideas");
}
