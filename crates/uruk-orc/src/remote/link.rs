//! The connection as the rest of this module uses it: requests with checked answers, and what is known of the other side's
//! end.

use super::questions::Questions;
use crate::error::Error;
use crate::executor::Found;
use std::fs::File;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};
use uruk_executor::protocol::message::{Answer, Number, Request};
use uruk_executor::protocol::{Gone, Peer};
use uruk_executor::serve::{decode, encode};

/// How long a child may take to end once nothing more can come from it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to an executor.
pub(super) struct Link {
    pub peer: Arc<Peer>,
    pub questions: Arc<Questions>,
    /// What messages call the executor.
    pub name: String,
    /// Limit for answers of requests that run no code of the program.
    pub patience: Option<Duration>,
    /// Limit for those that do.
    pub run_limit: Option<Duration>,
    child: Mutex<Process>,
    /// Why it was ended from here, if it was.
    given_up: OnceLock<String>,
    /// Asks now and then whether the executor is there.
    pub watcher: OnceLock<Thread>,
    last: AtomicU64,
}

/// The process, if this one has started it.
enum Process {
    Foreign,
    Running(Child),
    Ended(Option<ExitStatus>),
}

impl Link {
    pub fn new(
        peer: Arc<Peer>,
        questions: Arc<Questions>,
        name: String,
        limits: [Option<Duration>; 2],
        child: Option<Child>,
    ) -> Link {
        let child = Mutex::new(child.map_or(Process::Foreign, Process::Running));
        let [patience, run_limit] = limits;
        let (given_up, watcher, last) = (OnceLock::new(), OnceLock::new(), AtomicU64::new(0));
        Link { peer, questions, name, patience, run_limit, child, given_up, watcher, last }
    }

    fn child(&self) -> MutexGuard<'_, Process> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for something that the executor is to keep until this is dropped.
    pub fn keep(self: &Arc<Self>) -> Kept {
        Kept { link: self.clone(), number: self.number() }
    }

    /// A number that has not been used.
    pub fn number(&self) -> Number {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Says something that is not answered.
    pub fn post(&self, request: &Request) {
        self.peer.post(&encode(request));
    }

    /// The same with raw bytes.
    pub fn post_bytes(&self, request: &Request, bytes: &[u8]) {
        self.peer.post_bytes(&encode(request), bytes);
    }

    /// The same with a file, which the executor then has.
    pub fn post_file(&self, request: &Request, file: &File) {
        self.peer.post_file(&encode(request), file);
    }

    /// Asks for something that runs no code of the program.
    pub fn ask(&self, what: &str, request: &Request) -> Result<Answer, Error> {
        self.request(what, request, self.patience)
    }

    /// Asks for something that does.
    pub fn run(&self, what: &str, request: &Request) -> Result<Answer, Error> {
        self.request(what, request, self.run_limit)
    }

    /// Asks for something that has no result.
    pub fn done(&self, what: &str, request: &Request) -> Result<(), Error> {
        match self.ask(what, request)? {
            Answer::Done => Ok(()),
            _ => Err(self.unexpected(what)),
        }
    }

    fn request(&self, what: &str, request: &Request, limit: Option<Duration>) -> Result<Answer, Error> {
        let answer = match self.peer.call(&encode(request), limit) {
            Ok(answer) => answer,
            Err(Gone::Failed(reason)) => return Err(self.failed(what, &reason)),
            Err(Gone::Late(limit)) => {
                let reason = format!("{what} took more than {} seconds, so it was ended", limit.as_secs_f64());
                self.give_up(&reason);
                return Err(self.lost(&reason));
            }
            Err(gone) => {
                let reason = gone.to_string();
                match gone {
                    Gone::Misled(_) => self.give_up(&reason),
                    // It may not know yet.
                    _ => self.peer.hang_up(),
                }
                return Err(self.lost(&reason));
            }
        };
        decode(&answer).map_err(|reason| self.failed(what, &reason))
    }

    /// What names mean to the process, or one of its libraries.
    pub fn find(&self, library: Option<Number>, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        let what = "looking names up";
        let names: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
        let count = names.len();
        match self.ask(what, &Request::Find { library, names })? {
            Answer::Found(found) if found.len() == count => {
                let found = found.into_iter();
                Ok(found.map(|it| it.map(|(address, thread_local)| Found { address, thread_local })).collect())
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// The executor could not do something.
    pub fn failed(&self, what: &str, reason: &str) -> Error {
        Error::Executor { what: format!("{what} in {}", self.name), reason: reason.into() }
    }

    /// The executor has answered something else.
    pub fn unexpected(&self, what: &str) -> Error {
        self.failed(what, "its answer does not fit the question; is it of another version?")
    }

    /// The executor is gone. Says how it ended, where that can be known.
    fn lost(&self, reason: &str) -> Error {
        let ended = self.wait(reason);
        let crash = self.questions.crash();
        let said = self.questions.end();
        // Whoever passes on how it ended may have no signals.
        let status = ended.and_then(|ended| ended.code()).or(said.0).filter(|_| crash.is_none());
        let signal = ended.and_then(signal).or(said.1).or(crash.as_ref().map(|(signal, _)| *signal));
        let mut report = match (self.given_up.get(), status, signal) {
            (Some(given_up), ..) => given_up.clone(),
            (None, Some(status), _) => format!("it ended with status {status}"),
            (None, None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None, None) => reason.to_string(),
        };
        report.extend(crash.map(|(_, frames)| frames));
        Error::ExecutorLost { executor: self.name.clone(), report, status, signal }
    }

    /// Ends an executor that does not do what it should.
    pub fn give_up(&self, reason: &str) {
        let reason = self.given_up.get_or_init(|| reason.into());
        // First, since whoever learns that the connection has ended waits for the process.
        if let Process::Running(child) = &mut *self.child() {
            // It may have ended by itself.
            _ = child.kill();
        }
        self.peer.end(reason);
    }

    /// How the child ended, once its connection has. One that does not end is given up for the reason why that has.
    fn wait(&self, reason: &str) -> Option<ExitStatus> {
        let mut child = self.child();
        if let Process::Running(running) = &mut *child {
            let status = wait_for(running).or_else(|| {
                self.given_up.get_or_init(|| reason.into());
                // It may have ended by itself.
                _ = running.kill();
                running.wait().ok()
            });
            *child = Process::Ended(status);
        }
        match &*child {
            Process::Ended(status) => *status,
            _ => None,
        }
    }
}

#[cfg(unix)]
fn signal(ended: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&ended)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Waits for a child that is about to end, if it is.
fn wait_for(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(50);
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(pause),
            Err(_) => return None,
        }
        pause = (2 * pause).min(Duration::from_millis(5));
    }
    None
}

impl Drop for Link {
    fn drop(&mut self) {
        self.peer.flush();
        const REASON: &str = "the session is over";
        self.peer.end(REASON);
        self.wait(REASON);
        if let Some(watcher) = self.watcher.get() {
            watcher.unpark();
        }
    }
}

/// Something that the executor keeps.
pub(super) struct Kept {
    link: Arc<Link>,
    number: Number,
}

impl Kept {
    pub fn number(&self) -> Number {
        self.number
    }

    pub fn link(&self) -> &Link {
        &self.link
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.link.questions.forget(self.number);
        self.link.post(&Request::Drop { resource: self.number });
    }
}
