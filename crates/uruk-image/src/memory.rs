//! Where the live bytes of a world come from.
//!
//! Addresses are a client's word for where its objects are. So they are read through the system, which says if nothing is there.

use foldhash::HashMap;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use uruk_orc::executor::Executor;

/// Reads memory of the program that is frozen.
pub trait Memory {
    /// Fills all of `bytes` with what is at an address, or says that it cannot.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
}

/// The memory of this process, while nobody writes to it: what has been read is remembered, and whoever looks again later opens it anew.
pub struct ThisProcess {
    memory: File,
    windows: Windows,
}

impl ThisProcess {
    /// Errors where the system does not show a process its memory (`/proc/self/mem`, proc_pid_mem(5)).
    pub fn open() -> io::Result<ThisProcess> {
        Ok(ThisProcess { memory: File::open("/proc/self/mem")?, windows: Windows::of(64 << 10) })
    }
}

impl Memory for ThisProcess {
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.windows.read(address, bytes, |start, size| {
            let mut bytes = vec![0; size];
            // It ends where the mapping does.
            let read = self.memory.read_at(&mut bytes, start).unwrap_or(0);
            bytes.truncate(read);
            bytes
        })
    }
}

/// The memory of a process where a session runs its code, this one or another, while nobody writes to it: what has been read is
/// remembered, too.
pub struct OfExecutor<'a> {
    executor: &'a dyn Executor,
    windows: Windows,
}

impl OfExecutor<'_> {
    /// Errors if the executor does not show its memory.
    pub fn new(executor: &dyn Executor) -> Result<OfExecutor<'_>, uruk_orc::error::Error> {
        executor.read_memory(0, 0)?;
        Ok(OfExecutor { executor, windows: Windows::of(256 << 10) })
    }
}

impl Memory for OfExecutor<'_> {
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.windows
            .read(address, bytes, |start, size| self.executor.read_memory(start, size as u64).unwrap_or_default())
    }
}

/// What has been read, in windows: most objects have others near them that are looked at later.
struct Windows {
    /// Bytes of a window, which begins at a multiple of them.
    size: usize,
    known: RefCell<HashMap<u64, Vec<u8>>>,
}

/// Bytes that are kept at most.
const MOST: usize = 64 << 20;

impl Windows {
    fn of(size: usize) -> Windows {
        Windows { size, known: RefCell::default() }
    }

    /// Fills bytes with what is at an address. `read` gives what can be read there: nothing, where the first page is not mapped.
    fn read(&self, address: u64, bytes: &mut [u8], read: impl Fn(u64, usize) -> Vec<u8>) -> bool {
        let offset = (address % self.size as u64) as usize;
        let known = &mut *self.known.borrow_mut();
        if MOST / self.size <= known.len() {
            known.clear();
        }
        let window = known.entry(address - offset as u64).or_insert_with_key(|start| read(*start, self.size));
        if let Some(part) = window.get(offset..offset + bytes.len()) {
            bytes.copy_from_slice(part);
            return true;
        }
        // It goes on behind the window, or begins behind a gap.
        let apart = read(address, bytes.len());
        let is_whole = apart.len() == bytes.len();
        if is_whole {
            bytes.copy_from_slice(&apart);
        }
        is_whole
    }
}
