//! How connections come about.

use super::Remote;
use super::link::Link;
use super::memory::RemoteMemory;
use super::questions::Questions;
use crate::error::Error;
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use uruk_executor::protocol::Peer;
use uruk_executor::protocol::frame::{FrameError, Header, Kind, Limits, read_bytes};
use uruk_executor::protocol::hello::{self, Role};
use uruk_executor::protocol::message::Request;
use uruk_executor::protocol::transport::{Address, Ends, Stream};
use uruk_executor::serve::{Target, decode};
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::{aarch64, riscv, x86_64};

/// Sizes that pages may have.
const PAGE_BYTES: RangeInclusive<u64> = 4096..=2 << 20;

/// What is expected of an executor.
#[derive(Clone, Debug)]
pub struct Options {
    /// What both sides have to know.
    pub secret: Vec<u8>,
    /// How long it may take to answer what runs no code of the program, and to take anything of what it is sent; then it is
    /// ended.
    pub patience: Option<Duration>,
    /// How long code may run that is called; then the executor is ended.
    pub run_limit: Option<Duration>,
    /// How often it is asked whether it is there while nothing else is. One that does not answer with patience is ended.
    pub heartbeat: Option<Duration>,
    /// Sizes of what is accepted of it at once.
    pub limits: Limits,
    /// Content is handed over in memory where that is possible: to children, and over sockets of this machine.
    pub share_memory: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            secret: Vec::new(),
            patience: Some(Duration::from_secs(60)),
            run_limit: None,
            heartbeat: Some(Duration::from_secs(10)),
            limits: Limits::default(),
            share_memory: true,
        }
    }
}

impl Remote {
    /// Starts an executor as a child: a program that takes `--pipes IN,OUT`, after these arguments. These are two pipes, or
    /// twice the same socket where [memory is shared](Options::share_memory).
    pub fn spawn<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        options: &Options,
    ) -> Result<Remote, Error> {
        let name = format!("executor `{}`", program.display());
        match uruk_executor::protocol::spawn::spawn(program, arguments, options.share_memory, options.patience) {
            Ok((child, ends)) => Remote::over(ends, name, Some(child), options),
            Err(error) => Err(Error::Executor { what: format!("starting {name}"), reason: error.to_string() }),
        }
    }

    /// Connects to an executor that listens.
    pub fn connect(address: &Address, options: &Options) -> Result<Remote, Error> {
        let name = format!("executor at {address}");
        match address.connect().and_then(Stream::into_ends) {
            Ok(ends) => Remote::over(ends, name, None, options),
            Err(error) => Err(Error::Executor { what: format!("connecting to {name}"), reason: error.to_string() }),
        }
    }

    /// Uses a connection of one's own to an executor.
    pub fn over(ends: Ends, name: String, child: Option<Child>, options: &Options) -> Result<Remote, Error> {
        let child = Mutex::new(child);
        let kill = || {
            if let Some(child) = &mut *lock(&child) {
                // It may have ended by itself.
                _ = child.kill();
            }
        };
        let (set_up, waiting) = mpsc::channel::<()>();
        let remote = std::thread::scope(|scope| {
            if let (None, Some(patience)) = (&ends.socket, options.patience) {
                // Reading from a pipe has no limit of its own, but ends with who writes. Without the thread there is none.
                let watch = move || {
                    if waiting.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                        kill();
                    }
                };
                _ = std::thread::Builder::new().spawn_scoped(scope, watch);
            }
            let remote = Remote::set_up(ends, name, &child, options);
            drop(set_up);
            remote
        });
        // Nobody talks to one that is still here.
        kill();
        if let Some(mut child) = lock(&child).take() {
            _ = child.wait();
        }
        remote
    }

    /// Takes the child if all is well.
    fn set_up(mut ends: Ends, name: String, child: &Mutex<Option<Child>>, options: &Options) -> Result<Remote, Error> {
        let failed = |reason: String| Error::Executor { what: format!("setting up {name}"), reason };
        if let Some(socket) = &ends.socket {
            // For as long as nothing else limits what is waited for.
            let patient =
                socket.set_write_patience(options.patience).and_then(|()| socket.set_patience(options.patience));
            patient.map_err(|error| failed(error.to_string()))?;
        }
        hello::exchange(&mut ends.from, &mut *ends.to, Role::Controller, &options.secret)
            .map_err(|error| failed(error.to_string()))?;
        let target = target(&mut ends.from, options.limits).map_err(&failed)?;
        if let Some(socket) = &ends.socket {
            socket.set_patience(None).map_err(|error| failed(error.to_string()))?;
        }
        let architecture = architecture(&target.architecture)
            .ok_or_else(|| failed(format!("there is no linker for its architecture, {}", target.architecture)))?;
        let passes_files = options.share_memory && ends.socket.as_ref().is_some_and(Stream::passes_files);
        let file_pages = target.file_pages.filter(|_| passes_files);
        if file_pages.is_some_and(|bytes| !bytes.is_power_of_two() || !PAGE_BYTES.contains(&bytes)) {
            return Err(failed("it says that its pages have a size that no pages have".into()));
        }
        let questions = Arc::new(Questions::default());
        let handler: Weak<Questions> = Arc::downgrade(&questions);
        let peer = Arc::new(Peer::new(ends, options.limits, handler));
        questions.attach(&peer);
        let reader = {
            let (peer, questions) = (peer.clone(), questions.clone());
            std::thread::Builder::new().name("uruk executor".into()).spawn(move || {
                peer.read();
                drop(questions);
            })
        };
        reader.map_err(|error| failed(error.to_string()))?;
        let link =
            Arc::new(Link::new(peer, questions, name, [options.patience, options.run_limit], lock(child).take()));
        if let Some(interval) = options.heartbeat {
            watch(&link, interval);
        }
        let memory = RemoteMemory::new(link.clone(), file_pages);
        Ok(Remote { link, memory, target, architecture })
    }
}

fn lock(child: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks at intervals whether the executor is there, until it or the session is gone.
fn watch(link: &Arc<Link>, interval: Duration) {
    let watched = Arc::downgrade(link);
    let watcher = std::thread::Builder::new().name("uruk heartbeat".into()).spawn(move || {
        loop {
            std::thread::park_timeout(interval);
            let Some(link) = watched.upgrade() else { return };
            // Who does not answer is ended, and whoever waits gets the reason.
            if link.peer.ended().is_some() || link.ask("answering", &Request::Ping).is_err() {
                return;
            }
        }
    });
    // Without it, an executor that hangs is noticed by who waits for it.
    if let Ok(watcher) = watcher {
        _ = link.watcher.set(watcher.thread().clone());
    }
}

/// What an executor says of itself first.
fn target(from: &mut dyn std::io::Read, limits: Limits) -> Result<Target, String> {
    let text = |error: FrameError| error.to_string();
    let header = Header::read(from, limits).map_err(text)?;
    let message = read_bytes(from, header.message).map_err(|error| error.to_string())?;
    if header.kind != Kind::Post || header.payload != 0 {
        return Err("its first message is not about itself".into());
    }
    decode(&message)
}

fn architecture(name: &str) -> Option<&'static Architecture> {
    match name {
        "x86_64" => Some(&x86_64::ARCHITECTURE),
        "aarch64" => Some(&aarch64::ARCHITECTURE),
        "riscv64" => Some(&riscv::rv64::ARCHITECTURE),
        _ => None,
    }
}
