//! The words of an image that depend on where it, or a library, is loaded.

use super::symbols::Meaning;
use super::{ELSEWHERE, Link, text};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use uruk_jitlink::arch::{Field, Value};
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Member, lane};
use uruk_jitlink::tls::{Question, Variable, entry_variable, question};

/// A word, and what a loader has to put there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Dynamic {
    /// Its address in the image.
    pub place: u64,
    pub what: What,
}

/// What goes into a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// The address of this place of the image.
    Own(u64),
    /// The address of an import, and bytes behind it.
    Import(u32, i64),
    /// The same in a slot, which nothing else shares.
    Slot(u32),
    /// What the function at this address returns.
    Indirect(u64),
    /// The number of a module with a thread-local variable: the image's own, or an import's.
    Module(Option<u32>),
    /// An import's offset in its module's image of thread-local variables.
    ModuleOffset(u32),
    /// The offset from the thread pointer of an import, or of this offset in the own image.
    ThreadOffset(Option<u32>, u64),
    /// Two words that describe the same.
    Descriptor(Option<u32>, u64),
    /// No word but a field of code, of this kind, with the offset from the thread pointer of this offset in the own image.
    ThreadField(u8, u64),
}

impl What {
    /// The import that it is about.
    pub fn import(self) -> Option<u32> {
        match self {
            What::Own(_) | What::Indirect(_) | What::ThreadField(..) => None,
            What::Import(number, _) | What::Slot(number) | What::ModuleOffset(number) => Some(number),
            What::Module(number) | What::ThreadOffset(number, _) | What::Descriptor(number, _) => number,
        }
    }
}

impl Link {
    /// All such words, in order of place.
    pub fn dynamics(&self) -> Result<Vec<Dynamic>, Error> {
        let mut found = Vec::new();
        for position in 0..self.members.len() {
            self.edges(position, &mut found)?;
            self.slots(position, &mut found);
        }
        // Most are in order.
        found.sort();
        Ok(found)
    }

    fn edges(&self, position: usize, found: &mut Vec<Dynamic>) -> Result<(), Error> {
        let graph = &self.members[position].graph;
        let arch = graph.arch();
        for block in graph.blocks.iter().filter(|block| block.live) {
            let kind = graph.section(block.section).kind;
            let start = match lane(kind) {
                Some(_) => block.address,
                None if kind.is_thread_local() => self.thread_image + block.address,
                None => continue,
            };
            for edge in graph.edges(block) {
                let info = arch.info(edge.kind);
                let place = start + u64::from(edge.offset);
                let meaning = self.symbols.meaning(position, graph, edge.target);
                match (info.value, info.field) {
                    (Value::Nothing, _) => {}
                    (Value::Absolute, Field::Word64) => {
                        if self.is_thread_local(meaning) {
                            let place = graph.place(block, u64::from(edge.offset));
                            return Err(Error::ThreadLocal { place, symbol: text(graph.symbol_name(edge.target)) });
                        }
                        let what = match meaning {
                            Meaning::Import(number) => What::Import(number, graph.addend(edge)),
                            _ if self.fixed.is_some() || self.is_number(position, edge.target, meaning) => continue,
                            _ => What::Own(self.sum(position, edge)),
                        };
                        found.push(Dynamic { place, what });
                    }
                    (value, field) => {
                        let is_import = matches!(meaning, Meaning::Import(_)) && info.entry.is_none();
                        let absolute = matches!(value, Value::Absolute | Value::GotAddress | Value::GotLoadAddress);
                        let moves = absolute && self.fixed.is_none() && !self.is_number(position, edge.target, meaning);
                        let threads = value == Value::ThreadOffset && !self.executable;
                        if let (true, true, Some(offset)) = (threads, self.mapped, self.own_variable(meaning)) {
                            let offset = offset.wrapping_add_signed(graph.addend(edge));
                            found.push(Dynamic { place, what: What::ThreadField(edge.kind.0, offset) });
                            continue;
                        }
                        if is_import && value != Value::Size || moves && !is_page_offset(arch, field) || threads {
                            return Err(self.unfit(graph, block, edge));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn unfit(&self, graph: &LinkGraph, block: &Block, edge: &Edge) -> Error {
        Error::Field {
            place: graph.place(block, u64::from(edge.offset)),
            kind: (graph.format.relocation)(edge.kind),
            symbol: text(graph.symbol_name(edge.target)),
        }
    }

    /// Whether it is a variable that each thread has one of.
    fn is_thread_local(&self, meaning: Meaning) -> bool {
        let kind = match meaning {
            Meaning::Own(position, id) => self.members[position].graph.symbol(id).kind,
            Meaning::Import(number) => self.symbols.imports[number as usize].kind,
            _ => return false,
        };
        kind == SymbolKind::ThreadLocal
    }

    /// Whether a symbol is a number, and no place in memory.
    fn is_number(&self, position: usize, id: SymbolId, meaning: Meaning) -> bool {
        let (position, id) = match meaning {
            Meaning::Own(position, id) => (position, id),
            Meaning::Bound(number, _) => return self.layout.bounds(&self.symbols.bounds[number]).is_none(),
            _ => (position, id),
        };
        match self.members[position].graph.symbol(id).definition {
            Definition::Absolute => true,
            Definition::Undefined => id.0 == 0,
            Definition::Block(_) | Definition::Common => false,
        }
    }

    fn sum(&self, position: usize, edge: &Edge) -> u64 {
        let address = self.addresses[position][edge.target.0 as usize];
        address.wrapping_add_signed(self.members[position].graph.addend(edge))
    }

    fn slots(&self, position: usize, found: &mut Vec<Dynamic>) {
        let member = &self.members[position];
        let Member { graph, tables, share } = member;
        let size = graph.arch().slot_size;
        for (symbol, entry, place) in member.entries() {
            let meaning = self.symbols.meaning(position, graph, symbol);
            match question(entry) {
                None if entry == Entry::Got => match meaning {
                    Meaning::Import(number) => found.push(Dynamic { place, what: What::Slot(number) }),
                    _ if self.fixed.is_some() || self.is_number(position, symbol, meaning) => {}
                    _ => {
                        let what = What::Own(self.addresses[position][symbol.0 as usize]);
                        found.push(Dynamic { place, what });
                    }
                },
                None => {}
                Some(question) => {
                    let variable = entry_variable(graph, &self.targets[position], symbol, entry);
                    found
                        .extend(variable.into_iter().flat_map(|variable| self.thread_words(variable, question, place)));
                }
            }
        }
        for (number, indirect) in (0..).zip(&tables.indirect) {
            let what = What::Indirect(uruk_jitlink::fixup::resolver(graph, indirect.symbol));
            found.push(Dynamic { place: share.indirect + number * size, what });
        }
    }

    /// What is to be loaded of a thread-local variable's words.
    fn thread_words(&self, variable: Variable, question: Question, place: u64) -> Vec<Dynamic> {
        let (import, offset) = match variable {
            Variable::Own(offset) => (None, offset),
            Variable::Other(number) => {
                match (self.variables[number as usize], self.own_variable(self.variables[number as usize])) {
                    (Meaning::Import(number), _) => (Some(number), 0),
                    (_, offset) => (None, offset.unwrap_or(0)),
                }
            }
        };
        let known = self.executable && import.is_none();
        let size = self.members[0].graph.arch().slot_size;
        match question {
            Question::Descriptor => vec![Dynamic { place, what: What::Descriptor(import, offset) }],
            _ if known => Vec::new(),
            Question::ThreadOffset => vec![Dynamic { place, what: What::ThreadOffset(import, offset) }],
            Question::ModuleAndOffset => {
                let module = Dynamic { place, what: What::Module(import) };
                let offset = import.map(|import| Dynamic { place: place + size, what: What::ModuleOffset(import) });
                [module].into_iter().chain(offset).collect()
            }
        }
    }
}

/// Whether a field holds no more of an address than where it is in its page, which stays the same.
fn is_page_offset(arch: &uruk_jitlink::arch::Architecture, field: Field) -> bool {
    let stored = |value: i64| {
        let mut bytes = [0; 8];
        arch.encode(field, value, &mut bytes).ok().map(|()| bytes)
    };
    // Any image's first byte is at a multiple of its largest page.
    stored(0).is_some() && stored(0) == stored((ELSEWHERE >> 1) as i64 + (0x1234 << 16))
}
