//! A forked child finds the index whole, whatever other threads were doing. In a process of its own: libgcc 12 has a
//! lock that it does not hold across `fork`, and takes in a throw once records are registered with it.
#![cfg(feature = "unwind-interposition")]

use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::{mem, thread};

use uruk_executor::unwind::{self, Registration};

#[path = "../src/test_code.rs"]
mod test_code;

use test_code::{CALLER, Code, EhFrame};

extern "C-unwind" fn throw() {
    resume_unwind(Box::new(5));
}

fn register(code: &Code, offset: usize) -> Registration {
    let range = code.range(offset, CALLER);
    let section = EhFrame::of(std::slice::from_ref(&range));
    // SAFETY: the section is never freed and describes the function as it is.
    unsafe { unwind::register(&[range], section.as_ptr().addr(), section.len()) }.unwrap()
}

fn throws(code: &Code, offset: usize) -> bool {
    let caller = code.caller(offset);
    catch_unwind(|| caller(throw)).is_err_and(|caught| caught.downcast_ref() == Some(&5))
}

#[test]
fn a_forked_child_registers_and_throws() {
    let functions: Vec<_> = (0..256).map(|n| (n * 16, CALLER)).collect();
    let code = Code::new(4096, &functions);
    let _before = register(&code, 0x10);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for offset in [0x40, 0x800] {
            let (code, done) = (&code, &done);
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    let passing = register(code, offset);
                    assert!(throws(code, offset));
                    drop(passing);
                }
            });
        }
        for _ in 0..50 {
            // SAFETY: the child uses what the C library and the crate keep usable, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let here = register(&code, 0x20);
                let status = if throws(&code, 0x10) && throws(&code, 0x20) { 7 } else { 1 };
                mem::drop(here);
                // SAFETY: ends the child without the parent's destructors.
                unsafe { libc::_exit(status) };
            }
            let mut status = 0;
            // SAFETY: waits for the child above.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(libc::WEXITSTATUS(status), 7, "{status:#x}");
        }
        done.store(true, SeqCst);
    });
}
