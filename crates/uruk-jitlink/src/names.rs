//! Interned symbol names: one copy each, compared and hashed as a 32-bit [`Name`].
//!
//! Data flow: bytes of a string table → hash → slot → record, whose ids are in order of first sight, so that tables indexed
//! by `Name` are walked almost in sequence by the link that follows. Names of a pool are never forgotten; local symbols'
//! names are never interned. Invariants: a slot holds half of the hash and the place of the record; that half alone decides
//! where a name is first looked for, so that growing needs no names; equal hashes are confirmed by comparing the bytes; a
//! record has id, length and bytes in one place, since each look elsewhere is a cache miss; the table is at most three
//! quarters full.

use std::hash::BuildHasher;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An interned name, meaningful in the pool that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(u32);

impl Name {
    /// Stands for a name that is not known yet.
    pub(crate) const UNKNOWN: Name = Name(u32::MAX);

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

/// The upper half of a name's hash, where it lies, and what it is once it is known.
#[derive(Clone, Copy)]
struct HashedName {
    hash: u32,
    start: u32,
    length: u32,
    name: Name,
}

impl HashedName {
    fn is_unknown(&self) -> bool {
        self.name == Name::UNKNOWN
    }
}

impl Hashed<'_> {
    /// Adds a name, given by its place in the strings. Panics if it does not lie there.
    pub fn push(&mut self, start: u32, length: u32) {
        let bytes = &self.strings[start as usize..][..length as usize];
        let hash = upper(self.hasher.hash_one(bytes));
        self.names.push(HashedName { hash, start, length, name: Name::UNKNOWN });
    }
}

/// The half of a hash that is used.
fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

struct Table {
    /// Half of a hash, and above it the place of the record and 1, or 0 where free.
    slots: Vec<u64>,
    /// Each name's id, length and bytes, with up to three bytes to the next multiple of four.
    records: Vec<u8>,
    /// Where each name's record begins, in units of four bytes.
    places: Vec<u32>,
}

impl Default for Names {
    fn default() -> Self {
        let table = Table { slots: vec![0; 1024], records: Vec::new(), places: Vec::new() };
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

    /// Interns many at once, in order; one rehash at most, whatever their number. Other threads are kept from it only while
    /// what is new is entered.
    pub fn intern_all(&self, hashed: Hashed<'_>) -> impl Iterator<Item = Name> + use<> {
        let Hashed { strings, mut names, .. } = hashed;
        let bytes = |name: &HashedName| &strings[name.start as usize..][..name.length as usize];
        let (mut count, mut size) = (0, 0);
        {
            let table = self.read();
            for block in names.chunks_mut(BLOCK) {
                table.fetch(block);
                for name in block {
                    match table.probe(name.hash, bytes(name)) {
                        Ok(known) => name.name = known,
                        Err(_) => (count, size) = (count + 1, size + record_size(name.length as usize)),
                    }
                }
            }
        }
        if count != 0 {
            let mut table = self.write();
            table.reserve(count);
            table.records.reserve(size);
            // The table may be another one by now, and each place of it far from the last.
            for block in names.chunks_mut(BLOCK).filter(|block| block.iter().any(HashedName::is_unknown)) {
                table.fetch(block);
                for name in block.iter_mut().filter(|name| name.is_unknown()) {
                    name.name = table.intern(name.hash, bytes(name));
                }
            }
        }
        names.into_iter().map(|name| name.name)
    }

    /// The name of these bytes, if anything has interned them.
    pub fn find(&self, bytes: &[u8]) -> Option<Name> {
        self.read().probe(self.hash(bytes), bytes).ok()
    }

    /// The bytes of a name.
    pub fn bytes(&self, name: Name) -> Vec<u8> {
        self.read().bytes(name).to_vec()
    }

    /// The name as text, for messages; bytes that are no UTF-8 are replaced.
    pub fn text(&self, name: Name) -> String {
        String::from_utf8_lossy(self.read().bytes(name)).into_owned()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.read().places.len()
    }

    /// Whether nothing has been interned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hash(&self, bytes: &[u8]) -> u32 {
        upper(self.hasher.hash_one(bytes))
    }

    /// Nobody uses the pool while this is held. For `fork`, whose child must find it whole.
    pub fn hold(&self) -> impl Sized + '_ {
        self.write()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How many names are looked for at a time.
const BLOCK: usize = 64;
/// Bytes of a record before those of the name.
const RECORD_HEADER: usize = 8;

/// Bytes of the record of a name of this length.
fn record_size(length: usize) -> usize {
    (RECORD_HEADER + length).next_multiple_of(4)
}

impl Table {
    fn bytes(&self, name: Name) -> &[u8] {
        self.record(self.places[name.index()]).1
    }

    /// The name at a place, and its bytes.
    fn record(&self, place: u32) -> (Name, &[u8]) {
        let record = &self.records[place as usize * 4..];
        let (header, rest) = record.split_at(RECORD_HEADER);
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        (Name(word(0)), &rest[..word(4) as usize])
    }

    /// Brings what names are first looked for in into the caches, which the table is larger than: each loop makes one kind
    /// of access for many names, which then overlap.
    fn fetch(&self, names: &[HashedName]) {
        let mut places = [0; BLOCK];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.slots[self.home(name.hash)] as u32;
        }
        let first = |place: &u32| place.checked_sub(1).map_or(0, |place| self.records[place as usize * 4]);
        let seen = places[..names.len()].iter().fold(0, |seen, place| seen ^ first(place));
        std::hint::black_box(seen);
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
            if upper(slot) == hash {
                let (name, known) = self.record(slot as u32 - 1);
                if same(known, bytes) {
                    return Ok(name);
                }
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
        let id = self.places.len() as u32;
        let place = (self.records.len() / 4) as u32;
        // Places and 1 have to fit a slot's half; names of 16 GiB do not fit into memory with all else that they come with.
        assert!(place < u32::MAX, "a session's names are shorter than 16 GiB in all");
        self.records.extend_from_slice(&id.to_le_bytes());
        self.records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.records.extend_from_slice(bytes);
        self.records.resize(place as usize * 4 + record_size(bytes.len()), 0);
        self.places.push(place);
        self.slots[at] = u64::from(hash) << 32 | u64::from(place + 1);
        self.reserve(1);
        Name(id)
    }

    /// Makes room for `more` names.
    fn reserve(&mut self, more: usize) {
        let wanted = (self.places.len() + more) / 3 * 4 + 4;
        if wanted <= self.slots.len() {
            return;
        }
        // Small tables grow in fewer steps; a large one that is larger than it need be costs more than its steps.
        let factor = if self.slots.len() < 1 << 18 { 4 } else { 2 };
        let room = wanted.next_power_of_two().max(self.slots.len() * factor);
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
        let ids: Vec<Name> = names.intern_all(hashed).collect();
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
