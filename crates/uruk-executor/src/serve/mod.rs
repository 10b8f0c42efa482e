//! The executor's side of a connection: does in this process what a controller asks for.
//!
//! Data flow: the main thread takes frames ([`Peer::carry_out`]), and another one while that is busy ([`Peer::read`]) → posts
//! and quick calls are carried out there, in order → what runs code of the program goes to the main thread, or to a thread
//! of its own if that is busy → what linked code asks goes back to the controller (`upcalls`).
//! Invariants: the tables of what is kept are locked only while they are looked at. The controller is believed where it
//! gives addresses, since running its code is what this process is for; it is not believed where it names things that it
//! made here, or gives sizes.

pub mod command;
#[cfg_attr(windows, path = "crash/windows.rs")]
mod crash;
#[cfg_attr(windows, path = "host/windows.rs")]
mod host;
#[cfg_attr(windows, path = "sandbox/windows.rs")]
mod sandbox;
mod server;
mod streams;
mod upcalls;

use crate::protocol::frame::Limits;
use crate::protocol::hello::{self, HelloError, Role};
use crate::protocol::message::{Answer, Text};
use crate::protocol::transport::{Address, Ends};
use crate::protocol::{Incoming, Peer};
pub use sandbox::SandboxError;
use serde::{Deserialize, Serialize};
use server::Server;
use std::sync::{Arc, Weak, mpsc};

/// What an executor says of itself once the connection is set up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Of its code, as Rust calls it: `x86_64`, `aarch64`, `riscv64`.
    pub architecture: String,
    /// As Rust calls it: `linux`, `windows`.
    pub system: String,
    /// What its processor can do, as `is_aarch64_feature_detected!` and its kin call it.
    pub features: Vec<String>,
    /// Its number in the system where it runs.
    pub process: u32,
    /// Names for which linked code has to use what the process has.
    pub insists_on: Vec<Text>,
    /// What code with Windows' calling convention is offered.
    pub windows_functions: Vec<(Text, u64)>,
    /// Debuggers are to see what is linked.
    pub debug_wanted: bool,
    /// Where debuggers take offsets of thread-local variables from, relative to the thread pointer.
    pub debug_thread_base: Option<u64>,
    /// Backtraces ask for names of linked code.
    pub backtraces_wanted: bool,
    /// Nothing but computing is possible there.
    pub sandbox: bool,
    /// Programs there have standard streams only once these have been passed.
    pub lacks_streams: bool,
    /// The size of its pages, if it takes content in files that come with messages.
    pub file_pages: Option<u64>,
}

/// How an executor serves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the controller has to know, too.
    pub secret: Vec<u8>,
    /// Sizes of what it accepts at once.
    pub limits: Limits,
    /// Bytes of memory that the controller may have in all; as many as there are if not said.
    pub memory: Option<u64>,
    /// Where connections for the program's standard streams are made, if it does not have the controller's.
    pub streams: Option<Address>,
    /// Nothing but computing is possible here: see the guide.
    pub sandbox: bool,
    /// Debuggers see what is linked, attached or not.
    pub debugger: bool,
}

/// Why nothing was served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The connection did not come about.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// There is no sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// Serves one controller until the connection ends, on this thread, which should be the main one: programs run on it. When
/// the controller is gone while code runs here, the process ends.
pub fn serve(mut ends: Ends, options: &Options) -> Result<(), ServeError> {
    hello::exchange(&mut ends.from, &mut *ends.to, Role::Executor, &options.secret)?;
    let received = ends.received.take();
    let (work, queue) = mpsc::channel::<Incoming>();
    let server = Arc::new_cyclic(|server: &Weak<Server>| {
        let peer = Peer::new(ends, options.limits, server.clone() as Weak<_>);
        Server::new(Arc::new(peer), work, received, options)
    });
    crash::report_to(&server.peer);
    if options.sandbox {
        sandbox::enter()?;
    }
    server.peer.post(&encode(&server.target()));
    server.peer.flush();
    let reader = {
        let server = server.clone();
        std::thread::Builder::new().name("uruk reader".into()).spawn(move || {
            server.peer.read();
            server.disconnected();
        })
    };
    reader.map_err(HelloError::Io)?;
    server.peer.carry_out(&queue);
    Ok(())
}

/// Encodes a message.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Messages are of integers, text, options and lists, which can always be encoded.
    postcard::to_stdvec(message).unwrap_or_default()
}

/// Decodes all of a message.
pub fn decode<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T, String> {
    match postcard::take_from_bytes(message) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("a message of {} bytes has {} too many", message.len(), rest.len())),
        Err(error) => Err(format!("a message of {} bytes cannot be decoded: {error}", message.len())),
    }
}

type Done = Result<Answer, String>;
