//! Where a first call through a lazy stub arrives, as far as it is the same on every architecture: asks for the body.
//! How registers are saved before and restored after is in each architecture's own `entry`.
//!
//! `unsafe` is here for the context that comes back as a bare address.

use std::sync::Arc;

use super::Shared;

/// Where the call goes that came through the stub at this location.
///
/// # Safety
/// The context is the one that the stub's block was made with, and the stub was called just now.
pub(super) unsafe fn answer(context: *const Shared, location: u64) -> u64 {
    // SAFETY: the context is the address of what the pool shares with its resolutions, in an `Arc`. It is alive: a stub
    // of a dropped pool may not be called.
    let shared = unsafe {
        Arc::increment_strong_count(context);
        Arc::from_raw(context)
    };
    shared.answer(location)
}

/// The failure handler of pools that were given none: says who called and aborts.
pub(super) extern "C" fn missing(caller: u64) -> ! {
    eprintln!(
        "uruk: the code that returns to {caller:#x} called a function that could not be made ready or was removed; \
         nobody has set a handler for that"
    );
    std::process::abort()
}
