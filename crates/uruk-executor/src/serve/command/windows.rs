//! Connections and processes of an executor on Windows.
//!
//! There is no copying of processes: each controller is served by this program started anew, which inherits the connection's
//! socket, and whose end this process tells the controller.
//! Sources: Microsoft's "Socket Handles", `SetHandleInformation`; MS-ERREF (what a process ends with that an exception ends).

use super::super::crash;
use super::super::{SandboxError, streams};
use super::{Options, announce, serve_over, tell_end};
use crate::in_process::NoDebugger;
use crate::protocol::transport::{Address, Ends, Stream};
use std::io;
use std::net::TcpStream;
use std::os::windows::io::{AsRawSocket, FromRawSocket, RawSocket};
use std::process::Command;
use std::thread;
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};

/// Before the number of an inherited socket.
const SOCKET: &str = "socket:";

/// Debuggers are shown nothing.
pub(super) fn debugger() -> Result<bool, String> {
    Err(format!("{NoDebugger}; leave out --debugger"))
}

/// There is no sandbox.
pub(super) fn sandbox() -> Result<bool, String> {
    Err(SandboxError.to_string())
}

/// Serves over this process's standard input and output, for `-`, or over a socket that it has inherited, for
/// `socket:NUMBER,ADDRESS`, where the program's streams are connected at the address.
pub(super) fn serve_pipes(text: &str, options: &Options) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    if text == "-" {
        let streams = Some(Address::local());
        return serve_over(streams::give_up().map_err(failed)?, &Options { streams, ..options.clone() });
    }
    let wrong = || format!("`{text}` is no connection; on Windows write --pipes - for standard input and output");
    let (number, streams) = text.strip_prefix(SOCKET).and_then(|text| text.split_once(',')).ok_or_else(wrong)?;
    let number: RawSocket = number.parse().map_err(|_| wrong())?;
    let options = Options { streams: Some(super::address(streams)?), ..options.clone() };
    streams::prepare_sockets().map_err(failed)?;
    // SAFETY: whoever starts this process says that it gives it this socket.
    let socket = unsafe { TcpStream::from_raw_socket(number) };
    inherit(&socket, false).map_err(failed)?;
    // Wine sends nothing by a socket that this process has not made, but does by a copy.
    let copy = socket.try_clone().map_err(failed)?;
    let ends: Ends = Stream::Tcp(copy).into_ends().map_err(failed)?;
    serve_over(ends, &options)
}

/// Serves whoever connects, each in a process of its own, so that one cannot harm another.
pub(super) fn listen(address: &Address, options: &Options) -> Result<(), String> {
    let listener = announce(address, options)?;
    loop {
        let stream = listener.accept().map_err(|error| format!("cannot accept a connection: {error}"))?;
        let options = Options { streams: Some(address.beside()), ..options.clone() };
        thread::spawn(move || {
            if let Err(error) = serve_supervised(stream, &options) {
                eprintln!("uruk-executor: error: {error}");
            }
        });
    }
}

/// Serves in a process of its own, and tells the controller how that ended, whatever it was.
pub(super) fn serve_supervised(stream: Stream, options: &Options) -> Result<(), String> {
    let ended = start(&stream, options).and_then(|mut child| child.wait());
    let code = ended.map_err(|error| format!("cannot start a process: {error}"))?.code();
    let signal = code.and_then(crash::signal);
    tell_end(stream, code.filter(|_| signal.is_none()), signal);
    Ok(())
}

fn start(stream: &Stream, options: &Options) -> io::Result<std::process::Child> {
    let Stream::Tcp(socket) = stream;
    let streams = options.streams.clone().unwrap_or_else(Address::local);
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(bytes) = options.memory {
        command.arg("--memory").arg(bytes.to_string());
    }
    let secret = String::from_utf8_lossy(&options.secret);
    command.env("URUK_SECRET", &*secret).arg("--pipes").arg(format!("{SOCKET}{},{streams}", socket.as_raw_socket()));
    // One at a time: a process inherits all that may be inherited just then.
    static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = STARTING.lock();
    inherit(socket, true)?;
    let child = command.spawn();
    inherit(socket, false)?;
    child
}

fn inherit(socket: &TcpStream, wanted: bool) -> io::Result<()> {
    let flags = if wanted { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: the socket is open.
    match unsafe { SetHandleInformation(socket.as_raw_socket() as *mut _, HANDLE_FLAG_INHERIT, flags) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
