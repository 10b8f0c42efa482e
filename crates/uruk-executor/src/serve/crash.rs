//! Tells the controller why the process is about to end by a signal.
//!
//! Data flow: a fault → the handler, on the thread's alternate stack if it has one → the frames of the thread by the
//! unwinder → one message, if the connection is free to be written to → the signal's usual end.
//! Invariant: a program's own handlers replace this one, as they would replace the default. The handler works while the
//! process is broken: what it does may fail, and then the process ends all the same, by the same signal.
//! Sources: sigaction(2), sigaltstack(2), signal-safety(7).

mod report;

use crate::protocol::Peer;
use crate::protocol::message::{Crash, CrashFrame};
use report::FRAMES;
use std::ffi::{CStr, c_int, c_void};
use std::sync::Arc;
use std::{mem, ptr};

/// The signals by which broken programs end.
const FATAL: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// Reports the process's end to this controller. One process serves one.
pub(super) fn report_to(peer: &Arc<Peer>) {
    if !report::set_peer(peer) {
        return;
    }
    for signal in FATAL {
        // SAFETY: the structure is plain data, and the handler has the signature that SA_SIGINFO asks for. A handler that
        // was there already belongs to the language runtime, which falls back on the default itself.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    report::tell(|| {
        // SAFETY: the system gives a valid structure.
        let address = unsafe { (*info).si_addr() } as u64;
        let mut frames: Vec<Frame> = Vec::with_capacity(FRAMES);
        // SAFETY: the callback has the unwinder's signature and gets the vector, which lives until it returns.
        unsafe { _Unwind_Backtrace(frame, (&raw mut frames).cast()) };
        // The first ones are this handler's; the interrupted function comes after the signal's frame.
        let frames = frames.split_off(frames.iter().position(|frame| frame.interrupted).unwrap_or_default());
        let frames = frames.into_iter().map(|frame| CrashFrame { address: frame.address, place: place(frame.address) });
        Crash { signal, address, frames: frames.collect() }
    });
    // SAFETY: the default is back for this signal; raised again, it ends the process once the handler returns.
    unsafe { libc::raise(signal) };
}

struct Frame {
    address: u64,
    /// Its instruction was interrupted, not left by a call.
    interrupted: bool,
}

unsafe extern "C-unwind" {
    fn _Unwind_Backtrace(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, before: *mut c_int) -> usize;
}

extern "C" fn frame(context: *mut c_void, data: *mut c_void) -> c_int {
    /// `_URC_NO_REASON`, go on, and `_URC_END_OF_STACK` of the Itanium C++ ABI.
    const GO_ON: c_int = 0;
    const ENOUGH: c_int = 5;
    // SAFETY: the data is the vector of `handle`; the context is the unwinder's.
    let (frames, address, before) = unsafe {
        let mut before = 0;
        let address = _Unwind_GetIPInfo(context, &mut before) as u64;
        (&mut *data.cast::<Vec<Frame>>(), address, before)
    };
    let interrupted = before != 0;
    // A call may be the last instruction of its function.
    frames.push(Frame { address: if interrupted { address } else { address.saturating_sub(1) }, interrupted });
    if frames.len() < FRAMES { GO_ON } else { ENOUGH }
}

/// What the process's libraries say of an address.
fn place(address: u64) -> Option<String> {
    // SAFETY: plain data that `dladdr` fills; its texts are the loader's and stay.
    unsafe {
        let mut info: libc::Dl_info = mem::zeroed();
        if libc::dladdr(address as *const c_void, &mut info) == 0 {
            return None;
        }
        let text = |text: *const libc::c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy());
        let library = text(info.dli_fname)?;
        Some(match text(info.dli_sname) {
            Some(symbol) => format!("{symbol}+{:#x} ({library})", address - info.dli_saddr as u64),
            None => format!("{library}+{:#x}", address - info.dli_fbase as u64),
        })
    }
}
