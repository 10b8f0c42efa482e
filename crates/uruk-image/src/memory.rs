//! Where the live bytes of a world come from.
//!
//! Addresses are a client's word for where its objects are. So they are read through the system, which says if nothing is there.

use foldhash::HashMap;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads memory of the program that is frozen.
pub trait Memory {
    /// Fills all of `bytes` with what is at an address, or says that it cannot.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
}

/// Bytes that are read at once, from a multiple of them on: most objects have others near them that are looked at later.
const WINDOW: usize = 64 << 10;
/// How many such are kept.
const WINDOWS: usize = 1024;

/// The memory of this process, as nobody writes to it.
pub struct ThisProcess {
    memory: File,
    windows: RefCell<HashMap<u64, Vec<u8>>>,
}

impl ThisProcess {
    /// Errors where the system does not show a process its memory (`/proc/self/mem`, proc_pid_mem(5)).
    pub fn open() -> io::Result<ThisProcess> {
        Ok(ThisProcess { memory: File::open("/proc/self/mem")?, windows: RefCell::default() })
    }

    /// What can be read of a window: nothing, where its first page is not mapped.
    fn window(&self, start: u64) -> Vec<u8> {
        let mut bytes = vec![0; WINDOW];
        // It ends where the mapping does.
        let read = self.memory.read_at(&mut bytes, start).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }
}

impl Memory for ThisProcess {
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let offset = (address % WINDOW as u64) as usize;
        let windows = &mut *self.windows.borrow_mut();
        if windows.len() == WINDOWS {
            windows.clear();
        }
        let window = windows.entry(address - offset as u64).or_insert_with_key(|start| self.window(*start));
        match window.get(offset..offset + bytes.len()) {
            Some(part) => bytes.copy_from_slice(part),
            // It goes on behind the window, or begins behind a gap.
            None => return self.memory.read_exact_at(bytes, address).is_ok(),
        }
        true
    }
}
