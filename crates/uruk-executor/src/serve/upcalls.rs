//! What linked code asks the controller while it runs here.

use super::{decode, encode};
use crate::protocol::Peer;
use crate::protocol::message::{Number, Question, Reply};
use crate::stubs::{Resolver, StubId};
use std::sync::Arc;

/// A reply, unless the controller is gone or cannot say, about which nothing can be done here.
pub(super) fn ask(peer: &Peer, question: &Question) -> Option<Reply> {
    decode(&peer.call(&encode(question), None).ok()?).ok()
}

/// Asks for the bodies of a pool's lazy stubs.
pub(super) struct StubResolver {
    pub peer: Arc<Peer>,
    pub pool: Number,
}

impl Resolver for StubResolver {
    fn resolve(&self, stub: StubId) -> Option<u64> {
        address(&self.peer, &Question::Resolve { pool: self.pool, stub: stub.0 })
    }
}

pub(super) fn address(peer: &Peer, question: &Question) -> Option<u64> {
    match ask(peer, question)? {
        Reply::Address(address) => address,
        _ => None,
    }
}
