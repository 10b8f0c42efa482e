//! Writes to the thread-local storage of every thread of the process.

use std::ffi::c_void;
use std::io;
use std::mem;
use std::ptr;
use windows_sys::Wdk::System::Threading::{NtQueryInformationThread, ThreadBasicInformation};
use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcessId, GetCurrentThreadId, OpenThread, ResumeThread, SuspendThread, THREAD_QUERY_INFORMATION,
    THREAD_SUSPEND_RESUME,
};

/// A handle, closed when this is dropped.
struct Owned(HANDLE);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nobody else's.
        unsafe { CloseHandle(self.0) };
    }
}

/// Writes bytes at an offset of the storage that each thread has under an index.
///
/// # Safety
/// The storage has that many bytes there, and no thread uses them.
pub(super) unsafe fn write(index: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the calls get structures of the size that they are told, and handles that are open.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
        if snapshot == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        let snapshot = Owned(snapshot);
        let mut entry: THREADENTRY32 = mem::zeroed();
        entry.dwSize = size_of::<THREADENTRY32>() as u32;
        let mut more = Thread32First(snapshot.0, &mut entry);
        while more != 0 {
            if entry.th32OwnerProcessID == GetCurrentProcessId() {
                write_one(entry.th32ThreadID, index, offset, bytes);
            }
            more = Thread32Next(snapshot.0, &mut entry);
        }
    }
    Ok(())
}

/// The same for one thread, which may have ended.
///
/// # Safety
/// As [`write`].
unsafe fn write_one(thread: u32, index: u32, offset: u64, bytes: &[u8]) {
    // SAFETY: the calls get an open handle. A thread that is stopped does not end, so that its storage stays; nothing is
    // allocated meanwhile, since it may be stopped within the allocator.
    unsafe {
        let handle = OpenThread(THREAD_QUERY_INFORMATION | THREAD_SUSPEND_RESUME, 0, thread);
        if handle.is_null() {
            return;
        }
        let handle = Owned(handle);
        let itself = thread == GetCurrentThreadId();
        if itself || SuspendThread(handle.0) != u32::MAX {
            if let Some(storage) = storage(handle.0, index) {
                ptr::copy_nonoverlapping(bytes.as_ptr(), storage.add(offset as usize), bytes.len());
            }
            if !itself {
                ResumeThread(handle.0);
            }
        }
    }
}

/// `THREAD_BASIC_INFORMATION`, of which only the environment block's address matters.
#[repr(C)]
struct Basic {
    status: i32,
    block: *const Block,
    others: [usize; 4],
}

/// The beginning of a thread's environment block (`TEB`).
#[repr(C)]
struct Block {
    others: [*const c_void; 11],
    /// By index.
    storage: *const *mut u8,
}

/// The storage that a thread has under an index, if it has any.
///
/// # Safety
/// The thread is this one, or stopped.
unsafe fn storage(thread: HANDLE, index: u32) -> Option<*mut u8> {
    // SAFETY: the structure has the size that the call is told. Its address is that of the thread's block, which is there as
    // long as the thread has not ended, and holds an array with this program's index.
    unsafe {
        let mut basic: Basic = mem::zeroed();
        let (size, mut written) = (size_of::<Basic>() as u32, 0);
        let status =
            NtQueryInformationThread(thread, ThreadBasicInformation, (&raw mut basic).cast(), size, &mut written);
        let array = (0 <= status && !basic.block.is_null()).then(|| (*basic.block).storage)?;
        let storage = (!array.is_null()).then(|| *array.add(index as usize))?;
        (!storage.is_null()).then_some(storage)
    }
}
