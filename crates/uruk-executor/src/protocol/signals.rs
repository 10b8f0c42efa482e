//! Signals of threads that read a connection: they may be a program's, whose handlers may ask the other side for something, too.
//!
//! Source: pthread_sigmask(3).

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// What a thread does by mistake cannot be held off.
const OWN: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

/// Which signals a thread does not take.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// This thread's.
    pub fn current() -> Mask {
        Mask::exchange(libc::SIG_BLOCK, ptr::null())
    }

    /// Makes it this thread's.
    pub fn set(&self) {
        Mask::exchange(libc::SIG_SETMASK, &self.0);
    }

    fn exchange(how: c_int, set: *const libc::sigset_t) -> Mask {
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: `set` is null or a set, and there is room for another; it is initialised, if only with zeros.
        unsafe {
            libc::pthread_sigmask(how, set, before.as_mut_ptr());
            Mask(before.assume_init())
        }
    }
}

/// This thread takes no signals until this is dropped.
pub struct HeldOff(Mask);

impl HeldOff {
    pub fn new() -> HeldOff {
        let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: there is room for a set, which the first call initialises.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for signal in OWN {
                libc::sigdelset(all.as_mut_ptr(), signal);
            }
            all.assume_init()
        };
        HeldOff(Mask::exchange(libc::SIG_BLOCK, &all))
    }
}

impl Drop for HeldOff {
    fn drop(&mut self) {
        self.0.set();
    }
}
