//! Standard streams of a program whose controller is no parent of this process.
//!
//! Data flow: the controller asks ([`Request::OpenStreams`](crate::protocol::message::Request)) → a listener, and a token →
//! the controller connects twice and shows the token → the two connections become this process's standard input and
//! output, and its standard error. So the system carries what is written, also what a program writes before it crashes.

#[cfg_attr(unix, path = "streams/linux.rs")]
#[cfg_attr(windows, path = "streams/windows.rs")]
mod standard;

pub(super) use standard::listen;
#[cfg(windows)]
pub(super) use standard::{give_up, prepare_sockets};

use crate::protocol::transport::{Address, Listener, Stream};
use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the controller may take to connect.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection has to show.
pub(super) type Token = [u8; 32];

/// Streams that are being connected.
pub(super) struct Opening {
    /// Where the controller connects to.
    pub address: Address,
    /// What it shows there.
    pub token: Token,
    connected: mpsc::Receiver<io::Result<[Stream; 2]>>,
}

/// Waits for both connections. The listener was made before anything was forbidden.
pub(super) fn open(listener: Listener) -> io::Result<Opening> {
    let address = listener.address()?;
    let mut token = [0; 32];
    getrandom::fill(&mut token).map_err(|error| io::Error::other(error.to_string()))?;
    let (sender, connected) = mpsc::channel();
    // Whoever asked may have given up.
    let accept = move || _ = sender.send(accept(&listener, &token));
    thread::Builder::new().name("uruk streams".into()).spawn(accept)?;
    Ok(Opening { address, token, connected })
}

/// The connection for input and output, and the one for errors.
fn accept(listener: &Listener, token: &Token) -> io::Result<[Stream; 2]> {
    let mut streams = [None, None];
    loop {
        let mut stream = listener.accept()?;
        let mut shown = [0; 33];
        stream.set_patience(Some(PATIENCE))?;
        let read = stream.read_exact(&mut shown);
        stream.set_patience(None)?;
        // Compared in constant time. Anybody may have connected.
        let is_known = blake3::Hash::from_slice(&shown[..32]).is_ok_and(|shown| shown == *token);
        let place = streams.get_mut(usize::from(shown[32]));
        let (Ok(()), true, Some(place)) = (read, is_known, place) else { continue };
        *place = Some(stream);
        if streams.iter().all(Option::is_some) {
            let [usual, errors] = streams.map(|stream| stream.ok_or(io::ErrorKind::NotConnected));
            return Ok([usual?, errors?]);
        }
    }
}

impl Opening {
    /// Waits for the controller, and makes its connections this process's standard streams.
    pub fn finish(self) -> io::Result<()> {
        let [usual, errors] = self.connected.recv_timeout(PATIENCE).map_err(io::Error::other)??;
        standard::replace(usual, errors)
    }
}
