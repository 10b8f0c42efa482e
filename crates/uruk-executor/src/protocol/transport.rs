//! What connections run over.

use super::files::Received;
use super::reading::Source;
use super::ready::Descriptor;
use super::vanished;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::{
    fd::{AsFd, BorrowedFd},
    unix::net::{UnixListener, UnixStream},
};
use std::str::FromStr;
use std::time::Duration;

/// Both directions of a connection.
pub struct Ends {
    /// What the other side sends.
    pub from: Source,
    /// What is sent to it.
    pub to: Box<dyn Write + Send>,
    /// The socket of both, if there is one: closing what is sent does not end a connection that somebody reads.
    pub socket: Option<Stream>,
    /// Files that come with messages, if they can.
    pub received: Option<Received>,
}

impl Ends {
    /// Anything that is read here and written there.
    pub fn new(from: impl Read + Send + 'static, to: impl Write + Send + 'static) -> Ends {
        Ends { from: Source::new(from), to: Box::new(to), socket: None, received: None }
    }

    /// Two pipes: who waits for an answer reads it, where the system can tell when it has come.
    pub fn pipes(from: impl Read + Descriptor + Send + 'static, to: impl Write + Send + 'static) -> Ends {
        Ends { from: Source::watched(from), ..Ends::new(io::empty(), to) }
    }
}

/// Where an executor listens: `tcp:HOST:PORT`, or `unix:PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A host and port. An empty host is this machine, and not to be reached from others.
    Tcp(String),
    /// A socket in the file system.
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

/// A text that is no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no address of an executor; write tcp:HOST:PORT or unix:PATH")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        match text.split_once(':') {
            Some(("tcp", place)) if place.contains(':') => {
                let loopback = if place.starts_with(':') { "127.0.0.1" } else { "" };
                Ok(Address::Tcp(format!("{loopback}{place}")))
            }
            #[cfg(unix)]
            Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(path.into())),
            _ => Err(AddressError(text.into())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(place) => write!(f, "tcp:{place}"),
            #[cfg(unix)]
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// This machine, at a port that the system chooses.
    pub fn local() -> Address {
        Address::Tcp("127.0.0.1:0".into())
    }

    /// Connects to whoever listens there.
    pub fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Address::Tcp(place) => Stream::Tcp(TcpStream::connect(place)?),
            #[cfg(unix)]
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        })
    }

    /// Another place there: a port or file that the system or this process has for itself.
    pub fn beside(&self) -> Address {
        match self {
            Address::Tcp(place) => {
                let host = place.rsplit_once(':').map_or(place.as_str(), |(host, _)| host);
                Address::Tcp(format!("{host}:0"))
            }
            #[cfg(unix)]
            Address::Unix(path) => Address::Unix(path.with_added_extension(std::process::id().to_string())),
        }
    }

    /// The same place as a program on another machine reaches it, which has reached this one's host by another name.
    pub fn seen_by(&self, other: &Address) -> Address {
        match (self, other) {
            (Address::Tcp(place), Address::Tcp(other)) => {
                let port = place.rsplit_once(':').map_or("", |(_, port)| port);
                let host = other.rsplit_once(':').map_or(other.as_str(), |(host, _)| host);
                Address::Tcp(format!("{host}:{port}"))
            }
            #[cfg(unix)]
            _ => self.clone(),
        }
    }

    /// Listens there.
    pub fn listen(&self) -> io::Result<Listener> {
        match self {
            Address::Tcp(place) => Ok(Listener::Tcp(TcpListener::bind(place)?)),
            #[cfg(unix)]
            Address::Unix(path) => Ok(Listener::Unix(UnixListener::bind(path)?)),
        }
    }

    /// Whether only programs of this machine reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(place) => {
                place.to_socket_addrs().is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
            }
            #[cfg(unix)]
            Address::Unix(_) => true,
        }
    }
}

/// Waits for connections.
pub enum Listener {
    /// By TCP.
    Tcp(TcpListener),
    /// On this machine.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Where it is reached: with the port that the system chose, if it was to choose one.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?.to_string())),
            #[cfg(unix)]
            Listener::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(Address::Unix(path.into()))
            }
        }
    }

    /// The next connection.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => Ok(Stream::Tcp(listener.accept()?.0)),
            #[cfg(unix)]
            Listener::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

/// A connection that nobody uses yet. Dropped, it is closed for this process only, not for one that is a copy of it.
pub enum Stream {
    /// By TCP.
    Tcp(TcpStream),
    /// On this machine.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with whichever socket it is.
macro_rules! with_socket {
    ($stream:expr, $socket:ident => $action:expr) => {
        match $stream {
            Stream::Tcp($socket) => $action,
            #[cfg(unix)]
            Stream::Unix($socket) => $action,
        }
    };
}

impl Stream {
    /// Both directions of it.
    pub fn into_ends(self) -> io::Result<Ends> {
        match &self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                vanished::notice(stream)?;
            }
            #[cfg(unix)]
            Stream::Unix(_) => {}
        }
        Ok(Ends { socket: Some(self.try_clone()?), ..Ends::pipes(self.try_clone()?, self) })
    }

    /// The same for who is given files, which come over sockets of this machine, and may become a process with copies of
    /// its own: in these the connection is closed.
    #[cfg(target_os = "linux")]
    pub fn into_receiving_ends(self) -> io::Result<Ends> {
        let (receiver, received) = super::files::Receiver::new(self.try_clone()?);
        let received = matches!(self, Stream::Unix(_)).then_some(received);
        let ends = self.into_ends()?;
        Ok(Ends { from: Source::watched(receiver), received, ..ends })
    }

    /// The same for who would be given files, if that were possible.
    #[cfg(not(target_os = "linux"))]
    pub fn into_receiving_ends(self) -> io::Result<Ends> {
        self.into_ends()
    }

    /// The same connection once more.
    pub fn try_clone(&self) -> io::Result<Stream> {
        Ok(match self {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
        })
    }

    /// Ends one direction of the connection, or both, for all who have it.
    pub fn shut(&self, how: Shutdown) -> io::Result<()> {
        with_socket!(self, socket => socket.shutdown(how))
    }

    /// Whether files can be sent over it.
    pub fn passes_files(&self) -> bool {
        match self {
            Stream::Tcp(_) => false,
            #[cfg(unix)]
            Stream::Unix(_) => cfg!(target_os = "linux"),
        }
    }

    /// How long reading waits.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        with_socket!(self, socket => socket.set_read_timeout(patience))
    }

    /// How long writing waits for the other side to take something, however little.
    pub fn set_write_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        with_socket!(self, socket => socket.set_write_timeout(patience))
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        with_socket!(self, socket => socket.read(bytes))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        with_socket!(self, socket => socket.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        with_socket!(self, socket => socket.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        with_socket!(self, socket => socket.flush())
    }
}

#[cfg(unix)]
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        with_socket!(self, socket => socket.as_fd())
    }
}
