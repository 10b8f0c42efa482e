//! Starting code on Windows (x86-64).
//! Sources: Microsoft's "x64 calling convention", "x64 exception handling"; GCC's `unwind-seh.c` (what a throw is here).

use std::arch::global_asm;
use std::ffi::{c_int, c_void};
use std::io::Write;
use windows_sys::Win32::System::Diagnostics::Debug::{CONTEXT, EXCEPTION_RECORD};

unsafe extern "C" {
    /// Calls a function with up to three arguments, as the outermost frame of its thread: what a program throws and does not
    /// catch ends it there, as under the C library's own start code, and never reaches the frames of this process.
    #[link_name = "uruk_outermost_frame"]
    pub(super) fn outermost_frame(function: u64, first: u64, second: u64, third: u64) -> c_int;
}

global_asm!(
    ".pushsection .text",
    ".globl uruk_outermost_frame",
    ".def uruk_outermost_frame; .scl 2; .type 32; .endef",
    "uruk_outermost_frame:",
    ".seh_proc uruk_outermost_frame",
    ".seh_handler {handler}, @except",
    // The callee may write to the 32 bytes above its return address.
    "sub rsp, 40",
    ".seh_stackalloc 40",
    ".seh_endprologue",
    "mov rax, rcx",
    "mov rcx, rdx",
    "mov rdx, r8",
    "mov r8, r9",
    "call rax",
    "nop",
    "add rsp, 40",
    "ret",
    ".seh_endproc",
    ".popsection",
    handler = sym at_outermost_frame,
);

/// Flags of an exception for which frames are being unwound, since somebody has been found who handles it.
const UNWINDING: u32 = 0x66;

/// The exception by which GCC's unwinder asks who catches something.
const THROW: i32 = 0x2047_4343;

/// Whether an exception is a throw that looks for somebody who catches it. If it goes on, the C++ library learns that nobody
/// does, and calls `std::terminate`.
pub(crate) fn is_throw(record: &EXCEPTION_RECORD) -> bool {
    record.ExceptionCode == THROW && record.ExceptionFlags & UNWINDING == 0
}

/// The system calls it where an exception has been handled by nobody in linked code.
unsafe extern "C" fn at_outermost_frame(
    record: *const EXCEPTION_RECORD,
    _frame: *const c_void,
    _context: *const CONTEXT,
    _dispatcher: *const c_void,
) -> c_int {
    const CONTINUE_EXECUTION: c_int = 0;
    const CONTINUE_SEARCH: c_int = 1;
    // SAFETY: the system gives a valid record.
    if is_throw(unsafe { &*record }) { CONTINUE_EXECUTION } else { CONTINUE_SEARCH }
}

/// Ends the process as C's `exit` does, which the standard library does not call here: handlers run, and the C library writes what it
/// still has.
pub fn exit(status: i32) -> ! {
    // A failure would be whoever reads the output being gone.
    _ = std::io::stdout().flush();
    unsafe extern "C" {
        fn exit(status: c_int) -> !;
    }
    // SAFETY: handlers that run now may be called.
    unsafe { exit(status) }
}
