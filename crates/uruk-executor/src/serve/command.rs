//! The command line of an executor: where its controller is.

#[cfg_attr(unix, path = "command/linux.rs")]
#[cfg_attr(windows, path = "command/windows.rs")]
mod system;

use super::{Options, encode, serve};
use crate::protocol::frame::{self, Header, Kind};
use crate::protocol::message::Question;
use crate::protocol::transport::{Address, Ends, Listener, Stream};
use std::ffi::OsString;
use system::{debugger, listen, sandbox, serve_pipes, serve_supervised};

const USAGE: &str = "[--debugger] [--sandbox] [--memory BYTES] --pipes IN,OUT | --connect ADDRESS | --listen ADDRESS

Runs code for a controller of Uruk, as `uruk run --executor` is one. ADDRESS is tcp:HOST:PORT or unix:PATH; a host that
is left out is this machine. With --listen, each controller gets a process of its own, and the address is printed once
somebody can connect. The environment variable URUK_SECRET holds what the controller has to know, too; it must be set
where other machines can connect. --memory limits what linked code and data may take.
On Windows, `--pipes -` stands for standard input and output, and there is neither --debugger nor --sandbox.
With --sandbox, code can compute, read the system's libraries, and use its standard streams, and nothing else.";

/// Serves as these arguments say; the program's name is for messages.
pub fn run(program: &str, mut arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let usage = format!("usage: {program} {USAGE}");
    let mut options = Options { secret: secret(), ..Options::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|value| value.into_string().ok()).ok_or(&usage);
        match argument.to_str() {
            Some("--debugger") => options.debugger = debugger()?,
            Some("--sandbox") => options.sandbox = sandbox()?,
            Some("--memory") => {
                let bytes = value()?;
                options.memory = Some(bytes.parse().map_err(|_| format!("`{bytes}` is no number of bytes"))?);
            }
            Some("--pipes") => return serve_pipes(&value()?, &options),
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

/// Listens, if that is safe, and says where.
fn announce(address: &Address, options: &Options) -> Result<Listener, String> {
    if options.secret.is_empty() && !address.is_local() {
        return Err(format!("{address} can be reached from other machines: set URUK_SECRET for both sides"));
    }
    let listener = address.listen().map_err(|error| format!("cannot listen at {address}: {error}"))?;
    println!("{}", listener.address().map_err(|error| error.to_string())?);
    Ok(listener)
}

/// Tells a controller how the process ended that served it.
fn tell_end(mut stream: Stream, status: Option<i32>, signal: Option<i32>) {
    let message = encode(&Question::Ended { status, signal });
    let header = Header::new(Kind::Post, &message);
    // A controller that has gone need not know.
    _ = frame::write_all(&mut stream, &[&header.encode(), &message]);
}
