//! Stubs as their callers and their owner see them. Callers are compiled by the system's C compiler.

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64/mod.rs")]
mod arch;
mod calls;
mod first_calls;
mod lifetime;
mod unwinding;

use std::ffi::{CString, c_void};
use std::sync::Arc;

use uruk_jitlink::memory::Placement;

use super::{Resolver, Setup, Stub, StubPool};
use crate::memory::{InProcessMemory, Options};

fn memory() -> Arc<InProcessMemory> {
    Arc::new(InProcessMemory::new(Options::default()))
}

/// A pool whose failure handler is `fail`.
fn pool(memory: &Arc<InProcessMemory>, resolver: impl Resolver + 'static) -> StubPool {
    pool_failing_to(memory, Some(fail as *const () as u64), resolver)
}

fn pool_failing_to(memory: &Arc<InProcessMemory>, failure: Option<u64>, resolver: impl Resolver + 'static) -> StubPool {
    StubPool::new(Arc::clone(memory) as _, setup(failure, resolver))
}

fn setup(failure: Option<u64>, resolver: impl Resolver + 'static) -> Setup {
    Setup { resolver: Arc::new(resolver), failure, placement: Placement::Near }
}

/// Calls a stub without arguments.
fn call(address: u64) -> u64 {
    // SAFETY: the tests give addresses of live stubs that lead to such functions.
    unsafe { std::mem::transmute::<u64, extern "C" fn() -> u64>(address)() }
}

extern "C" fn one() -> u64 {
    1
}

extern "C" fn two() -> u64 {
    2
}

extern "C" fn fail() -> u64 {
    404
}

fn address(function: extern "C" fn() -> u64) -> u64 {
    function as *const () as u64
}

/// A library that stays loaded.
struct Library(*mut c_void);

// SAFETY: the loader's functions may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    fn c(name: &str, source: &str) -> Library {
        Library::open(&crate::testing::build_library(name, source, &["-Wno-psabi"]))
    }

    fn cxx(name: &str, source: &str) -> Library {
        Library::open(&crate::testing::build_cxx_library(name, source, &[]))
    }

    fn open(path: &std::path::Path) -> Library {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the library was made by the test and has no constructors of note.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Library(handle)
    }

    fn address(&self, name: &str) -> u64 {
        let symbol = CString::new(name).unwrap();
        // SAFETY: an open handle and a C string.
        let address = unsafe { libc::dlsym(self.0, symbol.as_ptr()) };
        assert!(!address.is_null(), "{name}");
        address as u64
    }

    /// A function of this library.
    ///
    /// # Safety
    /// `F` is the type of a pointer to it.
    unsafe fn function<F: Copy>(&self, name: &str) -> F {
        assert_eq!(size_of::<F>(), 8);
        let address = self.address(name);
        // SAFETY: the caller's promise.
        unsafe { std::mem::transmute_copy(&address) }
    }
}
