//! Starts an executor as a child, with a socket or two pipes that nobody else has.

use super::transport::{Ends, Stream};
use std::ffi::{OsStr, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

/// What fits into a pipe before who writes has to wait.
const PIPE: c_int = 1 << 20;

/// Starts a program as `uruk-executor --pipes IN,OUT`, with further arguments before that. It has this process's standard
/// streams. Where `files` are to be handed over, both numbers are those of one socket.
pub fn spawn<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
    files: bool,
) -> io::Result<(Child, Ends)> {
    if files {
        let (ours, its) = UnixStream::pair()?;
        let child = start(program, arguments, [&its, &its].map(AsRawFd::as_raw_fd))?;
        return Ok((child, Stream::Unix(ours).into_ends()?));
    }
    let (its_from, to) = pipe()?;
    let (from, its_to) = pipe()?;
    let child = start(program, arguments, [&its_from, &its_to].map(AsRawFd::as_raw_fd))?;
    Ok((child, Ends::new(File::from(from), File::from(to))))
}

/// Starts it; its ends of the connection are open until this returns.
fn start<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
    numbers: [RawFd; 2],
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).arg("--pipes").arg(format!("{},{}", numbers[0], numbers[1]));
    // SAFETY: between fork and exec only fcntl is called, on descriptors that are open meanwhile.
    unsafe {
        command.pre_exec(move || {
            for number in numbers {
                if libc::fcntl(number, libc::F_SETFD, 0) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command.spawn()
}

/// The end that is read, and the one that is written.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut numbers = [0; 2];
    // SAFETY: the array has room for both; they are open, and nobody else's.
    let ends = unsafe {
        if libc::pipe2(numbers.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(io::Error::last_os_error());
        }
        (OwnedFd::from_raw_fd(numbers[0]), OwnedFd::from_raw_fd(numbers[1]))
    };
    // Where that is too much it stays as it is.
    // SAFETY: the descriptor is open.
    unsafe { libc::fcntl(ends.1.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE) };
    Ok(ends)
}
