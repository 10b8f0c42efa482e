//! Trackers, removal, and the handles that keep code from going.
//!
//! The contract: after a removal nobody finds the symbols any more. What is linked already and refers to the removed
//! code keeps it, and so does a [`Pin`]; a pointer that was taken out of a pin does not. Memory goes with the last of
//! them, and with it unwind records, debug information and whatever else was registered.

use super::Session;
use crate::error::Error;
use crate::state::{DylibId, Known, NO_PINS, PinsId, SearchEntry, State, TrackerId};
use uruk_jitlink::names::Name;

/// Keeps code and data that a symbol stands for, and all that these refer to, from going.
pub struct Pin<'s> {
    session: Keeper<'s>,
    address: u64,
    pins: PinsId,
}

/// How a pin knows its session. To count references to that as well would double what a pin costs.
enum Keeper<'s> {
    Borrowed(&'s Session),
    Owned(Session),
}

impl Keeper<'_> {
    fn session(&self) -> &Session {
        match self {
            Keeper::Borrowed(session) => session,
            Keeper::Owned(session) => session,
        }
    }
}

impl Pin<'_> {
    /// Where the symbol is.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// A pin of the same that keeps the session, too, for as long as it lives.
    pub fn into_owned(self) -> Pin<'static> {
        let session = self.session.session();
        session.hold(self.pins);
        Pin { session: Keeper::Owned(session.clone()), address: self.address, pins: self.pins }
    }
}

impl Clone for Pin<'_> {
    fn clone(&self) -> Self {
        let session = match &self.session {
            Keeper::Borrowed(session) => Keeper::Borrowed(session),
            Keeper::Owned(session) => Keeper::Owned(session.clone()),
        };
        session.session().hold(self.pins);
        Pin { session, address: self.address, pins: self.pins }
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.session.session().release(self.pins);
    }
}

/// A removal, which may take until nobody holds what was removed.
pub struct Removal {
    session: Session,
}

impl Removal {
    /// Waits until everything that was removed from the session is gone: no pin and no other code holds it.
    /// A thread that holds a pin of it itself waits for ever, and so does what runs because of a removal.
    pub fn wait(self) {
        self.session.quiesce();
    }
}

impl Session {
    /// Makes a tracker for a dylib: what is added with it can be removed together.
    pub fn create_tracker(&self, dylib: DylibId) -> TrackerId {
        self.lock().add_tracker(dylib)
    }

    /// The tracker of what is added to a dylib without one.
    pub fn default_tracker(&self, dylib: DylibId) -> TrackerId {
        self.lock().dylib(dylib).tracker
    }

    /// Moves all that a tracker has to another one of the same dylib. The first can be used again.
    pub fn transfer(&self, from: TrackerId, to: TrackerId) -> Result<(), Error> {
        self.lock().transfer(from, to)
    }

    /// Gives a tracker up: what it has belongs to the dylib's default one from now on.
    pub fn drop_tracker(&self, tracker: TrackerId) -> Result<(), Error> {
        self.lock().drop_tracker(tracker)
    }

    /// Removes what was added with a tracker. Its symbols cannot be found any more, and what is still being made fails;
    /// memory and registrations go when nothing holds them. Before that, finalisers and what was registered with `atexit`
    /// and its kin run, the latest first, on the thread that let go last; destructors of `thread_local` objects do not, nor
    /// will they. The tracker can be used again.
    pub fn remove(&self, tracker: TrackerId) -> Removal {
        self.update(|state| state.remove(tracker, false));
        Removal { session: self.clone() }
    }

    /// Removes what was added with a tracker and frees it at once, regardless of pins and of other code that refers to it.
    /// Whatever it has registered for its end is forgotten.
    ///
    /// The caller upholds that none of its code runs or will, and that nothing that stays uses it.
    pub fn remove_forced(&self, tracker: TrackerId) {
        self.update(|state| state.remove(tracker, true));
    }

    /// Runs, the latest first, finalisers and what all linked code has registered with `atexit` and its kin, and forgets
    /// it, as if all were removed; but everything stays. So it does itself when it goes, but then nobody can use it.
    pub fn finalize(&self) {
        let memory = self.lock().memory();
        self.shared.finalize(&memory);
    }

    /// Removes everything that was defined in a dylib, which stays.
    pub fn clear(&self, dylib: DylibId) -> Removal {
        self.update(|state| state.clear(dylib));
        Removal { session: self.clone() }
    }

    /// Removes a dylib with everything in it; its name is free again, and search orders lose it.
    pub fn remove_dylib(&self, dylib: DylibId) -> Removal {
        self.remove_generators(dylib);
        self.update(|state| {
            state.clear(dylib);
            state.drop_dylib(dylib);
        });
        Removal { session: self.clone() }
    }

    /// Finds a ready symbol and keeps it from going. `None` if it is not ready, or not there. One that was looked up
    /// before is found without a lock.
    pub fn pin(&self, order: &[SearchEntry], name: Name) -> Option<Pin<'_>> {
        let pin = |known: Known| Pin { session: Keeper::Borrowed(self), address: known.address, pins: known.pins };
        if let Some((symbol, known)) = self.known(order, name) {
            self.hold(known.pins);
            // From here on it stays, if it was not removed just now.
            if self.shared.published.known(symbol, name) == Some(known) {
                return Some(pin(known));
            }
            self.release(known.pins);
        }
        let state = self.lock();
        let symbol = state.find(order, name)?;
        let known = state.publish(symbol)?;
        self.hold(known.pins);
        Some(pin(known))
    }

    #[inline]
    fn hold(&self, pins: PinsId) {
        if pins != NO_PINS {
            self.shared.published.pins(pins).pin();
        }
    }

    #[inline]
    fn release(&self, pins: PinsId) {
        if pins != NO_PINS && self.shared.published.pins(pins).unpin() && self.shared.published.is_retired() {
            self.update(State::sweep_lots);
        }
    }

    /// Waits until everything that was removed is gone.
    pub fn quiesce(&self) {
        self.sleep_while(|state| !state.is_quiescent());
    }

    /// Whether everything that was removed is gone.
    pub fn is_quiescent(&self) -> bool {
        self.lock().is_quiescent()
    }
}
