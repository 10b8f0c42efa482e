//! Standard streams of a program that runs in an executor which has its own.

use super::Remote;
use crate::error::Error;
use std::io::{self, Write};
use std::net::Shutdown;
use std::thread::{self, JoinHandle};
use uruk_executor::protocol::message::{Answer, Request};
use uruk_executor::protocol::transport::Address;

/// Output that is carried to this process's streams.
pub struct Streams {
    outputs: [JoinHandle<()>; 2],
}

impl Streams {
    /// Waits until all output has come: until nothing there has the streams any more.
    pub fn finish(self) {
        for output in self.outputs {
            // What cannot be written here is lost to who reads this process's output.
            _ = output.join();
        }
    }
}

impl Remote {
    /// Gives programs of an executor that listens this process's standard streams. `at` is where it was connected to.
    pub fn pass_streams(&self, at: &Address) -> Result<Streams, Error> {
        let what = "passing standard streams";
        let Answer::Streams { address, token } = self.link.ask(what, &Request::OpenStreams)? else {
            return Err(self.link.unexpected(what));
        };
        let address: Address = address.parse().map_err(|_| self.link.unexpected(what))?;
        let connect = |number: u8| -> io::Result<_> {
            let mut stream = address.seen_by(at).connect()?;
            stream.write_all(&token)?;
            stream.write_all(&[number])?;
            Ok(stream)
        };
        let failed = |error: io::Error| self.link.failed(what, &error.to_string());
        let (mut usual, mut errors) = (connect(0).map_err(failed)?, connect(1).map_err(failed)?);
        self.link.run(what, &Request::FinishStreams)?;
        let mut input = usual.try_clone().map_err(failed)?;
        thread::spawn(move || {
            // A program that reads no more ends this.
            _ = io::copy(&mut io::stdin(), &mut input);
            _ = input.shut(Shutdown::Write);
        });
        let output = thread::spawn(move || _ = io::copy(&mut usual, &mut Unbuffered(io::stdout())));
        let errors = thread::spawn(move || _ = io::copy(&mut errors, &mut io::stderr()));
        Ok(Streams { outputs: [output, errors] })
    }
}

/// Passes on what a program has written when it comes.
struct Unbuffered<W>(W);

impl<W: Write> Write for Unbuffered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.0.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
