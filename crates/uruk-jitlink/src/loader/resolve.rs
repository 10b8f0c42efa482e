//! References of loaded objects: what they are bound to, and the bytes that come of it.

use super::Loader;
use super::error::{LoadError, Missing};
use super::object::{Object, Part, Phase};
use crate::coff::IMAGE_BASE;
use crate::graph::*;
use crate::interface::{Fallback, Global, Interface, Strength};
use crate::names::Name;
use crate::resolve::Target;
use std::collections::{HashMap, HashSet};

impl Loader {
    /// Makes the bytes of all that is not final as they have to be at its addresses. The resolver is asked once, for all
    /// names that the objects refer to and do not define, without repetition: an address where the code will run for each,
    /// or nothing. What it does not know is an error, which names all of it, unless the reference is weak.
    pub fn resolve(&mut self, resolver: impl FnOnce(&[&[u8]]) -> Vec<Option<u64>>) -> Result<(), LoadError> {
        self.check_places()?;
        let names = self.missing();
        let texts = self.undefined();
        let answers =
            if texts.is_empty() { Vec::new() } else { resolver(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()) };
        if answers.len() != names.len() {
            return Err(LoadError::Answers { found: answers.len(), wanted: names.len() });
        }
        let externals: HashMap<Name, u64> =
            names.into_iter().zip(answers).filter_map(|(name, address)| Some((name, address?))).collect();
        let image = self.image_base();
        let mut missing = Vec::new();
        let mut bound = Vec::new();
        for (number, object) in self.open() {
            bound.push((number, self.bind(object, &externals, image, &mut missing)));
        }
        if !missing.is_empty() {
            return Err(LoadError::Unresolved(missing));
        }
        for (number, references) in bound {
            let object = &mut self.objects[number];
            object.place();
            let mut others = Vec::new();
            for (id, reference) in references {
                object.targets.set(id, reference);
                if let Target::Known(address) = reference {
                    others.push((id, address));
                }
            }
            object.write(&others, image)?;
            object.phase = Phase::Resolved;
        }
        Ok(())
    }

    /// Every section has a place of its own.
    fn check_places(&self) -> Result<(), LoadError> {
        let mut ranges = Vec::new();
        for object in &self.objects {
            for run in object.runs.iter().filter(|run| run.size != 0) {
                let section = object.section_name(run);
                let Some(range) = run.range() else {
                    return Err(LoadError::Unmapped { object: object.name().into(), section });
                };
                ranges.push((range.start, range.end, section, object.name()));
            }
        }
        ranges.sort_unstable();
        let overlap = ranges.windows(2).find(|pair| pair[1].0 < pair[0].1);
        let text = |(_, _, section, object): &(u64, u64, String, &str)| format!("`{section}` of {object}");
        overlap.map_or(Ok(()), |pair| {
            let (first, second, address) = (text(&pair[0]), text(&pair[1]), pair[1].0);
            Err(LoadError::Overlap { first, second, address })
        })
    }

    /// What the open objects refer to and none of all defines, without repetition.
    pub(super) fn missing(&self) -> Vec<Name> {
        let mut seen = HashSet::new();
        let mut names = Vec::new();
        for (_, object) in self.open() {
            for (id, global) in globals(&object.member.graph, &object.interface) {
                let text = self.names.bytes(global.name);
                let refers =
                    matches!(global.strength, Strength::Undefined | Strength::UndefinedWeak | Strength::Fallback);
                let made = id.0 == 0 || global.kind == SymbolKind::File || is_made(object, &text);
                if refers && !made && !self.defined.contains_key(&global.name) && seen.insert(global.name) {
                    names.push(global.name);
                }
            }
        }
        names
    }

    /// What each global of an object refers to that it does not define itself.
    fn bind(
        &self,
        object: &Object,
        externals: &HashMap<Name, u64>,
        image: u64,
        missing: &mut Vec<Missing>,
    ) -> Vec<(SymbolId, Target)> {
        let graph = &object.member.graph;
        let known = |global: &Global| {
            let made = || made(object, &self.names.bytes(global.name), image);
            self.defined_address(global.name).or_else(|| externals.get(&global.name).copied()).or_else(made)
        };
        let mut bound = Vec::new();
        for (position, (id, global)) in globals(graph, &object.interface).enumerate() {
            let own = self.defined.get(&global.name).is_some_and(|defined| {
                std::ptr::eq(&self.objects[defined.object as usize], object) && defined.id == id
            });
            if own || matches!(global.strength, Strength::Local) || global.kind == SymbolKind::File {
                continue;
            }
            let fallbacks = object.interface.fallbacks();
            let fallback =
                fallbacks.binary_search_by_key(&position, |(of, _)| *of as usize).ok().map(|at| fallbacks[at].1);
            let other = |position: u32| object.interface.globals.get(position as usize).and_then(known);
            let target = match (known(global), fallback) {
                (Some(address), _) => Some(Target::Known(address)),
                (None, Some(Fallback::Null)) => Some(Target::Known(0)),
                (None, Some(Fallback::Global(position))) => other(position).map(Target::Known),
                (None, Some(Fallback::Own(position))) => other(position).map(|_| Target::Own),
                (None, None) => None,
            };
            match target {
                Some(target) => bound.push((id, target)),
                None if matches!(global.strength, Strength::UndefinedWeak | Strength::Fallback) => {
                    bound.push((id, Target::Known(0)));
                }
                None => missing.push(Missing {
                    symbol: self.names.text(global.name),
                    object: object.name().into(),
                    place: object.reference(id),
                }),
            }
        }
        bound
    }

    pub(super) fn defined_address(&self, name: Name) -> Option<u64> {
        let defined = self.defined.get(&name)?;
        self.objects[defined.object as usize].address(defined.id)
    }
}

/// An object's global symbols, with what others see of them.
pub(super) fn globals<'a>(
    graph: &LinkGraph,
    interface: &'a Interface,
) -> impl Iterator<Item = (SymbolId, &'a Global)> + use<'a> {
    (graph.first_global.0..).map(SymbolId).zip(&interface.globals)
}

fn is_made(object: &Object, name: &[u8]) -> bool {
    made(object, name, 0).is_some()
}

/// The address of a symbol that the linker itself defines for an object.
fn made(object: &Object, name: &[u8], image: u64) -> Option<u64> {
    let bound = |prefix: &[u8]| name.strip_prefix(prefix).and_then(|section| object.bounds(section));
    match name {
        b"_GLOBAL_OFFSET_TABLE_" => Some(object.start_of(Part::Got)),
        IMAGE_BASE => Some(image),
        _ => bound(b"__start_").map(|range| range.start).or_else(|| bound(b"__stop_").map(|range| range.end)),
    }
}
