//! What loaded objects define and import: their dynamic symbol tables, by the hash tables and versions that go with them.
//! Invariant: as for all of a [`LoadedObject`], tables are read only inside `with_objects`.
//! Sources: gABI chapter 5; LSB 5.0 core, symbol versioning; glibc `elf/dl-lookup.c` (GNU hash, version match).

use super::object::LoadedObject;
use std::ffi::CStr;
use std::slice;

/// What a symbol table says a symbol is: gABI `st_info`, type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// `STT_NOTYPE`, or a type we do not know.
    Unknown,
    /// `STT_OBJECT` or `STT_COMMON`: data.
    Object,
    /// `STT_FUNC`.
    Function,
    /// `STT_TLS`: each thread has its own.
    ThreadLocal,
    /// `STT_GNU_IFUNC`: the value is a function that returns the address.
    IndirectFunction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Global,
    Weak,
    Unique,
}

/// A definition in one object's dynamic symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub value: u64,
    pub size_bytes: u64,
    pub kind: SymbolKind,
    pub binding: Binding,
    /// `SHN_ABS`: the value is an address already.
    pub absolute: bool,
}

/// A name with its hash, computed once for all objects.
pub(crate) struct SymbolName<'a> {
    name: &'a [u8],
    version: Option<&'a [u8]>,
    gnu_hash: u32,
}

impl<'a> SymbolName<'a> {
    pub fn new(name: &'a [u8], version: Option<&'a [u8]>) -> Self {
        let gnu_hash = name.iter().fold(5381u32, |hash, &byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        SymbolName { name, version, gnu_hash }
    }

    /// The hash of `DT_HASH`: gABI chapter 5, "Hash Table".
    fn sysv_hash(&self) -> u32 {
        self.name.iter().fold(0u32, |hash, &byte| {
            let hash = (hash << 4).wrapping_add(byte.into());
            let high = hash & 0xf000_0000;
            (hash ^ (high >> 24)) & !high
        })
    }
}

/// A relocation that names a symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import<'a> {
    pub slot: u64,
    pub kind: u32,
    pub addend: i64,
    pub name: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GnuHash {
    pub(super) bucket_count: u32,
    pub(super) first_symbol: u32,
    pub(super) bloom_mask: u32,
    pub(super) bloom_shift: u32,
    pub(super) bloom: *const u64,
    pub(super) buckets: *const u32,
    pub(super) chains: *const u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SysvHash {
    pub(super) bucket_count: u32,
    pub(super) buckets: *const u32,
    pub(super) chains: *const u32,
}

#[repr(C)]
pub(super) struct RawSymbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
    size: u64,
}

#[repr(C)]
struct RawRela {
    offset: u64,
    info: u64,
    addend: i64,
}

/// `Elf64_Verdef`: LSB 5.0 core, "Version Definition Section".
#[repr(C)]
pub(super) struct VersionDefinition {
    version: u16,
    flags: u16,
    index: u16,
    count: u16,
    hash: u32,
    aux: u32,
    next: u32,
}

const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;
/// The bit of a version index that says: not the default version.
const VERSION_HIDDEN: u16 = 0x8000;

impl LoadedObject {
    /// This object's definition of a name. Callable inside `with_objects` only, as all that follow.
    #[inline]
    pub fn find(&self, name: &SymbolName<'_>) -> Option<Symbol> {
        if let Some(table) = self.gnu_hash {
            let hash = name.gnu_hash;
            // SAFETY: the index is masked to the filter's size. Bloom filter: two bits of one word.
            let word = unsafe { *table.bloom.add(((hash / 64) & table.bloom_mask) as usize) };
            if (word >> (hash % 64)) & (word >> ((hash >> (table.bloom_shift % 32)) % 64)) & 1 == 0 {
                return None;
            }
            return self.find_by_gnu_hash(&table, name);
        }
        self.find_by_sysv_hash(&self.sysv_hash?, name)
    }

    fn find_by_gnu_hash(&self, table: &GnuHash, name: &SymbolName<'_>) -> Option<Symbol> {
        // SAFETY: the index is less than the number of buckets.
        let mut index = unsafe { *table.buckets.add((name.gnu_hash % table.bucket_count) as usize) };
        if index < table.first_symbol {
            return None;
        }
        loop {
            // SAFETY: a bucket names the first symbol of a chain, whose last entry has its low bit set.
            let hash = unsafe { *table.chains.add((index - table.first_symbol) as usize) };
            if (hash | 1) == (name.gnu_hash | 1)
                && let Some(symbol) = self.matching(index, name)
            {
                return Some(symbol);
            }
            if hash & 1 != 0 {
                return None;
            }
            index += 1;
        }
    }

    fn find_by_sysv_hash(&self, table: &SysvHash, name: &SymbolName<'_>) -> Option<Symbol> {
        // SAFETY: the index is less than the number of buckets.
        let mut index = unsafe { *table.buckets.add((name.sysv_hash() % table.bucket_count) as usize) };
        while index != 0 {
            if let Some(symbol) = self.matching(index, name) {
                return Some(symbol);
            }
            // SAFETY: chains are as long as the symbol table and hold indices of it, ended by zero.
            index = unsafe { *table.chains.add(index as usize) };
        }
        None
    }

    fn matching(&self, index: u32, name: &SymbolName<'_>) -> Option<Symbol> {
        // SAFETY: hash tables hold indices of the symbol table.
        let raw = unsafe { &*self.symbols.add(index as usize) };
        if raw.section == SHN_UNDEF || self.string(raw.name.into()) != Some(name.name) {
            return None;
        }
        let binding = match raw.info >> 4 {
            1 => Binding::Global,
            2 => Binding::Weak,
            10 => Binding::Unique,
            _ => return None,
        };
        let kind = match raw.info & 15 {
            0 => SymbolKind::Unknown,
            1 | 5 => SymbolKind::Object,
            2 => SymbolKind::Function,
            6 => SymbolKind::ThreadLocal,
            10 => SymbolKind::IndirectFunction,
            _ => return None,
        };
        if !self.version_matches(index, name.version) {
            return None;
        }
        Some(Symbol { value: raw.value, size_bytes: raw.size, kind, binding, absolute: raw.section == SHN_ABS })
    }

    /// Without a version asked for, the default one matches; without versions in the object, any.
    fn version_matches(&self, index: u32, wanted: Option<&[u8]>) -> bool {
        if self.versions.is_null() {
            return true;
        }
        // SAFETY: `DT_VERSYM` is as long as the symbol table.
        let version = unsafe { *self.versions.add(index as usize) };
        match wanted {
            None => version & VERSION_HIDDEN == 0,
            Some(wanted) => self.version_name(version & !VERSION_HIDDEN) == Some(wanted),
        }
    }

    fn version_name(&self, index: u16) -> Option<&[u8]> {
        let mut definition = self.version_definitions;
        while !definition.is_null() {
            // SAFETY: definitions are linked by `next`, in bytes, ended by zero; each has a first
            // auxiliary entry `aux` bytes on, whose first word is the name.
            let (current, name) = unsafe {
                let current = &*definition;
                (current, *definition.byte_add(current.aux as usize).cast::<u32>())
            };
            if current.index == index {
                return self.string(name.into());
            }
            definition = match current.next {
                0 => std::ptr::null(),
                next => definition.wrapping_byte_add(next as usize),
            };
        }
        None
    }

    pub(super) fn string(&self, offset: u64) -> Option<&[u8]> {
        if self.strings_size <= offset as usize {
            return None;
        }
        // SAFETY: the offset lies in the string table, whose last byte is zero.
        Some(unsafe { CStr::from_ptr(self.strings.add(offset as usize).cast()) }.to_bytes())
    }

    /// The relocations that name a global symbol, in both tables.
    pub fn imports(&self) -> impl Iterator<Item = Import<'_>> {
        self.relocations.into_iter().flat_map(move |(address, size_bytes)| {
            let count = size_bytes as usize / size_of::<RawRela>();
            let table: &[RawRela] = if count == 0 {
                &[]
            } else {
                // SAFETY: `DT_RELA` and `DT_JMPREL` with their sizes; the loader uses them.
                unsafe { slice::from_raw_parts(address as *const RawRela, count) }
            };
            table.iter().filter_map(move |rela| {
                let index = (rela.info >> 32) as usize;
                if index == 0 {
                    return None;
                }
                // SAFETY: relocations hold indices of the symbol table.
                let symbol = unsafe { &*self.symbols.add(index) };
                (symbol.info >> 4 != 0).then_some(())?;
                let name = self.string(symbol.name.into())?;
                Some(Import {
                    slot: self.base.wrapping_add(rela.offset),
                    kind: rela.info as u32,
                    addend: rela.addend,
                    name,
                })
            })
        })
    }

    pub(super) fn is_named(&self, needed: &[u8]) -> bool {
        let file_name = self.path.rsplit(|&byte| byte == b'/').next();
        needed == &*self.path
            || self.soname.and_then(|soname| self.string(soname)) == Some(needed)
            || file_name == Some(needed)
    }
}
