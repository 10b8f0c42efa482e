//! What look-ups read without the session's lock: which symbol each name of a dylib has, and where ready symbols are.
//!
//! Invariants: only the state writes, under its lock. A symbol's record is written when a look-up finds it ready, and
//! wiped before the symbol can mean anything else. A reader takes a record's fields between two looks at its name; a
//! record that is being changed has none. Whoever pins looks once more after having pinned: either it sees that the
//! record was wiped, or whoever wiped it sees the pin.

use super::{DylibId, SymbolId};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use uruk_jitlink::names::Name;

/// A list that grows and whose elements stay where they are: each bucket is twice as long as the one before it.
pub(crate) struct Chunked<T> {
    buckets: [OnceLock<Box<[T]>>; BUCKETS],
}

const BUCKETS: usize = 27;
const FIRST: usize = 64;

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Chunked { buckets: [const { OnceLock::new() }; BUCKETS] }
    }
}

impl<T: Default> Chunked<T> {
    fn locate(index: usize) -> (usize, usize) {
        let bucket = (index / FIRST + 1).ilog2() as usize;
        (bucket, index - FIRST * ((1 << bucket) - 1))
    }

    /// The element, if its bucket has been made.
    pub fn get(&self, index: usize) -> Option<&T> {
        let (bucket, offset) = Self::locate(index);
        self.buckets[bucket].get()?.get(offset)
    }

    /// The element, made if need be.
    pub fn at(&self, index: usize) -> &T {
        let (bucket, offset) = Self::locate(index);
        let make = || (0..FIRST << bucket).map(|_| T::default()).collect();
        &self.buckets[bucket].get_or_init(make)[offset]
    }

    /// The elements of the buckets that have been made.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.buckets.iter().filter_map(OnceLock::get).flat_map(|bucket| bucket.iter())
    }
}

/// A dylib's symbols by name: pages of a flat array, since names are dense and come in order.
#[derive(Default)]
pub(crate) struct NameTable {
    pages: Chunked<OnceLock<Box<[AtomicU32; PAGE]>>>,
}

const PAGE: usize = 256;

impl NameTable {
    pub fn get(&self, name: Name) -> Option<SymbolId> {
        let page = self.pages.get(name.index() / PAGE)?.get()?;
        page[name.index() % PAGE].load(Ordering::Acquire).checked_sub(1).map(SymbolId)
    }

    pub fn set(&self, name: Name, symbol: Option<SymbolId>) {
        let page = self.pages.at(name.index() / PAGE);
        let page = page.get_or_init(|| Box::new([const { AtomicU32::new(0) }; PAGE]));
        page[name.index() % PAGE].store(symbol.map_or(0, |symbol| symbol.0 + 1), Ordering::Release);
    }

    /// Empties the table; returns what it had.
    pub fn clear(&self) -> Vec<SymbolId> {
        let slots = self.pages.iter().filter_map(OnceLock::get).flat_map(|page| page.iter());
        slots.filter_map(|slot| slot.swap(0, Ordering::AcqRel).checked_sub(1).map(SymbolId)).collect()
    }
}

/// How many handles keep a lot from going.
#[derive(Default)]
pub(crate) struct Pins {
    count: AtomicU32,
}

impl Pins {
    pub fn pin(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether this was the last.
    pub fn unpin(&self) -> bool {
        self.count.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) != 0
    }
}

/// Where a ready symbol is.
#[derive(Default)]
pub(crate) struct Record {
    /// The symbol's name and one, 0 where nothing is said.
    name: AtomicU32,
    /// What keeps its lot, twice, and one if other dylibs see the symbol.
    pins: AtomicU32,
    address: AtomicU64,
}

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub address: u64,
    pub exported: bool,
    pub pins: PinsId,
}

/// The counter of a lot; [`NO_PINS`] for symbols that belong to none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PinsId(pub u32);

/// Of what cannot be removed by itself.
pub(crate) const NO_PINS: PinsId = PinsId(u32::MAX >> 1);

impl Record {
    fn write(&self, name: Name, known: Known) {
        self.name.store(0, Ordering::Relaxed);
        // Who reads one of the fields below sees that the name is gone, when it looks at that once more.
        fence(Ordering::Release);
        self.address.store(known.address, Ordering::Relaxed);
        self.pins.store(known.pins.0 << 1 | u32::from(known.exported), Ordering::Relaxed);
        self.name.store(name.index() as u32 + 1, Ordering::Release);
    }

    /// In one order with pins: see the head of this file.
    fn wipe(&self) {
        self.name.store(0, Ordering::SeqCst);
    }

    fn read(&self, name: Name) -> Option<Known> {
        let is_named = || self.name.load(Ordering::SeqCst) == name.index() as u32 + 1;
        if !is_named() {
            return None;
        }
        let (address, pins) = (self.address.load(Ordering::Relaxed), self.pins.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        is_named().then_some(Known { address, exported: pins & 1 == 1, pins: PinsId(pins >> 1) })
    }
}

#[derive(Default)]
pub(crate) struct Published {
    dylibs: Chunked<OnceLock<Arc<NameTable>>>,
    records: Chunked<Record>,
    pins: Chunked<Pins>,
    /// Something that was removed waits for pins.
    retired: AtomicBool,
}

impl Published {
    pub fn add_dylib(&self, id: DylibId, table: &Arc<NameTable>) {
        self.dylibs.at(id.index()).get_or_init(|| table.clone());
    }

    /// The names of a dylib.
    pub fn table(&self, id: DylibId) -> Option<&NameTable> {
        Some(self.dylibs.get(id.index())?.get()?)
    }

    pub fn publish(&self, symbol: SymbolId, name: Name, known: Known) {
        self.records.at(symbol.index()).write(name, known);
    }

    pub fn wipe(&self, symbol: SymbolId) {
        if let Some(record) = self.records.get(symbol.index()) {
            record.wipe();
        }
    }

    /// What is known of a symbol that is ready and has this name.
    pub fn known(&self, symbol: SymbolId, name: Name) -> Option<Known> {
        self.records.get(symbol.index())?.read(name)
    }

    pub fn pins(&self, id: PinsId) -> &Pins {
        self.pins.at(id.0 as usize)
    }

    pub fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::SeqCst);
    }

    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }
}
