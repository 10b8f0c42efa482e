//! Windows makes no copies of processes, so nobody has to hold locks across that.

mod locks;

pub use locks::{Guard, Held, Locks};
use std::sync::Arc;

/// There is nothing to hold off.
pub(crate) struct HeldOff;

/// Nothing is delayed.
pub(crate) fn hold_off() -> HeldOff {
    HeldOff
}

/// Puts an owner where others can share it.
pub fn hold_while_alive<L: Locks + 'static>(owner: L) -> Arc<L> {
    Arc::new(owner)
}
