//! Functions that a session has linked, for an image.
//!
//! Data flow: the graphs that dylibs have kept, as their objects were before anything was fixed up → the values that their variables
//! have now → hidden names for functions that data points to and that have none of their own → graphs.
//! Invariants: each name stands for what it stood for in the program, or making the image fails.

use crate::closure::{Closure, Target};
use crate::data::Functions;
use crate::error::Error;
use crate::memory::Memory;
use crate::proof::{Finding, Mappings};
use foldhash::HashMap;
use std::sync::Arc;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::graph::*;
use uruk_orc::session::Session;
use uruk_orc::{DylibId, Retained};

/// The code of an image.
pub struct Code {
    retained: Vec<Arc<Retained>>,
    graphs: Vec<LinkGraph>,
    /// Functions that are known by an address, with the graphs that have them.
    functions: HashMap<u64, (usize, SymbolId)>,
    names: HashMap<u64, String>,
}

impl Functions for Code {
    fn symbol_at(&self, address: u64) -> Option<String> {
        self.names.get(&address).cloned()
    }
}

impl Code {
    /// Of what these dylibs have linked. Their session has to retain graphs.
    pub fn of(session: &Session, dylibs: &[DylibId]) -> Result<Code, Error> {
        let mut retained = Vec::new();
        for dylib in dylibs {
            let graphs = session.retained_graphs(*dylib);
            if graphs.is_empty() {
                return Err(Error::NotRetained { dylib: session.dylib_name(*dylib) });
            }
            retained.extend(graphs);
        }
        let graphs: Vec<LinkGraph> = retained.iter().map(|retained| LinkGraph::clone(&retained.graph())).collect();
        let mut functions = HashMap::default();
        for (position, retained) in retained.iter().enumerate() {
            let graph = retained.graph();
            for id in (1..graph.symbols.len() as u32).map(SymbolId) {
                let Definition::Block(block) = graph.symbol(id).definition else { continue };
                let is_code = graph.section(graph.block(block).section).kind == SectionKind::Code;
                let named = is_code && graph.symbol(id).kind != SymbolKind::Section;
                if let Some(address) = graph.address(id).filter(|_| named) {
                    let known = functions.entry(address).or_insert((position, id));
                    // A name that others see rather than one of many.
                    if known.0 == position && graph.symbol(known.1).binding == Binding::Local {
                        *known = (position, id);
                    }
                }
            }
        }
        let code = Code { retained, graphs, functions, names: HashMap::default() };
        code.check_names()?;
        Ok(code)
    }

    /// What a name of the image stands for has to be what it stood for: dylibs may have each a definition of their own.
    fn check_names(&self) -> Result<(), Error> {
        let mut defined: HashMap<Vec<u8>, (u64, usize)> = HashMap::default();
        for is_definition in [true, false] {
            for (position, retained) in self.retained.iter().enumerate() {
                let graph = retained.graph();
                for (id, symbol) in graph.globals() {
                    let counts = match symbol.definition {
                        Definition::Undefined => !is_definition,
                        // Weak definitions give way, whoever has them.
                        _ => is_definition && symbol.binding == Binding::Global,
                    };
                    // Of thread-local variables there is no address.
                    let counts = counts && symbol.kind != SymbolKind::ThreadLocal;
                    let Some(address) = graph.address(id).filter(|_| counts) else { continue };
                    let name = graph.symbol_name(id);
                    let known = defined.get(name).copied();
                    if is_definition && known.is_none() {
                        defined.insert(name.to_vec(), (address, position));
                    } else if let Some((_, first)) = known.filter(|(known, _)| *known != address) {
                        let object = |position: usize| self.retained[position].object().to_string();
                        let symbol = String::from_utf8_lossy(name).into_owned();
                        return Err(Error::Ambiguous { symbol, first: object(first), second: object(position) });
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives the functions that data points to names by which it can.
    pub fn name_functions(&mut self, closure: &Closure) -> Result<(), Error> {
        for edge in &closure.edges {
            let Target::Code(address) = edge.to else { continue };
            let Some((position, id)) = self.functions.get(&address) else { continue };
            if self.names.contains_key(&address) {
                continue;
            }
            let graph = &mut self.graphs[*position];
            let (symbol, container) = (graph.symbol(*id).clone(), graph.format.container);
            let name = if symbol.binding == Binding::Local || *id < graph.first_global {
                let Definition::Block(block) = symbol.definition else { continue };
                let name = format!("uruk.function.{}", self.names.len());
                let object_name = container.object_name(name.as_bytes());
                let new = NewSymbol::global(&object_name, block, symbol.value).hidden();
                graph.edit(Stage::BeforePruning).add_symbol(new.kind(SymbolKind::Function).size(symbol.size))?;
                name
            } else {
                String::from_utf8_lossy(&container.session_name(graph.symbol_name(*id))).into_owned()
            };
            self.names.insert(address, name);
        }
        Ok(())
    }

    /// Gives variables of the code the values that they have now, but for the pointers that its compiler knew of. Returns the words
    /// that have become pointers since, which no image can have unless they are described as a cell's.
    pub fn take_values(&mut self, memory: &dyn Memory, mappings: &Mappings) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for (retained, graph) in self.retained.iter().zip(&mut self.graphs) {
            let blocks = (0..graph.blocks.len() as u32).map(BlockId);
            let variables: Vec<BlockId> = blocks
                .filter(|id| {
                    let block = graph.block(*id);
                    let kind = graph.section(block.section).kind;
                    block.live && block.size != 0 && matches!(kind, SectionKind::Data | SectionKind::Zero)
                })
                .collect();
            for id in variables {
                let block = graph.block(id);
                let (address, size) = (block.address, block.size);
                let mut now = vec![0; size as usize];
                if !memory.read(address, &mut now) {
                    return Err(Error::Unreadable { path: graph.place(block, 0), address, size });
                }
                let mut first = graph.content(block).to_vec();
                first.resize(size as usize, 0);
                for edge in graph.edges(block) {
                    let field = graph.arch().info(edge.kind).field.size() as usize;
                    let range = edge.offset as usize..edge.offset as usize + field;
                    let target = retained.graph().address(edge.target).unwrap_or(0);
                    let linked = target.wrapping_add_signed(graph.addend(edge)).to_le_bytes();
                    if now[range.clone()] != linked[..field] {
                        findings.push(finding(graph, block, edge.offset.into(), &now[range.clone()], mappings));
                    }
                    now[range.clone()].copy_from_slice(&first[range]);
                }
                if now == first {
                    continue;
                }
                for (number, (word, old)) in now.chunks_exact(8).zip(first.chunks_exact(8)).enumerate() {
                    let value = u64::from_le_bytes(word.try_into().expect("a word has eight bytes"));
                    if word != old && mappings.at(value).is_some() {
                        findings.push(finding(graph, block, number as u64 * 8, word, mappings));
                    }
                }
                set_content(graph, id, &now)?;
            }
        }
        Ok(findings)
    }

    /// The graphs, for an image.
    pub fn into_graphs(self) -> Vec<LinkGraph> {
        self.graphs
    }
}

fn finding(graph: &LinkGraph, block: &Block, offset: u64, word: &[u8], mappings: &Mappings) -> Finding {
    let mut bytes = [0; 8];
    bytes[..word.len()].copy_from_slice(word);
    let value = u64::from_le_bytes(bytes);
    let mapping = mappings.at(value).map_or("no memory", |mapping| &mapping.name).to_owned();
    Finding { path: graph.place(block, offset), value, mapping }
}

/// What was all zero has bytes of its own from now on.
fn set_content(graph: &mut LinkGraph, id: BlockId, bytes: &[u8]) -> Result<(), Error> {
    let mut editor = graph.edit(Stage::AfterPruning);
    if editor.block(id).content != Content::Zero {
        return Ok(editor.set_content(id, bytes)?);
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
    Ok(editor.drop_block(id)?)
}
