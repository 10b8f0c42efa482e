//! `uruk run --executor`: the program runs in another process, or on another machine.

use crate::args::Place;
use crate::plan::Plan;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uruk::orc::remote::{Address, Options, Remote, Streams};

/// What this process runs. On Linux it is there even when the file has been replaced.
fn this_program() -> Result<PathBuf, uruk::Error> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    let failed = |error: std::io::Error| uruk::orc::error::Error::Executor {
        what: "starting an executor".into(),
        reason: format!("this program cannot be found: {error}"),
    };
    Ok(std::env::current_exe().map_err(failed)?)
}

/// An executor, with the program's output on its way here if that does not come by itself.
pub struct Executor {
    /// Where the code runs.
    pub remote: Arc<Remote>,
    streams: Option<Streams>,
}

impl Executor {
    /// Starts or connects to the executor of a plan, if it names one.
    pub fn of(plan: &Plan) -> Result<Option<Executor>, uruk::Error> {
        let arguments = [("--debugger", plan.options.debugger), ("--sandbox", plan.options.sandbox)];
        let arguments = arguments.into_iter().filter_map(|(argument, wanted)| wanted.then_some(argument));
        let own = plan.options.sandbox.then_some(&Place::Own);
        let Some(place) = plan.options.executor.as_ref().or(own) else { return Ok(None) };
        let executor = Executor::at(place, arguments, None)?;
        if plan.options.sandbox && !executor.remote.target().sandbox {
            return Err(uruk::orc::error::Error::Executor {
                what: format!("running in a sandbox at {place}"),
                reason: "the executor there is in none; start it with --sandbox".into(),
            }
            .into());
        }
        Ok(Some(executor))
    }

    /// Starts an executor with these arguments, or connects to one that is there. `share` says whether it has to take code and
    /// data in shared memory, or has to do without; else it does if it can.
    pub fn at(
        place: &Place,
        arguments: impl IntoIterator<Item = &'static str>,
        share: Option<bool>,
    ) -> Result<Executor, uruk::Error> {
        let secret = std::env::var_os("URUK_SECRET").unwrap_or_default().into_encoded_bytes();
        let share_memory = share.unwrap_or(true) && !matches!(place, Place::Piped(_));
        let options = Options { secret, share_memory, ..Options::default() };
        let (remote, streams) = match place {
            Place::Own => {
                let arguments = ["executor"].into_iter().chain(arguments);
                Executor::spawn(&this_program()?, arguments, &options)?
            }
            Place::Child(program) | Place::Piped(program) => Executor::spawn(program, arguments, &options)?,
            Place::Listening(address) => {
                let remote = Remote::connect(address, &options)?;
                let streams = remote.pass_streams(address)?;
                (remote, Some(streams))
            }
        };
        if share == Some(true) && remote.target().file_pages.is_none() {
            return Err(uruk::orc::error::Error::Executor {
                what: format!("sharing memory with {place}"),
                reason: "the executor takes no files; start it on this machine, or over a Unix socket".into(),
            }
            .into());
        }
        Ok(Executor { remote: Arc::new(remote), streams })
    }

    /// Starts an executor, which may have needed this process's standard streams for the connection.
    fn spawn(
        program: &Path,
        arguments: impl IntoIterator<Item = &'static str>,
        options: &Options,
    ) -> Result<(Remote, Option<Streams>), uruk::Error> {
        let remote = Remote::spawn(program, arguments, options)?;
        let lacks_streams = remote.target().lacks_streams;
        let streams = lacks_streams.then(|| remote.pass_streams(&Address::local())).transpose()?;
        Ok((remote, streams))
    }

    /// Ends the program with the status of its `main`, if that was called and the program has not ended; waits for the rest of
    /// its output, and returns the status with which it did.
    pub fn end(self, status: Result<i32, uruk::Error>) -> Result<i32, uruk::Error> {
        let status = status.and_then(|status| Ok(self.remote.exit(status)?));
        if let Some(streams) = self.streams {
            streams.finish();
        }
        status
    }
}
