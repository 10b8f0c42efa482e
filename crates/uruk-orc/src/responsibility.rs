//! What a client owes that materializes a unit.

use crate::error::{Cause, Error};
use crate::objects::Linkable;
use crate::reexports::Aliases;
use crate::session::{Request, Session};
use crate::state::{DylibId, SearchEntry, State, SymbolId, TrackerId, UnitId};
use crate::sync::thread;
use crate::unit::{Definition, MaterializationUnit, Promises};
use std::any::Any;
use std::ops::Range;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::interface::Interface;
use uruk_jitlink::memory::{self, Demand, Lane, LaneDemand, Segment};
use uruk_jitlink::names::Name;

/// The duty to define what a unit promised. It is settled by [`emit`](Responsibility::emit) or
/// [`fail`](Responsibility::fail), on any thread and at any time; one that is dropped has failed.
///
/// Every method errors if the unit has failed meanwhile, because it was removed or its session ended; what was made for
/// it is then to be given up.
pub struct Responsibility {
    session: Session,
    unit: UnitId,
    settled: bool,
}

impl Responsibility {
    pub(crate) fn new(session: Session, unit: UnitId) -> Responsibility {
        Responsibility { session, unit, settled: false }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The dylib that the definitions are for.
    pub fn dylib(&self) -> DylibId {
        self.session.lock().unit(self.unit).dylib
    }

    pub(crate) fn unit(&self) -> UnitId {
        self.unit
    }

    /// The names that are owed: those promised that no stronger definition has taken.
    pub fn owed(&self) -> Vec<Name> {
        self.session.lock().owed(self.unit).into_iter().map(|(name, _)| name).collect()
    }

    /// All definitions that the unit has promised, with whether each is still owed.
    pub(crate) fn promises(&self) -> Vec<(Definition, bool)> {
        self.session.lock().promises(self.unit)
    }

    /// A tracker of another dylib, for what is added there on behalf of this unit: it is removed with it.
    pub fn companion(&self, dylib: DylibId) -> Result<TrackerId, Error> {
        self.session.update(|state| state.companion(self.unit, dylib))
    }

    /// Those that somebody has asked for by now. The others may be [given back](Responsibility::replace).
    pub fn requested(&self) -> Vec<Name> {
        let owed = self.session.lock().owed(self.unit).into_iter();
        owed.filter(|(_, requested)| *requested).map(|(name, _)| name).collect()
    }

    /// Says where definitions are. They can be referred to from now on, and called once they are emitted and all that
    /// they reach is. Errors if one was not promised.
    pub fn resolve(&self, addresses: &[(Name, u64)]) -> Result<(), Error> {
        self.session.update(|state| state.resolve(self.unit, addresses))
    }

    /// Keeps something, memory or a registration, until the unit is removed; then it is dropped.
    pub fn keep(&self, resource: impl Any + Send + Sync) -> Result<(), Error> {
        self.session.update(|state| state.keep(self.unit, Box::new(resource), []))
    }

    /// The same for what owns code or data at these addresses: before it is dropped, what they have registered with
    /// `atexit` and its kin runs.
    pub fn keep_memory(&self, resource: impl Any + Send + Sync, memory: Vec<Range<u64>>) -> Result<(), Error> {
        self.session.update(|state| state.keep(self.unit, Box::new(resource), memory))
    }

    /// Copies bytes into memory of the target process, which goes when the unit is removed; returns their address.
    /// Code and constants cannot be changed any more.
    pub fn write(&self, lane: Lane, bytes: &[u8], align: u64) -> Result<u64, Error> {
        let mut demand = Demand::default();
        let size = bytes.len() as u64;
        demand.lanes[lane as usize] = LaneDemand { size, align, zero_fill: 0 };
        let given = self.session.executor().memory().allocate(&demand);
        let mut allocation = given.and_then(|given| memory::checked(given, &demand)).map_err(LinkError::from)?;
        let address = allocation.address(lane);
        allocation.working()[lane as usize].copy_from_slice(bytes);
        allocation.finalize().map_err(LinkError::from)?;
        let segment = Segment { lane, address, size };
        let kept = self.session.update(|state| state.keep_segment(self.unit, segment));
        kept.inspect_err(|_| self.session.executor().memory().release(&[segment]))?;
        Ok(address)
    }

    /// Functions to run, in this order, when the dylib is initialised next; each takes the arguments of `main`.
    pub fn add_initialisers(&self, functions: &[u64]) -> Result<(), Error> {
        self.session.update(|state| state.add_initialisers(self.unit, functions))
    }

    /// Says that the definitions are complete. They become ready together with all that they need: names, each found
    /// along the search order of the dylib beside it, which is usually [this one](Responsibility::dylib).
    /// Errors if promised definitions have no address, or something needed is missing or has failed.
    pub fn emit(self, needs: &[(DylibId, Name)]) -> Result<(), Error> {
        self.emit_bound(|state| state.bind_all(needs))
    }

    /// The same with names that are all found along one order.
    pub(crate) fn emit_along(self, order: &[SearchEntry], needs: &[Name]) -> Result<(), Error> {
        self.emit_bound(|state| state.bind_along(order, needs))
    }

    fn emit_bound(mut self, bind: impl FnOnce(&mut State) -> Result<Vec<SymbolId>, Error>) -> Result<(), Error> {
        self.settled = true;
        self.session.update(|state| {
            let emitted = match bind(state) {
                Ok(symbols) => state.emit_client(self.unit, symbols),
                Err(error) => {
                    state.fail(vec![(self.unit, error.clone())]);
                    Err(error)
                }
            };
            state.end_unit(self.unit);
            emitted
        })
    }

    /// Has what a compiler made of the unit linked as an object of the dylib would be: its definitions are those promised,
    /// what it refers to is found along the dylib's search order, and its initialisers run with the dylib's. The unit is
    /// ready when it and all that it reaches is.
    ///
    /// Weak definitions that were not promised are so now; other ones, nobody else sees. Errors, and has failed then, if
    /// the object is malformed or does not define what was promised.
    pub fn link(mut self, code: impl Into<Linkable>) -> Result<(), Error> {
        self.settled = true;
        let object = code.into().read(self.session.names()).and_then(|object| {
            self.session.check_architecture(&object.interface)?;
            self.leave_aliases(&object.interface)?;
            Ok(object)
        });
        self.session.update(|state| {
            let linked = object.and_then(|object| state.adopt(self.unit, object));
            linked.inspect_err(|error| state.give_up(vec![(self.unit, error.clone())]))
        })
    }

    /// Lets the names that an object gives to others' symbols be a unit of their own.
    fn leave_aliases(&self, interface: &Interface) -> Result<(), Error> {
        interface.terms.unknown.iter().for_each(|option| self.session.report_unknown(interface, option));
        let Some(mut aliases) = Aliases::of(interface, self.dylib()) else { return Ok(()) };
        aliases.retain(&self.session.lock().owed(self.unit).into_iter().map(|(name, _)| name).collect());
        self.replace(Box::new(aliases))
    }

    /// Says that the definitions cannot be had; whatever needs them fails, too.
    pub fn fail(mut self, error: Error) {
        self.give_up(error);
    }

    /// The same for what a compiler says.
    pub fn fail_to_compile(self, cause: impl Into<Cause>) {
        let unit = self.name();
        self.fail(Error::Compile { unit, cause: cause.into().into() });
    }

    /// What messages call the unit.
    pub fn name(&self) -> String {
        self.session.lock().unit(self.unit).name.to_string()
    }

    /// Looks up what is needed to go on, and goes on when it is known, on whatever thread that is. Unlike one that waits,
    /// this takes no thread. A look-up that could never end, since it needs this very unit, is answered with an error.
    pub fn look_up_then(
        self,
        request: &Request,
        then: impl FnOnce(Responsibility, Result<Vec<Option<u64>>, Error>) + Send + 'static,
    ) {
        let (session, unit) = (self.session.clone(), self.unit);
        session.start_for(unit, request, Box::new(move |answer| then(self, answer)));
    }

    /// Promises more.
    pub fn define(&self, definitions: &[Definition]) -> Result<(), Error> {
        self.session.update(|state| state.define_more(self.unit, definitions))
    }

    /// Takes a part of the names over into a responsibility of its own.
    pub fn delegate(&self, names: &[Name]) -> Result<Responsibility, Error> {
        let unit = self.session.update(|state| state.delegate(self.unit, names))?;
        Ok(Responsibility::new(self.session.clone(), unit))
    }

    /// Gives names back, with another unit that defines them if somebody asks.
    pub fn replace(&self, unit: Box<dyn MaterializationUnit>) -> Result<(), Error> {
        let promises = Promises::of(&*unit);
        self.give_back(unit, &promises)
    }

    /// The same with a unit that has said what it promises.
    pub(crate) fn give_back(&self, unit: Box<dyn MaterializationUnit>, promises: &Promises) -> Result<(), Error> {
        self.session.update(|state| state.replace(self.unit, unit, promises))
    }

    fn give_up(&mut self, error: Error) {
        self.settled = true;
        self.session.update(|state| {
            state.fail(vec![(self.unit, error)]);
            state.end_unit(self.unit);
        });
    }
}

impl Drop for Responsibility {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let unit = self.name();
        let panicked = thread::panicking();
        self.give_up(if panicked { Error::Panicked { unit } } else { Error::Abandoned { unit } });
    }
}
