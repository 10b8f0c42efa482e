//! Executors: other processes, where code runs.

use crate::call::{Reach, enter, enter_value};
use crate::error::{Failure, copy_text, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use ::uruk_executor::serve::command;
use std::ffi::{OsString, c_char};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uruk_orc::executor::Executor;
use uruk_orc::remote::{Address, Options, Remote, Streams};

/// A process where code runs, perhaps on another machine. It is given to one JIT by its options, and disposed of by who made it, in any
/// order. Where nobody handles `SIGPIPE`, which would end this process when the other one goes, it is ignored from the first executor on. Addresses of what is linked are that process's: functions there are called by `uruk_dylib_call` and `uruk_dylib_run`.
pub struct uruk_executor;

impl Kind for uruk_executor {
    const NAME: &'static str = "uruk_executor";
    type Object = Place;
}

/// An executor, with the program's output on its way here.
pub struct Place {
    pub(crate) remote: Arc<Remote>,
    streams: Mutex<Option<Streams>>,
}

/// Code and data go over the connection even where memory could be shared.
pub const URUK_EXECUTOR_NO_SHARED_MEMORY: u32 = 1;
/// Programs of an executor that listens have this process's standard streams.
pub const URUK_EXECUTOR_PASS_STREAMS: u32 = 2;

/// What is expected of an executor.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_executor_options {
    /// Filled in by `uruk_executor_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_executor_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_executor_options_init`.
    pub magic: u64,
    /// `URUK_EXECUTOR_…`, joined by `|`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// What both sides have to know; copied.
    pub secret: List<u8>,
    /// Bytes of that.
    pub secret_size: u64,
    /// In milliseconds, how long it may take to answer what runs no code of the program; then it is ended. 0: a minute.
    pub patience: u64,
    /// In milliseconds, how long code may run that is called; then the executor is ended. 0: as long as it wants.
    pub run_limit: u64,
}

// SAFETY: `repr(C)`, it begins as it must, and addresses and numbers are all that follows.
unsafe impl Grows for uruk_executor_options {
    const NAME: &'static str = "uruk_executor_options";
    const NUMBER: u32 = 10;
}

/// Fills in options: the defaults. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_options_init(options: Out<uruk_executor_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// Starts an executor as a child: the program `uruk-executor`, or another that takes `--pipes IN,OUT` behind these arguments, such as `uruk`
/// with the argument `executor`. `options` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_start(
    program: Text,
    arguments: List<Text>,
    count: usize,
    options: List<uruk_executor_options>,
    executor: Out<Handle<uruk_executor>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        executor.check("executor")?;
        let arguments = arguments.get(count, "arguments")?.iter().map(|argument| argument.get("an argument"));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let (options, _) = choices(options)?;
        ignore_broken_pipes();
        let remote = Remote::spawn(Path::new(program.get("program")?), arguments, &options)?;
        let streams = remote.target().lacks_streams.then(|| remote.pass_streams(&Address::local())).transpose()?;
        give(remote, streams, executor)
    })
}

/// Connects to an executor that listens, at `tcp:HOST:PORT` or `unix:PATH`. `options` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_connect(
    address: Text,
    options: List<uruk_executor_options>,
    executor: Out<Handle<uruk_executor>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        executor.check("executor")?;
        let address: Result<Address, _> = address.get("address")?.parse();
        let address = address.map_err(|error| Failure::invalid(error.to_string()))?;
        let (options, pass) = choices(options)?;
        ignore_broken_pipes();
        let remote = Remote::connect(&address, &options)?;
        let streams = pass.then(|| remote.pass_streams(&address)).transpose()?;
        give(remote, streams, executor)
    })
}

fn give(remote: Remote, streams: Option<Streams>, executor: Out<Handle<uruk_executor>>) -> Result<(), Failure> {
    let place = Place { remote: Arc::new(remote), streams: Mutex::new(streams) };
    executor.put(handle::put::<uruk_executor>(Arc::new(place)).handle())
}

/// Lets writing to an executor that is gone be an error, as programs in Rust have it.
fn ignore_broken_pipes() {
    #[cfg(unix)]
    // SAFETY: zeros are a value of the structure, which the first call fills in; the second changes what is done with one signal,
    // which nobody handles.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
    }
}

/// What a client chooses, and whether standard streams are passed.
fn choices(options: List<uruk_executor_options>) -> Result<(Options, bool), Failure> {
    if options.first("options")?.is_none() {
        return Ok((Options::default(), false));
    }
    let chosen = sized::copy(options)?;
    if chosen.flags & !(URUK_EXECUTOR_NO_SHARED_MEMORY | URUK_EXECUTOR_PASS_STREAMS) != 0 || chosen.reserved != 0 {
        return Err(Failure::invalid(format!("uruk_executor_options: {:#x} has unknown flags", chosen.flags)));
    }
    let defaults = Options::default();
    let milliseconds = |number: u64| (number != 0).then(|| Duration::from_millis(number));
    let options = Options {
        secret: chosen.secret.get(chosen.secret_size as usize, "`secret`")?.to_vec(),
        patience: milliseconds(chosen.patience).or(defaults.patience),
        run_limit: milliseconds(chosen.run_limit),
        share_memory: chosen.flags & URUK_EXECUTOR_NO_SHARED_MEMORY == 0,
        ..defaults
    };
    Ok((options, chosen.flags & URUK_EXECUTOR_PASS_STREAMS != 0))
}

/// Makes this process an executor, as the program `uruk-executor` is one: with its arguments, behind the program's name, and until its
/// controller is done. To be called first in `main`, before there are other threads: the environment is changed.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_serve(arguments: List<Text>, count: usize) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let arguments =
            arguments.get(count, "arguments")?.iter().map(|argument| Ok(argument.get("an argument")?.into()));
        let arguments = arguments.collect::<Result<Vec<OsString>, Failure>>()?;
        command::run("an executor", arguments.into_iter())
            .map_err(|error| Failure::new(uruk_status::URUK_EXECUTOR, error))
    })
}

/// Copies what compilers call the executor's machine, as `x86_64-unknown-linux-gnu`, as far as there is room, with a zero byte at the end.
/// Returns how long all of it is, without that byte; 0 for what is no executor.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_triple(executor: Handle<uruk_executor>, buffer: Out<c_char>, size: usize) -> usize {
    enter_value(Reach::Anywhere, 0, || {
        let processor = executor.get()?.remote.processor();
        copy_text(&processor.map(|processor| processor.triple()).unwrap_or_default(), buffer, size)
    })
}

/// The number of the executor's process, in the system where it runs.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_process(executor: Handle<uruk_executor>, process: Out<u32>) -> uruk_status {
    enter(Reach::Anywhere, || process.put(executor.get()?.remote.target().process))
}

/// Ends the process as `exit` does, and waits for the rest of its output. `ended`, which may be null, gets the status with which it ended.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_exit(executor: Handle<uruk_executor>, status: i32, ended: Out<i32>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let place = executor.get()?;
        let status = place.remote.exit(status)?;
        let streams = place.streams.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(streams) = streams {
            streams.finish();
        }
        ended.put_if_wanted(status)
    })
}

/// Disposes of an executor: the connection ends with the last JIT that has it, and a child with that. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_executor_dispose(executor: Handle<uruk_executor>) -> uruk_status {
    enter(Reach::OutsideLinks, || executor.take().map(drop))
}
