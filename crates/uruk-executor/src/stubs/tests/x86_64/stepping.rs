//! Unwinding from each instruction of a first call, which the processor executes one by one.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::super::super::arch::entry;
use super::super::unwinding::{Stack, function_of};
use super::super::*;
use super::REGISTERS;

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
    let library = Library::c("stepping", REGISTERS);
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
