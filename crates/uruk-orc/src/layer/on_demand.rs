//! Functions that are made by their first calls.
//!
//! Data flow: a representation is asked for → it is split into parts → functions of the dylib become stubs, and the
//! parts that have their bodies are added to a dylib behind it → a first call has its part made by the layer below.
//! What cannot be called is made when something is linked against it, in the dylib itself.
//! Invariants: code refers to the stubs of other parts' functions, never to their bodies. Parts go with what they are
//! parts of.

use super::{Added, Interface, Layer};
use crate::error::{Cause, Error};
use crate::reexports::Aliases;
use crate::responsibility::Responsibility;
use crate::session::Session;
use crate::state::DylibId;
use crate::unit::{Definition, Linkage, Promises};
use std::collections::HashMap;
use std::sync::Arc;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::Name;

/// Splits representations of a type.
pub trait Partition<R>: Send + Sync {
    /// What a part is represented by.
    type Part: Send + 'static;

    /// What a representation defines.
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Cause>;

    /// Its parts, as small as can be, which define all that it does, each name once; what else they define for each
    /// other has to have names of its own in the dylib. A part with one function is made by that function's first call; one
    /// with several symbols too, if all are strong and none is but a function or a variable.
    fn split(&self, session: &Session, representation: R) -> Result<Vec<Self::Part>, Cause>;

    /// The stubs that lead to a part which is to be made by a first call of any of them, if what it defines has names of
    /// its own. Then code that sees the address of a function, the function's own too, sees that of its stub.
    fn stubs(&self, session: &Session, part: &Self::Part) -> Option<Stubs> {
        let _ = (session, part);
        None
    }
}

/// What leads to the functions of a part.
#[derive(Clone, Debug, Default)]
pub struct Stubs {
    /// Functions, each with the name that the part has for its body.
    pub functions: Vec<(Definition, Name)>,
    /// Other names of them.
    pub aliases: Vec<(Definition, Name)>,
}

/// The partition that leaves everything whole, for a layer that says what it defines.
#[derive(Clone, Debug)]
pub struct Whole<L>(pub L);

impl<R: Send + 'static, L: Layer<R>> Partition<R> for Whole<L> {
    type Part = R;

    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Cause> {
        Ok(self.0.interface(session, representation)?)
    }

    fn split(&self, _: &Session, representation: R) -> Result<Vec<R>, Cause> {
        Ok(vec![representation])
    }
}

/// Makes each function when it is first called.
#[derive(Clone, Debug)]
pub struct OnDemandLayer<P, B> {
    partition: P,
    base: Arc<B>,
}

impl<P, B> OnDemandLayer<P, B> {
    /// On top of a layer that takes parts.
    pub fn new(partition: P, base: Arc<B>) -> OnDemandLayer<P, B> {
        OnDemandLayer { partition, base }
    }

    /// The layer below.
    pub fn base(&self) -> &Arc<B> {
        &self.base
    }
}

impl<R, P, B> Layer<R> for OnDemandLayer<P, B>
where
    P: Partition<R>,
    B: Layer<P::Part> + 'static,
{
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error> {
        let interface = self.partition.interface(session, representation);
        interface.map_err(|cause| Error::Representation(cause.into()))
    }

    fn emit(&self, responsibility: Responsibility, representation: R) {
        let parts = match self.partition.split(responsibility.session(), representation) {
            Ok(parts) => parts,
            Err(cause) => return responsibility.fail_to_compile(cause),
        };
        match Distribution::new(&responsibility).and_then(|it| it.distribute(self, parts)) {
            // What is owed now has no address.
            Ok(()) => {
                let _ = responsibility.emit(&[]);
            }
            Err(error) => responsibility.fail(error),
        }
    }
}

/// A representation whose parts are being distributed.
struct Distribution<'a> {
    responsibility: &'a Responsibility,
    /// What it has promised, with whether it owes it.
    promises: HashMap<Name, (Definition, bool)>,
    code: DylibId,
    entries: DylibId,
    /// What leads to bodies.
    functions: Vec<(Definition, Name)>,
    variables: Vec<(Definition, Name)>,
    /// Other names of the dylib's own functions.
    aliases: Vec<(Definition, Name)>,
}

impl<'a> Distribution<'a> {
    fn new(responsibility: &'a Responsibility) -> Result<Distribution<'a>, Error> {
        let promises = responsibility.promises().into_iter();
        let promises = promises.map(|(definition, owed)| (definition.name, (definition, owed))).collect();
        let bodies = responsibility.session().bodies_of(responsibility.dylib())?;
        let (functions, variables, aliases) = Default::default();
        let (code, entries) = (bodies.code, bodies.entries);
        Ok(Distribution { responsibility, promises, code, entries, functions, variables, aliases })
    }

    fn distribute<R, P, B>(mut self, layer: &OnDemandLayer<P, B>, parts: Vec<P::Part>) -> Result<(), Error>
    where
        P: Partition<R>,
        B: Layer<P::Part> + 'static,
    {
        let OnDemandLayer { partition, base } = layer;
        let session = self.responsibility.session();
        let tracker = self.responsibility.companion(self.code)?;
        for part in parts {
            let interface = base.interface(session, &part)?;
            if let Some(Stubs { functions, aliases }) = partition.stubs(session, &part) {
                let functions = self.owed_pairs(functions)?;
                let aliases = self.owed_pairs(aliases)?;
                if !functions.is_empty() || !aliases.is_empty() {
                    self.functions.extend(functions);
                    self.aliases.extend(aliases);
                    session.add_described(base, self.code, Some(tracker), part, interface)?;
                }
                continue;
            }
            let owed = self.owed(&interface.definitions)?;
            if owed.is_empty() {
                continue;
            }
            if is_lazy(&interface) {
                for definition in owed {
                    let is_function = definition.kind == SymbolKind::Function;
                    let list = if is_function { &mut self.functions } else { &mut self.variables };
                    list.push((definition, definition.name));
                }
                session.add_described(base, self.code, Some(tracker), part, interface)?;
            } else {
                let Interface { name, initialiser, .. } = interface;
                // Its initialisers are part of the whole's.
                let promises = Promises::new(name, owed, initialiser);
                let added = Added { layer: base.clone(), representation: part };
                self.responsibility.give_back(Box::new(added), &promises)?;
            }
        }
        if !self.functions.is_empty() {
            self.responsibility.replace(session.lazy_reexports(self.entries, self.functions)?)?;
        }
        if !self.variables.is_empty() {
            self.responsibility.replace(Box::new(Aliases::new(self.entries, self.variables)))?;
        }
        if !self.aliases.is_empty() {
            self.responsibility.replace(Box::new(Aliases::new(self.responsibility.dylib(), self.aliases)))?;
        }
        Ok(())
    }

    /// Those of pairs whose definitions are the dylib's to have, with what they lead to.
    fn owed_pairs(&mut self, pairs: Vec<(Definition, Name)>) -> Result<Vec<(Definition, Name)>, Error> {
        let mut owed = Vec::with_capacity(pairs.len());
        for (definition, target) in pairs {
            owed.extend(self.owed(&[definition])?.first().map(|definition| (*definition, target)));
        }
        Ok(owed)
    }

    /// Those definitions of a part that are the dylib's to have; what was not promised is promised now.
    fn owed(&mut self, definitions: &[Definition]) -> Result<Vec<Definition>, Error> {
        let mut owed = Vec::with_capacity(definitions.len());
        for definition in definitions {
            match self.promises.get(&definition.name) {
                Some((promised, true)) => owed.push(*promised),
                Some((_, false)) => {}
                None => {
                    let hidden = definition.hidden();
                    self.responsibility.define(&[hidden])?;
                    owed.push(hidden);
                }
            }
        }
        Ok(owed)
    }
}

/// Whether a part can be made by a first call: whatever it defines besides functions is found through it then, so no other
/// definition may take its place.
fn is_lazy(interface: &Interface) -> bool {
    let definitions = &interface.definitions;
    let is_function = |definition: &Definition| definition.kind == SymbolKind::Function;
    let is_simple = |definition: &Definition| {
        let is_plain = is_function(definition) || definition.kind == SymbolKind::Object;
        is_plain && definition.linkage == Linkage::Strong && !definition.side_effects_only
    };
    let alone = definitions.len() == 1;
    interface.initialiser.is_none()
        && definitions.iter().any(is_function)
        && (alone || definitions.iter().all(is_simple))
}
