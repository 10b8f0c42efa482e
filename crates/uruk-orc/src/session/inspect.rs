//! What a session knows of its symbols and addresses, for `dladdr`, messages and initialisation.

use super::Session;
use crate::state::{DylibId, State, UnitId};
use uruk_jitlink::graph::{FunctionTable, SymbolKind};
use uruk_jitlink::memory::Segment;

/// What lies at an address of linked code or data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The dylib's name.
    pub dylib: String,
    /// Where the memory of the object begins.
    pub base: u64,
    /// The symbol at or before the address, and its address.
    pub symbol: Option<(Vec<u8>, u64)>,
}

impl State {
    fn segments(&self, id: UnitId) -> &[Segment] {
        self.unit(id).linked.as_ref().map_or(&[], |linked| &linked.segments)
    }

    fn unit_containing(&self, address: u64) -> Option<UnitId> {
        let inside = |segment: &Segment| address.wrapping_sub(segment.address) < segment.size;
        let mut units = (0..self.units.len() as u32).map(UnitId);
        units.find(|id| self.segments(*id).iter().any(inside))
    }
}

impl Session {
    /// The dylib whose memory an address lies in.
    pub fn dylib_containing(&self, address: u64) -> Option<DylibId> {
        let state = self.lock();
        Some(state.unit(state.unit_containing(address)?).dylib)
    }

    /// What lies at an address: the dylib's name, the start of its object's memory, and the symbol at or before it.
    pub fn describe(&self, address: u64) -> Option<Description> {
        let state = self.lock();
        let id = state.unit_containing(address)?;
        let base = state.segments(id).iter().map(|segment| segment.address).min()?;
        let unit = state.unit(id);
        let object = unit.object.clone()?;
        let own = object.symbols().iter().flatten().map(|id| state.symbol(*id));
        let own = own.filter(|symbol| symbol.unit == id && symbol.kind != SymbolKind::ThreadLocal && !symbol.collected);
        let nearest = own.filter(|symbol| symbol.address <= address).max_by_key(|symbol| symbol.address);
        let symbol = nearest.map(|symbol| (self.names().bytes(symbol.name), symbol.address));
        Some(Description { dylib: state.dylib(unit.dylib).name.to_string(), base, symbol })
    }

    /// The names of all dylibs' definitions, for messages.
    pub fn defined_names(&self) -> Vec<String> {
        let state = self.lock();
        state.symbols.iter().map(|symbol| self.names().text(symbol.name)).collect()
    }

    /// The functions of a dylib's tables that have not run yet, in the order in which they run: `.preinit_array`,
    /// then by priority, then in order of the objects. They count as having run from now on.
    pub fn take_initialisers(&self, dylib: DylibId) -> Vec<u64> {
        let mut state = self.lock();
        let mut units = std::mem::take(&mut state.dylibs[dylib.index()].uninitialised);
        units.sort_unstable();
        let linked = units.iter().filter_map(|unit| state.unit(*unit).linked.as_ref());
        let functions = linked.flat_map(|linked| &linked.functions);
        let mut functions: Vec<_> = functions.filter(|function| function.table != FunctionTable::Fini).collect();
        functions.sort_by_key(|function| (function.table, function.priority));
        functions.into_iter().map(|function| function.address).collect()
    }

    /// The finalisers of a dylib that have not been taken yet, in the order in which they run: the reverse of the
    /// initialisers'.
    pub fn take_finalisers(&self, dylib: DylibId) -> Vec<u64> {
        let mut state = self.lock();
        let units = state.units.iter_mut().filter(|unit| unit.dylib == dylib);
        let mut functions: Vec<_> = units
            .filter_map(|unit| unit.linked.as_mut())
            .flat_map(|linked| linked.functions.extract_if(.., |function| function.table == FunctionTable::Fini))
            .collect();
        functions.sort_by_key(|function| function.priority);
        functions.into_iter().rev().map(|function| function.address).collect()
    }
}
