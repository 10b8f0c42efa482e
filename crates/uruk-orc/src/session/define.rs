//! Definitions that clients add.

use super::Session;
use crate::error::Error;
use crate::executor::Resource;
use crate::objects::Object;
use crate::state::{DylibId, SearchEntry, TrackerId, UnitId};
use crate::unit::{Definition, MaterializationUnit, Promises};
use std::sync::Arc;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::graph::{LinkGraph, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::Interface;
use uruk_jitlink::names::Name;

impl Session {
    /// Adds objects as whole inputs of one static link: order among them does not matter, and their initialisers
    /// run with their dylib's. Nothing is linked before somebody asks for it.
    pub fn add_objects(&self, dylib: DylibId, tracker: Option<TrackerId>, inputs: &[Input]) -> Result<(), Error> {
        self.define_objects(dylib, tracker, self.read_objects(inputs)?, true)
    }

    /// Adds objects that are linked only if something refers to them.
    pub fn add_members(&self, dylib: DylibId, inputs: &[Input]) -> Result<(), Error> {
        self.define_objects(dylib, None, self.read_objects(inputs)?, false)
    }

    /// Adds graphs that a compiler has made, as [`add_objects`](Session::add_objects) does objects.
    pub fn add_graphs(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        graphs: impl IntoIterator<Item = LinkGraph>,
    ) -> Result<(), Error> {
        let objects = graphs.into_iter().map(|graph| Object::made(graph, self.names())).collect();
        self.define_objects(dylib, tracker, objects, true)
    }

    fn read_objects(&self, inputs: &[Input]) -> Result<Vec<Object>, Error> {
        let inputs = self.translate_all(inputs)?;
        let cost = inputs.iter().map(|input| input.len()).sum();
        self.parallel(cost, &inputs, |input| Object::read(input, self.names())).into_iter().collect()
    }

    fn define_objects(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        objects: Vec<Object>,
        whole: bool,
    ) -> Result<(), Error> {
        objects.iter().try_for_each(|object| self.check_architecture(&object.interface))?;
        for object in &objects {
            object.interface.terms.unknown.iter().for_each(|option| self.report_unknown(&object.interface, option));
        }
        self.update(|state| {
            let tracker = state.tracker_for(dylib, tracker)?;
            let mut units = Vec::with_capacity(objects.len());
            let mut aliases = Vec::new();
            state.symbols.reserve(objects.iter().map(|object| object.interface.defined()).sum());
            for object in objects {
                let object = Arc::new(object);
                let unit = state.add_object(dylib, tracker, object.clone());
                let mut symbols = Vec::new();
                let defined = state.define(unit, &object.interface, &mut symbols);
                let _ = object.symbols.set(symbols);
                units.push(unit);
                let added = defined.and_then(|()| state.add_terms(unit, &object.interface));
                if let Err(error) = added.map(|unit| aliases.extend(unit)) {
                    // One add call is one static link: what was part of it goes.
                    state.undo_changes();
                    for unit in units.into_iter().chain(aliases) {
                        state.withdraw_unit(unit);
                    }
                    return Err(error);
                }
            }
            state.keep_changes();
            if whole {
                state.dylibs[dylib.index()].roots.extend(units);
            }
            Ok(())
        })
    }

    /// Says that an object's linker option has no effect.
    pub(crate) fn report_unknown(&self, object: &Interface, option: &str) {
        let (file, directive) = (object.input.name().to_string(), option.to_string());
        self.report(Error::from(LinkError::UnknownDirective { file, directive }));
    }

    /// Errors for an object that the executor cannot run, or whose functions pass numbers unlike those of others.
    pub(crate) fn check_architecture(&self, object: &Interface) -> Result<(), Error> {
        let (found, runs) = (object.format, self.executor().architecture());
        if found.arch == runs {
            return self.check_abi(object);
        }
        Err(Error::from(LinkError::WrongFile {
            file: object.input.name().to_string(),
            found: format!("{} code, which {} does not run", found.name, runs.name),
            hint: "compile it for the session's target, or link it with an executor of its own",
        }))
    }

    fn check_abi(&self, object: &Interface) -> Result<(), Error> {
        let Some(abi) = object.format.abi(&object.input) else { return Ok(()) };
        let (first, file) = self.shared.abi.get_or_init(|| Box::new((abi, object.input.name().clone())));
        if *first == abi {
            return Ok(());
        }
        Err(Error::from(LinkError::WrongFile {
            file: object.input.name().to_string(),
            found: format!("{} code for {abi}, while {file} is for {first}", object.format.name),
            hint: "compile both with the same -mabi",
        }))
    }

    /// Adds a unit of a client's own, which is materialized when somebody asks for one of its definitions, or, if it
    /// has initialisers, when its dylib is initialised.
    pub fn define(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        unit: Box<dyn MaterializationUnit>,
    ) -> Result<(), Error> {
        let promises = Promises::of(&*unit);
        self.define_promised(dylib, tracker, unit, &promises)
    }

    /// The same for a unit that has said what it promises.
    pub(crate) fn define_promised(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        unit: Box<dyn MaterializationUnit>,
        promises: &Promises,
    ) -> Result<(), Error> {
        self.update(|state| match state.tracker_for(dylib, tracker) {
            Ok(tracker) => state.add_client(dylib, tracker, unit, promises),
            Err(error) => {
                state.drop_later(unit);
                Err(error)
            }
        })
    }

    /// Defines names at fixed addresses, all or, if one of them is defined already, none.
    pub fn define_addresses(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        definitions: &[(Definition, u64)],
    ) -> Result<(), Error> {
        self.update(|state| {
            let tracker = state.tracker_for(dylib, tracker)?;
            state.add_absolute(dylib, tracker, definitions).map(drop)
        })
    }

    /// The same with something that is kept for as long as they are, and owns the code there. Returns their unit.
    pub(crate) fn define_owned(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        definitions: &[(Definition, u64)],
        resource: Resource,
    ) -> Result<UnitId, Error> {
        self.update(|state| {
            let tracker = state.tracker_for(dylib, tracker)?;
            let unit = state.add_absolute(dylib, tracker, definitions)?;
            state.keep(unit, resource, definitions.iter().map(|(_, address)| *address..*address + 1))?;
            Ok(unit)
        })
    }

    /// Defines names at fixed addresses for as long as the dylib stays; names that it has already keep their definition.
    pub fn define_absolute(&self, dylib: DylibId, definitions: &[(Name, u64, SymbolKind)]) {
        let mut state = self.lock();
        for (name, address, kind) in definitions {
            state.define_absolute(dylib, *name, *address, *kind);
        }
    }

    /// Whether a dylib defines a name.
    pub fn defines(&self, dylib: DylibId, name: Name) -> bool {
        self.lock().find(&[SearchEntry { dylib, all_symbols: true }], name).is_some()
    }
}
