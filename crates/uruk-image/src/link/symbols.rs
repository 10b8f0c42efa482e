//! What the graphs of an image call by name: each other's definitions, and what libraries define.
//!
//! Invariants: one definition a name ([`definitions`](crate::definitions)); what libraries
//! define is asked for in the order in which they were named, as the system's loader searches them.

use crate::definitions::{Strength, replaceable};
use crate::error::Error;
use crate::library::{Library, LibrarySymbol};
use std::collections::BTreeMap;
use uruk_jitlink::graph::*;

/// A symbol that a library defines, or nobody if it is weak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Import {
    pub name: String,
    /// The library's position among those that were named, and the symbol's version there.
    pub found: Option<(usize, Option<String>)>,
    pub weak: bool,
    pub kind: SymbolKind,
    /// Bytes of it, if the library says.
    pub size: u64,
}

/// What a global symbol of a graph stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// What a graph defines.
    Own(usize, SymbolId),
    /// An import, by its number.
    Import(u32),
    /// The first or the end of all sections of the name of this number.
    Bound(usize, End),
    /// The graph's own slots.
    Slots,
    /// The start of the image of thread-local variables.
    ThreadImage,
    /// The image's first byte.
    Start,
}

/// One of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    First,
    Last,
}

/// The names of an image.
#[derive(Default)]
pub(crate) struct Symbols {
    defined: BTreeMap<Vec<u8>, (usize, SymbolId)>,
    meanings: Vec<Vec<Option<Meaning>>>,
    /// What others define.
    pub imports: Vec<Import>,
    /// Sections whose bounds are asked for.
    pub bounds: Vec<Vec<u8>>,
}

fn strength(graph: &LinkGraph, symbol: &Symbol, replaceable: &[bool]) -> Strength {
    match symbol.definition {
        Definition::Undefined => Strength::None,
        Definition::Block(block) if !graph.block(block).live => Strength::None,
        Definition::Block(block) if replaceable[block.0 as usize] => Strength::of(false, Binding::Weak),
        definition => Strength::of(definition == Definition::Common, symbol.binding),
    }
}

impl Symbols {
    /// Finds the one definition of each name.
    pub fn define(graphs: &mut [LinkGraph]) -> Result<Symbols, Error> {
        let mut symbols = Symbols::default();
        let all: Vec<Vec<bool>> = graphs.iter().map(replaceable).collect();
        let strength =
            |position: usize, id: SymbolId| strength(&graphs[position], graphs[position].symbol(id), &all[position]);
        for (position, graph) in graphs.iter().enumerate() {
            for (id, symbol) in graph.globals().filter(|(_, symbol)| symbol.binding != Binding::Local) {
                let own = strength(position, id);
                if own == Strength::None {
                    continue;
                }
                let name = graph.symbol_name(id);
                let Some((other, known)) = symbols.defined.get(name) else {
                    symbols.defined.insert(name.to_vec(), (position, id));
                    continue;
                };
                let theirs = strength(*other, *known);
                let replaces = own.replaces(theirs, name, [graph, &graphs[*other]])?;
                let larger =
                    own == Strength::Common && theirs == own && graphs[*other].symbol(*known).size < symbol.size;
                if replaces || larger {
                    symbols.defined.insert(name.to_vec(), (position, id));
                }
            }
        }
        for (position, id) in symbols.defined.values() {
            let Symbol { definition, size, value, .. } = *graphs[*position].symbol(*id);
            if definition == Definition::Common {
                graphs[*position].allocate_common(*id, size, value.max(1));
            }
        }
        symbols.meanings = graphs.iter().map(|graph| vec![None; graph.symbols.len()]).collect();
        Ok(symbols)
    }

    /// What defines a name.
    pub fn find(&self, name: &str) -> Option<(usize, SymbolId)> {
        self.defined.get(name.as_bytes()).copied()
    }

    /// All definitions that others see, in order of their names.
    pub fn definitions(&self) -> impl Iterator<Item = (&[u8], (usize, SymbolId))> {
        self.defined.iter().map(|(name, place)| (name.as_slice(), *place))
    }

    /// The definition of a global symbol, if a graph has one.
    pub fn definition(&self, graph: &LinkGraph, id: SymbolId) -> Option<(usize, SymbolId)> {
        self.defined.get(graph.symbol_name(id)).copied()
    }

    /// What a symbol of a graph stands for; of global ones, what [`bind`](Symbols::bind) has found.
    pub fn meaning(&self, position: usize, graph: &LinkGraph, id: SymbolId) -> Meaning {
        let known = if id < graph.first_global { None } else { self.meanings[position].get(id.0 as usize).copied() };
        known.flatten().unwrap_or(Meaning::Own(position, id))
    }

    /// Finds what each global symbol that is referred to stands for.
    pub fn bind(&mut self, graphs: &[LinkGraph], libraries: &[Library]) -> Result<(), Error> {
        let mut imports: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for (position, graph) in graphs.iter().enumerate() {
            for id in referred(graph) {
                let symbol = graph.symbol(id);
                if id < graph.first_global || symbol.binding == Binding::Local {
                    continue;
                }
                let name = graph.symbol_name(id);
                let meaning = match self.defined.get(name) {
                    Some((other, id)) => Meaning::Own(*other, *id),
                    None => match self.of_linker(name) {
                        Some(meaning) => meaning,
                        None => match imports.get(name) {
                            Some(known) => Meaning::Import(*known),
                            None => {
                                let number = self.imports.len() as u32;
                                self.imports.push(find(utf8(name, graph.input.name())?, libraries));
                                imports.insert(name.to_vec(), number);
                                Meaning::Import(number)
                            }
                        },
                    },
                };
                if let Meaning::Import(number) = meaning {
                    let import = &mut self.imports[number as usize];
                    import.weak &= symbol.binding == Binding::Weak;
                    if import.found.is_none() && !import.weak {
                        missing.entry(text(name)).or_insert_with(|| graph.input.name().to_string());
                    }
                    if (symbol.kind, import.kind) == (SymbolKind::Function, SymbolKind::Object) {
                        let object = graph.input.name().to_string();
                        return Err(Error::NoFunction { object, symbol: import.name.clone() });
                    }
                }
                self.meanings[position][id.0 as usize] = Some(meaning);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(Error::Undefined { symbols: missing.into_iter().collect() }) }
    }

    /// What a linker defines itself.
    fn of_linker(&mut self, name: &[u8]) -> Option<Meaning> {
        let (section, end) = match name {
            b"_GLOBAL_OFFSET_TABLE_" => return Some(Meaning::Slots),
            b"_TLS_MODULE_BASE_" => return Some(Meaning::ThreadImage),
            b"__dso_handle" | b"__ehdr_start" => return Some(Meaning::Start),
            name => match (name.strip_prefix(b"__start_"), name.strip_prefix(b"__stop_")) {
                (Some(section), _) => (section, End::First),
                (_, Some(section)) => (section, End::Last),
                _ => return None,
            },
        };
        let known = self.bounds.iter().position(|bound| bound == section);
        let number = known.unwrap_or_else(|| {
            self.bounds.push(section.to_vec());
            self.bounds.len() - 1
        });
        Some(Meaning::Bound(number, end))
    }
}

/// The symbols that edges of live blocks refer to, once each, in order.
fn referred(graph: &LinkGraph) -> Vec<SymbolId> {
    let mut is_referred = vec![false; graph.symbols.len()];
    for block in graph.blocks.iter().filter(|block| block.live) {
        for edge in graph.edges(block) {
            is_referred[edge.target.0 as usize] = true;
        }
    }
    (0..).map(SymbolId).zip(is_referred).filter(|(_, referred)| *referred).map(|(id, _)| id).collect()
}

/// A name may have a version behind it: `name@version`. The import is weak as long as nobody says otherwise.
fn find(name: &str, libraries: &[Library]) -> Import {
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version.trim_start_matches('@'))),
        None => (name, None),
    };
    let found = libraries
        .iter()
        .enumerate()
        .find_map(|(position, library)| library.find(name, version).map(|symbol| (position, symbol)));
    let (kind, size) = found.map_or((SymbolKind::None, 0), |(_, symbol)| (symbol.kind, symbol.size));
    let found = found.map(|(position, LibrarySymbol { version, .. })| (position, version.clone()));
    Import { name: name.into(), found, weak: true, kind, size }
}

/// A name that an object shares with others, who know it as text.
pub(crate) fn utf8(name: &[u8], object: impl std::fmt::Display) -> Result<&str, Error> {
    std::str::from_utf8(name).map_err(|_| {
        let what =
            format!("`{}` is no UTF-8, as names have to be that others share with an image", name.escape_ascii());
        Error::Object { object: object.to_string(), what }
    })
}

pub(crate) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
