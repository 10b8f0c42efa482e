//! What serving means on Linux only: names for backtraces and debuggers, `dlopen` of the controller's dylibs, replaced
//! functions of libraries.

use super::upcalls::{address, ask};
use crate::dl::{self, AddressInfo, DylibDirectory, DylibHandle};
use crate::in_process::InProcess;
use crate::protocol::Peer;
use crate::protocol::message::{Described, Number, Question, Reply, Text};
use crate::{gdb, phdr, support, unwind};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::CString;
use std::ops::Range;
use std::process;
use std::sync::Arc;

/// What is undone when it is dropped.
type Kept = Box<dyn Any + Send>;

/// Names for which linked code has to use what the process has.
pub(super) fn insists_on() -> Vec<Text> {
    vec![unwind::FIND_FDE.into()]
}

/// Where debuggers take offsets of thread-local variables from, relative to the thread pointer.
pub(super) fn debug_thread_base() -> Option<u64> {
    gdb::thread_base()
}

/// Whether backtraces ask for names of linked code.
pub(super) fn backtraces_wanted() -> bool {
    phdr::in_use()
}

/// Ends the process as C's `exit` does.
pub(super) fn exit(status: i32) -> ! {
    process::exit(status)
}

/// Ends the process, whatever it does.
pub(super) fn end_at_once(status: i32) -> ! {
    // SAFETY: ends the process at once, which needs nothing of it.
    unsafe { libc::_exit(status) }
}

/// Names that libraries import.
pub(super) fn imports(process: &InProcess) -> Vec<Text> {
    let mut names = Vec::new();
    process.for_each_import(&mut |name| names.push(name.to_vec()));
    names
}

/// Makes libraries use these definitions.
pub(super) fn interpose(process: &InProcess, definitions: &HashMap<Text, u64>) -> Result<(), String> {
    process.interpose(&|name| definitions.get(name).copied()).map_err(|error| error.to_string())
}

/// The object that a static link adds for a name.
pub(super) fn support_object(name: &[u8]) -> Option<Vec<u8>> {
    support::object(name)
}

/// Shows an image to debuggers.
pub(super) fn register_debug(image: Vec<u8>) -> Result<Kept, String> {
    Ok(Box::new(gdb::register(image)))
}

/// Lets backtraces name functions.
pub(super) fn register_names(
    process: &InProcess,
    peer: &Arc<Peer>,
    resource: Number,
    base: u64,
    code: Vec<Range<u64>>,
) -> Option<Kept> {
    let peer = peer.clone();
    let image = Box::new(move || image(&peer, resource));
    process.register_names(base, code, image).ok().map(|registration| Box::new(registration) as Kept)
}

/// Function records are read by nobody here.
pub(super) fn register_functions(_: &InProcess, _: u64, _: Range<u64>) -> Result<Kept, String> {
    Err("function records are for Windows' unwinder".into())
}

/// Lets linked code find the controller's dylibs.
pub(super) fn offer_dylibs(peer: &Arc<Peer>) -> Kept {
    Box::new(dl::install(Arc::new(Dylibs { peer: peer.clone() })))
}

/// The image of named code.
fn image(peer: &Peer, resource: Number) -> Option<Vec<u8>> {
    match ask(peer, &Question::Image { resource })? {
        Reply::Bytes(bytes) => bytes,
        _ => None,
    }
}

/// The controller's dylibs.
struct Dylibs {
    peer: Arc<Peer>,
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
