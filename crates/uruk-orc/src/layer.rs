//! Layers: ways from a representation of code, a syntax tree or an object file, to linked code.
//!
//! Data flow: [`Session::add`] asks a layer what a representation defines → somebody looks one of these names up →
//! the layer is given the representation and the [`Responsibility`] for it, changes, compiles or splits the one, and
//! hands both to the layer below, at the bottom of which [`ObjectLayer`] has the session link what came out.
//! Invariants: a layer keeps no session, so that a session goes although its units hold layers; ownership of the
//! representation travels with the call, so that nobody needs a lock for it.

mod compile;
mod on_demand;
mod reoptimize;

pub(crate) use compile::compile;
pub use compile::{CompileLayer, Compiler};
pub use on_demand::{OnDemandLayer, Partition, Stubs, Whole};
pub use reoptimize::ReoptimizeLayer;

use crate::error::{Cause, Error};
use crate::objects::Linkable;
use crate::responsibility::Responsibility;
use crate::session::Session;
use crate::state::{DylibId, TrackerId};
use crate::unit::{Definition, MaterializationUnit, Promises};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uruk_jitlink::graph::{LinkGraph, SectionKind, Visibility};
use uruk_jitlink::input::Input;
use uruk_jitlink::interface;
use uruk_jitlink::names::Name;

/// What a representation defines.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// What messages call the representation.
    pub name: String,
    /// The names that others may refer to.
    pub definitions: Vec<Definition>,
    /// A name among the definitions that stands for initialisers.
    pub initialiser: Option<Name>,
}

impl Interface {
    /// Of a representation that does nothing before it is called.
    pub fn new(name: impl Into<String>, definitions: Vec<Definition>) -> Interface {
        Interface { name: name.into(), definitions, initialiser: None }
    }

    /// The same with initialisers, which run when the dylib is initialised. Since they need no name of their own, one is
    /// made up.
    pub fn with_initialiser(mut self, session: &Session) -> Interface {
        static MADE: AtomicU64 = AtomicU64::new(0);
        // Names of representations need not differ.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = session.names().intern(format!("<initialisers {number} of {}>", self.name).as_bytes());
        self.definitions.push(Definition::side_effects(name).hidden());
        self.initialiser = Some(name);
        self
    }
}

/// A way from representations of a type to linked code, in one step or on top of another layer.
pub trait Layer<R>: Send + Sync {
    /// What a representation defines. Asked once, when it is added, without any lock.
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error>;

    /// Makes what is owed, now or later. A panic fails the responsibility.
    fn emit(&self, responsibility: Responsibility, representation: R);
}

impl<R, L: Layer<R> + ?Sized> Layer<R> for Arc<L> {
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error> {
        (**self).interface(session, representation)
    }

    fn emit(&self, responsibility: Responsibility, representation: R) {
        (**self).emit(responsibility, representation);
    }
}

/// A representation that waits for somebody to need it. What it promises has been said.
struct Added<R, L: ?Sized> {
    layer: Arc<L>,
    representation: R,
}

impl<R: Send, L: Layer<R> + ?Sized> MaterializationUnit for Added<R, L> {
    fn name(&self) -> String {
        "an added representation".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        Vec::new()
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        self.layer.emit(responsibility, self.representation);
    }
}

impl Session {
    /// Adds a representation to a dylib; the layer makes code of it when somebody asks for one of its definitions, or, if
    /// it has initialisers, when the dylib is initialised.
    pub fn add<R: Send + 'static, L: Layer<R> + ?Sized + 'static>(
        &self,
        layer: &Arc<L>,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        representation: R,
    ) -> Result<(), Error> {
        let interface = layer.interface(self, &representation)?;
        self.add_described(layer, dylib, tracker, representation, interface)
    }

    /// The same for a representation of which it is known what it defines.
    fn add_described<R: Send + 'static, L: Layer<R> + ?Sized + 'static>(
        &self,
        layer: &Arc<L>,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        representation: R,
        interface: Interface,
    ) -> Result<(), Error> {
        let Interface { name, definitions, initialiser } = interface;
        let promises = Promises::new(name, definitions, initialiser);
        let unit = Added { layer: layer.clone(), representation };
        self.define_promised(dylib, tracker, Box::new(unit), &promises)
    }
}

/// The layer at the bottom: has the session link object files and graphs.
#[derive(Clone, Copy, Default, Debug)]
pub struct ObjectLayer;

impl Layer<Linkable> for ObjectLayer {
    fn interface(&self, session: &Session, code: &Linkable) -> Result<Interface, Error> {
        match code {
            Linkable::Object(object) => self.interface(session, object),
            Linkable::Graph(graph) => self.interface(session, &**graph),
        }
    }

    fn emit(&self, responsibility: Responsibility, code: Linkable) {
        // An error is the unit's, and those who asked for it are told.
        let _ = responsibility.link(code);
    }
}

impl Layer<Input> for ObjectLayer {
    fn interface(&self, session: &Session, object: &Input) -> Result<Interface, Error> {
        let (interface, graph) = Linkable::from(object.clone()).open(session.names())?;
        Ok(describe(session, &interface, &graph))
    }

    fn emit(&self, responsibility: Responsibility, object: Input) {
        let _ = responsibility.link(object);
    }
}

impl Layer<LinkGraph> for ObjectLayer {
    fn interface(&self, session: &Session, graph: &LinkGraph) -> Result<Interface, Error> {
        Ok(describe(session, &interface::Interface::made(graph, session.names()), graph))
    }

    fn emit(&self, responsibility: Responsibility, graph: LinkGraph) {
        let _ = responsibility.link(graph);
    }
}

/// What an object defines, as a client would say it.
fn describe(session: &Session, object: &interface::Interface, graph: &LinkGraph) -> Interface {
    let defined = object.globals.iter().filter(|global| global.strength.defines());
    let definitions = defined.map(|global| {
        let definition = Definition { kind: global.kind, ..Definition::data(global.name) };
        let definition = if global.strength == interface::Strength::Strong { definition } else { definition.weak() };
        if global.visibility == Visibility::Hidden { definition.hidden() } else { definition }
    });
    let aliases = object.terms.aliases.iter().map(Definition::of_alias);
    let interface = Interface::new(object.input.name().to_string(), definitions.chain(aliases).collect());
    let initialises = |kind: SectionKind| matches!(kind, SectionKind::Functions(..));
    match graph.sections.iter().any(|section| initialises(section.kind)) {
        true => interface.with_initialiser(session),
        false => interface,
    }
}

/// Changes representations on their way to a layer: an optimiser, a check, a log.
#[derive(Clone, Debug)]
pub struct TransformLayer<F, B> {
    transform: F,
    base: B,
}

impl<F, B> TransformLayer<F, B> {
    /// Calls `transform` with each representation when it is needed, with what is owed of it.
    pub fn new(transform: F, base: B) -> TransformLayer<F, B> {
        TransformLayer { transform, base }
    }
}

impl<R, F, B: Layer<R>> Layer<R> for TransformLayer<F, B>
where
    F: Fn(&Responsibility, R) -> Result<R, Cause> + Send + Sync,
{
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error> {
        self.base.interface(session, representation)
    }

    fn emit(&self, responsibility: Responsibility, representation: R) {
        match (self.transform)(&responsibility, representation) {
            Ok(changed) => self.base.emit(responsibility, changed),
            Err(cause) => responsibility.fail_to_compile(cause),
        }
    }
}
