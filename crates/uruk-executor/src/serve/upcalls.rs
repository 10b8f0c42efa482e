//! What linked code asks the controller while it runs here.

use super::{decode, encode};
use crate::dl::{AddressInfo, DylibDirectory, DylibHandle};
use crate::protocol::Peer;
use crate::protocol::message::{Described, Number, Question, Reply};
use crate::stubs::{Resolver, StubId};
use crate::sys;
use std::ffi::CString;
use std::sync::Arc;

/// A reply, unless the controller is gone or cannot say, about which nothing can be done here.
pub(super) fn ask(peer: &Peer, question: &Question) -> Option<Reply> {
    // The thread is the program's.
    let reply = sys::uncancelled(|| peer.call(&encode(question), None));
    decode(&reply.ok()?).ok()
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

/// The image of named code.
pub(super) fn image(peer: &Peer, resource: Number) -> Option<Vec<u8>> {
    match ask(peer, &Question::Image { resource })? {
        Reply::Bytes(bytes) => bytes,
        _ => None,
    }
}

/// The controller's dylibs.
pub(super) struct Dylibs {
    pub peer: Arc<Peer>,
}

impl DylibDirectory for Dylibs {
    fn open(&self, name: &[u8]) -> Option<Result<DylibHandle, String>> {
        match ask(&self.peer, &Question::Open { name: name.into() })? {
            Reply::Opened(opened) => Some(opened?.map(DylibHandle)),
            _ => None,
        }
    }

    fn close(&self, dylib: DylibHandle) -> Result<(), String> {
        match ask(&self.peer, &Question::Close { dylib: dylib.0 }) {
            Some(Reply::Closed(closed)) => closed,
            _ => Err("the controller does not answer".into()),
        }
    }

    fn symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        address(&self.peer, &Question::Symbol { dylib: dylib.0, name: name.into() })
    }

    fn program_symbol(&self, name: &[u8]) -> Option<u64> {
        address(&self.peer, &Question::ProgramSymbol { name: name.into() })
    }

    fn next_symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        address(&self.peer, &Question::NextSymbol { dylib: dylib.0, name: name.into() })
    }

    fn dylib_containing(&self, address: u64) -> Option<DylibHandle> {
        match ask(&self.peer, &Question::DylibContaining { address })? {
            Reply::Dylib(dylib) => dylib.map(DylibHandle),
            _ => None,
        }
    }

    fn describe(&self, address: u64) -> Option<AddressInfo> {
        let Reply::Described(Some(found)) = ask(&self.peer, &Question::Describe { address })? else { return None };
        let Described { dylib, base, symbol } = found;
        let symbol = symbol.and_then(|(name, address)| Some((CString::new(name).ok()?, address)));
        Some(AddressInfo { dylib: CString::new(dylib).ok()?, base, symbol })
    }
}
