//! Tells when a descriptor has something to read, without reading it: to the thread that is about to, and to one that stands
//! by for when nobody else is.
//!
//! Invariants: the thread that stands by is woken for what came after each [`arm`](Ready::arm), and for each
//! [`poke`](Ready::poke); it may be woken for nothing. The descriptor stays its owner's, who uses nothing of this once it is closed.
//! Sources: poll(2), epoll(7), eventfd(2).

use std::ffi::c_int;
use std::io;
pub use std::os::fd::AsFd as Descriptor;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

/// Who stands by looks for itself so often: a program may have closed descriptors that it does not know, of which nobody is
/// told.
const LOOK_MS: c_int = 5_000;

/// So often where nothing wakes it any more.
const BLIND: Duration = Duration::from_millis(50);

/// What a descriptor can be asked.
pub struct Ready {
    descriptor: RawFd,
    set: OwnedFd,
    /// What who leads waits for.
    lead: OwnedFd,
    /// Always has something to read. Nothing is written to it, nor to any other descriptor: a program that closes those it
    /// does not know may have given the number to a file of its own.
    always: OwnedFd,
}

impl Ready {
    /// Of a descriptor, armed. Not every file can be watched.
    pub fn new(of: &impl Descriptor) -> io::Result<Ready> {
        let descriptor = of.as_fd().as_raw_fd();
        // SAFETY: no pointers are passed.
        let set = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no pointers are passed.
        let lead = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no pointers are passed.
        let always = owned(unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) })?;
        for (set, events) in [(&set, libc::EPOLLIN | libc::EPOLLONESHOT), (&lead, libc::EPOLLIN)] {
            control(set, libc::EPOLL_CTL_ADD, always.as_raw_fd(), libc::EPOLLONESHOT)?;
            control(set, libc::EPOLL_CTL_ADD, descriptor, events)?;
        }
        Ok(Ready { descriptor, set, lead, always })
    }

    /// Waits until there is something to read, or the end, at most so long or until a signal came, and says whether there is.
    pub fn wait(&self, until: Instant) -> bool {
        let mut wanted = libc::pollfd { fd: self.descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: there is one structure.
        match unsafe { libc::poll(&mut wanted, 1, milliseconds(until)) } {
            0 => false,
            // Whatever else is wrong, who reads is told.
            error if error < 0 => io::Error::last_os_error().kind() != io::ErrorKind::Interrupted,
            _ => true,
        }
    }

    /// The same for who leads, who may also be [stirred](Ready::stir).
    pub fn wait_or_stir(&self, until: Instant) -> bool {
        // If the program has closed the set, the descriptor itself tells.
        event_of(&self.lead, milliseconds(until)).unwrap_or_else(|_| self.wait(until))
    }

    /// Has who leads look around.
    pub fn stir(&self) {
        // It was added before.
        _ = control(&self.lead, libc::EPOLL_CTL_MOD, self.always.as_raw_fd(), libc::EPOLLIN | libc::EPOLLONESHOT);
    }

    /// Has who stands by woken once there is something to read.
    pub fn arm(&self) {
        self.watch(self.descriptor, libc::EPOLLIN);
    }

    /// Lets who stands by sleep, though there is.
    pub fn disarm(&self) {
        self.watch(self.descriptor, 0);
    }

    /// Wakes who stands by.
    pub fn poke(&self) {
        self.watch(self.always.as_raw_fd(), libc::EPOLLIN);
    }

    fn watch(&self, descriptor: RawFd, events: c_int) {
        // It was added before. If it is closed, there is nothing to wake anybody for.
        _ = control(&self.set, libc::EPOLL_CTL_MOD, descriptor, events | libc::EPOLLONESHOT);
    }

    /// Stands by.
    pub fn stand_by(&self) {
        if event_of(&self.set, LOOK_MS).is_err() {
            // The program has closed it.
            thread::sleep(BLIND);
        }
    }
}

/// How long that is, and no less than is asked for.
fn milliseconds(until: Instant) -> c_int {
    let left = until.saturating_duration_since(Instant::now());
    left.as_nanos().div_ceil(1_000_000).min(c_int::MAX as u128) as c_int
}

/// Waits for something in a set, at most so long or until a signal came, and says whether there is.
fn event_of(set: &OwnedFd, limit: c_int) -> io::Result<bool> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: there is room for one event.
    match unsafe { libc::epoll_wait(set.as_raw_fd(), &mut event, 1, limit) } {
        count if 0 <= count => Ok(count != 0),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

fn control(set: &OwnedFd, operation: c_int, descriptor: RawFd, events: c_int) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: 0 };
    // SAFETY: the set is open; the structure is only read.
    match unsafe { libc::epoll_ctl(set.as_raw_fd(), operation, descriptor, &mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(descriptor: c_int) -> io::Result<OwnedFd> {
    match descriptor {
        0.. => {
            // SAFETY: the system has just made it, for nobody else.
            Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
        }
        _ => Err(io::Error::last_os_error()),
    }
}
