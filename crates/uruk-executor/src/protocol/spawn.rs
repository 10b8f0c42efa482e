//! Starts an executor as a child, with a socket or two pipes that nobody else has.

use super::transport::{Ends, Stream};
use std::ffi::{OsStr, c_int};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// What fits into a pipe before who writes has to wait.
const PIPE: c_int = 1 << 20;

/// Starts a program as `uruk-executor --pipes IN,OUT`, with further arguments before that. It has this process's standard
/// streams. Where `files` are to be handed over, both numbers are those of one socket. One that takes nothing of what it is
/// sent for as long as there is patience is an error of who writes.
pub fn spawn<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
    files: bool,
    patience: Option<Duration>,
) -> io::Result<(Child, Ends)> {
    if files {
        let (ours, its) = UnixStream::pair()?;
        let child = start(program, arguments, [&its, &its].map(AsRawFd::as_raw_fd))?;
        return Ok((child, Stream::Unix(ours).into_ends()?));
    }
    let (its_from, to) = pipe()?;
    let (from, its_to) = pipe()?;
    let child = start(program, arguments, [&its_from, &its_to].map(AsRawFd::as_raw_fd))?;
    Ok((child, Ends::pipes(File::from(from), Writer::new(to, patience)?)))
}

/// The end of a pipe that is written. Pipes have no time limits of their own.
struct Writer {
    pipe: File,
    /// As `poll` has it: in milliseconds, or less than zero.
    patience: c_int,
}

impl Writer {
    fn new(pipe: OwnedFd, patience: Option<Duration>) -> io::Result<Writer> {
        // SAFETY: the descriptor is open, and nobody else has this end of the pipe.
        if unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let patience = patience.map_or(-1, |patience| patience.as_millis().clamp(1, c_int::MAX as u128) as c_int);
        Ok(Writer { pipe: pipe.into(), patience })
    }

    /// Writes once there is room.
    fn when_ready(&mut self, write: impl Fn(&mut File) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match write(&mut self.pipe) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
            let mut wanted = libc::pollfd { fd: self.pipe.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            // SAFETY: there is one structure, and its descriptor is open.
            match unsafe { libc::poll(&mut wanted, 1, self.patience) } {
                0 => return Err(io::ErrorKind::TimedOut.into()),
                ready if ready < 0 => return Err(io::Error::last_os_error()),
                _ => {}
            }
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when_ready(|pipe| pipe.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.when_ready(|pipe| pipe.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
