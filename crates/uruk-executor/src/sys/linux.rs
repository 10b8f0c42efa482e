//! The calls on Linux.
//! Data flow: straight to the kernel. One `/proc/self/mem` descriptor serves the whole process; it is opened when
//! first wanted, closed on `exec`, and opened anew in a forked child, where the old one means the parent's memory.
//! Invariants: every mapping is private, and anonymous but where a controller has handed content over in a file, so that
//! debuggers, profilers and `fork` treat it as any other memory.
//! Sources: mmap(2), mprotect(2), madvise(2), membarrier(2), proc_pid_mem(5).

use once_cell::race::OnceBool;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Protection, System, Where, cache};
use crate::at_fork;

/// The real thing.
pub(crate) struct Native;

/// The descriptor, or -1.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// Descriptors are numbered from here if the limit allows, out of the way of programs that close every descriptor
/// they did not open and use the numbers again: a write would then go to a file of theirs.
const WRITER_FLOOR: i32 = 900;

pub(super) fn page_bytes() -> u64 {
    // SAFETY: `sysconf` only reads a constant of the process.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).expect("the page size is known")
}

pub(super) fn lowest_address() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    text.trim().parse().unwrap_or(0).max(0x1_0000)
}

// SAFETY: `reserve` asks for new addresses only, so nothing mapped is touched; all else passes on the contract.
unsafe impl System for Native {
    fn reserve(&self, place: Where, size: u64) -> io::Result<u64> {
        let (hint, flags) = match place {
            Where::Anywhere => (0, 0),
            Where::Exactly(address) => (address, libc::MAP_FIXED_NOREPLACE),
            #[cfg(target_arch = "x86_64")]
            Where::Low => (0, libc::MAP_32BIT),
            #[cfg(not(target_arch = "x86_64"))]
            Where::Low => return Err(io::ErrorKind::Unsupported.into()),
        };
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let size = usize::try_from(size).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        // SAFETY: a new anonymous mapping; MAP_FIXED_NOREPLACE never replaces another one (kernels before 4.17
        // take it for a hint, which is checked below).
        let start = unsafe { libc::mmap(pointer(hint), size, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = start.addr() as u64;
        if let Where::Exactly(address) = place
            && address != start
        {
            // SAFETY: the mapping was made above and nobody has seen it.
            unsafe { libc::munmap(pointer(start), size) };
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        Ok(start)
    }

    unsafe fn unmap(&self, range: Range<u64>) -> io::Result<()> {
        // SAFETY: the caller owns the range and nothing refers to it any more.
        check(unsafe { libc::munmap(pointer(range.start), length(&range)) })
    }

    unsafe fn protect(&self, range: Range<u64>, protection: Protection) -> io::Result<()> {
        let bits = match protection {
            Protection::None => libc::PROT_NONE,
            Protection::Read => libc::PROT_READ,
            Protection::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
            Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY: the caller owns the range and no reference needs the old protection.
        check(unsafe { libc::mprotect(pointer(range.start), length(&range), bits) })
    }

    unsafe fn discard(&self, range: Range<u64>) -> io::Result<()> {
        // SAFETY: the caller owns the range and nothing refers to its contents.
        let plain = unsafe { libc::madvise(pointer(range.start), length(&range), libc::MADV_DONTNEED) };
        if plain == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
        // Memory locked by `mlockall` wants to be asked by its own name.
        // SAFETY: as above.
        check(unsafe { libc::madvise(pointer(range.start), length(&range), libc::MADV_DONTNEED_LOCKED) })
    }

    unsafe fn put_file(&self, range: Range<u64>, file: &File, offset: u64) -> io::Result<()> {
        let offset = i64::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        // SAFETY: the caller owns the range and nothing refers to its contents.
        unsafe { replace(&range, libc::MAP_PRIVATE, file.as_raw_fd(), offset) }
    }

    unsafe fn renew(&self, range: Range<u64>) -> io::Result<()> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: as above.
        unsafe { replace(&range, flags, -1, 0) }
    }

    unsafe fn advise_huge(&self, range: Range<u64>) -> io::Result<()> {
        // SAFETY: the advice changes how memory is backed, not what it holds.
        check(unsafe { libc::madvise(pointer(range.start), length(&range), libc::MADV_HUGEPAGE) })
    }

    fn open_writer(&self) -> io::Result<()> {
        // Two managers made at once must not open two.
        static OPENING: Mutex<()> = Mutex::new(());
        let _forks = at_fork::hold_off();
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        if WRITER.load(Ordering::Acquire) < 0 {
            let writer = open_memory()?;
            if !is_executed(writer) {
                // SAFETY: it was opened above, and nobody has seen it.
                unsafe { libc::close(writer) };
                return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
            }
            WRITER.store(writer, Ordering::Release);
        }
        Ok(())
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        let mut reopened = false;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let offset = (address + done as u64) as libc::off64_t;
            let writer = WRITER.load(Ordering::Acquire);
            // SAFETY: `rest` is readable for its length; the bytes written belong to the caller.
            let written = unsafe { libc::pwrite64(writer, rest.as_ptr().cast(), rest.len(), offset) };
            match written {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                1.. => done += written as usize,
                _ => {
                    let error = io::Error::last_os_error();
                    match error.raw_os_error() {
                        Some(libc::EINTR) => {}
                        // The program closed it under us.
                        Some(libc::EBADF) if !reopened => {
                            reopened = true;
                            let _ = WRITER.compare_exchange(writer, -1, Ordering::AcqRel, Ordering::Relaxed);
                            self.open_writer()?;
                        }
                        _ => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn publish_code(&self, range: Range<u64>, reused: bool) {
        cache::publish(&range);
        if reused || cache::FRESH_CODE_NEEDS_BARRIER {
            barrier();
        }
    }

    fn maps(&self) -> io::Result<String> {
        let text = read_proc("/proc/self/maps")?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Maps something writable in place of what is there.
///
/// # Safety
/// The caller owns the range, and nothing refers to its contents.
unsafe fn replace(range: &Range<u64>, flags: i32, file: i32, offset: i64) -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller's contract.
    let start =
        unsafe { libc::mmap64(pointer(range.start), length(range), protection, flags | libc::MAP_FIXED, file, offset) };
    if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a file of `/proc`, which says nothing of its size, with a few large reads.
pub(super) fn read_proc(path: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(8 << 10);
    File::open(path)?.take(u64::MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// In a forked child: the inherited descriptor means the parent's memory. Calls only what is safe there.
pub(super) fn reopen_forced_writer() {
    let old = WRITER.load(Ordering::Acquire);
    if old < 0 {
        return;
    }
    // SAFETY: the number is ours: it was opened by `open_memory`, and no code of the child has run yet.
    unsafe { libc::close(old) };
    // A child that may not open it finds -1, is refused, and goes on in strict mode.
    WRITER.store(open_memory().unwrap_or(-1), Ordering::Release);
}

fn open_memory() -> io::Result<i32> {
    // SAFETY: the path is a C string.
    let low = unsafe { libc::open(c"/proc/self/mem".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if low < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: duplicates and closes a descriptor opened above.
    unsafe {
        let high = libc::fcntl(low, libc::F_DUPFD_CLOEXEC, WRITER_FLOOR);
        if high < 0 {
            return Ok(low);
        }
        libc::close(low);
        Ok(high)
    }
}

/// Whether code that is written by force is executed from then on. Emulators of user programs may go on with their
/// translation of what was there before: they notice writes through the mapping and changes of protection only.
fn is_executed(writer: i32) -> bool {
    static IS_EXECUTED: OnceBool = OnceBool::new();
    let Some(returns) = cache::RETURNS else { return true };
    IS_EXECUTED.get_or_init(|| {
        let bytes = page_bytes();
        let Ok(start) = Native.reserve(Where::Anywhere, bytes) else { return false };
        let page = start..start + bytes;
        let returns = |number: u8| {
            let code = returns(number);
            // SAFETY: the bytes are readable; they go to a page of our own, which has no access or can be executed.
            let written =
                unsafe { libc::pwrite64(writer, code.as_ptr().cast(), size_of_val(&code), start as libc::off64_t) };
            cache::publish(&page);
            // SAFETY: nothing refers to the page.
            let protected = unsafe { Native.protect(page.clone(), Protection::ReadExecute) };
            if written != size_of_val(&code) as isize || protected.is_err() {
                return false;
            }
            // SAFETY: a function of this type was written there, if not the one before.
            unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> u32>(pointer(start))() == u32::from(number) }
        };
        let answer = returns(1) && returns(2);
        // SAFETY: the page was reserved above, and nothing refers to it.
        _ = unsafe { Native.unmap(page) };
        answer
    })
}

// Of <linux/membarrier.h>; libc has no names for them.
const PRIVATE_EXPEDITED_SYNC_CORE: i32 = 1 << 5;
const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: i32 = 1 << 6;

fn membarrier(command: i32) -> bool {
    // SAFETY: the call takes three numbers and touches no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// What a process needs once: see [`super::prepare_process`].
pub(super) fn prepare_process() {
    at_fork::install();
    register_barrier();
}

/// Registration lasts for the life of the process and is inherited by forked children.
fn register_barrier() {
    membarrier(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

/// Every thread of the process executes a serialising instruction before it returns to its code. Where the kernel
/// has no such call there is nothing else to ask: code that was released is running nowhere.
fn barrier() {
    if !membarrier(PRIVATE_EXPEDITED_SYNC_CORE) {
        register_barrier();
        membarrier(PRIVATE_EXPEDITED_SYNC_CORE);
    }
}

/// See [`super::uncancelled`].
pub(super) struct Uncancelled(c_int);

impl Uncancelled {
    pub(super) fn new() -> Uncancelled {
        // Of <pthread.h>.
        const DISABLE: c_int = 1;
        let mut before = 0;
        // SAFETY: there is room for the answer; no value of the first argument can harm.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
        Uncancelled(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the answer may be null. This is not where a thread is cancelled.
        unsafe { pthread_setcancelstate(self.0, std::ptr::null_mut()) };
    }
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

fn pointer(address: u64) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

fn length(range: &Range<u64>) -> usize {
    (range.end - range.start) as usize
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
