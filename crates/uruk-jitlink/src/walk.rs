//! Ways through a link graph, for passes: by id, by name, from one thing to those that lie in it.

use crate::graph::*;

impl LinkGraph {
    /// The blocks that have not been dropped, with their ids.
    pub fn live_blocks(&self) -> impl Iterator<Item = (BlockId, &Block)> {
        (0..).map(BlockId).zip(&self.blocks).filter(|(_, block)| block.live)
    }

    /// The blocks of a section that have not been dropped.
    pub fn blocks_of(&self, section: SectionId) -> impl Iterator<Item = (BlockId, &Block)> {
        self.live_blocks().filter(move |(_, block)| block.section == section)
    }

    /// The sections of a name; an object may have several.
    pub fn sections_named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = SectionId> + 'a {
        (0..self.sections.len() as u32).map(SectionId).filter(move |id| self.section_name(*id) == name)
    }

    /// All symbols but the null one, with their ids.
    pub fn all_symbols(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        (0..).map(SymbolId).zip(&self.symbols).skip(1)
    }

    /// The symbols in a block, in the order of their ids.
    pub fn symbols_in(&self, block: BlockId) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        self.all_symbols().filter(move |(_, symbol)| symbol.definition == Definition::Block(block))
    }

    /// The block that a symbol lies in, unless that has been dropped.
    pub fn block_of(&self, symbol: SymbolId) -> Option<BlockId> {
        match self.symbol(symbol).definition {
            Definition::Block(block) if self.block(block).live => Some(block),
            _ => None,
        }
    }

    /// The symbol of a name: one that other objects see, or else the first local one.
    pub fn find_symbol(&self, name: &[u8]) -> Option<SymbolId> {
        let named = |id: &SymbolId| self.symbol_name(*id) == name;
        let global = self.globals().filter(|(_, symbol)| symbol.binding != Binding::Local).map(|(id, _)| id);
        global.chain(self.all_symbols().map(|(id, _)| id)).find(named)
    }
}
