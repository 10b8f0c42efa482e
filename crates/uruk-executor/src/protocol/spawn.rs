//! Starts an executor as a child, with two pipes that nobody else has.

use super::transport::Ends;
use std::ffi::{OsStr, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

/// What fits into a pipe before who writes has to wait.
const PIPE: c_int = 1 << 20;

/// Starts a program as `uruk-executor --pipes IN,OUT`, with further arguments before that. It has this process's standard
/// streams.
pub fn spawn<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> io::Result<(Child, Ends)> {
    let (its_from, to) = pipe()?;
    let (from, its_to) = pipe()?;
    let numbers = [its_from.as_raw_fd(), its_to.as_raw_fd()];
    let mut command = Command::new(program);
    command.args(arguments).arg("--pipes").arg(format!("{},{}", numbers[0], numbers[1]));
    // SAFETY: between fork and exec only fcntl is called, on descriptors that are open until `spawn` returns.
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
    let child = command.spawn()?;
    drop((its_from, its_to));
    Ok((child, Ends::new(File::from(from), File::from(to))))
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
