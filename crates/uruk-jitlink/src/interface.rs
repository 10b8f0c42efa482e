//! What an object offers and asks for, read without its sections and relocations: enough to define its symbols.

use crate::format::Format;
use crate::graph::{Binding, Definition, LinkGraph, SymbolKind, Visibility};
use crate::input::Input;
use crate::names::{Name, Names};

/// How strongly an object defines a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strength {
    /// Not at all.
    Undefined,
    /// Not at all, and it may stay so.
    UndefinedWeak,
    /// Unless somebody else does.
    Weak,
    /// As room that the linker makes, whose size and alignment [`Interface::common`] gives.
    Common,
    /// For good.
    Strong,
    /// Not at all, and it is looked for only where what it stands in for is not found ([`Interface::fallbacks`]).
    Fallback,
    /// For itself only: a local symbol that a pass has added, or one that a pass has dropped.
    Local,
}

impl Strength {
    /// Whether others can be bound to it.
    pub fn defines(self) -> bool {
        matches!(self, Strength::Weak | Strength::Common | Strength::Strong)
    }
}

/// What a reference is bound to where nothing defines it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fallback {
    /// Nothing: its address is 0.
    Null,
    /// Another of the object's globals, by its position.
    Global(u32),
    /// What the object itself has in its place for nobody else to see, which is of use if another global, given by its
    /// position, is defined.
    Own(u32),
}

/// How an object wants one of several definitions of a name to be chosen, where the first one is not as good as any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// All have to have the same size.
    SameSize,
    /// All have to be the same bytes.
    Same,
    /// The largest one.
    Largest,
}

/// What is compared of definitions that a [`Choice`] is made among.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rival {
    /// How one is chosen.
    pub choice: Choice,
    /// Size in bytes.
    pub size: u64,
    /// A hash of the bytes.
    pub hash: u64,
}

/// A symbol that other objects may see.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// Its name, without a default version.
    pub name: Name,
    /// Whether and how it is defined.
    pub strength: Strength,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
    /// One definition for the whole process (`STB_GNU_UNIQUE`).
    pub unique: bool,
}

/// A name that stands for another symbol, which may be one of any object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alias {
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub target: Name,
    /// It gives way to a definition.
    pub weak: bool,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it is.
    pub kind: SymbolKind,
}

/// What an object wants of the link that it is part of, besides its symbols.
#[derive(Clone, Default, Debug)]
pub struct Terms {
    /// Names that it gives to symbols that it does not define.
    pub aliases: Vec<Alias>,
    /// Names, each with another that it stands for where nothing defines it, whoever refers to it.
    pub alternatives: Vec<(Name, Name)>,
    /// Keys, each with the value that all objects have to have that name it.
    pub agreements: Vec<(Name, Name)>,
    /// Options that no linker knows, which have no effect.
    pub unknown: Vec<String>,
}

impl Terms {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        let Terms { aliases, alternatives, agreements, unknown } = self;
        aliases.is_empty() && alternatives.is_empty() && agreements.is_empty() && unknown.is_empty()
    }
}

/// What a symbol of a graph counts for in [`Interface::cost`]: about as much as its part of an object's tables.
const COST_PER_SYMBOL: usize = 64;

/// An object's symbols.
pub struct Interface {
    /// The object.
    pub input: Input,
    /// What kind of object it is.
    pub format: &'static Format,
    /// Its symbols from the first global one on, in the order of its symbol table.
    pub globals: Vec<Global>,
    /// Position among the globals, size and alignment of the common ones, in order.
    pub(crate) commons: Vec<(u32, u64, u64)>,
    /// What stands in for references that nothing defines, by their positions, in order.
    pub(crate) fallbacks: Vec<(u32, Fallback)>,
    /// Definitions that are not chosen by who comes first, by their positions, in order.
    pub(crate) rivals: Vec<(u32, Rival)>,
    /// What it wants of the link as a whole.
    pub terms: Terms,
    /// Its size in sections, symbols and bytes is worth a thread of its own from some point on.
    pub cost: usize,
}

impl Interface {
    /// That of an object without symbols.
    pub(crate) fn of(input: Input, format: &'static Format) -> Interface {
        let (globals, commons, fallbacks, rivals, terms) = Default::default();
        Interface { input, format, globals, commons, fallbacks, rivals, terms, cost: 0 }
    }

    /// The size and the alignment that this object wants for a common symbol, given by its position.
    pub fn common(&self, position: usize) -> (u64, u64) {
        let found = self.commons.binary_search_by_key(&(position as u32), |(position, ..)| *position);
        found.map_or((0, 1), |at| (self.commons[at].1, self.commons[at].2))
    }

    /// What stands in for its references that nothing defines, by their positions, in order.
    pub fn fallbacks(&self) -> &[(u32, Fallback)] {
        &self.fallbacks
    }

    /// How one of several definitions is chosen of a symbol, given by its position, if not by who comes first.
    pub fn rival(&self, position: usize) -> Option<Rival> {
        let found = self.rivals.binary_search_by_key(&(position as u32), |(position, _)| *position);
        found.ok().map(|at| self.rivals[at].1)
    }

    /// The names that it defines, its aliases among them.
    pub fn defined_names(&self) -> impl Iterator<Item = Name> + '_ {
        let globals = self.globals.iter().filter(|global| global.strength.defines()).map(|global| global.name);
        globals.chain(self.terms.aliases.iter().map(|alias| alias.name))
    }

    /// How many of its globals it defines.
    pub fn defined(&self) -> usize {
        self.globals.iter().filter(|global| global.strength.defines()).count()
    }

    /// The symbols of a graph that a compiler has made.
    pub fn made(graph: &LinkGraph, names: &Names) -> Interface {
        let (input, format) = (graph.input.clone(), graph.format);
        let none = Interface::of(input, format);
        Interface { cost: graph.made.len() + COST_PER_SYMBOL * graph.symbols.len(), ..none.edited(graph, names) }
    }

    /// The symbols of a graph that a reader has made of an input.
    pub(crate) fn made_of(graph: &LinkGraph, input: &Input, names: &Names) -> Interface {
        Interface { cost: input.len(), ..Interface::of(input.clone(), graph.format).edited(graph, names) }
    }

    /// The same with the symbols that passes have added to the object's graph behind its own, and without what they
    /// have dropped: one global for each symbol of the graph from its first global one on.
    pub fn edited(&self, graph: &LinkGraph, names: &Names) -> Interface {
        let mut globals = self.globals.clone();
        globals.reserve_exact(graph.symbols.len() - graph.first_global.0 as usize - globals.len());
        for (position, (id, symbol)) in graph.globals().enumerate() {
            let local = symbol.binding == Binding::Local;
            if let Some(global) = globals.get_mut(position) {
                if local {
                    global.strength = Strength::Local;
                }
                continue;
            }
            let strength = match (symbol.definition, symbol.binding) {
                (_, Binding::Local) => Strength::Local,
                (Definition::Undefined, Binding::Weak) => Strength::UndefinedWeak,
                (Definition::Undefined, _) => Strength::Undefined,
                (_, Binding::Weak | Binding::Unique) => Strength::Weak,
                _ => Strength::Strong,
            };
            // Local names are not interned.
            let name = graph.format.container.session_name(graph.symbol_name(id));
            let name = names.intern(if local { b"" } else { &name });
            let unique = symbol.binding == Binding::Unique;
            globals.push(Global { name, strength, visibility: symbol.visibility, kind: symbol.kind, unique });
        }
        let (commons, fallbacks, rivals) = (self.commons.clone(), self.fallbacks.clone(), self.rivals.clone());
        Interface { input: self.input.clone(), globals, commons, fallbacks, rivals, terms: self.terms.clone(), ..*self }
    }
}
