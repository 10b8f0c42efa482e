//! Starts an executor as a child whose standard input and output are the connection.

use super::transport::Ends;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts a program as `uruk-executor --pipes -`, with further arguments before that. It has this process's standard error,
/// and asks for other streams. Files are not handed over.
pub fn spawn<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
    _files: bool,
    _patience: Option<Duration>,
) -> io::Result<(Child, Ends)> {
    let mut command = Command::new(program);
    command.args(arguments).args(["--pipes", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    Ok((child, Ends::new(from, to)))
}
