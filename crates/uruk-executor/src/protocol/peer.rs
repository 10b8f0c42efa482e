//! One side of a connection: matches answers with calls, and lets calls nest.
//!
//! Data flow: a thread that calls sends a frame and waits → who reads on the other side hands the call to its [`Handler`] →
//! whoever carries it out answers → the thread reads the answer itself, or is woken by who does (`reading`). A call that is
//! made while another is carried out says so, and comes to the thread that waits for that other: a program's thread that
//! asks something is the one that runs what has to run before the answer, as it would be in one process.
//! Invariants: no lock is held while a handler runs, but for the turn to read while it takes a post; only the sender's is
//! while bytes are written, and somebody reads at all times, so that the other side's are taken. Posts wait for the next
//! call, or until there are many, and come before it. The end of a connection is noticed by all who wait, though another
//! thread finds it.

use super::files;
use super::frame::{self, FrameError, Header, Kind, Limits};
use super::reading::{Reading, Turn};
use super::signals::Mask;
use super::transport::{Ends, Stream};
use crate::at_fork::{self, Held, Locks};
use crate::sys;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Posts are sent at the latest when there are so many bytes of them.
const MANY_POSTS: usize = 64 << 10;

/// Who reads while it waits looks so often whether the connection has ended.
const LOOK: Duration = Duration::from_secs(1);

/// Who waits while another is to read looks so often whether that does not.
const ELSEWHERE: Duration = Duration::from_millis(100);

/// Who cannot read since another does looks again then.
const SOON: Duration = Duration::from_millis(1);

/// Why nothing can be said to the other side any more, or a call was not answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Gone {
    /// The connection has ended.
    #[error("{0}")]
    Ended(Arc<str>),
    /// The other side has said something that is not of the protocol, or is not accepted.
    #[error("{0}")]
    Misled(Arc<str>),
    /// The other side could not do what it was asked for.
    #[error("{0}")]
    Failed(String),
    /// There was no answer in time.
    #[error("there was no answer within {} seconds", .0.as_secs_f64())]
    Late(Duration),
}

/// A call that came.
#[derive(Debug)]
pub struct Incoming {
    number: u32,
    message: Vec<u8>,
}

impl Incoming {
    /// What is asked.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

/// Carries out what the other side asks.
pub trait Handler: Send + Sync {
    /// Takes a message that is not answered, in the order in which they came. What it does not read of the raw bytes is
    /// dropped. An error ends the connection.
    fn post(&self, message: &[u8], payload: &mut dyn Read) -> Result<(), String>;

    /// Carries out a call; an error is the text that the caller gets.
    fn call(&self, message: &[u8]) -> Result<Vec<u8>, String>;

    /// Sees to it that [`Peer::execute`] is called with this, here or on another thread. The reader calls it: until it
    /// returns, nothing else is read.
    fn dispatch(&self, incoming: Incoming);
}

enum Event {
    Answer(Result<Vec<u8>, String>),
    Nested(Incoming),
}

struct Sender {
    to: Box<dyn Write + Send>,
    socket: Option<Stream>,
    posts: Vec<u8>,
}

#[derive(Default)]
struct Calls {
    waiting: HashMap<u32, mpsc::Sender<Event>>,
    ended: Option<Gone>,
}

struct Shared {
    sender: Mutex<Sender>,
    calls: Mutex<Calls>,
}

impl Locks for Shared {
    fn take(&self) -> Held<'_> {
        Box::new((self.sender(), self.calls()))
    }

    fn in_child(&self) {
        self.end(Gone::Ended("the connection belongs to the process that this one is a copy of".into()));
        // Closed here, and not ended for that process.
        self.sender().close();
    }
}

impl Sender {
    /// Lets go of the connection.
    fn close(&mut self) -> Option<Stream> {
        self.to = Box::new(io::sink());
        self.socket.take()
    }
}

impl Shared {
    fn sender(&self) -> MutexGuard<'_, Sender> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets whoever waits know. The first reason counts.
    fn end(&self, reason: Gone) {
        let mut calls = self.calls();
        calls.ended.get_or_insert(reason);
        calls.waiting.clear();
    }
}

/// One side of a connection.
pub struct Peer {
    shared: Arc<Shared>,
    reading: Reading,
    limits: Limits,
    handler: Weak<dyn Handler>,
    last: AtomicU32,
    /// The signals of the thread that made it, for those that carry out calls.
    signals: Mask,
}

thread_local! {
    /// The call that this thread carries out, and whose.
    static CARRIED_OUT: Cell<(usize, u32)> = const { Cell::new((0, 0)) };
}

impl Peer {
    /// The side that has these ends, accepts frames within the limits, and whose calls are carried out by the handler, once
    /// a thread stands by to [`read`](Peer::read).
    pub fn new(ends: Ends, limits: Limits, handler: Weak<dyn Handler>) -> Peer {
        let Ends { from, to, socket, received: _ } = ends;
        let sender = Mutex::new(Sender { to, socket, posts: Vec::new() });
        let shared = at_fork::hold_while_alive(Shared { sender, calls: Mutex::default() });
        let (reading, signals) = (Reading::new(from), Mask::current());
        Peer { shared, reading, limits, handler, last: AtomicU32::new(0), signals }
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }

    fn during(&self) -> u32 {
        let (peer, number) = CARRIED_OUT.get();
        if peer == self.identity() { number } else { 0 }
    }

    /// Says something that is not answered; it is sent with the next call at the latest.
    pub fn post(&self, message: &[u8]) {
        let mut sender = self.shared.sender();
        let header = Header::new(Kind::Post, message);
        sender.posts.extend_from_slice(&header.encode());
        sender.posts.extend_from_slice(message);
        if MANY_POSTS <= sender.posts.len() {
            self.write(&mut sender, &[]);
        }
    }

    /// The same with raw bytes, which are sent at once.
    pub fn post_bytes(&self, message: &[u8], payload: &[u8]) {
        let header = Header::new(Kind::Post, message).with_payload(payload);
        self.write(&mut self.shared.sender(), &[&header.encode(), message, payload]);
    }

    /// The same with a file, which the other side has when it reads the message; only over sockets of this machine.
    pub fn post_file(&self, message: &[u8], file: &File) {
        let mut sender = self.shared.sender();
        let mut bytes = std::mem::take(&mut sender.posts);
        bytes.extend_from_slice(&Header::new(Kind::Post, message).encode());
        bytes.extend_from_slice(message);
        // Without a socket it has ended before.
        if let Some(socket) = &sender.socket
            && let Err(error) = files::send(socket, &bytes, file)
        {
            self.broken(&error);
        }
    }

    /// Ends it since something could not be sent. Whoever reads may know more of the reason, and then has said so before.
    fn broken(&self, error: &io::Error) {
        self.shared.end(Gone::Ended(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "it has not taken anything of what it was sent for as long as there was patience".into()
            }
            _ => format!("the connection broke: {error}").into(),
        }));
        self.reading.stir();
    }

    /// Says it at once if the sender is free: for a process that is about to end.
    pub fn try_post_now(&self, message: &[u8]) {
        let header = Header::new(Kind::Post, message);
        if let Ok(mut sender) = self.shared.sender.try_lock() {
            self.write(&mut sender, &[&header.encode(), message]);
        }
    }

    /// Sends posts that wait.
    pub fn flush(&self) {
        self.write(&mut self.shared.sender(), &[]);
    }

    fn write(&self, sender: &mut Sender, parts: &[&[u8]]) {
        let posts = std::mem::take(&mut sender.posts);
        let parts: Vec<&[u8]> = [&posts[..]].into_iter().chain(parts.iter().copied()).collect();
        if let Err(error) = frame::write_all(&mut *sender.to, &parts) {
            self.broken(&error);
        }
        sender.posts = posts;
        sender.posts.clear();
    }

    /// Asks, and waits for the answer, at most so long; meanwhile carries out what is asked for its sake.
    pub fn call(&self, message: &[u8], limit: Option<Duration>) -> Result<Vec<u8>, Gone> {
        let (events, received) = mpsc::channel();
        let number = {
            let mut calls = self.shared.calls();
            if let Some(reason) = &calls.ended {
                return Err(reason.clone());
            }
            let number = self.unused(&calls);
            calls.waiting.insert(number, events);
            number
        };
        let header = Header { call: number, during: self.during(), ..Header::new(Kind::Call, message) };
        self.write(&mut self.shared.sender(), &[&header.encode(), message]);
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            match self.wait(&received, until) {
                Ok(Event::Answer(answer)) => return answer.map_err(Gone::Failed),
                Ok(Event::Nested(incoming)) => self.execute(incoming),
                Err(RecvTimeoutError::Timeout) => {
                    self.shared.calls().waiting.remove(&number);
                    return Err(Gone::Late(limit.unwrap_or_default()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.ended().unwrap_or_else(|| Gone::Ended("the connection has ended".into())));
                }
            }
        }
    }

    /// Carries out on this thread what comes there.
    pub fn carry_out(&self, calls: &Receiver<Incoming>) {
        while let Ok(incoming) = sys::uncancelled(|| self.wait(calls, None)) {
            self.execute(incoming);
        }
    }

    /// Waits for something to come there, and reads meanwhile if nobody else does.
    fn wait<T>(&self, received: &Receiver<T>, until: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut lead = None;
        // Nothing is waited for elsewhere but to see whether it has come.
        let mut elsewhere = Duration::ZERO;
        loop {
            let now = Instant::now();
            let left = until.map_or(LOOK, |until| until.saturating_duration_since(now).min(LOOK));
            lead = lead.or_else(|| self.reading.lead());
            // After that, so that whoever brings something from now on sees that this thread reads.
            match received.recv_timeout(elsewhere.min(left)) {
                Err(RecvTimeoutError::Timeout) if until.is_some_and(|until| until <= now) => {
                    return Err(RecvTimeoutError::Timeout);
                }
                Err(RecvTimeoutError::Timeout) => {}
                event => return event,
            }
            // One that leads may be stopped, or has never come back from a signal's handler.
            let came = match &lead {
                Some(_) => self.reading.wait(now + left),
                None => self.reading.is_told() && self.reading.is_ready(),
            };
            elsewhere = match &lead {
                Some(_) => Duration::ZERO,
                None if self.reading.is_told() => ELSEWHERE,
                None => LOOK,
            };
            if !came {
                continue;
            }
            let Some(turn) = self.reading.turn(until) else {
                // Another thread reads just now.
                elsewhere = SOON;
                continue;
            };
            // Another may have brought it before, and what comes next may take its time.
            if let Ok(event) = received.try_recv() {
                return Ok(event);
            }
            if self.take(turn) {
                return Err(RecvTimeoutError::Timeout);
            }
            if lead.is_none() {
                self.reading.wake();
            }
        }
    }

    /// Reads a frame and sees to it, or ends. Says whether it ends since there was no more time.
    fn take(&self, mut turn: Turn<'_>) -> bool {
        match self.read_one(&mut turn) {
            Ok(None) => false,
            Ok(Some(frame)) => {
                // Who has the turn next finds what was brought; but what begins now is not to be without signals.
                let begins = frame.0.kind == Kind::Call && frame.0.during == 0;
                let _turn = (!begins).then_some(turn);
                if let Err(error) = self.see_to(frame) {
                    self.reading.end(&self.over(&error));
                }
                self.reading.stir();
                false
            }
            Err(error) => {
                let late = turn.is_late() && error.is_of_time();
                turn.end(&self.over(&error));
                self.reading.stir();
                late
            }
        }
    }

    /// Why the connection ended, if it did.
    pub fn ended(&self) -> Option<Gone> {
        self.shared.calls().ended.clone()
    }

    fn unused(&self, calls: &Calls) -> u32 {
        loop {
            let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if number != 0 && !calls.waiting.contains_key(&number) {
                return number;
            }
        }
    }

    /// Carries out a call on this thread, and answers it.
    pub fn execute(&self, incoming: Incoming) {
        let before = CARRIED_OUT.replace((self.identity(), incoming.number));
        let answer = match self.handler.upgrade() {
            Some(handler) => handler.call(&incoming.message),
            None => Err("the other side is about to end".into()),
        };
        CARRIED_OUT.set(before);
        self.answer(incoming, answer);
    }

    /// The same on a thread of its own, which then drops what it is given to keep. If there can be no thread, the call fails.
    pub fn execute_elsewhere(self: &Arc<Self>, incoming: Incoming, keep: impl Send + 'static) {
        let (peer, number) = (self.clone(), incoming.number);
        let started = thread::Builder::new().spawn(move || {
            // Who starts it may be a thread of a program, with signals of its own.
            peer.signals.set();
            peer.execute(incoming);
            drop(keep);
        });
        if let Err(error) = started {
            let incoming = Incoming { number, message: Vec::new() };
            self.answer(incoming, Err(format!("no thread can be made that carries it out: {error}")));
        }
    }

    /// Answers a call; an error is the text that the caller gets.
    pub fn answer(&self, incoming: Incoming, answer: Result<Vec<u8>, String>) {
        let (kind, message) = match answer {
            Ok(message) => (Kind::Answer, message),
            Err(text) => (Kind::Failure, text.into_bytes()),
        };
        let header = Header { call: incoming.number, ..Header::new(kind, &message) };
        self.write(&mut self.shared.sender(), &[&header.encode(), &message]);
    }

    /// Ends it from this side: whoever waits gets the reason, and nothing more is said.
    pub fn end(&self, reason: &str) {
        self.shared.end(Gone::Ended(reason.into()));
        self.reading.stir();
        // So that the other side learns of it. It may have ended the connection before.
        let socket = self.shared.sender().close();
        socket.map(|socket| socket.shut(Shutdown::Both));
    }

    /// Lets the other side know that nothing more will be said. What it says is still read.
    pub fn hang_up(&self) {
        let mut sender = self.shared.sender();
        sender.to = Box::new(io::sink());
        // It may have ended the connection before.
        _ = sender.socket.as_ref().map(|socket| socket.shut(Shutdown::Write));
    }

    /// Stands by to take what comes while no thread waits for an answer, until the connection ends, and returns the reason.
    pub fn read(&self) -> String {
        loop {
            match self.reading.stand_by() {
                Ok(turn) => _ = self.take(turn),
                Err(reason) => return reason.into(),
            }
            self.reading.wake();
        }
    }

    /// Lets all who wait know that nothing more can come: why.
    fn over(&self, error: &ReadError) -> String {
        let reason = error.to_string();
        self.shared.end(match error {
            ReadError::Frame(FrameError::Closed | FrameError::Io(_)) => Gone::Ended(reason.as_str().into()),
            _ => Gone::Misled(reason.as_str().into()),
        });
        reason
    }

    /// Reads a frame: a call or an answer, or a post, which is taken at once.
    fn read_one(&self, from: &mut dyn Read) -> Result<Option<(Header, Vec<u8>)>, ReadError> {
        let header = Header::read(from, self.limits)?;
        let message = frame::read_bytes(from, header.message).map_err(FrameError::from)?;
        if header.kind == Kind::Post {
            let mut payload = from.take(header.payload.into());
            let handler = self.handler.upgrade().ok_or(FrameError::Closed)?;
            without_panic(|| handler.post(&message, &mut payload)).map_err(ReadError::Refused)?;
            if payload.limit() != 0 {
                io::copy(&mut payload, &mut io::sink()).map_err(FrameError::from)?;
            }
            return Ok(None);
        }
        if header.payload != 0 {
            return Err(FrameError::Malformed { what: "data behind a call or an answer", found: header.payload }.into());
        }
        Ok(Some((header, message)))
    }

    fn see_to(&self, (header, message): (Header, Vec<u8>)) -> Result<(), ReadError> {
        match header.kind {
            Kind::Call if header.during == 0 => {
                let incoming = Incoming { number: header.call, message };
                let handler = self.handler.upgrade().ok_or(FrameError::Closed)?;
                let dispatch = || {
                    handler.dispatch(incoming);
                    Ok(())
                };
                without_panic(dispatch).map_err(ReadError::Refused)?;
            }
            Kind::Call => {
                let incoming = Incoming { number: header.call, message };
                self.deliver(header.during, Event::Nested(incoming), false)?;
            }
            Kind::Failure => {
                let text = String::from_utf8_lossy(&message).into_owned();
                self.deliver(header.call, Event::Answer(Err(text)), true)?;
            }
            Kind::Answer | Kind::Post => self.deliver(header.call, Event::Answer(Ok(message)), true)?,
        }
        Ok(())
    }

    fn deliver(&self, number: u32, event: Event, last: bool) -> Result<(), FrameError> {
        let mut calls = self.shared.calls();
        let waiting = if last { calls.waiting.remove(&number) } else { calls.waiting.get(&number).cloned() };
        drop(calls);
        let unknown = || FrameError::Malformed { what: "the number of a call that nobody waits for", found: number };
        // Whoever gave up waiting needs no answer.
        _ = waiting.ok_or_else(unknown)?.send(event);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Refused(String),
}

impl ReadError {
    /// Whether something did not come in time.
    fn is_of_time(&self) -> bool {
        matches!(self, ReadError::Frame(FrameError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
    }
}

/// What a handler does; a panic of it is its error.
fn without_panic(handle: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(handle))
        .unwrap_or_else(|_| Err("this side has failed while it took a message".into()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
