//! One table of symbols for all graphs.
//!
//! Locals are each graph's own; nameless ones that something refers to get a name that no compiler gives. A global one is what the
//! best definition says ([`definitions`](crate::definitions)); its visibility is the most constraining that any graph says ("Symbol Visibility"). What nobody defines is there if something refers to it.

use super::sections::{Sections, Spot};
use crate::definitions::{Strength, replaceable};
use crate::error::Error;
use crate::link::text;
use foldhash::HashMap;
use std::borrow::Cow;
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::{self, Binding, Definition, LinkGraph, SymbolId, SymbolKind, Visibility};

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    Undefined,
    At(Spot),
    Absolute(u64),
    /// In room that the linker makes, at this alignment.
    Common(u64),
}

/// A symbol to be written.
#[derive(Clone)]
pub struct Symbol<'a> {
    pub name: Cow<'a, [u8]>,
    pub place: Where,
    /// Bytes.
    pub size: u64,
    pub binding: Binding,
    pub visibility: Visibility,
    pub kind: SymbolKind,
    /// The graph that it comes from.
    pub graph: usize,
}

/// All symbols.
pub struct Symbols<'a> {
    /// Local ones first, of one graph behind those of the one before.
    pub list: Vec<Symbol<'a>>,
    /// How many are local.
    pub locals: usize,
    /// The position of each graph's symbols, from 0 on.
    ids: Vec<Vec<Option<u32>>>,
}

impl<'a> Symbols<'a> {
    pub fn new(graphs: &'a [&'a LinkGraph], sections: &Sections<'a>) -> Result<Symbols<'a>, Error> {
        let mut symbols = Symbols { list: Vec::new(), locals: 0, ids: Vec::with_capacity(graphs.len()) };
        let used = graphs.iter().enumerate().map(|(number, graph)| used(graph, number, sections));
        let used: Vec<Vec<bool>> = used.collect::<Result<_, _>>()?;
        for (number, graph) in graphs.iter().enumerate() {
            let locals = (0..).map(SymbolId).zip(&graph.symbols).skip(1);
            let mut ids = vec![None; graph.symbols.len()];
            for (id, symbol) in locals.filter(|(_, symbol)| symbol.binding == Binding::Local) {
                ids[id.0 as usize] =
                    symbols.add_local(graph, number, sections, (id, symbol), used[number][id.0 as usize]);
            }
            symbols.ids.push(ids);
        }
        symbols.locals = symbols.list.len();
        let mut known = HashMap::default();
        for (number, graph) in graphs.iter().enumerate() {
            let weak = replaceable(graph);
            for (id, symbol) in graph.globals().filter(|(_, symbol)| symbol.binding != Binding::Local) {
                let name = graph.symbol_name(id);
                let place = place(number, symbol, sections);
                if place == Where::Undefined && !used[number][id.0 as usize] {
                    continue;
                }
                let mut new = of(graph, number, (id, symbol), place);
                if let Definition::Block(block) = symbol.definition
                    && new.binding == Binding::Global
                    && weak[block.0 as usize]
                {
                    new.binding = Binding::Weak;
                }
                let position = *known.entry(name).or_insert(symbols.list.len() as u32);
                symbols.ids[number][id.0 as usize] = Some(position);
                match symbols.list.get_mut(position as usize) {
                    Some(old) => merge(graphs, old, new)?,
                    None => symbols.list.push(new),
                }
            }
        }
        Ok(symbols)
    }

    /// The position of a graph's symbol, unless it is the null symbol.
    pub fn position(&self, graph: usize, id: SymbolId) -> Option<u32> {
        self.ids[graph][id.0 as usize]
    }

    fn add_local(
        &mut self,
        graph: &'a LinkGraph,
        number: usize,
        sections: &Sections<'a>,
        (id, symbol): (SymbolId, &graph::Symbol),
        used: bool,
    ) -> Option<u32> {
        let place = place(number, symbol, sections);
        let nameless = symbol.kind == SymbolKind::Section || graph.symbol_name(id).is_empty();
        if place == Where::Undefined || symbol.kind == SymbolKind::File || nameless && !used {
            return None;
        }
        let mut new = of(graph, number, (id, symbol), place);
        if nameless {
            new.name = self.label(graph).into();
        }
        self.list.push(new);
        Some(self.list.len() as u32 - 1)
    }

    /// A name for a symbol without one, which no linker shows.
    fn label(&self, graph: &LinkGraph) -> Vec<u8> {
        let prefix = match graph.format.container {
            Container::Elf | Container::Coff => ".L",
            Container::MachO => "l",
        };
        format!("{prefix}uruk.{}", self.list.len()).into_bytes()
    }
}

/// The symbols of a graph that an edge of what is written refers to. Errors if one of those is no more.
fn used(graph: &LinkGraph, number: usize, sections: &Sections<'_>) -> Result<Vec<bool>, Error> {
    let mut used = vec![false; graph.symbols.len()];
    let written = |id| sections.spot(number, id).is_some();
    for (_, block) in (0..).map(graph::BlockId).zip(&graph.blocks).filter(|(id, _)| written(*id)) {
        for edge in graph.edges(block) {
            used[edge.target.0 as usize] = true;
            let target = graph.symbol(edge.target);
            let is_gone = target.binding == Binding::Local
                && edge.target.0 != 0
                && place(number, target, sections) == Where::Undefined;
            if is_gone {
                let symbol = text(graph.symbol_name(edge.target));
                return Err(Error::Dropped { place: graph.place(block, edge.offset.into()), symbol });
            }
        }
    }
    for (_, target) in graph.mentions.iter().filter(|(id, _)| written(*id)) {
        used[target.0 as usize] = true;
    }
    Ok(used)
}

fn of<'a>(graph: &'a LinkGraph, number: usize, (id, symbol): (SymbolId, &graph::Symbol), place: Where) -> Symbol<'a> {
    let graph::Symbol { size, binding, visibility, kind, .. } = *symbol;
    Symbol { name: graph.symbol_name(id).into(), place, size, binding, visibility, kind, graph: number }
}

fn place(number: usize, symbol: &graph::Symbol, sections: &Sections<'_>) -> Where {
    match symbol.definition {
        Definition::Undefined => Where::Undefined,
        Definition::Absolute => Where::Absolute(symbol.value),
        Definition::Common => Where::Common(symbol.value),
        // Of what was dropped others have to have another definition.
        Definition::Block(block) => sections
            .spot(number, block)
            .map_or(Where::Undefined, |spot| Where::At(Spot { offset: spot.offset + symbol.value, ..spot })),
    }
}

/// How good a definition is.
fn strength(symbol: &Symbol<'_>) -> Strength {
    match symbol.place {
        Where::Undefined => Strength::None,
        place => Strength::of(matches!(place, Where::Common(_)), symbol.binding),
    }
}

/// Takes the better one of two symbols of one name.
fn merge<'a>(graphs: &[&LinkGraph], old: &mut Symbol<'a>, new: Symbol<'a>) -> Result<(), Error> {
    let constraint = |visibility| match visibility {
        Visibility::Default => 0,
        Visibility::Protected => 1,
        Visibility::Hidden => 2,
    };
    let visibility = [old.visibility, new.visibility].into_iter().max_by_key(|one| constraint(*one));
    let replaces = strength(&new).replaces(strength(old), &new.name, [graphs[new.graph], graphs[old.graph]])?;
    // A reference that need not be met gives way to one that must.
    let is_wanted = (old.place, new.place) == (Where::Undefined, Where::Undefined)
        && (old.binding, new.binding) == (Binding::Weak, Binding::Global);
    if let (Where::Common(one), Where::Common(other)) = (old.place, new.place) {
        (old.place, old.size) = (Where::Common(one.max(other)), old.size.max(new.size));
    } else if replaces || is_wanted {
        let kind = if new.kind == SymbolKind::None { old.kind } else { new.kind };
        *old = Symbol { kind, ..new };
    } else if old.kind == SymbolKind::None {
        old.kind = new.kind;
    }
    old.visibility = visibility.unwrap_or(old.visibility);
    Ok(())
}
