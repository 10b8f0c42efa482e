//! Throws, panics and backtraces that begin behind a stub.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::super::entry;
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
fn function_of(pc: u64) -> u64 {
    // SAFETY: the function only looks a number up, as that of a return address: one less.
    unsafe { _Unwind_FindEnclosingFunction(ptr::without_provenance_mut(pc as usize + 1)) as u64 }
}

/// Room for the instruction pointers of a stack, without allocating.
struct Stack {
    frames: [u64; 64],
    len: usize,
}

impl Stack {
    fn walk() -> Stack {
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

    fn frames(&self) -> &[u64] {
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
    let at = frames.iter().position(|ip| range.contains(&(*ip as usize))).expect("the caller is on the stack");
    assert_eq!(function_of(frames[at - 1] - 1), entry::addresses()[0]);
    assert!(at + 2 < frames.len(), "and so is who called it: {frames:x?}");
}

/// For the handler below: where the stepped call returns, and how many instructions were looked at.
static RETURN_ADDRESS: AtomicU64 = AtomicU64::new(0);
static IN_BLOCK: AtomicU64 = AtomicU64::new(0);
static IN_ENTRY: AtomicU64 = AtomicU64::new(0);
static WRONG_AT: AtomicU64 = AtomicU64::new(0);
static BLOCK: AtomicU64 = AtomicU64::new(0);

extern "C" fn after_instruction(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives this.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as u64;
    let seen = match function_of(pc) {
        start if start == entry::addresses()[0] => &IN_ENTRY,
        start if start == BLOCK.load(SeqCst) => &IN_BLOCK,
        _ => return,
    };
    seen.fetch_add(1, SeqCst);
    let stack = Stack::walk();
    let at = stack.frames().iter().position(|ip| *ip == pc);
    let caller = at.and_then(|at| stack.frames().get(at + 1));
    if caller != Some(&RETURN_ADDRESS.load(SeqCst)) {
        WRONG_AT.store(pc, SeqCst);
    }
}

#[test]
fn every_instruction_of_a_first_call_can_be_unwound_from() {
    let library = Library::c("stepping", include_str!("registers.c"));
    RETURN_ADDRESS.store(library.address("stepping_return"), SeqCst);
    // SAFETY: the function has this type.
    let stepping: extern "C" fn(u64) = unsafe { library.function("call_stepping") };
    let pool = pool(&memory(), |_| Some(address(one)));
    let stubs = pool.make(300).unwrap();
    let function = after_instruction as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    // SAFETY: a signal action is plain data, and the handler has the type that the flag asks for.
    let old = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut old: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = function as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, &mut old), 0);
        old
    };
    // Of the first group and of later ones, before and behind a group's entry.
    let chosen = [0, 6, 7, 13, 14, 20, 21, 22, 200, 299];
    for index in chosen {
        BLOCK.store(function_of(stubs[index].address), SeqCst);
        stepping(stubs[index].address);
    }
    // SAFETY: as above.
    unsafe { libc::sigaction(libc::SIGTRAP, &old, ptr::null_mut()) };
    assert_eq!(WRONG_AT.load(SeqCst), 0, "the caller was not found from there");
    // endbr64 and jmp, push and jmp, push and jmp, push and jmp.
    assert_eq!(IN_BLOCK.load(SeqCst), 8 * chosen.len() as u64);
    assert!(40 * chosen.len() as u64 <= IN_ENTRY.load(SeqCst));
}
