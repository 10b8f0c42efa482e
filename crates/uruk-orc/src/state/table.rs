//! A dylib's symbols by name.

use super::SymbolId;
use uruk_jitlink::names::Name;

/// Symbols by name: pages of a flat array, since names are dense and come in order.
#[derive(Default)]
pub(crate) struct NameTable {
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

const PAGE: usize = 256;

impl NameTable {
    pub fn get(&self, name: Name) -> Option<SymbolId> {
        let page = self.pages.get(name.index() / PAGE)?.as_ref()?;
        page[name.index() % PAGE].checked_sub(1).map(SymbolId)
    }

    pub fn iter(&self) -> impl Iterator<Item = SymbolId> + '_ {
        let entries = self.pages.iter().flatten().flat_map(|page| page.iter());
        entries.filter_map(|entry| entry.checked_sub(1).map(SymbolId))
    }

    pub fn set(&mut self, name: Name, symbol: Option<SymbolId>) {
        let index = name.index() / PAGE;
        if self.pages.len() <= index {
            self.pages.resize_with(index + 1, || None);
        }
        self.pages[index].get_or_insert_with(|| Box::new([0; PAGE]))[name.index() % PAGE] =
            symbol.map_or(0, |symbol| symbol.0 + 1);
    }
}
