//! TCP connections that end when the other machine is gone without a word: its cable was pulled, it has no power, a firewall
//! has forgotten it.
//!
//! Whoever asks something notices by itself that there is no answer. Whoever only waits to be asked, as an executor does, would
//! wait for good: nothing comes from a connection whose other end does not exist. So the system asks the other one whether it
//! is there, which answers that without its program: one that is stopped, in a debugger say, is not gone.
//! Sources: RFC 9293 §3.8.4 (keep-alives), RFC 5482 (user timeout), tcp(7).

use std::io;
use std::net::TcpStream;

/// Seconds without a word after which the other system is asked, and between more such questions.
const QUIET_SECONDS: u32 = 30;
const AGAIN_SECONDS: u32 = 10;

/// Questions without an answer that end the connection.
const QUESTIONS: u32 = 3;

/// Has the system end a connection whose other machine is gone, after about a minute.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn notice(stream: &TcpStream) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    /// What was sent and has not arrived for so long ends it, too.
    const UNDELIVERED_MILLISECONDS: u32 = 60_000;
    let options = [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, QUIET_SECONDS),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, AGAIN_SECONDS),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, QUESTIONS),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, UNDELIVERED_MILLISECONDS),
    ];
    for (level, option, value) in options {
        let size = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the descriptor is an open socket, and the value is an integer of that size, which is only read.
        if unsafe { libc::setsockopt(stream.as_raw_fd(), level, option, (&raw const value).cast(), size) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The same on Windows, where what is sent and does not arrive ends a connection soon as it is.
#[cfg(windows)]
pub(super) fn notice(stream: &TcpStream) -> io::Result<()> {
    use std::os::windows::io::AsRawSocket;
    use windows_sys::Win32::Networking::WinSock::*;
    let set = |level, option, value: u32| {
        let size = size_of_val(&value) as i32;
        // SAFETY: it is an open socket, and the value is an integer of that size, which is only read.
        unsafe { setsockopt(stream.as_raw_socket() as SOCKET, level, option, (&raw const value).cast(), size) }
    };
    if set(SOL_SOCKET, SO_KEEPALIVE, 1) != 0 {
        return Err(io::Error::last_os_error());
    }
    // Before Windows 10 of 2017 and in Wine there may be none of these, and the system asks after two hours.
    for (option, value) in [(TCP_KEEPIDLE, QUIET_SECONDS), (TCP_KEEPINTVL, AGAIN_SECONDS), (TCP_KEEPCNT, QUESTIONS)] {
        _ = set(IPPROTO_TCP, option, value);
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use crate::protocol::transport::Address;
    use std::os::fd::{AsFd, AsRawFd};

    fn option(socket: &impl AsFd, level: i32, option: i32) -> u32 {
        let (mut value, mut size) = (0u32, size_of::<u32>() as libc::socklen_t);
        // SAFETY: the descriptor is an open socket; there is room for an integer of that size.
        let got = unsafe {
            libc::getsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut size)
        };
        assert_eq!(got, 0);
        value
    }

    /// That packets which are dropped end a connection then is the system's part.
    #[test]
    fn both_ends_ask_whether_the_other_is_there() {
        let listener = Address::local().listen().unwrap();
        let controller = listener.address().unwrap().connect().unwrap().into_ends().unwrap();
        let executor = listener.accept().unwrap().into_receiving_ends().unwrap();
        for socket in [controller.socket.unwrap(), executor.socket.unwrap()] {
            assert_eq!(option(&socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1);
            let tcp = |name| option(&socket, libc::IPPROTO_TCP, name);
            let asked = tcp(libc::TCP_KEEPIDLE) + tcp(libc::TCP_KEEPINTVL) * tcp(libc::TCP_KEEPCNT);
            assert_eq!((asked, tcp(libc::TCP_USER_TIMEOUT)), (60, 60_000), "a minute");
        }
    }
}
