//! Running other programs: with a time limit, or measured.
//!
//! A program under test may hang, fork or print without end: it gets a process group of its own, which is killed as a
//! whole when its time is over, and writes to files, so that no pipe is held open by a grandchild.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
    /// It was killed because its time was over.
    Timeout,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Status(status) => write!(f, "status {status}"),
            End::Signal(signal) => write!(f, "signal {signal}"),
            End::Timeout => f.write_str("timeout"),
        }
    }
}

/// What a program printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub end: End,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Runs `command` with `stdin` as its input, for at most `limit`.
pub fn run_limited(command: &mut Command, stdin: &str, limit: Duration) -> Result<Output> {
    let place = paths::target_folder("run")?.join("x");
    let [input, stdout, stderr] = [(); 3].map(|()| paths::partial(&place));
    fs::write(&input, stdin)?;
    command.stdin(File::open(&input)?).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let end = wait_limited(&mut child, limit);
    kill_group(&child);
    let output = Output { end: end?, stdout: fs::read(&stdout)?, stderr: fs::read(&stderr)? };
    for file in [input, stdout, stderr] {
        fs::remove_file(file)?;
    }
    Ok(output)
}

fn wait_limited(child: &mut Child, limit: Duration) -> Result<End> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(end_of(status));
        }
        if limit < start.elapsed() {
            kill_group(child);
            child.wait()?;
            return Ok(End::Timeout);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Kills what is left of the process group of `child`.
fn kill_group(child: &Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: kill has no memory effects; the group is the child's own (`process_group(0)`), never ours. That it may
        // be gone already is an error that does not matter.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Status(code),
        (None, signal) => End::Signal(signal.unwrap_or(0)),
    }
}

/// Runs `command` and returns its standard output; a failure is an error that holds its standard error.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", describe(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one line, for messages.
pub fn describe(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// What a measured run took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// From before the start to after the end, in milliseconds.
    pub wall_ms: f64,
    /// Peak resident memory, in KiB.
    pub peak_kib: u64,
    /// How it ended.
    pub end: End,
}

/// Runs `command` with no input and its outputs in files, for at most `limit`, and measures it.
pub fn measure(command: &mut Command, stdout: &Path, stderr: &Path, limit: Duration) -> Result<Usage> {
    command.stdin(Stdio::null()).stdout(File::create(stdout)?).stderr(File::create(stderr)?).process_group(0);
    let (ended, end_seen) = mpsc::channel::<()>();
    let (started, start_seen) = mpsc::channel::<Child>();
    let watchdog = thread::spawn(move || {
        let Ok(child) = start_seen.recv() else { return };
        if end_seen.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            kill_group(&child);
        }
    });
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let process = i32::try_from(child.id()).context("process id out of range")?;
    started.send(child).ok();
    let usage = wait_measured(process, start);
    drop(ended);
    watchdog.join().ok();
    usage
}

/// Waits for our child `process`, which nobody else waits for.
fn wait_measured(process: i32, start: Instant) -> Result<Usage> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are valid for writes.
        let waited = unsafe { libc::wait4(process, &mut status, 0, &mut usage) };
        if waited == process {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error).context("cannot wait for a measured program");
        }
    }
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    Ok(Usage { wall_ms, peak_kib: usage.ru_maxrss.try_into().unwrap_or(0), end: end_of(ExitStatus::from_raw(status)) })
}
