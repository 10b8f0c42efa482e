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
use crate::mapped::{BASE, Base};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::*;
use uruk_orc::session::Session;
use uruk_orc::{DylibId, Retained};
use variables::Variable;

/// The code of an image.
#[derive(Default)]
pub struct Code {
    retained: Vec<Arc<Retained>>,
    graphs: Vec<LinkGraph>,
    /// Functions that are known by an address, with the graphs that have them.
    functions: HashMap<u64, (usize, SymbolId)>,
    /// Those that lazy and redirectable ones stand for.
    behind: HashMap<u64, u64>,
    names: HashMap<u64, String>,
    /// In order of their addresses.
    variables: Vec<Variable>,
    /// Where the image lies that this code's one builds on.
    base: Option<Range<u64>>,
}

impl CodeSymbols for Code {
    fn function_at(&self, address: u64) -> Option<(String, u64)> {
        self.names.get(&address).map(|name| (name.clone(), 0)).or_else(|| self.in_base(address))
    }

    fn variable_at(&self, address: u64) -> Option<(String, u64)> {
        let Some(number) = self.variable(address) else { return self.in_base(address) };
        let variable = &self.variables[number];
        Some((variable.name.clone()?, address - variable.address))
    }
}

impl Code {
    /// Of what these dylibs have linked, if any. Their session has to retain graphs. Lazy functions that it refers to are linked for it.
    pub fn of(session: &Session, dylibs: &[DylibId]) -> Result<Code, Error> {
        Code::with_functions(session, dylibs, &[])
    }

    /// The same, with functions of these addresses, which may be lazy.
    pub(crate) fn with_functions(session: &Session, dylibs: &[DylibId], functions: &[u64]) -> Result<Code, Error> {
        let mut behind = HashMap::default();
        functions.iter().try_for_each(|address| look_behind(session, *address, &mut behind))?;
        let mut retained = retained(session, dylibs)?;
        loop {
            for retained in &retained {
                let graph = retained.graph();
                let undefined = graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined);
                let mut addresses = undefined.filter_map(|(id, _)| graph.address(id));
                addresses.try_for_each(|address| look_behind(session, address, &mut behind))?;
            }
            // What was linked for it may refer to others.
            let known = retained.len();
            retained = self::retained(session, dylibs)?;
            if retained.len() == known {
                break;
            }
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
        let mut code = Code { retained, graphs, functions, behind, variables, ..Code::default() };
        code.check_names()?;
        code.name_lazy_functions()?;
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
                    let address = self.behind.get(&address).copied().unwrap_or(address);
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

    /// Where code refers to a lazy or a redirectable function, its body gets the name that it has there, if that is another one.
    fn name_lazy_functions(&mut self) -> Result<(), Error> {
        let mut names: BTreeSet<(Vec<u8>, u64)> = BTreeSet::new();
        for retained in &self.retained {
            let graph = retained.graph();
            let undefined = graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined);
            let body = |id| self.behind.get(&graph.address(id)?).copied();
            names.extend(undefined.filter_map(|(id, _)| Some((graph.symbol_name(id).to_vec(), body(id)?))));
        }
        for (name, body) in names {
            let Some((position, id)) = self.functions.get(&body).copied() else { continue };
            let graph = &mut self.graphs[position];
            let symbol = graph.symbol(id).clone();
            let Definition::Block(block) = symbol.definition else { continue };
            let is_defined = |(id, symbol): (SymbolId, &Symbol)| {
                symbol.definition != Definition::Undefined && graph.symbol_name(id) == name
            };
            if !graph.globals().any(is_defined) {
                let new = NewSymbol::global(&name, block, symbol.value).hidden();
                graph.edit(Stage::BeforePruning).add_symbol(new.kind(SymbolKind::Function).size(symbol.size))?;
            }
        }
        Ok(())
    }

    /// What lies in an image that is loaded is not in this code's one, which refers to it.
    pub fn build_on(&mut self, base: &Base<'_>) {
        self.base = Some(base.range());
    }

    fn in_base(&self, address: u64) -> Option<(String, u64)> {
        let base = self.base.as_ref().filter(|base| base.contains(&address))?;
        Some((BASE.to_owned(), address - base.start))
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
            if self.names.contains_key(&address) {
                continue;
            }
            let function = self.behind.get(&address).unwrap_or(&address);
            let Some((position, id)) = self.functions.get(function).copied() else { continue };
            let graph = &mut self.graphs[position];
            let (symbol, container) = (graph.symbol(id).clone(), graph.format.container);
            let is_seen = symbol.binding != Binding::Local && graph.first_global <= id;
            // Data refers to names that are text.
            let own = String::from_utf8(container.session_name(graph.symbol_name(id)).into_owned()).ok();
            let name = match own.filter(|_| is_seen) {
                Some(name) => name,
                None => {
                    let Definition::Block(block) = symbol.definition else { continue };
                    let name = format!("uruk.function.{}", self.names.len());
                    let object_name = container.object_name(name.as_bytes());
                    let new = NewSymbol::global(&object_name, block, symbol.value).hidden();
                    graph.edit(Stage::BeforePruning).add_symbol(new.kind(SymbolKind::Function).size(symbol.size))?;
                    name
                }
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

fn retained(session: &Session, dylibs: &[DylibId]) -> Result<Vec<Arc<Retained>>, Error> {
    let mut retained = Vec::new();
    for dylib in dylibs {
        let graphs = session.retained_graphs(*dylib);
        if graphs.is_empty() {
            return Err(Error::NotRetained { dylib: session.dylib_name(*dylib) });
        }
        retained.extend(graphs);
    }
    Ok(retained)
}

/// Looks for a function itself, behind all that lead to it; it is linked if it was not.
fn look_behind(session: &Session, address: u64, behind: &mut HashMap<u64, u64>) -> Result<(), Error> {
    let mut last = address;
    // Whoever redirects functions may let two lead to each other.
    for _ in 0..100 {
        match session.function_behind(last).map_err(Error::Session)? {
            Some(next) if !behind.contains_key(&address) => last = next,
            _ => break,
        }
    }
    if last != address {
        behind.insert(address, last);
    }
    Ok(())
}
