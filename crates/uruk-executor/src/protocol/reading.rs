//! Who reads a connection: of the threads that wait for something, one; and while none does, one that stands by.
//!
//! Data flow: a thread that waits [leads](Reading::lead) if nobody does, and reads until what it waits for has come: so nobody has
//! to wake it → it stops leading, and whoever stands by is woken when more comes. Others that wait are woken by who reads for
//! them, and look for themselves now and then.
//! Invariants: only who has the [`Turn`] reads, for one frame, with signals held off. Who waits for something to read has nothing
//! that others need: threads of programs lead, which may be interrupted by a handler that calls a lazy function, be stopped, or
//! never come back from a handler. What is left in the buffer has a reader: who stops wakes the one that stands by if there is
//! something. Where nothing tells when there is something to read, the one that stands by reads all the time.
//! Measured: in a virtual machine with idle processors, waking a thread takes 45 us. A call whose answer is read by who waits
//! for it wakes one thread on each side, and none if it comes soon after the last.

use super::ready::{Descriptor, Ready};
use super::signals::HeldOff;
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// What is read at once; longer data is read where it goes.
const BUFFER: usize = 64 << 10;

/// A thread stays awake for so long if what was waited for last had come by then: about what waking two of them takes.
const PROMPT: Duration = Duration::from_micros(120);

/// The end of a connection that is read.
pub struct Source(BufReader<Limited>);

/// Bytes that come until then, or not at all.
struct Limited {
    from: Box<dyn Read + Send>,
    ready: Option<Arc<Ready>>,
    until: Option<Instant>,
}

impl Source {
    /// Anything that can be read.
    pub fn new(from: impl Read + Send + 'static) -> Source {
        Source::over(from, None)
    }

    /// What the system can tell something about: a pipe or a socket.
    pub fn watched(from: impl Read + Descriptor + Send + 'static) -> Source {
        // Without, it is read as anything else is.
        let ready = Ready::new(&from).ok().map(Arc::new);
        Source::over(from, ready)
    }

    fn over(from: impl Read + Send + 'static, ready: Option<Arc<Ready>>) -> Source {
        Source(BufReader::with_capacity(BUFFER, Limited { from: Box::new(from), ready, until: None }))
    }

    fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }
}

impl Read for Source {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Read for Limited {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let (Some(ready), Some(until)) = (&self.ready, self.until) {
            while !ready.wait(until) {
                if until <= Instant::now() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        self.from.read(bytes)
    }
}

/// What is shared by those that may read.
pub(super) struct Reading {
    source: Mutex<Source>,
    ready: Option<Arc<Ready>>,
    /// Something has been read that nobody has taken.
    rest: AtomicBool,
    /// The thread that leads, or zero.
    leader: AtomicUsize,
    /// What was waited for last had come soon.
    prompt: AtomicBool,
    /// Nothing more is read, and why.
    over: OnceLock<String>,
}

impl Reading {
    pub fn new(source: Source) -> Reading {
        let (ready, rest) = (source.0.get_ref().ready.clone(), source.has_more());
        let reading = Reading {
            source: Mutex::new(source),
            ready,
            rest: AtomicBool::new(rest),
            leader: AtomicUsize::new(0),
            prompt: AtomicBool::new(true),
            over: OnceLock::new(),
        };
        reading.wake();
        reading
    }

    /// Whether threads that wait can read.
    pub fn is_told(&self) -> bool {
        self.ready.is_some()
    }

    /// Leads, unless another thread does.
    pub fn lead(&self) -> Option<Lead<'_>> {
        let ready = self.ready.as_ref()?;
        let outermost = match self.leader.compare_exchange(0, this_thread(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(leader) if leader == this_thread() => false,
            Err(_) => return None,
        };
        // Either this thread sees what another brings it, or that sees that it has to be stirred.
        fence(Ordering::SeqCst);
        ready.disarm();
        Some(Lead { reading: self, outermost })
    }

    /// Whether a thread does.
    #[cfg(test)]
    pub fn is_led(&self) -> bool {
        self.leader.load(Ordering::Acquire) != 0
    }

    /// For who leads: waits for something to read until then, or until it is interrupted or stirred, and says whether there may be.
    pub fn wait(&self, until: Instant) -> bool {
        let started = Instant::now();
        let prompt = (started + PROMPT).min(until);
        let mut came = self.is_ready();
        while !came && self.prompt.load(Ordering::Relaxed) && Instant::now() < prompt {
            thread::yield_now();
            came = self.is_ready();
        }
        came = came || self.ready.as_ref().is_some_and(|ready| ready.wait_or_stir(until));
        self.prompt.store(started.elapsed() < PROMPT, Ordering::Relaxed);
        came
    }

    /// Whether there is something to read now, as far as that can be told.
    pub fn is_ready(&self) -> bool {
        self.rest.load(Ordering::Acquire) || self.ready.as_ref().is_none_or(|ready| ready.wait(Instant::now()))
    }

    /// For the thread that stands by: once there is something that nobody else reads, or else why nothing more will come.
    pub fn stand_by(&self) -> Result<Turn<'_>, &str> {
        loop {
            if let Some(ready) = &self.ready {
                ready.stand_by();
            }
            if let Some(reason) = self.over.get() {
                return Err(reason);
            }
            match self.turn(None) {
                Some(turn) => return Ok(turn),
                None => self.wake(),
            }
        }
    }

    /// The turn to read something that is there, as long as it comes until then; none if nothing is there, or another has it.
    pub fn turn(&self, until: Option<Instant>) -> Option<Turn<'_>> {
        let signals = HeldOff::new();
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(source)) => source.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // Another may have read it.
        if self.over.get().is_some() || !self.is_ready() {
            return None;
        }
        source.0.get_mut().until = until;
        Some(Turn { reading: self, source, _signals: signals })
    }

    /// Lets who leads know that another has read something, which may be what it waits for.
    pub fn stir(&self) {
        fence(Ordering::SeqCst);
        let leader = self.leader.load(Ordering::Acquire);
        if let Some(ready) = &self.ready
            && leader != 0
            && leader != this_thread()
        {
            ready.stir();
        }
    }

    /// Reads nothing more, for this reason.
    pub fn end(&self, reason: &str) {
        _ = self.over.set(reason.into());
        if let Some(ready) = &self.ready {
            ready.poke();
        }
    }

    /// Wakes who stands by if there is something, and else once something comes, unless a thread leads.
    pub fn wake(&self) {
        match &self.ready {
            Some(ready) if self.rest.load(Ordering::Acquire) => ready.poke(),
            Some(ready) if self.leader.load(Ordering::Acquire) == 0 => ready.arm(),
            _ => {}
        }
    }
}

/// A number that no other thread has.
fn this_thread() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// A thread reads while it waits.
pub(super) struct Lead<'a> {
    reading: &'a Reading,
    /// No other wait of this thread, which a signal's handler has interrupted, leads.
    outermost: bool,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.outermost {
            self.reading.leader.store(0, Ordering::Release);
            self.reading.wake();
        }
    }
}

/// The right to read a frame.
pub(super) struct Turn<'a> {
    reading: &'a Reading,
    source: MutexGuard<'a, Source>,
    /// Dropped last.
    _signals: HeldOff,
}

impl Turn<'_> {
    /// Whether the time that it has is over.
    pub fn is_late(&self) -> bool {
        self.source.0.get_ref().until.is_some_and(|until| until <= Instant::now())
    }

    /// Lets go of the connection: nothing more is read, for this reason.
    pub fn end(mut self, reason: &str) {
        *self.source = Source::new(io::empty());
        self.reading.end(reason);
    }
}

impl Read for Turn<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.source.read(bytes)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.reading.rest.store(self.source.has_more(), Ordering::Release);
    }
}
