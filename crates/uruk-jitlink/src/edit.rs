//! Changes to a link graph by those who are not the linker: what a plugin may add, change and drop, and what a
//! compiler makes a graph of.
//!
//! Data flow: a graph → [`LinkGraph::edit`] → an [`Editor`], which reads like the graph and changes it → when the
//! editor goes, wishes for table entries are gathered anew. Invariants: whatever calls are made, the graph keeps
//! those that [`graph`](crate::graph) names: a change that would break one is refused with an [`EditError`] and
//! changes nothing; ids stay what they were, as dropping marks and removes nothing; added blocks, symbols and
//! sections come last, so that global symbols of the object keep their positions. The price is that of the changes:
//! an edge behind a block's others costs the same whether they are many or few, and a graph that nobody edits pays
//! nothing.
//!
//! ```
//! # use uruk_jitlink::{edit::*, graph::*, x86_64};
//! # fn pass(graph: &mut Editor<'_>) -> Result<(), EditError> {
//! // Lets `f` begin with a jump to `g`, whoever defines that.
//! let f = graph.find_symbol(b"f").expect("the object has an `f`");
//! let section = graph.add_section(".text.jump", SectionKind::Code)?;
//! let jump = graph.add_block(section, &[0xe9, 0, 0, 0, 0], 16)?;
//! let g = graph.external("g")?;
//! graph.add_edge(jump, 1, x86_64::BRANCH32, g, -4)?; // relative to the end of its four bytes
//! graph.move_symbol(f, jump, 0)
//! # }
//! ```

//!
//! A compiler makes a graph from nothing in the same way. What it defines and refers to is then
//! [`Interface::made`](crate::interface::Interface::made).
//!
//! ```
//! # use uruk_jitlink::{edit::*, graph::*, interface::Interface, names::Names, x86_64};
//! # fn main() -> Result<(), EditError> {
//! let mut graph = LinkGraph::new("answer");
//! let mut editor = graph.edit(Stage::BeforePruning);
//! let code = editor.add_section(".text", SectionKind::Code)?;
//! let body = editor.add_block(code, &[0xe9, 0, 0, 0, 0], 16)?; // jmp compute
//! editor.add_symbol(NewSymbol::global("answer", body, 0).kind(SymbolKind::Function).size(5))?;
//! let compute = editor.external("compute")?;
//! editor.add_edge(body, 1, x86_64::BRANCH32, compute, -4)?;
//! drop(editor);
//! let interface = Interface::made(&graph, &Names::default());
//! assert_eq!((interface.globals.len(), interface.defined()), (2, 1));
//! # Ok(())
//! # }
//! ```

mod blocks;
mod edges;
mod error;
mod packed;
pub(crate) mod raw;
mod symbol;

pub use error::EditError;
pub use packed::UnpackError;
pub use symbol::NewSymbol;

use crate::action::{Action, MAX_ARGUMENTS};
use crate::graph::*;
use crate::wishes;
use std::collections::HashMap;
use std::ops::Deref;

/// Where a link is when its graph is edited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Nothing is decided: symbols that other objects see may be added and dropped.
    BeforePruning,
    /// What the object refers to and defines is settled; everything else may change.
    AfterPruning,
}

/// A graph that may be changed, within what keeps it a graph.
pub struct Editor<'a> {
    graph: &'a mut LinkGraph,
    stage: Stage,
    changed: bool,
    /// How many edges blocks can have where theirs lie now, if edges have been added to them.
    room: HashMap<BlockId, u32>,
    /// Where moved symbols were at first.
    moved: HashMap<SymbolId, (BlockId, u64)>,
    /// The position of each block's group, once that has been asked for.
    groups: Option<HashMap<BlockId, usize>>,
}

impl LinkGraph {
    /// Lets the graph be changed. What it asks for is gathered anew when the editor goes.
    pub fn edit(&mut self, stage: Stage) -> Editor<'_> {
        Editor { graph: self, stage, changed: false, room: HashMap::new(), moved: HashMap::new(), groups: None }
    }
}

impl Deref for Editor<'_> {
    type Target = LinkGraph;

    fn deref(&self) -> &LinkGraph {
        self.graph
    }
}

impl Drop for Editor<'_> {
    fn drop(&mut self) {
        if self.changed {
            self.leave_unwind_records();
            wishes::gather(self.graph);
        }
    }
}

impl Editor<'_> {
    /// Whether anything has been changed so far.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Adds a symbol. Errors if it is one that others see and pruning is over.
    pub fn add_symbol(&mut self, new: NewSymbol<'_>) -> Result<SymbolId, EditError> {
        let local = new.binding == Binding::Local;
        if !local && self.stage != Stage::BeforePruning {
            return Err(EditError::TooLate);
        }
        if matches!(new.kind, SymbolKind::Section | SymbolKind::File) {
            return Err(EditError::SymbolKind);
        }
        if let Definition::Block(block) = new.definition {
            self.check_place(block, new.value)?;
        }
        if new.name.is_empty() && !local {
            return Err(EditError::Name);
        }
        let id = next_id(self.graph.symbols.len(), "symbols")?;
        let name = if new.name.is_empty() { 0 } else { self.add_name(new.name, self.graph.strings.len())?.start };
        let NewSymbol { definition, value, size, binding, visibility, kind, .. } = new;
        self.graph.symbols.push(Symbol { value, size, name, definition, binding, visibility, kind });
        self.changed = true;
        Ok(SymbolId(id))
    }

    /// The symbol of a name that other objects see, whether defined here or elsewhere; added as an external one if
    /// the graph has none. Looks through all of them; whoever asks for many had better remember what
    /// [`add_symbol`](Editor::add_symbol) returned.
    pub fn external(&mut self, name: &(impl AsRef<[u8]> + ?Sized)) -> Result<SymbolId, EditError> {
        let known = self
            .graph
            .globals()
            .find(|(id, symbol)| symbol.binding != Binding::Local && self.graph.symbol_name(*id) == name.as_ref());
        match known {
            Some((id, _)) => Ok(id),
            None => self.add_symbol(NewSymbol::external(name)),
        }
    }

    /// Moves a symbol that this object defines to a place in a block: whoever refers to it refers to that.
    /// Unwind records that name it go on describing what was there.
    pub fn move_symbol(&mut self, id: SymbolId, block: BlockId, offset: u64) -> Result<(), EditError> {
        self.check_symbol(id)?;
        self.check_place(block, offset)?;
        let symbol = &mut self.graph.symbols[id.0 as usize];
        match symbol.definition {
            Definition::Block(old) => {
                self.moved.entry(id).or_insert((old, symbol.value));
            }
            Definition::Absolute if id.0 != 0 => {}
            _ => return Err(EditError::NotDefined(id)),
        }
        (symbol.definition, symbol.value) = (Definition::Block(block), offset);
        self.changed = true;
        Ok(())
    }

    /// Drops a symbol: a definition is none any more, and nobody has to define what this object referred to. To be
    /// called when no edge refers to it any more; fix-up reports those that do.
    pub fn drop_symbol(&mut self, id: SymbolId) -> Result<(), EditError> {
        self.check_symbol(id)?;
        if self.graph.first_global <= id && self.stage != Stage::BeforePruning {
            return Err(EditError::TooLate);
        }
        let symbol = &mut self.graph.symbols[id.0 as usize];
        (symbol.definition, symbol.value, symbol.binding) = (Definition::Undefined, 0, Binding::Local);
        self.changed = true;
        Ok(())
    }

    /// Adds calls for when the object's memory is final and for when it goes. Functions and whatever they are given the address of
    /// are kept by a collection. What registers code with a runtime of one's own is done this way.
    pub fn add_action(&mut self, action: Action) -> Result<(), EditError> {
        let calls = action.finalize.iter().chain(&action.deallocate);
        let most = calls.map(|call| call.arguments.len()).max().unwrap_or(0);
        if MAX_ARGUMENTS < most {
            return Err(EditError::Arguments { wanted: most });
        }
        for symbol in action.symbols() {
            self.check_symbol(symbol)?;
            if self.symbol(symbol).kind == SymbolKind::ThreadLocal {
                return Err(EditError::SymbolKind);
            }
        }
        self.graph.actions.push(action);
        self.changed = true;
        Ok(())
    }

    /// A name as a range behind `base` bytes that are not the editor's, with a zero byte behind it.
    fn add_name(&mut self, name: &[u8], base: usize) -> Result<std::ops::Range<u32>, EditError> {
        if name.contains(&0) {
            return Err(EditError::Name);
        }
        let names = &self.graph.added_names;
        // The first byte is 0, as in the string tables of objects.
        let start = base + names.len().max(1);
        let end = start + name.len();
        let (Ok(start), Ok(end), Ok(_)) = (u32::try_from(start), u32::try_from(end), u32::try_from(end + 1)) else {
            return Err(EditError::Full("names"));
        };
        let names = &mut self.graph.added_names;
        if names.is_empty() {
            names.push(0);
        }
        names.extend_from_slice(name);
        names.push(0);
        Ok(start..end)
    }

    fn check_symbol(&self, id: SymbolId) -> Result<(), EditError> {
        check_id("symbol", id.0, self.graph.symbols.len())
    }

    fn check_block(&self, id: BlockId) -> Result<(), EditError> {
        check_id("block", id.0, self.graph.blocks.len())
    }

    fn check_section(&self, id: SectionId) -> Result<(), EditError> {
        check_id("section", id.0, self.graph.sections.len())
    }

    /// A symbol may also mark the end of a block.
    fn check_place(&self, block: BlockId, offset: u64) -> Result<(), EditError> {
        self.check_block(block)?;
        let limit = self.graph.block(block).size;
        if limit < offset {
            return Err(EditError::Outside { block, offset, size: 0, limit });
        }
        Ok(())
    }
}

fn check_id(what: &'static str, id: u32, count: usize) -> Result<(), EditError> {
    if (id as usize) < count { Ok(()) } else { Err(EditError::Unknown { what, id: id.into(), count: count as u64 }) }
}

fn next_id(count: usize, what: &'static str) -> Result<u32, EditError> {
    u32::try_from(count).ok().filter(|id| *id != u32::MAX).ok_or(EditError::Full(what))
}

#[cfg(test)]
mod tests;
