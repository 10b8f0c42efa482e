//! Which of several definitions of a name counts: a strong one, else a common one, else the first weak one (gABI 4.3, "Symbol Table",
//! `STB_WEAK`). Two strong ones are an error.

use crate::error::Error;
use crate::link::text;
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::{Binding, LinkGraph};

/// How good a definition is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strength {
    /// It is none.
    None,
    /// It gives way.
    Weak,
    /// It takes part of a variable that the linker makes.
    Common,
    /// It is the only one.
    Strong,
}

impl Strength {
    /// Of a definition with this binding.
    pub fn of(is_common: bool, binding: Binding) -> Strength {
        match binding {
            Binding::Local => Strength::None,
            _ if is_common => Strength::Common,
            Binding::Global => Strength::Strong,
            Binding::Weak | Binding::Unique => Strength::Weak,
        }
    }

    /// Whether a definition takes the place of another one, both of a name and each with the graph that has it.
    pub fn replaces(self, other: Strength, name: &[u8], [own, others]: [&LinkGraph; 2]) -> Result<bool, Error> {
        if (self, other) == (Strength::Strong, Strength::Strong) {
            let [first, second] = [others, own].map(|graph| graph.input.name().to_string());
            return Err(Error::Duplicate { symbol: text(name), first, second });
        }
        Ok(other < self)
    }
}

/// Which blocks of a graph give way to those of others, whatever their symbols say. Symbols of COFF say so themselves.
pub fn replaceable(graph: &LinkGraph) -> Vec<bool> {
    let mut replaceable = vec![false; graph.blocks.len()];
    if graph.format.container != Container::Coff {
        for block in graph.groups.iter().filter(|group| group.comdat).flat_map(|group| &group.blocks) {
            replaceable[block.0 as usize] = true;
        }
    }
    replaceable
}
