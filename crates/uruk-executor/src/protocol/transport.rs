//! What connections run over.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::str::FromStr;

/// Both directions of a connection.
pub struct Ends {
    /// What the other side sends.
    pub from: Box<dyn Read + Send>,
    /// What is sent to it; the connection ends when this is dropped.
    pub to: Box<dyn Write + Send>,
}

/// A socket whose connection ends when the side that sends is dropped, whoever reads.
struct Sending<S: Socket>(S);

trait Socket: Write {
    fn shut(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn shut(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Both)
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn shut(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Both)
    }
}

impl<S: Socket> Write for Sending<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Socket> Drop for Sending<S> {
    fn drop(&mut self) {
        // The other side may have ended it before.
        _ = self.0.shut();
    }
}

impl Ends {
    /// Two pipes, or anything else that is read here and written there.
    pub fn new(from: impl Read + Send + 'static, to: impl Write + Send + 'static) -> Ends {
        /// What is read at once; longer data is read where it goes.
        const BUFFER: usize = 64 << 10;
        Ends { from: Box::new(BufReader::with_capacity(BUFFER, from)), to: Box::new(to) }
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
    /// Connects to whoever listens there.
    pub fn connect(&self) -> io::Result<Ends> {
        let stream = match self {
            Address::Tcp(place) => Stream::Tcp(TcpStream::connect(place)?),
            #[cfg(unix)]
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        stream.into_ends()
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

impl Stream {
    /// Both directions of it.
    pub fn into_ends(self) -> io::Result<Ends> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                Ok(Ends::new(stream.try_clone()?, Sending(stream)))
            }
            #[cfg(unix)]
            Stream::Unix(stream) => Ok(Ends::new(stream.try_clone()?, Sending(stream))),
        }
    }
}
