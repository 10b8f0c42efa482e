//! Other names for what is defined elsewhere: aliases, and what one dylib offers of another.

use crate::error::Error;
use crate::generator::{DefinitionGenerator, Wanted};
use crate::responsibility::Responsibility;
use crate::session::{Request, Session};
use crate::state::{DylibId, SearchEntry};
use crate::unit::{Definition, MaterializationUnit};
use std::collections::HashSet;
use uruk_jitlink::names::Name;

/// Names that stand for symbols of a dylib: its own, or those that its search order finds.
pub struct Aliases {
    source: DylibId,
    aliases: Vec<(Definition, Name)>,
}

impl Aliases {
    /// Names, each for the symbol beside it, which is found along `source`'s search order.
    pub fn new(source: DylibId, aliases: Vec<(Definition, Name)>) -> Aliases {
        Aliases { source, aliases }
    }

    /// The names themselves, as `source` has them.
    pub fn reexport(source: DylibId, definitions: Vec<Definition>) -> Aliases {
        Aliases { source, aliases: definitions.into_iter().map(|definition| (definition, definition.name)).collect() }
    }
}

impl MaterializationUnit for Aliases {
    fn name(&self) -> String {
        "aliases".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.aliases.iter().map(|(definition, _)| *definition).collect()
    }

    fn materialize(mut self: Box<Self>, responsibility: Responsibility) {
        let owed: HashSet<Name> = responsibility.owed().into_iter().collect();
        let requested: HashSet<Name> = responsibility.requested().into_iter().collect();
        let source = self.source;
        self.aliases.retain(|(definition, _)| owed.contains(&definition.name));
        let is_requested = |alias: &(Definition, Name)| requested.contains(&alias.0.name);
        let (now, later): (Vec<_>, Vec<_>) = self.aliases.into_iter().partition(is_requested);
        // What nobody asked for is not to make its target materialize.
        if !later.is_empty()
            && let Err(error) = responsibility.replace(Box::new(Aliases::new(source, later)))
        {
            return responsibility.fail(error);
        }
        let order = responsibility.session().search_order(source);
        let targets: Vec<Name> = now.iter().map(|(_, target)| *target).collect();
        responsibility.look_up_then(&Request::new(&order, &targets).resolved(), move |responsibility, answer| {
            let addresses = match answer {
                Ok(addresses) => addresses,
                Err(error) => return responsibility.fail(error),
            };
            let addresses = now.iter().zip(addresses).map(|((alias, _), address)| (alias.name, address.unwrap_or(0)));
            let needs: Vec<_> = now.iter().map(|(_, target)| (source, *target)).collect();
            // An error means that the aliases have failed, which those who asked are told.
            if responsibility.resolve(&addresses.collect::<Vec<_>>()).is_ok() {
                let _ = responsibility.emit(&needs);
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
