//! What the objects of a dylib want of the link as a whole: names for others' symbols, names that stand for others where
//! nothing defines them, and values that have to be the same in all of them.
//!
//! Invariant: a term is there as long as a unit that wants it is.

use super::{DylibId, LotId, SearchEntry, State, UnitId};
use crate::error::Error;
use crate::reexports::Aliases;
use crate::unit::{Definition, MaterializationUnit};
use std::collections::{BTreeSet, HashMap};
use uruk_jitlink::format::Convention;
use uruk_jitlink::interface::Interface;
use uruk_jitlink::names::Name;

/// The terms of a dylib.
#[derive(Default)]
pub(crate) struct Terms {
    alternatives: HashMap<Name, Term>,
    agreements: HashMap<Name, Term>,
}

struct Term {
    value: Name,
    convention: Convention,
    /// Who wants it.
    units: BTreeSet<UnitId>,
}

impl State {
    /// Enters what an object wants besides its symbols. Returns the unit of the names that it gives to others' symbols, if
    /// there are some.
    pub fn add_terms(&mut self, unit: UnitId, interface: &Interface) -> Result<Option<UnitId>, Error> {
        self.agree(unit, interface)?;
        let (dylib, lot) = (self.unit(unit).dylib, self.unit(unit).lot);
        match Aliases::of(interface, dylib) {
            Some(aliases) => self.add_aliases(dylib, lot, aliases).map(Some),
            None => Ok(None),
        }
    }

    /// Enters what an object wants of others.
    pub(super) fn agree(&mut self, unit: UnitId, interface: &Interface) -> Result<(), Error> {
        let convention = interface.format.container.convention();
        let dylib = self.unit(unit).dylib.index();
        let wanted = &interface.terms;
        let alternatives = wanted.alternatives.iter().map(|pair| ("/alternatename", pair));
        let agreements = wanted.agreements.iter().map(|pair| ("/failifmismatch", pair));
        for (what, (name, value)) in alternatives.chain(agreements) {
            let terms = &mut self.dylibs[dylib].terms;
            let table = if what == "/alternatename" { &mut terms.alternatives } else { &mut terms.agreements };
            let term = table.entry(*name).or_insert_with(|| Term { value: *value, convention, units: BTreeSet::new() });
            if term.value != *value {
                let (first, first_value) = (term.units.first().copied(), term.value);
                let option = |value: Name| format!("{what}:{}={}", self.names.text(*name), self.names.text(value));
                return Err(Error::Disagree {
                    first_option: option(first_value),
                    second_option: option(*value),
                    first: first.map_or_else(String::new, |unit| self.definer(unit)),
                    second: self.definer(unit),
                });
            }
            term.units.insert(unit);
        }
        Ok(())
    }

    /// Forgets what a unit that goes has wanted.
    pub(super) fn drop_terms(&mut self, unit: UnitId) {
        let Some(object) = self.unit(unit).object.clone() else { return };
        let (wanted, dylib) = (&object.interface.terms, self.unit(unit).dylib);
        let terms = &mut self.dylibs[dylib.index()].terms;
        let tables = [(&wanted.alternatives, &mut terms.alternatives), (&wanted.agreements, &mut terms.agreements)];
        for (wanted, table) in tables {
            for (name, _) in wanted {
                let Some(term) = table.get_mut(name) else { continue };
                if term.units.remove(&unit) && term.units.is_empty() {
                    table.remove(name);
                }
            }
        }
    }

    /// Lets names that nothing defines stand for what objects say that they do, as the dylibs along an order have it.
    pub fn use_alternatives(&mut self, order: &[SearchEntry], missing: &[Name]) -> Result<(), Error> {
        for entry in order.iter().filter(|entry| entry.all_symbols) {
            let dylib = self.dylib(entry.dylib);
            if dylib.terms.alternatives.is_empty() {
                continue;
            }
            for name in missing {
                let found = self.dylib(entry.dylib).terms.alternatives.get(name);
                let Some((term, unit)) = found.and_then(|term| Some((term, *term.units.first()?))) else { continue };
                let definition = Definition::data(*name).weak().hidden();
                let aliases = Aliases::found_by(entry.dylib, term.convention, vec![(definition, term.value)]);
                self.add_aliases(entry.dylib, self.unit(unit).lot, aliases)?;
                self.keep_changes();
            }
        }
        Ok(())
    }

    fn add_aliases(&mut self, dylib: DylibId, lot: LotId, aliases: Aliases) -> Result<UnitId, Error> {
        let id = self.add_unit(dylib, lot, aliases.name().into());
        let definitions = aliases.definitions();
        self.unit_mut(id).client = Some(Box::new(aliases));
        self.enter_all(id, &definitions).map(|()| id).inspect_err(|_| {
            self.undo_changes();
            self.withdraw_unit(id);
        })
    }
}
