//! Variables of the code: those that a world describes, and the values that all of them have.
//!
//! Invariants: what a world describes of a variable becomes edges, whatever its compiler knew of the same words; everything else stays
//! as it was compiled, with the values of now. A variable that begins as zero gets a block of its own once it has anything else.

use super::Code;
use crate::closure::{Closure, Kept, Target};
use crate::data::referent;
use crate::error::Error;
use crate::memory::Memory;
use crate::proof::{Finding, Mappings};
use crate::types::WORD;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use uruk_jitlink::arch::{ABS64, Value};
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::graph::*;

/// Memory that one block of the code has, for one variable or for many.
pub(super) struct Variable {
    pub address: u64,
    size: u64,
    kind: SectionKind,
    /// The number of its graph, and its block there.
    graph: usize,
    block: BlockId,
    /// A symbol for its first byte, if a world describes something of it.
    pub name: Option<String>,
    /// Offsets of words that a world has described and that are not null, in order.
    described: Vec<u64>,
}

/// The variables of all graphs, in order of their addresses.
pub(super) fn of(graphs: &[LinkGraph]) -> Vec<Variable> {
    let mut variables = Vec::new();
    for (number, graph) in graphs.iter().enumerate() {
        for (id, block) in (0..).map(BlockId).zip(&graph.blocks) {
            let kind = graph.section(block.section).kind;
            let holds_data = matches!(kind, SectionKind::Data | SectionKind::Zero | SectionKind::ReadOnly);
            if block.live && block.size != 0 && holds_data {
                let Block { address, size, .. } = *block;
                variables.push(Variable {
                    address,
                    size,
                    kind,
                    graph: number,
                    block: id,
                    name: None,
                    described: Vec::new(),
                });
            }
        }
    }
    variables.sort_by_key(|variable| variable.address);
    variables
}

impl Variable {
    /// Whether bytes from an offset on are some that a world describes.
    fn describes(&self, offset: u64, size: u64) -> bool {
        let first = self.described.partition_point(|word| word + WORD <= offset);
        self.described.get(first).is_some_and(|word| *word < offset + size)
    }
}

/// A pointer of a variable: its offset there, and where it leads if it is not cleared.
type Pointer = (u64, Option<Target>);

impl Code {
    /// The number of the variable that has an address.
    pub(super) fn variable(&self, address: u64) -> Option<usize> {
        let number = self.variables.partition_point(|variable| variable.address <= address).checked_sub(1)?;
        let Variable { address: start, size, .. } = self.variables[number];
        (address - start < size).then_some(number)
    }

    /// Where something kept lies, if that is in a variable.
    fn place_of(&self, kept: &Kept) -> Result<Option<(usize, u64)>, Error> {
        let Some(number) = self.variable(kept.address) else { return Ok(None) };
        let variable = &self.variables[number];
        let offset = kept.address - variable.address;
        if variable.size - offset < kept.size {
            let graph = &self.graphs[variable.graph];
            let place = graph.place(graph.block(variable.block), offset);
            let reason = format!("it is {place}, where less than its {} bytes are", kept.size);
            return Err(Error::Place { what: "what is described".into(), address: kept.address, reason });
        }
        Ok(Some((number, offset)))
    }

    pub(super) fn connect_variables(&mut self, closure: &Closure) -> Result<(), Error> {
        let places = closure.kept.iter().map(|kept| self.place_of(kept)).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: BTreeMap<usize, Vec<Pointer>> = BTreeMap::new();
        for (kept, place) in closure.kept.iter().zip(&places) {
            if let Some((number, offset)) = place {
                self.align(*number, *offset, kept)?;
                pointers.entry(*number).or_default();
            }
        }
        let edges = closure.edges.iter().map(|edge| (edge.from, Some(edge.to)));
        for (from, to) in edges.chain(closure.cleared.iter().map(|place| (*place, None))) {
            if let Some((number, offset)) = places[from.kept as usize] {
                pointers.entry(number).or_default().push((offset + from.offset, to));
            }
        }
        for number in pointers.keys() {
            self.name_variable(*number)?;
        }
        for (name, place) in &closure.exports {
            if let Some((number, offset)) = places[place.kept as usize] {
                self.export(name, number, offset + place.offset)?;
            }
        }
        let mut symbols = HashMap::default();
        for (number, mut pointers) in pointers {
            pointers.sort_by_key(|(offset, _)| *offset);
            self.connect_variable(closure, number, &pointers, &mut symbols)?;
        }
        Ok(())
    }

    /// Has a variable lie so that what is described there is aligned, which it may have been here by chance.
    fn align(&mut self, number: usize, offset: u64, kept: &Kept) -> Result<(), Error> {
        let Variable { graph, block, .. } = self.variables[number];
        let graph = &mut self.graphs[graph];
        if !offset.is_multiple_of(kept.align) {
            let place = graph.place(graph.block(block), offset);
            let reason =
                format!("it is {place}, which no image aligns to {} bytes; describe it with what it has", kept.align);
            return Err(Error::Place { what: "what is described".into(), address: kept.address, reason });
        }
        if 1 << graph.block(block).align_log2 < kept.align {
            graph.edit(Stage::BeforePruning).set_align(block, kept.align)?;
        }
        Ok(())
    }

    fn name_variable(&mut self, number: usize) -> Result<(), Error> {
        let variable = &mut self.variables[number];
        let name = format!("uruk.variable.{number}");
        let graph = &mut self.graphs[variable.graph];
        let object_name = graph.format.container.object_name(name.as_bytes()).into_owned();
        let symbol = NewSymbol::global(&object_name, variable.block, 0).hidden().kind(SymbolKind::Object);
        graph.edit(Stage::BeforePruning).add_symbol(symbol)?;
        variable.name = Some(name);
        Ok(())
    }

    /// Gives a place in a variable a name that others can link to, unless it is the one that it has.
    fn export(&mut self, name: &str, number: usize, offset: u64) -> Result<(), Error> {
        let Variable { graph, block, .. } = self.variables[number];
        let graph = &mut self.graphs[graph];
        let object_name = graph.format.container.object_name(name.as_bytes()).into_owned();
        let is_there = graph.globals().any(|(id, symbol)| {
            (symbol.definition, symbol.value) == (Definition::Block(block), offset)
                && symbol.binding != Binding::Local
                && graph.symbol_name(id) == &*object_name
        });
        if !is_there {
            let symbol = NewSymbol::global(&object_name, block, offset).kind(SymbolKind::Object);
            graph.edit(Stage::BeforePruning).add_symbol(symbol)?;
        }
        Ok(())
    }

    /// Gives a variable the pointers that a world describes, in order of their offsets.
    fn connect_variable(
        &mut self,
        closure: &Closure,
        number: usize,
        pointers: &[Pointer],
        symbols: &mut HashMap<(usize, bool, String), SymbolId>,
    ) -> Result<(), Error> {
        if pointers.is_empty() {
            return Ok(());
        }
        let position = self.variables[number].graph;
        let target =
            |target: &Option<Target>| target.map(|target| self.referent(closure, position, target)).transpose();
        let targets = pointers.iter().map(|(_, to)| target(to)).collect::<Result<Vec<_>, Error>>()?;
        let variable = &mut self.variables[number];
        variable.described = pointers.iter().map(|(offset, _)| *offset).collect();
        let graph = &mut self.graphs[variable.graph];
        let mut bytes = graph.content(graph.block(variable.block)).to_vec();
        bytes.resize(variable.size as usize, 0);
        for offset in &variable.described {
            bytes[*offset as usize..][..WORD as usize].fill(0);
        }
        let arch = graph.arch();
        graph.edit(Stage::BeforePruning).retain_edges(variable.block, |edge| {
            !variable.describes(edge.offset.into(), arch.info(edge.kind).field.size())
        })?;
        variable.block = set_content(graph, variable.block, &bytes)?;
        let mut editor = graph.edit(Stage::BeforePruning);
        for ((offset, _), target) in pointers.iter().zip(targets) {
            let Some((name, weak, addend)) = target.flatten() else { continue };
            let symbol = match symbols.entry((position, weak, name)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(place) => {
                    let new = NewSymbol::external(&place.key().2);
                    let id = editor.add_symbol(if weak { new.weak() } else { new })?;
                    *place.insert(id)
                }
            };
            let offset = u32::try_from(*offset).map_err(|_| Error::Large)?;
            editor.add_edge(variable.block, offset, ABS64, symbol, addend)?;
        }
        Ok(())
    }

    fn referent(
        &self,
        closure: &Closure,
        position: usize,
        target: Target,
    ) -> Result<Option<(String, bool, i64)>, Error> {
        let graph = &self.graphs[position];
        referent(closure, target, self, graph.input.name(), graph.format)
    }

    /// Gives variables of the code the values that they have now, but for the pointers that its compiler knew of and that are as they
    /// were, or lead elsewhere now. Returns the latter, and the words that have become pointers since, which no image can have unless
    /// they are described in a world.
    pub fn take_values(&mut self, memory: &dyn Memory, mappings: &Mappings) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        let variables = self.variables.iter_mut();
        for variable in variables.filter(|variable| matches!(variable.kind, SectionKind::Data | SectionKind::Zero)) {
            let (retained, graph) = (&self.retained[variable.graph], &mut self.graphs[variable.graph]);
            let block = graph.block(variable.block);
            let (address, size) = (variable.address, variable.size);
            let mut now = vec![0; size as usize];
            if !memory.read(address, &mut now) {
                return Err(Error::Unreadable { path: graph.place(block, 0), address, size });
            }
            let mut first = graph.content(block).to_vec();
            first.resize(size as usize, 0);
            for offset in &variable.described {
                now[*offset as usize..][..WORD as usize].fill(0);
            }
            // What held addresses, and does no more.
            let mut numbers = Vec::new();
            for edge in graph.edges(block) {
                let info = graph.arch().info(edge.kind);
                let field = info.field.size();
                if variable.describes(edge.offset.into(), field) {
                    continue;
                }
                let range = edge.offset as usize..edge.offset as usize + field as usize;
                let target = retained.graph().address(edge.target).unwrap_or(0);
                let linked = target.wrapping_add_signed(graph.addend(edge)).to_le_bytes();
                if now[range.clone()] != linked[..range.len()] {
                    if info.value == Value::Absolute
                        && field == WORD
                        && mappings.at(word(&now[range.clone()])).is_none()
                    {
                        numbers.push(edge.offset);
                        continue;
                    }
                    findings.push(finding(graph, block, edge.offset.into(), &now[range.clone()], mappings));
                }
                now[range.clone()].copy_from_slice(&first[range]);
            }
            if now == first && numbers.is_empty() {
                continue;
            }
            for (number, (bytes, old)) in now.chunks_exact(8).zip(first.chunks_exact(8)).enumerate() {
                if bytes != old && mappings.at(word(bytes)).is_some() {
                    findings.push(finding(graph, block, number as u64 * 8, bytes, mappings));
                }
            }
            let leads_on = |edge: &Edge| numbers.binary_search(&edge.offset).is_err();
            graph.edit(Stage::AfterPruning).retain_edges(variable.block, leads_on)?;
            variable.block = set_content(graph, variable.block, &now)?;
        }
        Ok(findings)
    }
}

/// Bytes of a word, which may have fewer.
fn word(bytes: &[u8]) -> u64 {
    let mut whole = [0; WORD as usize];
    whole[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

fn finding(graph: &LinkGraph, block: &Block, offset: u64, bytes: &[u8], mappings: &Mappings) -> Finding {
    let value = word(bytes);
    let mapping = mappings.at(value).map_or("no memory", |mapping| &mapping.name).to_owned();
    Finding { path: graph.place(block, offset), value, mapping }
}

/// Gives a block other bytes. What was all zero has a block of its own from now on.
fn set_content(graph: &mut LinkGraph, id: BlockId, bytes: &[u8]) -> Result<BlockId, Error> {
    let mut editor = graph.edit(Stage::AfterPruning);
    if editor.block(id).content != Content::Zero {
        editor.set_content(id, bytes)?;
        return Ok(id);
    }
    let align = 1 << editor.block(id).align_log2;
    let section = editor.add_section(".data", SectionKind::Data)?;
    let filled = editor.add_block(section, bytes, align)?;
    let symbols = (0..editor.symbols.len() as u32).map(SymbolId);
    let moved: Vec<(SymbolId, u64)> = symbols
        .filter(|symbol| editor.symbol(*symbol).definition == Definition::Block(id))
        .map(|symbol| (symbol, editor.symbol(symbol).value))
        .collect();
    for (symbol, offset) in moved {
        editor.move_symbol(symbol, filled, offset)?;
    }
    editor.drop_block(id)?;
    Ok(filled)
}
