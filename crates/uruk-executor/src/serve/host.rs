//! How a served process ends on Linux.

/// Ends the process, whatever it does.
pub(super) fn end_at_once(status: i32) -> ! {
    // SAFETY: ends the process at once, which needs nothing of it.
    unsafe { libc::_exit(status) }
}
