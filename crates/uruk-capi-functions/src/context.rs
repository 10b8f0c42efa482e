//! What clients give with their callbacks: contexts, which end once.

use crate::raw::Opaque;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a context: the library will not use it again. Called once, on any thread.
pub type uruk_destroy = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// A client's context. Once it is the library's, it is destroyed when nobody has this any more.
pub(crate) struct Context {
    pointer: Opaque,
    destroy: uruk_destroy,
    owned: AtomicBool,
}

impl Context {
    pub fn new(pointer: *mut c_void, destroy: uruk_destroy) -> Context {
        Context { pointer: Opaque(pointer), destroy, owned: AtomicBool::new(false) }
    }

    /// What callbacks get.
    pub fn pointer(&self) -> *mut c_void {
        self.pointer.0
    }

    /// It is the library's, which destroys it.
    pub fn own(&self) {
        self.owned.store(true, Ordering::Relaxed);
    }

    /// It is the client's again, who destroys it.
    pub fn release(&self) -> *mut c_void {
        self.owned.store(false, Ordering::Relaxed);
        self.pointer.0
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let (true, Some(destroy)) = (*self.owned.get_mut(), self.destroy) {
            // SAFETY: the client's function with its context, once.
            unsafe { destroy(self.pointer.0) };
        }
    }
}
