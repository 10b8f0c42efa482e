//! This process's standard streams, on Linux.

use crate::protocol::transport::{Address, Listener, Stream};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Listens for connections that can become standard streams.
pub(in crate::serve) fn listen(address: &Address) -> io::Result<Listener> {
    address.listen()
}

/// Makes connections the standard streams: input and output, and errors.
pub(super) fn replace(usual: Stream, errors: Stream) -> io::Result<()> {
    for (stream, number) in [(&usual, 0), (&usual, 1), (&errors, 2)] {
        // SAFETY: both descriptors are open, and the standard ones belong to the program.
        if unsafe { libc::dup2(stream.as_fd().as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
