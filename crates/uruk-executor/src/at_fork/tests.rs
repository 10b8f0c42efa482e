//! Forks while other threads announce locks.

use super::*;
use std::sync::mpsc;
use std::{fs, thread};

/// Forks, and returns how the child ended that did something and left by status 7.
fn status_of_child(something: impl FnOnce()) -> i32 {
    // SAFETY: the child uses what the C library and this module keep usable, and leaves by `_exit`. It ends if it waits for ever.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            something();
            libc::_exit(7);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        status
    }
}

const LEFT_BY_7: i32 = 7 << 8;

#[test]
fn forks_wait_for_a_first_use() {
    static HELD: FirstUse = FirstUse::new();
    // SAFETY: asks for a number.
    let forking = unsafe { libc::gettid() };
    let is_waiting = move || {
        let stat = fs::read_to_string(format!("/proc/self/task/{forking}/stat")).unwrap();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
    };
    let (begun, has_begun) = mpsc::channel();
    install();
    thread::scope(|scope| {
        scope.spawn(move || {
            HELD.announce(|| {
                begun.send(()).unwrap();
                while !is_waiting() {
                    thread::yield_now();
                }
                Mutex::new(())
            });
        });
        has_begun.recv().unwrap();
        assert_eq!(status_of_child(|| HELD.announce(|| Mutex::new(()))), LEFT_BY_7);
    });
}

#[test]
fn handlers_that_are_installed_twice_work_once() {
    static TAKEN: Mutex<u32> = Mutex::new(0);
    static IN_CHILD: Mutex<u32> = Mutex::new(0);
    let took = || {
        *TAKEN.lock().unwrap() += 1;
        Box::new(()) as Held<'static>
    };
    FirstUse::new().hold(took, || *IN_CHILD.lock().unwrap() += 1);
    // SAFETY: as in `install`.
    assert_eq!(unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) }, 0);
    let again = || {
        assert_eq!((*TAKEN.lock().unwrap(), *IN_CHILD.lock().unwrap()), (1, 1));
        drop(lock());
    };
    assert_eq!(status_of_child(again), LEFT_BY_7);
    assert_eq!((*TAKEN.lock().unwrap(), *IN_CHILD.lock().unwrap()), (1, 0));
    drop(lock());
}
