//! The command line of an executor: where its controller is.

use super::{Options, encode, serve};
use crate::protocol::frame::{self, Header, Kind};
use crate::protocol::message::Question;
use crate::protocol::transport::{Address, Ends, Stream};
use std::ffi::OsString;

const USAGE: &str = "[--debugger] [--sandbox] [--memory BYTES] --pipes IN,OUT | --connect ADDRESS | --listen ADDRESS

Runs code for a controller of Uruk, as `uruk run --executor` is one. ADDRESS is tcp:HOST:PORT or unix:PATH; a host that
is left out is this machine. With --listen, each controller gets a process of its own, and the address is printed once
somebody can connect. The environment variable URUK_SECRET holds what the controller has to know, too; it must be set
where other machines can connect. --memory limits what linked code and data may take.
With --sandbox, code can compute, read the system's libraries, and use its standard streams, and nothing else.";

/// Serves as these arguments say; the program's name is for messages.
pub fn run(program: &str, mut arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let usage = format!("usage: {program} {USAGE}");
    let mut options = Options { secret: secret(), ..Options::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|value| value.into_string().ok()).ok_or(&usage);
        match argument.to_str() {
            Some("--debugger") => options.debugger = true,
            Some("--sandbox") => options.sandbox = true,
            Some("--memory") => {
                let bytes = value()?;
                options.memory = Some(bytes.parse().map_err(|_| format!("`{bytes}` is no number of bytes"))?);
            }
            Some("--pipes") => return serve_over(pipes(&value()?)?, &options),
            Some("--connect") => {
                let address = address(&value()?)?;
                let stream = address.connect().map_err(|error| format!("cannot connect to {address}: {error}"))?;
                return serve_supervised(stream, &options);
            }
            Some("--listen") => return listen(&address(&value()?)?, &options),
            Some("-h" | "--help") => {
                println!("{usage}");
                return Ok(());
            }
            _ => return Err(usage),
        }
    }
    Err(usage)
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error: crate::protocol::transport::AddressError| error.to_string())
}

/// The secret, which programs that run here do not get to see.
fn secret() -> Vec<u8> {
    let secret = std::env::var_os("URUK_SECRET").unwrap_or_default();
    // SAFETY: no other thread runs yet.
    unsafe { std::env::remove_var("URUK_SECRET") };
    secret.into_encoded_bytes()
}

fn serve_over(ends: Ends, options: &Options) -> Result<(), String> {
    serve(ends, options).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn pipes(text: &str) -> Result<Ends, String> {
    use std::fs::File;
    use std::os::fd::{FromRawFd, OwnedFd};
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
    if from == to {
        // A socket is both.
        return Stream::Unix(open(from)?.into()).into_receiving_ends().map_err(|error| error.to_string());
    }
    Ok(Ends::new(File::from(open(from)?), File::from(open(to)?)))
}

#[cfg(not(unix))]
fn pipes(_: &str) -> Result<Ends, String> {
    Err("pipes cannot be handed over on this system; use --connect".into())
}

/// Serves whoever connects; where the system can copy processes, each in one of its own, so that one cannot harm another.
fn listen(address: &Address, options: &Options) -> Result<(), String> {
    if options.secret.is_empty() && !address.is_local() {
        return Err(format!("{address} can be reached from other machines: set URUK_SECRET for both sides"));
    }
    let listener = address.listen().map_err(|error| format!("cannot listen at {address}: {error}"))?;
    println!("{}", listener.address().map_err(|error| error.to_string())?);
    // SAFETY: children end by themselves; nobody waits for them.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN)
    };
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
#[cfg(unix)]
fn serve_supervised(mut stream: Stream, options: &Options) -> Result<(), String> {
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
    let ended = Question::Ended {
        status: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
    };
    let message = encode(&ended);
    let header = Header::new(Kind::Post, &message);
    // A controller that has gone need not know.
    _ = frame::write_all(&mut stream, &[&header.encode(), &message]);
    Ok(())
}

#[cfg(not(unix))]
fn serve_supervised(stream: Stream, options: &Options) -> Result<(), String> {
    serve_over(stream.into_receiving_ends().map_err(|error| error.to_string())?, options)
}

/// Makes a copy of this process, which has one thread: the copy's number, or nothing in the copy itself.
#[cfg(unix)]
fn fork() -> Result<Option<libc::pid_t>, String> {
    // SAFETY: there is no other thread, whose locks the copy might find taken.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        -1 => Err(format!("cannot start a process: {}", std::io::Error::last_os_error())),
        child => Ok(Some(child)),
    }
}

/// Where processes cannot be copied, the one that listens serves, and only once.
#[cfg(not(unix))]
fn fork() -> Result<Option<u32>, String> {
    Ok(None)
}
