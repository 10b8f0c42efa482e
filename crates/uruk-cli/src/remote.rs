//! `uruk run --executor`: the program runs in another process, or on another machine.

use crate::args::Place;
use crate::plan::Plan;
use std::sync::Arc;
use uruk::orc::remote::{Options, Remote, Streams};

/// An executor, with the program's output on its way here if that does not come by itself.
pub struct Executor {
    /// Where the code runs.
    pub remote: Arc<Remote>,
    streams: Option<Streams>,
}

impl Executor {
    /// Starts or connects to the executor of a plan, if it names one.
    pub fn of(plan: &Plan) -> Result<Option<Executor>, uruk::Error> {
        let Some(place) = &plan.options.executor else { return Ok(None) };
        let secret = std::env::var_os("URUK_SECRET").unwrap_or_default().into_encoded_bytes();
        let options = Options { secret, ..Options::default() };
        let (remote, streams) = match place {
            Place::Child(program) => {
                let debugger = plan.options.debugger.then_some("--debugger");
                (Remote::spawn(program, debugger, &options)?, None)
            }
            Place::Listening(address) => {
                let remote = Remote::connect(address, &options)?;
                let streams = remote.pass_streams(address)?;
                (remote, Some(streams))
            }
        };
        Ok(Some(Executor { remote: Arc::new(remote), streams }))
    }

    /// Ends the program with this status, unless it has ended; returns the status with which it did.
    pub fn exit(&self, status: i32) -> Result<i32, uruk::Error> {
        Ok(self.remote.exit(status)?)
    }

    /// Waits for the rest of the output of a program that has ended.
    pub fn finish(self) {
        if let Some(streams) = self.streams {
            streams.finish();
        }
    }
}
