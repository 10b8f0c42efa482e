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
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    hasher: foldhash::fast::RandomState,
    table: RwLock<Table>,
}

/// Names of one string table that are about to be interned. They are hashed without the pool's lock.
pub struct Hashed<'a> {
    hasher: &'a foldhash::fast::RandomState,
    strings: &'a [u8],
    names: Vec<HashedName>,
}

/// The upper half of a name's hash, and where it lies.
#[derive(Clone, Copy)]
struct HashedName {
    hash: u32,
    start: u32,
    length: u32,
}

impl Hashed<'_> {
    /// Adds a name, given by its place in the strings. Panics if it does not lie there.
    pub fn push(&mut self, start: u32, length: u32) {
        let name = HashedName { hash: 0, start, length };
        let hash = upper(self.hasher.hash_one(self.bytes(&name)));
        self.names.push(HashedName { hash, ..name });
    }

    fn bytes(&self, name: &HashedName) -> &[u8] {
        &self.strings[name.start as usize..][..name.length as usize]
    }
}

/// The half of a hash that is used.
fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

struct Table {
    /// `hash >> 32 << 32 | id + 1`, 0 where free; a power of two of them.
    slots: Vec<u64>,
    /// Where each name ends in `bytes`; it begins where the one before it ends.
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Default for Names {
    fn default() -> Self {
        let table = Table { slots: vec![0; 1024], ends: Vec::new(), bytes: Vec::new() };
        Names { hasher: foldhash::fast::RandomState::default(), table: RwLock::new(table) }
    }
}

impl Names {
    /// The name of these bytes, made if need be.
    pub fn intern(&self, bytes: &[u8]) -> Name {
        let hash = self.hash(bytes);
        let known = self.read().probe(hash, bytes);
        known.unwrap_or_else(|_| self.write().intern(hash, bytes))
    }

    /// A list of up to `count` names in a string table, to be interned together.
    pub fn hashing<'a>(&'a self, strings: &'a [u8], count: usize) -> Hashed<'a> {
        Hashed { hasher: &self.hasher, strings, names: Vec::with_capacity(count) }
    }

    /// Interns many at once, in order; one lock and one rehash at most, whatever their number.
    pub fn intern_all<'a>(&self, hashed: &Hashed<'_>, mut names: impl Iterator<Item = &'a mut Name>) {
        let mut table = self.write();
        table.reserve(hashed.names.len());
        // The table is larger than the caches. Each loop makes one kind of access for many names, which then overlap.
        let mut firsts = [0; BLOCK];
        let mut ends = [0; BLOCK];
        for block in hashed.names.chunks(BLOCK) {
            for (first, name) in firsts.iter_mut().zip(block) {
                *first = table.slots[table.home(name.hash)];
            }
            for (end, first) in ends.iter_mut().zip(&firsts[..block.len()]) {
                *end = table.end(*first as u32);
            }
            let seen: u8 = ends[..block.len()].iter().fold(0, |seen, end| seen ^ table.last_byte(*end));
            std::hint::black_box(seen);
            for (name, place) in block.iter().zip(names.by_ref()) {
                *place = table.intern(name.hash, hashed.bytes(name));
            }
        }
    }

    /// The name of these bytes, if anything has interned them.
    pub fn find(&self, bytes: &[u8]) -> Option<Name> {
        self.read().probe(self.hash(bytes), bytes).ok()
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

    fn hash(&self, bytes: &[u8]) -> u32 {
        upper(self.hasher.hash_one(bytes))
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

const BLOCK: usize = 64;

impl Table {
    fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..self.ends[id] as usize]
    }

    /// Where the bytes of a name end, by its number counted from 1.
    fn end(&self, number: u32) -> u64 {
        number.checked_sub(1).map_or(0, |id| self.ends[id as usize])
    }

    /// The byte before an end.
    fn last_byte(&self, end: u64) -> u8 {
        end.checked_sub(1).map_or(0, |at| self.bytes[at as usize])
    }

    /// Where a name of this hash is first looked for.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    /// The name, or the free slot where it belongs.
    fn probe(&self, hash: u32, bytes: &[u8]) -> Result<Name, usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            if upper(slot) == hash && same(self.bytes(slot as u32 - 1), bytes) {
                return Ok(Name(slot as u32 - 1));
            }
            at = self.next(at);
        }
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    fn intern(&mut self, hash: u32, bytes: &[u8]) -> Name {
        let at = match self.probe(hash, bytes) {
            Ok(name) => return name,
            Err(at) => at,
        };
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u64);
        self.slots[at] = u64::from(hash) << 32 | u64::from(id + 1);
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
            let mut at = self.home(upper(slot));
            while self.slots[at] != 0 {
                at = self.next(at);
            }
            self.slots[at] = slot;
        }
    }
}

/// Equality without a call, since names are short.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    one.len() == other.len()
        && words.iter().zip(other_words).all(|(word, other)| u64::from_ne_bytes(*word) == u64::from_ne_bytes(*other))
        && rest.iter().zip(other_rest).all(|(byte, other)| byte == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_one_name_in_order_of_first_sight() {
        let names = Names::default();
        let strings: Vec<String> = (0..5000).map(|i| format!("function_{}", i % 2500)).collect();
        let table: Vec<u8> = strings.iter().flat_map(|string| string.bytes()).collect();
        let mut hashed = names.hashing(&table, strings.len());
        let mut start = 0;
        for string in &strings {
            hashed.push(start, string.len() as u32);
            start += string.len() as u32;
        }
        let mut ids = vec![Name::default(); strings.len()];
        names.intern_all(&hashed, ids.iter_mut());
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
