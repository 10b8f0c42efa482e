//! Other names for what is defined elsewhere: aliases, and what one dylib offers of another.

use crate::error::Error;
use crate::generator::{DefinitionGenerator, Wanted};
use crate::responsibility::Responsibility;
use crate::session::{Request, Session};
use crate::state::{DylibId, SearchEntry};
use crate::unit::{Definition, MaterializationUnit};
use std::collections::HashSet;
use std::sync::Arc;
use uruk_jitlink::format::Convention;
use uruk_jitlink::interface::Interface;
use uruk_jitlink::names::Name;

/// Names that stand for symbols of a dylib: its own, or those that its search order finds.
pub struct Aliases {
    name: Arc<str>,
    source: DylibId,
    /// Only dylibs that serve objects of this convention are looked into.
    convention: Option<Convention>,
    aliases: Vec<(Definition, Name)>,
}

impl Aliases {
    /// Names, each for the symbol beside it, which is found along `source`'s search order.
    pub fn new(source: DylibId, aliases: Vec<(Definition, Name)>) -> Aliases {
        Aliases { name: "aliases".into(), source, convention: None, aliases }
    }

    /// The names themselves, as `source` has them.
    pub fn reexport(source: DylibId, definitions: Vec<Definition>) -> Aliases {
        Aliases::new(source, definitions.into_iter().map(|definition| (definition, definition.name)).collect())
    }

    /// The same where objects of a convention refer to them.
    pub(crate) fn found_by(source: DylibId, convention: Convention, aliases: Vec<(Definition, Name)>) -> Aliases {
        Aliases { convention: Some(convention), ..Aliases::new(source, aliases) }
    }

    /// Those that an object of a dylib gives to others' symbols; `None` if there is none.
    pub(crate) fn of(interface: &Interface, dylib: DylibId) -> Option<Aliases> {
        let aliases = interface.terms.aliases.iter().map(|alias| (Definition::of_alias(alias), alias.target));
        let aliases: Vec<_> = aliases.collect();
        let convention = interface.format.container.convention();
        let name = interface.input.name().clone();
        (!aliases.is_empty()).then(|| Aliases { name, ..Aliases::found_by(dylib, convention, aliases) })
    }

    /// Forgets all but these.
    pub(crate) fn retain(&mut self, names: &HashSet<Name>) {
        self.aliases.retain(|(definition, _)| names.contains(&definition.name));
    }

    fn order(&self, session: &Session) -> Vec<SearchEntry> {
        match self.convention {
            Some(convention) => session.search_order_for(self.source, convention),
            None => session.search_order(self.source),
        }
    }
}

impl MaterializationUnit for Aliases {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.aliases.iter().map(|(definition, _)| *definition).collect()
    }

    fn materialize(mut self: Box<Self>, responsibility: Responsibility) {
        let owed: HashSet<Name> = responsibility.owed().into_iter().collect();
        let requested: HashSet<Name> = responsibility.requested().into_iter().collect();
        self.retain(&owed);
        let is_requested = |alias: &(Definition, Name)| requested.contains(&alias.0.name);
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.aliases).into_iter().partition(is_requested);
        // What nobody asked for is not to make its target materialize.
        if !later.is_empty()
            && let Err(error) =
                responsibility.replace(Box::new(Aliases { name: self.name.clone(), aliases: later, ..*self }))
        {
            return responsibility.fail(error);
        }
        let order = self.order(responsibility.session());
        let targets: Vec<Name> = now.iter().map(|(_, target)| *target).collect();
        responsibility.look_up_then(&Request::new(&order, &targets).resolved(), move |responsibility, answer| {
            let addresses = match answer {
                Ok(addresses) => addresses,
                Err(error) => return responsibility.fail(error),
            };
            let addresses = now.iter().zip(addresses).map(|((alias, _), address)| (alias.name, address.unwrap_or(0)));
            let needs: Vec<Name> = now.iter().map(|(_, target)| *target).collect();
            // An error means that the aliases have failed, which those who asked are told.
            if responsibility.resolve(&addresses.collect::<Vec<_>>()).is_ok() {
                let order = self.order(responsibility.session());
                let _ = responsibility.emit_along(&order, &needs);
            }
        });
    }
}

/// Offers what another dylib shows to others, generators included.
pub struct Reexports {
    source: DylibId,
}

impl Reexports {
    /// What `source` shows.
    pub fn new(source: DylibId) -> Reexports {
        Reexports { source }
    }
}

impl DefinitionGenerator for Reexports {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let shown = [SearchEntry { dylib: self.source, all_symbols: false }];
        session.generate_in(&shown, wanted)?;
        let definitions = session.definitions(&shown, wanted.names.iter().map(|(name, _)| *name));
        if definitions.is_empty() {
            return Ok(());
        }
        session.define(dylib, None, Box::new(Aliases::reexport(self.source, definitions)))
    }

    fn name(&self) -> String {
        "what another dylib shows".into()
    }
}

/// A generator that is asked for some names only.
pub struct Filtered<G, F> {
    generator: G,
    accepts: F,
}

impl<G: DefinitionGenerator, F: Fn(&[u8]) -> bool + Send + Sync> Filtered<G, F> {
    /// Asks `generator` for the names that `accepts` says yes to.
    pub fn new(generator: G, accepts: F) -> Self {
        Filtered { generator, accepts }
    }
}

impl<G: DefinitionGenerator, F: Fn(&[u8]) -> bool + Send + Sync> DefinitionGenerator for Filtered<G, F> {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let mut names = wanted.names.to_vec();
        names.retain(|(name, _)| (self.accepts)(&session.names().bytes(*name)));
        if names.is_empty() {
            return Ok(());
        }
        self.generator.generate(session, dylib, Wanted { names: &names, ..wanted })
    }

    fn name(&self) -> String {
        self.generator.name()
    }
}
