//! Tells the controller why the process is about to end by an exception.
//!
//! Data flow: an exception that nobody handles → the system's last filter → the frames of the thread by the system's unwinder
//! → one message, if the connection is free to be written to → the process's end, with the exception's code.
//! Invariant: what linked code handles itself never comes here, and a program's own filter replaces this one.
//! Sources: Microsoft's documentation of `SetUnhandledExceptionFilter`, `RtlVirtualUnwind`; MS-ERREF, "NTSTATUS values".

mod report;

use super::host;
use crate::lifecycle::is_throw;
use crate::protocol::Peer;
use crate::protocol::message::{Crash, CrashFrame};
use report::FRAMES;
use std::mem;
use std::ptr;
use std::sync::Arc;
use windows_sys::Win32::Foundation::*;
use windows_sys::Win32::System::Diagnostics::Debug::{
    CONTEXT, EXCEPTION_POINTERS, ReadProcessMemory, RtlLookupFunctionEntry, RtlVirtualUnwind,
    SetUnhandledExceptionFilter, UNW_FLAG_NHANDLER,
};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameW,
    GetModuleHandleExW,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// The signal by which a program would end elsewhere that this code ends here, if an exception does.
#[rustfmt::skip]
pub(super) fn signal(code: i32) -> Option<i32> {
    Some(match code {
        STATUS_ACCESS_VIOLATION | STATUS_STACK_OVERFLOW | STATUS_GUARD_PAGE_VIOLATION => 11, // SIGSEGV
        STATUS_IN_PAGE_ERROR | STATUS_DATATYPE_MISALIGNMENT => 7, // SIGBUS
        STATUS_ILLEGAL_INSTRUCTION | STATUS_PRIVILEGED_INSTRUCTION => 4, // SIGILL
        STATUS_INTEGER_DIVIDE_BY_ZERO | STATUS_INTEGER_OVERFLOW | STATUS_FLOAT_DIVIDE_BY_ZERO
        | STATUS_FLOAT_INVALID_OPERATION | STATUS_FLOAT_OVERFLOW | STATUS_FLOAT_UNDERFLOW => 8, // SIGFPE
        STATUS_BREAKPOINT | STATUS_SINGLE_STEP => 5, // SIGTRAP
        STATUS_STACK_BUFFER_OVERRUN => 6, // SIGABRT; `__fastfail`, too
        _ => return None,
    })
}

/// Reports the process's end to this controller. One process serves one.
pub(super) fn report_to(peer: &Arc<Peer>) {
    if report::set_peer(peer) {
        // SAFETY: the filter may be called by any thread.
        unsafe { SetUnhandledExceptionFilter(Some(last_filter)) };
    }
}

unsafe extern "system" fn last_filter(pointers: *const EXCEPTION_POINTERS) -> i32 {
    const CONTINUE_EXECUTION: i32 = -1;
    // SAFETY: the system gives valid structures.
    let (record, context) = unsafe { (&*(*pointers).ExceptionRecord, &*(*pointers).ContextRecord) };
    if is_throw(record) {
        return CONTINUE_EXECUTION;
    }
    report::tell(|| {
        let address = match record.ExceptionCode {
            STATUS_ACCESS_VIOLATION => record.ExceptionInformation[1] as u64,
            _ => record.ExceptionAddress.addr() as u64,
        };
        let signal = signal(record.ExceptionCode).unwrap_or(record.ExceptionCode);
        let frames = frames(context).into_iter();
        let frames = frames.map(|address| CrashFrame { address, place: place(address) }).collect();
        Crash { signal, address, frames }
    });
    host::end_at_once(record.ExceptionCode)
}

/// Where each active function was: the instruction of the first, the last byte of the call of the others.
fn frames(context: &CONTEXT) -> Vec<u64> {
    let mut context = *context;
    let mut frames = Vec::with_capacity(FRAMES);
    while context.Rip != 0 && frames.len() < FRAMES {
        frames.push(if frames.is_empty() { context.Rip } else { context.Rip - 1 });
        let before = context.Rsp;
        // SAFETY: the calls get structures of their kinds. Records of linked code are true; where there are none, a function
        // has no frame, and its return address lies where the stack pointer is, if that can be read.
        unsafe {
            let (mut base, mut data, mut frame) = (0, ptr::null_mut(), 0);
            let entry = RtlLookupFunctionEntry(context.Rip, &mut base, ptr::null_mut());
            if entry.is_null() {
                let (place, mut read) = (ptr::with_exposed_provenance(context.Rsp as usize), 0);
                let size = size_of::<u64>();
                let next = (&raw mut context.Rip).cast();
                if ReadProcessMemory(GetCurrentProcess(), place, next, size, &mut read) == 0 {
                    break;
                }
                context.Rsp += 8;
            } else {
                let (ip, none) = (context.Rip, ptr::null_mut());
                RtlVirtualUnwind(UNW_FLAG_NHANDLER, base, ip, entry, &mut context, &mut data, &mut frame, none);
            }
        }
        if context.Rsp <= before {
            break;
        }
    }
    frames
}

/// The library of an address, and the distance from its beginning.
fn place(address: u64) -> Option<String> {
    const FLAGS: u32 = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut name = [0; 512];
    // SAFETY: with these flags the address is a number, and the module is only named; its name has that much room.
    let (module, length) = unsafe {
        let mut module = mem::zeroed();
        if GetModuleHandleExW(FLAGS, ptr::with_exposed_provenance(address as usize), &mut module) == 0 {
            return None;
        }
        (module, GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) as usize)
    };
    Some(format!("{}+{:#x}", String::from_utf16_lossy(&name[..length]), address - module.addr() as u64))
}
