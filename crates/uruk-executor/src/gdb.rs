//! The interface by which gdb and lldb learn of linked code.
//!
//! Data flow: an object file image, its sections' addresses and debug sections as loaded, goes into the list that
//! `__jit_debug_descriptor` heads; then `__jit_debug_register_code` is called, where the debugger has a breakpoint.
//! Invariants: one list and one pair of these symbols in a process; the list is whole whenever the lock is free, and
//! the lock is held across `fork`; images stay where they are while they are in the list. Adding and removing take
//! the same time however long the list is.
//! Sources: GDB manual, "JIT Compilation Interface".

use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::at_fork::FirstUse;
use crate::tls;

/// An element of the list, laid out as the debugger expects.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    image: *const u8,
    image_bytes: u64,
    /// The debugger does not look here.
    owned: Box<[u8]>,
}

#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

const NO_ACTION: u32 = 0;
const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// Read by the debugger, by this name. Written under [`LOCK`] only.
#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: NO_ACTION, relevant: ptr::null_mut(), first: ptr::null_mut() };

static LOCK: Mutex<()> = Mutex::new(());

/// The debugger's breakpoint is here, so the call must happen, and to this very address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // SAFETY: nothing is done. That the assembly might read all memory keeps the writes before the call in place.
    unsafe { std::arch::asm!("", options(nostack, preserves_flags)) };
}

/// An image that debuggers see until this is dropped.
#[derive(Debug)]
pub struct DebugRegistration(NonNull<Entry>);

// SAFETY: it owns the entry, and touches it under the lock.
unsafe impl Send for DebugRegistration {}
// SAFETY: nothing can be done through a shared reference.
unsafe impl Sync for DebugRegistration {}

/// A child must not inherit the list in the middle of a change.
pub(crate) fn hold_across_fork() {
    static HELD: FirstUse = FirstUse::new();
    HELD.hold(|| Box::new(lock()), || ());
}

/// Shows an object file to debuggers: an ELF image whose allocated sections have the addresses they are loaded at, and
/// whose debug sections are relocated accordingly. A debugger that attaches later sees it, too.
pub fn register(image: Vec<u8>) -> DebugRegistration {
    hold_across_fork();
    let owned = image.into_boxed_slice();
    let (image, image_bytes) = (owned.as_ptr(), owned.len() as u64);
    let entry = Entry { next: ptr::null_mut(), previous: ptr::null_mut(), image, image_bytes, owned };
    let entry = NonNull::from(Box::leak(Box::new(entry)));
    let _lock = lock();
    // SAFETY: the lock makes this thread the list's only user beside debuggers, which stop it while they read. The
    // entry is ours, the first one is alive because it is in the list.
    unsafe {
        let first = __jit_debug_descriptor.first;
        (*entry.as_ptr()).next = first;
        if let Some(first) = first.as_mut() {
            first.previous = entry.as_ptr();
        }
        __jit_debug_descriptor.first = entry.as_ptr();
        announce(REGISTER, entry);
    }
    DebugRegistration(entry)
}

impl Drop for DebugRegistration {
    fn drop(&mut self) {
        let _lock = lock();
        // SAFETY: as in `register`; the neighbours are in the list, so they are alive. The entry was leaked from a box
        // there, and nothing refers to it once the debugger was told.
        unsafe {
            let Entry { next, previous, .. } = *self.0.as_ptr();
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => __jit_debug_descriptor.first = next,
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            announce(UNREGISTER, self.0);
            drop(Box::from_raw(self.0.as_ptr()));
        }
    }
}

fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// The lock is held; the entry is alive.
unsafe fn announce(action: u32, entry: NonNull<Entry>) {
    // SAFETY: the lock is held, so no one else writes.
    unsafe {
        __jit_debug_descriptor.action = action;
        __jit_debug_descriptor.relevant = entry.as_ptr();
        __jit_debug_register_code();
        __jit_debug_descriptor.action = NO_ACTION;
        __jit_debug_descriptor.relevant = ptr::null_mut();
    }
}

/// Whether a debugger (or another tracer, such as strace) is attached to this process now.
pub fn debugger_present() -> bool {
    let status = crate::sys::read_proc("/proc/self/status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}

/// Where gdb looks for thread-local variables of registered images, as an offset from the thread pointer. gdb knows of no
/// loaded file that an image belongs to, and takes the executable's storage for it; `None` if that has none.
pub fn thread_base() -> Option<u64> {
    // SAFETY: the kernel gives the address and number of the executable's program headers, which stay mapped.
    let headers = unsafe {
        let (address, count) = (libc::getauxval(libc::AT_PHDR), libc::getauxval(libc::AT_PHNUM));
        if address == 0 {
            return None;
        }
        std::slice::from_raw_parts(address as *const libc::Elf64_Phdr, count as usize)
    };
    let header = headers.iter().find(|header| header.p_type == libc::PT_TLS && header.p_memsz != 0)?;
    Some(tls::executable_block(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The images as a debugger would list them, going both ways.
    fn listed() -> Vec<Vec<u8>> {
        let _lock = lock();
        let mut images = Vec::new();
        // SAFETY: the lock is held; entries in the list are alive.
        unsafe {
            let mut previous = ptr::null_mut();
            let mut entry = __jit_debug_descriptor.first;
            while let Some(this) = entry.as_ref() {
                assert_eq!(this.previous, previous);
                images.push(std::slice::from_raw_parts(this.image, this.image_bytes as usize).to_vec());
                (previous, entry) = (entry, this.next);
            }
        }
        images
    }

    #[test]
    fn images_come_and_go_in_any_order() {
        let [a, b, c] = ["a", "bb", "ccc"].map(|text| register(text.into()));
        assert_eq!(listed(), [&b"ccc"[..], b"bb", b"a"]);
        drop(b);
        assert_eq!(listed(), [&b"ccc"[..], b"a"]);
        drop(c);
        assert_eq!(listed(), [&b"a"[..]]);
        drop(a);
        assert!(listed().is_empty());
    }

    #[test]
    fn a_tracer_is_noticed() {
        let traced = debugger_present();
        // SAFETY: the child makes system calls only, through functions that take no lock it could find taken.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above; the parent is this test.
            unsafe {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::_exit(debugger_present().into());
            }
        }
        let mut status = 0;
        // SAFETY: waits for the child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!((traced, libc::WEXITSTATUS(status)), (false, 1));
    }
}
