//! Who is told of a crash, how much, and that it is told once: what all systems' handlers have in common.

use crate::protocol::Peer;
use crate::protocol::message::{Crash, Question};
use crate::serve::encode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Frames that are told.
pub const FRAMES: usize = 64;

static PEER: OnceLock<Arc<Peer>> = OnceLock::new();

/// Names the controller; whether it is the first. One process serves one.
pub fn set_peer(peer: &Arc<Peer>) -> bool {
    PEER.set(peer.clone()).is_ok()
}

/// Tells the controller, unless there is none, it has been told, or the connection is not free to be written to. Nothing is
/// found out about a crash that is not told.
pub fn tell(crash: impl FnOnce() -> Crash) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if let Some(peer) = PEER.get()
        && !TOLD.swap(true, Ordering::AcqRel)
    {
        peer.try_post_now(&encode(&Question::Crashed(crash())));
    }
}
