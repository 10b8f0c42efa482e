//! Modules whose blocks lie, or may lie, at the same distance from each thread's pointer.
//!
//! glibc says where a thread has its block of a module only once that thread has used its table of blocks, which code that knows the
//! distance never does (`dlpi_tls_data`, dl_iterate_phdr(3)). So these modules are remembered here, and asked for in another way.
//! Invariant: a module that is listed is loaded, since the list is locked while it is used and a module leaves it before it goes.

use crate::at_fork::ProcessMutex;

static MODULES: ProcessMutex<Vec<Fixed>> = ProcessMutex::new(Vec::new());

struct Fixed {
    /// As `__tls_get_addr` takes it, of the first byte.
    index: [u64; 2],
    size: u64,
}

pub(crate) fn hold_across_fork() {
    MODULES.hold_across_fork();
}

pub(super) fn add(index: [u64; 2], size: u64) {
    MODULES.lock().push(Fixed { index, size });
}

pub(super) fn remove(index: [u64; 2]) {
    MODULES.lock().retain(|fixed| fixed.index != index);
}

/// The module in whose block of this thread an address lies, and the offset in that.
pub(crate) fn place_of(address: u64) -> Option<(u64, u64)> {
    unsafe extern "C" {
        fn __tls_get_addr(index: *const [u64; 2]) -> *mut u8;
    }
    MODULES.lock().iter().find_map(|Fixed { index, size }| {
        // SAFETY: the module is loaded. Where its block is not at that distance, this thread may get it only now.
        let block = unsafe { __tls_get_addr(index) };
        let offset = address.wrapping_sub(block as u64);
        (offset < *size).then_some((index[0], offset))
    })
}
