//! Functions that a session has linked, for an image.
//!
//! Data flow: the graphs that dylibs have kept, as their objects were before anything was fixed up → hidden names for functions and
//! variables that data points to, and the described pointers of such variables ([`Code::connect`]) → the values that variables have
//! now ([`Code::take_values`]) → graphs.
//! Invariants: each name stands for what it stood for in the program, or making the image fails.

mod variables;

use crate::closure::{Closure, Target};
use crate::data::CodeSymbols;
use crate::error::Error;
use foldhash::HashMap;
use std::sync::Arc;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::*;
use uruk_orc::session::Session;
use uruk_orc::{DylibId, Retained};
use variables::Variable;

/// The code of an image.
pub struct Code {
    retained: Vec<Arc<Retained>>,
    graphs: Vec<LinkGraph>,
    /// Functions that are known by an address, with the graphs that have them.
    functions: HashMap<u64, (usize, SymbolId)>,
    names: HashMap<u64, String>,
    /// In order of their addresses.
    variables: Vec<Variable>,
}

impl CodeSymbols for Code {
    fn function_at(&self, address: u64) -> Option<String> {
        self.names.get(&address).cloned()
    }

    fn variable_at(&self, address: u64) -> Option<(String, u64)> {
        let variable = &self.variables[self.variable(address)?];
        Some((variable.name.clone()?, address - variable.address))
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
        let variables = variables::of(&graphs);
        let code = Code { retained, graphs, functions, names: HashMap::default(), variables };
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

    /// Connects the code with data: functions and variables that data points to get names by which it can, and variables that a
    /// world describes, as cells or as objects, get its pointers. Findings of both leave out what has been connected.
    pub fn connect(&mut self, closure: &Closure) -> Result<(), Error> {
        self.name_functions(closure)?;
        self.connect_variables(closure)
    }

    fn name_functions(&mut self, closure: &Closure) -> Result<(), Error> {
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

    /// The format of its objects, if there are any.
    pub fn format(&self) -> Option<&'static Format> {
        self.graphs.first().map(|graph| graph.format)
    }

    /// The graphs, for an image.
    pub fn into_graphs(self) -> Vec<LinkGraph> {
        self.graphs
    }
}
