//! A representation of functions that refer to each other, compiled to graphs by hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::cache::{Key, KeyBuilder};
use uruk::{Cause, Compiler, Definition, Interface, Linkable, Partition, Session};
use uruk_jitlink::edit::{EditError, NewSymbol, Stage};
use uruk_jitlink::graph::{LinkGraph, SectionKind, SymbolKind};
use uruk_jitlink::x86_64::{ABS64, BRANCH32};

/// `f<number>(n)` goes on with its first callee and `n - 1`; it returns its number where `n` is 0.
#[derive(Clone)]
pub struct Numbered {
    pub number: u32,
    pub callees: Vec<u32>,
    /// What it returns.
    pub answer: u32,
}

impl Numbered {
    pub fn new(number: u32, callees: Vec<u32>) -> Numbered {
        Numbered { number, callees, answer: number }
    }
}

pub fn name(number: u32) -> String {
    format!("f{number}")
}

/// Compiles a function in no time.
#[derive(Default)]
pub struct Assembler {
    pub compiled: AtomicUsize,
    /// The one that is refused.
    pub refused: Option<u32>,
}

impl Compiler<Numbered> for Assembler {
    fn interface(&self, session: &Session, function: &Numbered) -> Result<Interface, Cause> {
        let name = name(function.number);
        let definition = Definition::function(session.mangle(&name));
        Ok(Interface::new(name, vec![definition]))
    }

    fn compile(&self, _: &Session, function: Numbered) -> Result<Linkable, Cause> {
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if self.refused == Some(function.number) {
            return Err("refused".into());
        }
        Ok(assemble(&function)?.into())
    }

    fn key(&self, _: &Session, function: &Numbered) -> Option<Key> {
        let mut key =
            KeyBuilder::new("assembler").part(&function.number.to_le_bytes()).part(&function.answer.to_le_bytes());
        function.callees.iter().for_each(|callee| key.add(&callee.to_le_bytes()));
        Some(key.finish())
    }
}

fn assemble(function: &Numbered) -> Result<LinkGraph, EditError> {
    // test %edi, %edi; jz 1f; dec %edi; jmp callee; 1: mov $number, %eax; ret
    let mut code = vec![0x85, 0xff, 0x74, 7, 0xff, 0xcf, 0xe9, 0, 0, 0, 0, 0xb8];
    code.extend(function.answer.to_le_bytes());
    code.push(0xc3);
    let own = name(function.number);
    let mut graph = LinkGraph::new(own.as_str());
    let mut editor = graph.edit(Stage::BeforePruning);
    let text = editor.add_section(".text", SectionKind::Code)?;
    let body = editor.add_block(text, &code, 16)?;
    let symbol = NewSymbol::global(&own, body, 0).kind(SymbolKind::Function).size(code.len() as u64);
    let mut next = editor.add_symbol(symbol)?;
    let data = editor.add_section(".data", SectionKind::Data)?;
    let table = editor.add_block(data, &vec![0; 8 * function.callees.len()], 8)?;
    for (position, callee) in (0..).zip(&function.callees) {
        let callee = editor.external(&name(*callee))?;
        editor.add_edge(table, 8 * position, ABS64, callee, 0)?;
        if position == 0 {
            next = callee;
        }
    }
    editor.add_edge(body, 7, BRANCH32, next, -4)?;
    drop(editor);
    Ok(graph)
}

/// A module: functions that are compiled one by one.
pub struct Module(pub Vec<Numbered>);

/// Takes modules apart.
pub struct OneByOne;

impl Partition<Module> for OneByOne {
    type Part = Numbered;

    fn interface(&self, session: &Session, module: &Module) -> Result<Interface, Cause> {
        let names = module.0.iter().map(|function| session.mangle(&name(function.number)));
        Ok(Interface::new("module", names.map(Definition::function).collect()))
    }

    fn split(&self, _: &Session, module: Module) -> Result<Vec<Numbered>, Cause> {
        Ok(module.0)
    }
}
