//! This process's standard streams, on Windows: the system's handles, and the C library's numbers 0 to 2 for them.
//!
//! A connection is used like a file there, one call after the other, which sockets allow that were made for that. Those that
//! a listener accepts are made as it was.
//! Sources: Microsoft's documentation of `WSASocketW`, "Socket Handles", `_open_osfhandle`, `_dup2`.

use crate::protocol::transport::{Address, Ends, Listener, Stream};
use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::windows::io::{AsHandle, FromRawSocket, IntoRawHandle, IntoRawSocket};
use std::ptr;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, INVALID_SOCKET, IPPROTO_TCP, SOCK_STREAM, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_STORAGE,
    WSADATA, WSASocketW, WSAStartup, bind, listen as listen_at,
};
use windows_sys::Win32::System::Console::{
    STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};

/// Connections that wait to be accepted; there are two.
const WAITING: c_int = 8;

/// Has sockets work that were not made by the standard library.
pub(in crate::serve) fn prepare_sockets() -> io::Result<()> {
    const VERSION: u16 = 0x0202;
    // SAFETY: plain data, for which zero is a value, and which the call fills.
    let failed = unsafe {
        let mut data: WSADATA = mem::zeroed();
        WSAStartup(VERSION, &mut data)
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}

/// Listens for connections that can become standard streams.
pub(in crate::serve) fn listen(address: &Address) -> io::Result<Listener> {
    prepare_sockets()?;
    let Address::Tcp(place) = address;
    let address = place.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let (family, (name, size)) = match address {
        SocketAddr::V4(_) => (AF_INET, name(&address)),
        SocketAddr::V6(_) => (AF_INET6, name(&address)),
    };
    let last_error = || io::Error::last_os_error();
    // SAFETY: the calls get structures of the size that they are told, and a socket that is open and nobody else's.
    unsafe {
        let socket = WSASocketW(family.into(), SOCK_STREAM, IPPROTO_TCP, ptr::null(), 0, 0);
        if socket == INVALID_SOCKET {
            return Err(last_error());
        }
        let listener = TcpListener::from_raw_socket(socket as u64);
        if bind(socket, (&raw const name).cast::<SOCKADDR>(), size) != 0 || listen_at(socket, WAITING) != 0 {
            return Err(last_error());
        }
        Ok(Listener::Tcp(listener))
    }
}

/// An address as the system wants it, and its size.
fn name(address: &SocketAddr) -> (SOCKADDR_STORAGE, c_int) {
    // SAFETY: plain data, for which zero is a value; both kinds of address fit, and begin with the family.
    unsafe {
        let mut name: SOCKADDR_STORAGE = mem::zeroed();
        let size = match address {
            SocketAddr::V4(address) => {
                let place = &mut *(&raw mut name).cast::<SOCKADDR_IN>();
                (place.sin_family, place.sin_port) = (AF_INET, address.port().to_be());
                place.sin_addr.S_un.S_addr = u32::from_ne_bytes(address.ip().octets());
                size_of::<SOCKADDR_IN>()
            }
            SocketAddr::V6(address) => {
                let place = &mut *(&raw mut name).cast::<SOCKADDR_IN6>();
                (place.sin6_family, place.sin6_port) = (AF_INET6, address.port().to_be());
                place.sin6_addr.u.Byte = address.ip().octets();
                size_of::<SOCKADDR_IN6>()
            }
        };
        (name, size as c_int)
    }
}

unsafe extern "C" {
    fn _open_osfhandle(handle: isize, flags: c_int) -> c_int;
    fn _dup2(from: c_int, to: c_int) -> c_int;
}

/// `_O_TEXT`: line ends are what programs expect of a console or file.
const TEXT: c_int = 0x4000;

/// Makes connections the standard streams: input and output, and errors.
pub(super) fn replace(usual: Stream, errors: Stream) -> io::Result<()> {
    let [usual, errors] = [usual, errors].map(|stream| match stream {
        Stream::Tcp(socket) => socket.into_raw_socket() as HANDLE,
    });
    set(0, STD_INPUT_HANDLE, usual)?;
    set(1, STD_OUTPUT_HANDLE, usual)?;
    set(2, STD_ERROR_HANDLE, errors)
}

/// Takes standard input and output for the connection. Until others take their places, input is empty, and output goes
/// where errors go.
pub(in crate::serve) fn give_up() -> io::Result<Ends> {
    let [input, output] =
        [io::stdin().as_handle().try_clone_to_owned()?, io::stdout().as_handle().try_clone_to_owned()?];
    let nothing = File::options().read(true).write(true).open("NUL")?;
    let errors = io::stderr().as_handle().try_clone_to_owned()?;
    set(0, STD_INPUT_HANDLE, nothing.into_raw_handle())?;
    set(1, STD_OUTPUT_HANDLE, errors.into_raw_handle())?;
    Ok(Ends::new(File::from(input), File::from(output)))
}

/// Makes a handle, which is never closed, one of the standard streams.
fn set(number: c_int, place: STD_HANDLE, handle: HANDLE) -> io::Result<()> {
    // SAFETY: the handle is open and stays so; the standard streams belong to the program.
    unsafe {
        let descriptor = _open_osfhandle(handle as isize, TEXT);
        if descriptor < 0 || _dup2(descriptor, number) < 0 || SetStdHandle(place, handle) == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
