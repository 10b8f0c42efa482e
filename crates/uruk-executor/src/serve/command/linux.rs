//! Connections and processes of an executor on Linux.

use super::{Options, announce, serve_over, tell_end};
use crate::protocol::transport::{Address, Ends, Stream};
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd};

/// Debuggers can be shown linked code.
pub(super) fn debugger() -> Result<bool, String> {
    Ok(true)
}

/// There is a sandbox, if the system has all that it takes.
pub(super) fn sandbox() -> Result<bool, String> {
    Ok(true)
}

/// Serves over two pipes, which are given by their numbers.
pub(super) fn serve_pipes(text: &str, options: &Options) -> Result<(), String> {
    let (from, to) = text.split_once(',').ok_or("two numbers of pipes are wanted, as in --pipes 3,4")?;
    let open = |number: &str| {
        let number =
            number.parse().ok().filter(|number| 2 < *number).ok_or_else(|| format!("`{number}` is no pipe"))?;
        // SAFETY: whoever starts this process says that it gives it these descriptors; programs that it starts do not
        // get them.
        unsafe {
            if libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) < 0 {
                return Err(format!("descriptor {number} is not open"));
            }
            Ok(OwnedFd::from_raw_fd(number))
        }
    };
    let ends = match from == to {
        // A socket is both.
        true => Stream::Unix(open(from)?.into()).into_receiving_ends().map_err(|error| error.to_string())?,
        false => Ends::pipes(File::from(open(from)?), File::from(open(to)?)),
    };
    serve_over(ends, options)
}

/// Serves whoever connects, each in a process of its own, so that one cannot harm another.
pub(super) fn listen(address: &Address, options: &Options) -> Result<(), String> {
    let listener = announce(address, options)?;
    // SAFETY: children end by themselves; nobody waits for them.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    loop {
        let stream = listener.accept().map_err(|error| format!("cannot accept a connection: {error}"))?;
        if fork()?.is_none() {
            drop(listener);
            let options = Options { streams: Some(address.beside()), ..options.clone() };
            return serve_supervised(stream, &options);
        }
    }
}

/// Serves in a process of its own, and tells the controller how that ended, whatever it was.
pub(super) fn serve_supervised(stream: Stream, options: &Options) -> Result<(), String> {
    // SAFETY: this process has one thread, which waits for the child.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let text = |error: std::io::Error| error.to_string();
    let Some(child) = fork()? else { return serve_over(stream.into_receiving_ends().map_err(text)?, options) };
    let mut status = 0;
    // SAFETY: the place is this function's own.
    while unsafe { libc::waitpid(child, &mut status, 0) } < 0 {
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(text(error));
        }
    }
    if let Some(Address::Unix(path)) = &options.streams {
        // Nothing connects there any more; it may never have been made.
        _ = std::fs::remove_file(path);
    }
    let exited = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    tell_end(stream, exited, libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)));
    Ok(())
}

/// Makes a copy of this process, which has one thread: the copy's number, or nothing in the copy itself.
fn fork() -> Result<Option<libc::pid_t>, String> {
    // SAFETY: there is no other thread, whose locks the copy might find taken.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        -1 => Err(format!("cannot start a process: {}", std::io::Error::last_os_error())),
        child => Ok(Some(child)),
    }
}
