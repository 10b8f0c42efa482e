//! The calls on Windows.
//! Data flow: straight to the system. A reservation is one of `VirtualAlloc`; its pages get memory when their protection
//! is first set, and lose it when they are discarded or have no access.
//! Invariants: no page is writable and executable. Pages are never written by force, which would make them so for a moment:
//! memory is strict here.
//! Sources: Microsoft's documentation of `VirtualAlloc`, `VirtualProtect`, `VirtualQuery`, `FlushInstructionCache`.

use super::{Protection, System, Where};
use std::ffi::c_void;
use std::io;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::sync::LazyLock;
use windows_sys::Win32::System::Diagnostics::Debug::FlushInstructionCache;
use windows_sys::Win32::System::Memory::*;
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// The real thing.
pub(crate) struct Native;

/// What the system says of itself.
struct Facts {
    page_bytes: u64,
    /// What reservations are aligned to.
    unit: u64,
    lowest_address: u64,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    // SAFETY: plain data, for which zero is a value, and which the call fills.
    let info = unsafe {
        let mut info: SYSTEM_INFO = mem::zeroed();
        GetSystemInfo(&mut info);
        info
    };
    Facts {
        page_bytes: info.dwPageSize.into(),
        unit: info.dwAllocationGranularity.into(),
        lowest_address: info.lpMinimumApplicationAddress.addr() as u64,
    }
});

pub(super) fn page_bytes() -> u64 {
    FACTS.page_bytes
}

pub(super) fn lowest_address() -> u64 {
    FACTS.lowest_address
}

/// Exclusive end of what a sign-extended 32-bit address can say.
const LOW_END: u64 = 1 << 31;

// SAFETY: `reserve` asks for new addresses only, so nothing in use is touched; all else passes on the contract.
unsafe impl System for Native {
    fn reserve(&self, place: Where, size: u64) -> io::Result<u64> {
        match place {
            Where::Anywhere => reserve_at(0, size),
            Where::Exactly(address) => reserve_at(address, size),
            Where::Low => reserve_low(size),
        }
    }

    unsafe fn unmap(&self, range: Range<u64>) -> io::Result<()> {
        // SAFETY: the caller owns the reservation, all of which is given up, and nothing refers to it any more.
        check(unsafe { VirtualFree(pointer(range.start), 0, MEM_RELEASE) })
    }

    unsafe fn protect(&self, range: Range<u64>, protection: Protection) -> io::Result<()> {
        let bits = match protection {
            // SAFETY: the caller owns the range, whose contents nobody can read any more.
            Protection::None => {
                return check(unsafe { VirtualFree(pointer(range.start), length(&range), MEM_DECOMMIT) });
            }
            Protection::Read => PAGE_READONLY,
            Protection::ReadExecute => PAGE_EXECUTE_READ,
            Protection::ReadWrite => PAGE_READWRITE,
        };
        // SAFETY: the caller owns the range and no reference needs the old protection. What has memory keeps it.
        unsafe {
            if VirtualAlloc(pointer(range.start), length(&range), MEM_COMMIT, bits).is_null() {
                return Err(io::Error::last_os_error());
            }
            let mut old = 0;
            check(VirtualProtect(pointer(range.start), length(&range), bits, &mut old))
        }
    }

    unsafe fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let found = query(at)?;
            let end = range.end.min(found.BaseAddress.addr() as u64 + found.RegionSize as u64);
            if found.State == MEM_COMMIT {
                // SAFETY: the caller owns the range and nothing refers to its contents.
                unsafe {
                    check(VirtualFree(pointer(at), (end - at) as usize, MEM_DECOMMIT))?;
                    if VirtualAlloc(pointer(at), (end - at) as usize, MEM_COMMIT, found.Protect).is_null() {
                        return Err(io::Error::last_os_error());
                    }
                }
            }
            at = end;
        }
        Ok(())
    }

    unsafe fn advise_huge(&self, _: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_writer(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    unsafe fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn publish_code(&self, range: Range<u64>, _: bool) {
        // SAFETY: the range is code of this process. A refusal would mean that it is not.
        unsafe { FlushInstructionCache(GetCurrentProcess(), pointer(range.start), length(&range)) };
    }

    /// The system has no such text. What is linked here reaches libraries by way of pointers and stubs wherever it lies.
    fn maps(&self) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reserves addresses from here on, or anywhere if that is 0.
fn reserve_at(address: u64, size: u64) -> io::Result<u64> {
    let size = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    // SAFETY: new addresses only; what is in use is refused.
    let start = unsafe { VirtualAlloc(pointer(address), size, MEM_RESERVE, PAGE_NOACCESS) };
    if start.is_null() { Err(io::Error::last_os_error()) } else { Ok(start.expose_provenance() as u64) }
}

/// Reserves addresses in the first gap below 2 GiB that is large enough.
fn reserve_low(size: u64) -> io::Result<u64> {
    let mut at = lowest_address();
    while at + size <= LOW_END {
        let found = query(at)?;
        let start = at.next_multiple_of(FACTS.unit);
        at = found.BaseAddress.addr() as u64 + found.RegionSize as u64;
        // Another thread may be faster.
        if found.State == MEM_FREE
            && start + size <= at.min(LOW_END)
            && let Ok(start) = reserve_at(start, size)
        {
            return Ok(start);
        }
    }
    Err(io::ErrorKind::OutOfMemory.into())
}

fn query(address: u64) -> io::Result<MEMORY_BASIC_INFORMATION> {
    // SAFETY: plain data, for which zero is a value, and which the call fills.
    unsafe {
        let mut found: MEMORY_BASIC_INFORMATION = mem::zeroed();
        match VirtualQuery(pointer(address), &mut found, size_of_val(&found)) {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(found),
        }
    }
}

/// What a process needs once: nothing.
pub(super) fn prepare_process() {}

fn pointer(address: u64) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address as usize)
}

fn length(range: &Range<u64>) -> usize {
    (range.end - range.start) as usize
}

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded != 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
