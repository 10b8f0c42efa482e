//! Dylibs whose sections are collected: what has to be known together before anything is dropped.

use super::{Dylib, DylibId, State, SymbolId, UnitId};
use uruk_jitlink::names::Name;

/// Which symbols of a dylib keep what they reach when its sections are collected. Symbols that were looked up before
/// keep it in any case.
#[derive(Clone, Debug)]
pub enum GcRoots {
    /// All that other dylibs see, as in a shared library.
    Exported,
    /// These, and what the process's libraries import, as in an executable.
    Named(Vec<Name>),
}

/// The collection of a dylib's sections.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    pub roots: GcRoots,
    /// Generators have been asked for the roots.
    pub sought: bool,
    /// What defines the roots has been claimed.
    pub rooted: bool,
    /// How many of the dylib's whole inputs have been claimed with others.
    pub claimed: usize,
}

impl State {
    /// Whether sections of any dylib are collected.
    pub fn collects(&self) -> bool {
        self.dylibs.iter().any(|dylib| dylib.collection.is_some())
    }

    /// The roots that a dylib's collection names, as far as they are defined.
    pub fn named_roots(&self, dylib: DylibId) -> Vec<SymbolId> {
        let Dylib { collection, order, .. } = self.dylib(dylib);
        match collection.as_ref().map(|collection| &collection.roots) {
            Some(GcRoots::Named(names)) => names.iter().filter_map(|name| self.find(order, *name)).collect(),
            _ => Vec::new(),
        }
    }

    /// Claims what has to be in one batch with claimed units: a collection must see all whole inputs of a dylib, and
    /// what defines its roots, or it would drop what the rest of them needs.
    pub fn claim_companions(&mut self, claimed: &mut Vec<UnitId>) {
        let mut at = 0;
        while let Some(unit) = claimed.get(at) {
            let dylib = self.unit(*unit).dylib.index();
            at += 1;
            let Dylib { collection: Some(collection), roots, .. } = &mut self.dylibs[dylib] else { continue };
            let mut units = roots[collection.claimed..].to_vec();
            collection.claimed += units.len();
            if !std::mem::replace(&mut collection.rooted, true) {
                let found = self.named_roots(DylibId(dylib as u32));
                units.extend(found.iter().map(|symbol| self.symbol(*symbol).unit));
            }
            units.retain(|unit| {
                let is_object = self.units.get(unit.index()).is_some_and(|unit| unit.object.is_some());
                is_object && self.claim(*unit)
            });
            claimed.extend(units);
        }
    }
}
