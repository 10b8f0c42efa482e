//! What the executor asks while linked code runs there.

use crate::executor::{DylibDirectory, MakeImage, Resolver, StubId};
use std::collections::HashMap;
use std::fmt::Write;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use uruk_executor::dl::DylibHandle;
use uruk_executor::protocol::message::{Crash, Described, Number, Question, Reply};
use uruk_executor::protocol::{Handler, Incoming, Peer};
use uruk_executor::serve::{decode, encode};

/// Threads that answer at once for threads of a program that this side does not wait for.
const MANY: usize = 256;

#[derive(Default)]
struct Known {
    pools: HashMap<Number, Arc<dyn Resolver>>,
    images: HashMap<Number, Arc<MakeImage>>,
    directory: Option<Arc<dyn DylibDirectory>>,
    crash: Option<Crash>,
    /// Status and signal with which it ended.
    end: (Option<i32>, Option<i32>),
}

/// Answers an executor's questions.
#[derive(Default)]
pub(super) struct Questions {
    known: Mutex<Known>,
    peer: OnceLock<Weak<Peer>>,
    answering: Arc<AtomicUsize>,
}

impl Questions {
    /// Over this connection.
    pub fn attach(&self, peer: &Arc<Peer>) {
        _ = self.peer.set(Arc::downgrade(peer));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add_pool(&self, number: Number, resolver: Arc<dyn Resolver>) {
        self.known().pools.insert(number, resolver);
    }

    pub fn add_image(&self, number: Number, image: MakeImage) {
        self.known().images.insert(number, Arc::new(image));
    }

    pub fn set_directory(&self, directory: Arc<dyn DylibDirectory>) {
        self.known().directory = Some(directory);
    }

    /// Forgets what has this number.
    pub fn forget(&self, number: Number) {
        let mut known = self.known();
        let forgotten = (known.pools.remove(&number), known.images.remove(&number));
        drop(known);
        drop(forgotten);
    }

    fn directory(&self) -> Option<Arc<dyn DylibDirectory>> {
        self.known().directory.clone()
    }

    /// The status or signal with which the executor ended, if its parent has said so.
    pub fn end(&self) -> (Option<i32>, Option<i32>) {
        self.known().end
    }

    /// The signal by which it said that it was ending, and the rest of what it said as lines for a report.
    pub fn crash(&self) -> Option<(i32, String)> {
        let crash = self.known().crash.clone()?;
        let directory = self.directory();
        let mut text = format!(", address {:#x}", crash.address);
        for frame in &crash.frames {
            let found = directory.as_ref().and_then(|directory| directory.describe(frame.address));
            let place = match found {
                Some(found) => match &found.symbol {
                    Some((name, address)) => format!(
                        "{}+{:#x} ({})",
                        name.to_string_lossy(),
                        frame.address.wrapping_sub(*address),
                        found.dylib.to_string_lossy()
                    ),
                    None => format!("in {}", found.dylib.to_string_lossy()),
                },
                None => frame.place.clone().unwrap_or_else(|| "nowhere that is known".into()),
            };
            // Writing to a string cannot fail.
            _ = write!(text, "\n  at {:#x}: {place}", frame.address);
        }
        Some((crash.signal, text))
    }

    fn answer(&self, question: Question) -> Result<Reply, String> {
        let none = || "there is no program".to_string();
        let handle = DylibHandle;
        Ok(match question {
            Question::Resolve { pool, stub } => {
                let resolver = self.known().pools.get(&pool).cloned();
                Reply::Address(resolver.and_then(|resolver| resolver.resolve(StubId(stub))))
            }
            Question::Image { resource } => {
                let image = self.known().images.get(&resource).cloned();
                Reply::Bytes(image.and_then(|image| image()))
            }
            Question::Open { name } => {
                let opened = self.directory().and_then(|directory| directory.open(&name));
                Reply::Opened(opened.map(|opened| opened.map(|dylib| dylib.0)))
            }
            Question::Close { dylib } => {
                Reply::Closed(self.directory().ok_or_else(none).and_then(|directory| directory.close(handle(dylib))))
            }
            Question::Symbol { dylib, name } => {
                Reply::Address(self.directory().and_then(|directory| directory.symbol(handle(dylib), &name)))
            }
            Question::ProgramSymbol { name } => {
                Reply::Address(self.directory().and_then(|directory| directory.program_symbol(&name)))
            }
            Question::NextSymbol { dylib, name } => {
                Reply::Address(self.directory().and_then(|directory| directory.next_symbol(handle(dylib), &name)))
            }
            Question::DylibContaining { address } => {
                let found = self.directory().and_then(|directory| directory.dylib_containing(address));
                Reply::Dylib(found.map(|dylib| dylib.0))
            }
            Question::Describe { address } => {
                let found = self.directory().and_then(|directory| directory.describe(address));
                Reply::Described(found.map(|found| Described {
                    dylib: found.dylib.into_bytes(),
                    base: found.base,
                    symbol: found.symbol.map(|(name, address)| (name.into_bytes(), address)),
                }))
            }
            posted @ (Question::Crashed(_) | Question::Ended { .. }) => {
                return Err(format!("{posted:?} is not a call"));
            }
        })
    }
}

impl Handler for Questions {
    fn post(&self, message: &[u8], _: &mut dyn Read) -> Result<(), String> {
        match decode(message)? {
            Question::Crashed(crash) => self.known().crash = Some(crash),
            Question::Ended { status, signal } => self.known().end = (status, signal),
            called => return Err(format!("{called:?} is not posted")),
        }
        Ok(())
    }

    fn call(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(encode(&self.answer(decode(message)?)?))
    }

    fn dispatch(&self, incoming: Incoming) {
        let Some(peer) = self.peer.get().and_then(Weak::upgrade) else { return };
        let before = self.answering.fetch_add(1, Ordering::Relaxed);
        let answering = Answering(self.answering.clone());
        if MANY <= before {
            return peer.answer(incoming, Err("too many threads ask at once".into()));
        }
        peer.execute_elsewhere(incoming, answering);
    }
}

/// One of the threads that answer.
struct Answering(Arc<AtomicUsize>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
