//! Throws, panics and backtraces that begin behind a stub.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::super::arch::entry;
use super::*;
use crate::test_code::{CALLER, Code, EhFrame};
use crate::{testing, unwind};

unsafe extern "C-unwind" {
    fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> c_int, argument: *mut c_void) -> c_int;
}

unsafe extern "C" {
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_FindEnclosingFunction(pc: *mut c_void) -> *mut c_void;
}

/// Where the function starts that has this instruction, by its unwind record.
pub(super) fn function_of(pc: u64) -> u64 {
    // SAFETY: the function only looks a number up, as that of a return address: one less.
    unsafe { _Unwind_FindEnclosingFunction(ptr::without_provenance_mut(pc as usize + 1)) as u64 }
}

/// Room for the instruction pointers of a stack, without allocating.
pub(super) struct Stack {
    frames: [u64; 64],
    len: usize,
}

impl Stack {
    pub(super) fn walk() -> Stack {
        extern "C" fn step(context: *mut c_void, stack: *mut c_void) -> c_int {
            // SAFETY: the stack below, which nobody else uses meanwhile.
            let stack = unsafe { &mut *stack.cast::<Stack>() };
            if let Some(frame) = stack.frames.get_mut(stack.len) {
                // SAFETY: the context is the unwinder's.
                *frame = unsafe { _Unwind_GetIP(context) } as u64;
                stack.len += 1;
            }
            0
        }
        let mut stack = Stack { frames: [0; 64], len: 0 };
        // SAFETY: the callback gets what it expects.
        unsafe { _Unwind_Backtrace(step, (&raw mut stack).cast()) };
        stack
    }

    pub(super) fn frames(&self) -> &[u64] {
        &self.frames[..self.len]
    }
}

#[test]
fn what_the_failure_handler_throws_reaches_the_caller() {
    // In a process of its own: a libstdc++ that has thrown keeps its variables where other tests do not want them.
    if !testing::in_child() {
        let test = "stubs::tests::unwinding::what_the_failure_handler_throws_reaches_the_caller";
        let output = testing::run_in_child(test, &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let library = Library::cxx("throw", include_str!("throw.cpp"));
    // SAFETY: the function has this type.
    let caller: extern "C" fn(u64, *mut c_char) -> c_int = unsafe { library.function("call_and_catch") };
    let body = library.address("body");
    let available = Arc::new(AtomicU64::new(0));
    let answer = Arc::clone(&available);
    let handler = library.address("throwing_handler");
    let pool = pool_failing_to(&memory(), Some(handler), move |_| Some(answer.load(SeqCst)).filter(|body| *body != 0));
    let stub = pool.make(1).unwrap()[0];
    let mut message = [0; 100];
    assert_eq!(caller(stub.address, message.as_mut_ptr()), -1);
    // SAFETY: the caller has written a string.
    let text = unsafe { CStr::from_ptr(message.as_ptr()) };
    assert_eq!(text.to_str(), Ok("no function for 7 and 0.500000"));
    available.store(body, SeqCst);
    assert_eq!(caller(stub.address, message.as_mut_ptr()), 57);
}

extern "C-unwind" fn panicking_handler() {
    resume_unwind(Box::new(5));
}

thread_local! {
    static FRAMES: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn linked_callers_are_unwound_from_handlers_and_resolvers() {
    let code = Code::new(4096, &[(16, CALLER)]);
    let range = code.range(16, CALLER);
    let section = EhFrame::of(std::slice::from_ref(&range));
    // SAFETY: the section is never freed and describes the function as it is.
    let _records =
        unsafe { unwind::register(std::slice::from_ref(&range), section.as_ptr().addr(), section.len()) }.unwrap();
    let pool = pool_failing_to(&memory(), Some(panicking_handler as *const () as u64), |_| {
        FRAMES.set(Stack::walk().frames().to_vec());
        None
    });
    let stub = pool.make(1).unwrap()[0];
    // SAFETY: the stub leads to the handler, which has this type.
    let callee = unsafe { std::mem::transmute::<u64, extern "C-unwind" fn()>(stub.address) };
    let caught = catch_unwind(|| code.caller(16)(callee)).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&5));
    let frames = FRAMES.take();
    let at = frames.iter().position(|ip| range.contains(&(*ip as usize - 1))).expect("the caller is on the stack");
    assert_eq!(function_of(frames[at - 1] - 1), entry::addresses()[0]);
    assert!(at + 2 < frames.len(), "and so is who called it: {frames:x?}");
}
