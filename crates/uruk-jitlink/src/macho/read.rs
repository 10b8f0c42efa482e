//! A Mach-O relocatable object to a link graph.
//!
//! Data flow: symbol table → what each section is taken apart into → symbols: the local ones, one that marks the start of
//! each block without one, the external ones → edges, from relocations and from distances that have none → wishes.
//! Debug sections stay in the input, and so does compact unwind information, but for what nothing else says.

use super::blocks::{self, Part, Parts};
use super::edges::Edges;
use super::headers::Headers;
use super::symbols::{Entry, Place, entry};
use super::unwind;
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use crate::names::Names;
use crate::wishes;
use object::LittleEndian as LE;

/// Reads a whole object.
pub fn read(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    let headers = Headers::parse(input)?;
    let entries = headers.symbols.iter().enumerate().map(|(index, raw)| entry(&headers, index, raw));
    let entries: Vec<Option<Entry>> = entries.collect::<Result<_, _>>()?;
    let mut graph = LinkGraph::of(input.clone(), headers.machine.format);
    graph.strings = headers.strings.clone();
    let parts = blocks::read(&headers, &entries, &mut graph)?;
    let mut reader = Reader::new(headers, parts, &entries, &mut graph)?;
    reader.group(&mut graph, names);
    Edges::read(&reader, &mut graph)?;
    unwind::read(&reader, &mut graph)?;
    wishes::gather(&mut graph);
    Ok(graph)
}

/// An object whose blocks and symbols are there.
pub(super) struct Reader<'a> {
    pub headers: Headers<'a>,
    pub parts: Parts,
    /// The symbol of each entry of the symbol table, unless only debuggers read it.
    ids: Vec<Option<SymbolId>>,
    /// A local symbol that marks the start of each block.
    pub starts: Vec<SymbolId>,
    /// Where the object itself refers to a block: the same symbol, or the weak one by which another object may have
    /// brought it.
    references: Vec<SymbolId>,
}

impl<'a> Reader<'a> {
    pub fn new(
        headers: Headers<'a>,
        parts: Parts,
        entries: &[Option<Entry>],
        graph: &mut LinkGraph,
    ) -> Result<Reader<'a>, LinkError> {
        let ids = vec![None; entries.len()];
        let mut reader = Reader { headers, parts, ids, starts: Vec::new(), references: Vec::new() };
        graph.symbols.reserve_exact(1 + entries.len());
        graph.symbols.push(NULL);
        reader.add_symbols(entries, false, graph)?;
        reader.mark_starts(graph);
        graph.first_global = SymbolId(graph.symbols.len() as u32);
        reader.add_symbols(entries, true, graph)?;
        reader.references.clone_from(&reader.starts);
        if !reader.headers.subsections {
            cut_sizes(graph);
        }
        Ok(reader)
    }

    fn add_symbols(
        &mut self,
        entries: &[Option<Entry>],
        external: bool,
        graph: &mut LinkGraph,
    ) -> Result<(), LinkError> {
        for (index, (raw, symbol)) in self.headers.symbols.iter().zip(entries).enumerate() {
            let Some(symbol) = symbol.filter(|symbol| symbol.external == external) else { continue };
            self.headers.symbol_name(raw)?;
            let (definition, value, size) = self.define(raw.n_value.get(LE), symbol.place, graph);
            self.ids[index] = Some(SymbolId(graph.symbols.len() as u32));
            let Entry { binding, visibility, kind, .. } = symbol;
            let name = raw.n_strx.get(LE);
            graph.symbols.push(Symbol { value, size, name, definition, binding, visibility, kind });
        }
        Ok(())
    }

    /// Where a symbol lies, its value there, and its size: all that follows in its block.
    fn define(&self, value: u64, place: Place, graph: &LinkGraph) -> (Definition, u64, u64) {
        match place {
            Place::Undefined | Place::Alias(_) => (Definition::Undefined, 0, 0),
            Place::Absolute => (Definition::Absolute, value, 0),
            Place::Common { size, align } => (Definition::Common, align, size),
            Place::Section(section) => match self.parts[section].as_ref().and_then(|part| part.find(value)) {
                Some((block, offset)) => (Definition::Block(block), offset, graph.block(block).size - offset),
                None => (Definition::Undefined, 0, 0),
            },
        }
    }

    /// Finds a local symbol at the start of each block, or makes one.
    fn mark_starts(&mut self, graph: &mut LinkGraph) {
        let mut starts = vec![None; graph.blocks.len()];
        for (id, symbol) in (0..).map(SymbolId).zip(&graph.symbols) {
            if let (Definition::Block(block), 0) = (symbol.definition, symbol.value)
                && symbol.kind != SymbolKind::Indirect
            {
                starts[block.0 as usize].get_or_insert(id);
            }
        }
        let symbols = &mut graph.symbols;
        let starts = starts.into_iter().enumerate().map(|(block, start)| {
            start.unwrap_or_else(|| {
                let definition = Definition::Block(BlockId(block as u32));
                symbols.push(Symbol { definition, kind: SymbolKind::Section, ..NULL });
                SymbolId(symbols.len() as u32 - 1)
            })
        });
        self.starts = starts.collect();
    }

    /// Lets what weak symbols name be one with what other objects have under the same names.
    fn group(&mut self, graph: &mut LinkGraph, names: &Names) {
        if !self.headers.subsections {
            return;
        }
        let (first, container) = (graph.first_global.0, graph.format.container);
        for (id, symbol) in (first..).map(SymbolId).zip(&graph.symbols[first as usize..]) {
            let (Definition::Block(block), Binding::Weak, 0) = (symbol.definition, symbol.binding, symbol.value) else {
                continue;
            };
            let reference = &mut self.references[block.0 as usize];
            // Another weak symbol of the block may have been first.
            if reference.0 < first {
                *reference = id;
                let signature = names.intern(&container.session_name(graph.symbol_name(id)));
                graph.groups.push(Group { comdat: true, signature, blocks: vec![block] });
            }
        }
    }

    /// The symbol that an entry of the symbol table has become.
    pub fn symbol(&self, index: u32) -> Option<SymbolId> {
        self.ids.get(index as usize).copied().flatten()
    }

    /// What a reference to an address in a section is to: a symbol, and the distance from there.
    pub fn reference(&self, section: usize, address: u64) -> Option<(SymbolId, u64)> {
        let (block, offset) = self.parts[section].as_ref()?.find(address)?;
        Some((self.references[block.0 as usize], offset))
    }

    /// The same for an address in any section that has bytes.
    pub fn place(&self, address: u64) -> Option<(SymbolId, u64)> {
        let holds = |part: &Part| (part.address..part.address + part.size).contains(&address);
        let section = self.parts.iter().position(|part| part.as_ref().is_some_and(holds))?;
        self.reference(section, address)
    }
}

const NULL: Symbol = Symbol {
    value: 0,
    size: 0,
    name: 0,
    definition: Definition::Undefined,
    binding: Binding::Local,
    visibility: Visibility::Default,
    kind: SymbolKind::None,
};

/// Lets symbols end where the next one begins, in an object whose sections are not taken apart.
fn cut_sizes(graph: &mut LinkGraph) {
    let mut places: Vec<(BlockId, u64)> = Vec::with_capacity(graph.symbols.len());
    places.extend(graph.symbols.iter().filter_map(|symbol| match symbol.definition {
        Definition::Block(block) => Some((block, symbol.value)),
        _ => None,
    }));
    places.sort_unstable_by_key(|(block, value)| (block.0, *value));
    for symbol in &mut graph.symbols {
        let Definition::Block(block) = symbol.definition else { continue };
        let next = places.partition_point(|place| (place.0.0, place.1) <= (block.0, symbol.value));
        if let Some((_, value)) = places.get(next).filter(|(other, _)| *other == block) {
            symbol.size = value - symbol.value;
        }
    }
}
