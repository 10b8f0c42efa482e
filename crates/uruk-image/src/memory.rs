//! Where the live bytes of a world come from.
//!
//! Addresses are a client's word for where its objects are. So they are read through the system, which says if nothing is there.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads memory of the program that is frozen.
pub trait Memory {
    /// Fills all of `bytes` with what is at an address, or says that it cannot.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
}

/// Bytes that are read at once: most objects lie near the last one.
const WINDOW: usize = 64 << 10;

/// The memory of this process, as nobody writes to it.
pub struct ThisProcess {
    memory: File,
    window: RefCell<Window>,
}

struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl ThisProcess {
    /// Errors where the system does not show a process its memory (`/proc/self/mem`, proc_pid_mem(5)).
    pub fn open() -> io::Result<ThisProcess> {
        let memory = File::open("/proc/self/mem")?;
        Ok(ThisProcess { memory, window: RefCell::new(Window { start: 0, bytes: Vec::new() }) })
    }
}

impl Memory for ThisProcess {
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        if WINDOW / 2 < bytes.len() {
            return self.memory.read_exact_at(bytes, address).is_ok();
        }
        let window = &mut *self.window.borrow_mut();
        if window.part(address, bytes.len()).is_none() {
            window.start = address & !(WINDOW as u64 / 2 - 1);
            window.bytes.resize(WINDOW, 0);
            // It ends where the mapping does.
            let read = match self.memory.read_at(&mut window.bytes, window.start) {
                Ok(read) => read,
                // The mapping begins behind the window.
                Err(_) => {
                    window.bytes.clear();
                    return self.memory.read_exact_at(bytes, address).is_ok();
                }
            };
            window.bytes.truncate(read);
        }
        match window.part(address, bytes.len()) {
            Some(part) => bytes.copy_from_slice(part),
            None => return false,
        }
        true
    }
}

impl Window {
    fn part(&self, address: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}
