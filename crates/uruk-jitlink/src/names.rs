//! Interned symbol names: one copy each, compared and hashed as a 32-bit [`Name`].
//!
//! Data flow: bytes of a string table → hash → slot → id, in order of first sight, so that tables indexed by `Name`
//! are walked almost in sequence by the link that follows. Names of a pool are never forgotten; local symbols'
//! names are never interned. Invariants: a slot holds the upper half of the hash and `id + 1`; that half alone decides
//! where a name is first looked for, so that growing needs no names; equal hashes are confirmed by comparing the
//! bytes; the table is at most three quarters full.

use std::hash::BuildHasher;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An interned name, meaningful in the pool that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(u32);

impl Name {
    /// Position in order of first sight, dense from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The name at a position that [`index`](Name::index) gave.
    pub fn from_index(index: usize) -> Name {
        Name(u32::try_from(index).expect("positions come from `index`"))
    }
}

/// A pool of names, shared by all threads of a session.
pub struct Names {
    table: RwLock<Table>,
}

struct Table {
    hasher: foldhash::fast::RandomState,
    /// `hash >> 32 << 32 | id + 1`, 0 where free; a power of two of them.
    slots: Vec<u64>,
    /// Where each name ends in `bytes`; it begins where the one before it ends.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for Names {
    fn default() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        Names { table: RwLock::new(Table { hasher, slots: vec![0; 1024], ends: Vec::new(), bytes: Vec::new() }) }
    }
}

impl Names {
    /// The name of these bytes, made if need be.
    pub fn intern(&self, bytes: &[u8]) -> Name {
        if let Some(name) = self.find(bytes) {
            return name;
        }
        let mut table = self.write();
        let hash = table.hash(bytes);
        table.intern(hash, bytes)
    }

    /// Interns many at once, in order; one lock and one rehash at most, whatever their number.
    pub fn intern_all<'a>(&self, strings: impl ExactSizeIterator<Item = &'a [u8]> + Clone, names: &mut Vec<Name>) {
        let mut table = self.write();
        table.reserve(strings.len());
        names.reserve(strings.len());
        // Hashing first lets the probes of a block overlap in the memory system.
        let mut hashes = [0; BLOCK];
        let mut rest = strings;
        while rest.len() != 0 {
            let block = rest.clone().take(BLOCK);
            for (hash, bytes) in hashes.iter_mut().zip(block) {
                *hash = table.hash(bytes);
            }
            for (hash, bytes) in hashes.iter().zip(rest.by_ref().take(BLOCK)) {
                names.push(table.intern(*hash, bytes));
            }
        }
    }

    /// The name of these bytes, if anything has interned them.
    pub fn find(&self, bytes: &[u8]) -> Option<Name> {
        let table = self.read();
        let hash = table.hash(bytes);
        table.probe(hash, bytes).ok()
    }

    /// The bytes of a name.
    pub fn bytes(&self, name: Name) -> Vec<u8> {
        self.read().bytes(name.0).to_vec()
    }

    /// The name as text, for messages; bytes that are no UTF-8 are replaced.
    pub fn text(&self, name: Name) -> String {
        String::from_utf8_lossy(self.read().bytes(name.0)).into_owned()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.read().ends.len()
    }

    /// Whether nothing has been interned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

const BLOCK: usize = 256;

impl Table {
    fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..self.ends[id] as usize]
    }

    /// Where a name of this hash is first looked for.
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    /// The name, or the free slot where it belongs.
    fn probe(&self, hash: u64, bytes: &[u8]) -> Result<Name, usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            if slot >> 32 == hash >> 32 && self.bytes(slot as u32 - 1) == bytes {
                return Ok(Name(slot as u32 - 1));
            }
            at = self.next(at);
        }
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    fn intern(&mut self, hash: u64, bytes: &[u8]) -> Name {
        let at = match self.probe(hash, bytes) {
            Ok(name) => return name,
            Err(at) => at,
        };
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(u32::try_from(self.bytes.len()).expect("a pool holds less than 4 GiB of names"));
        self.slots[at] = hash >> 32 << 32 | u64::from(id + 1);
        self.reserve(1);
        Name(id)
    }

    /// Makes room for `more` names.
    fn reserve(&mut self, more: usize) {
        let wanted = (self.ends.len() + more) / 3 * 4 + 4;
        if wanted <= self.slots.len() {
            return;
        }
        let room = wanted.next_power_of_two().max(self.slots.len() * 2);
        let old = std::mem::replace(&mut self.slots, vec![0; room]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = self.home(slot);
            while self.slots[at] != 0 {
                at = self.next(at);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_one_name_in_order_of_first_sight() {
        let names = Names::default();
        let strings: Vec<String> = (0..5000).map(|i| format!("function_{}", i % 2500)).collect();
        let mut ids = Vec::new();
        names.intern_all(strings.iter().map(|s| s.as_bytes()), &mut ids);
        assert_eq!(names.len(), 2500);
        for (position, (id, string)) in ids.iter().zip(&strings).enumerate() {
            assert_eq!(id.index(), position % 2500);
            assert_eq!(names.bytes(*id), string.as_bytes());
            assert_eq!(names.find(string.as_bytes()), Some(*id));
            assert_eq!(names.intern(string.as_bytes()), *id);
        }
        assert_eq!(names.find(b"function_2500"), None);
        assert_eq!(names.text(names.intern(b"")), "");
    }
}
