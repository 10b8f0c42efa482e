//! The tables that the system's loader finds symbols by: names, hashes, versions.
//!
//! Sources: gABI, "Symbol Table", "Hash Table"; LSB 5.0 core, "Symbol Versioning"; the GNU hash table as glibc's loader reads it
//! (`elf/dl-lookup.c`).

use super::bytes::Bytes;
use crate::library::Library;
use crate::link::{Defined, Import};
use foldhash::HashMap;
use object::elf;
use uruk_jitlink::graph::{Binding, SymbolKind};

/// A table of strings, each once.
#[derive(Default)]
pub struct Strings {
    pub bytes: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

impl Strings {
    pub fn new() -> Strings {
        Strings { bytes: vec![0], known: HashMap::default() }
    }

    pub fn add(&mut self, text: &[u8]) -> u32 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        self.known.insert(text.to_vec(), at);
        at
    }
}

/// A symbol of a table that is written.
#[derive(Clone, Copy, Default)]
pub struct Entry {
    pub name: u32,
    pub info: u8,
    pub other: u8,
    pub section: u16,
    pub value: u64,
    pub size: u64,
}

pub const ENTRY_SIZE: usize = 24;

impl Entry {
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.word(self.name);
        bytes.extend([self.info, self.other]);
        bytes.half(self.section);
        bytes.long(self.value);
        bytes.long(self.size);
    }
}

pub fn info(binding: u8, kind: SymbolKind) -> u8 {
    let kind = match kind {
        SymbolKind::Function => elf::STT_FUNC.0,
        SymbolKind::Object => elf::STT_OBJECT.0,
        SymbolKind::ThreadLocal => elf::STT_TLS.0,
        SymbolKind::Indirect => elf::STT_GNU_IFUNC.0,
        _ => elf::STT_NOTYPE.0,
    };
    binding << 4 | kind
}

/// What the loader is to find.
pub struct DynamicSymbols {
    pub strings: Strings,
    pub symbols: Vec<Entry>,
    /// Positions of imports' symbols, by their numbers.
    pub imports: Vec<u32>,
    pub hash: Vec<u8>,
    pub versions: Vec<u8>,
    pub needed_versions: Vec<u8>,
    pub needed_version_count: u32,
}

/// The version of what has none, and may be used by others.
const GLOBAL: u16 = 1;

/// What the C library of GNU has where its loader knows short relocations (`DT_RELR`).
const RELR_VERSION: &str = "GLIBC_ABI_DT_RELR";
const C_LIBRARY: &str = "libc.so.6";

impl DynamicSymbols {
    /// Of imports, and of what the image offers, whose values are set by [`set_values`](DynamicSymbols::set_values).
    pub fn new(
        imports: &[Import],
        exports: &[Defined<'_>],
        libraries: &[Library],
        short_relocations: bool,
    ) -> DynamicSymbols {
        let mut strings = Strings::new();
        let mut symbols = vec![Entry::default()];
        // Versions by library, in the order of their numbers, which begin behind the two that every file has.
        let mut needed: Vec<Vec<(String, u16)>> = vec![Vec::new(); libraries.len()];
        let mut next = GLOBAL + 1;
        let mut number = |library: usize, version: &str| {
            let of_library = &mut needed[library];
            if let Some((_, number)) = of_library.iter().find(|(known, _)| known == version) {
                return *number;
            }
            of_library.push((version.to_owned(), next));
            next += 1;
            next - 1
        };
        let mut versions = vec![0, 0];
        let mut positions = Vec::with_capacity(imports.len());
        for import in imports {
            positions.push(symbols.len() as u32);
            let binding = if import.weak { elf::STB_WEAK } else { elf::STB_GLOBAL };
            // An import is a function of some kind, whatever the library does to find it.
            let kind = if import.kind == SymbolKind::Indirect { SymbolKind::Function } else { import.kind };
            let name = strings.add(import.name.as_bytes());
            symbols.push(Entry { name, info: info(binding.0, kind), ..Entry::default() });
            versions.half(match &import.found {
                Some((library, Some(version))) if libraries[*library].is_needed() => number(*library, version),
                _ => GLOBAL,
            });
        }
        let c_library = libraries.iter().position(|library| library.name() == C_LIBRARY);
        if let Some(library) = c_library.filter(|_| short_relocations) {
            number(library, RELR_VERSION);
        }
        let first_export = symbols.len();
        let bucket_count = (exports.len() / 4).max(1) as u32;
        let mut hashed: Vec<(u32, &Defined<'_>)> =
            exports.iter().map(|export| (gnu_hash(export.name), export)).collect();
        hashed.sort_by_key(|(hash, _)| hash % bucket_count);
        for (_, Defined { name, symbol, .. }) in &hashed {
            let binding = match symbol.binding {
                Binding::Weak => elf::STB_WEAK,
                Binding::Unique => elf::STB_GNU_UNIQUE,
                Binding::Global | Binding::Local => elf::STB_GLOBAL,
            };
            let entry = Entry { info: info(binding.0, symbol.kind), size: symbol.size, ..Entry::default() };
            symbols.push(Entry { name: strings.add(name), ..entry });
            versions.half(GLOBAL);
        }
        let hashes: Vec<u32> = hashed.iter().map(|(hash, _)| *hash).collect();
        let hash = hash_table(&hashes, first_export as u32, bucket_count);
        let (needed_versions, needed_version_count) = needed_versions(&mut strings, libraries, &needed);
        DynamicSymbols { strings, symbols, imports: positions, hash, versions, needed_versions, needed_version_count }
    }

    /// Gives exports their places, which are found by their names.
    pub fn set_values(&mut self, exports: &[Defined<'_>], section: impl Fn(&Defined<'_>) -> u16) {
        let by_name: HashMap<u32, &Defined<'_>> =
            exports.iter().map(|export| (self.strings.known[export.name], export)).collect();
        let first = self.symbols.len() - exports.len();
        for symbol in &mut self.symbols[first..] {
            let export = by_name[&symbol.name];
            (symbol.value, symbol.section) = (export.address, section(export));
            if export.symbol.kind == SymbolKind::Indirect {
                // Others get the stub, which goes where the function says.
                symbol.info = info(symbol.info >> 4, SymbolKind::Function);
            }
        }
    }
}

/// `DT_GNU_HASH`: each name's hash, where it begins to be looked for, and a filter for what is not there.
fn hash_table(hashes: &[u32], first: u32, bucket_count: u32) -> Vec<u8> {
    const SHIFT: u32 = 6;
    let filter_count = (hashes.len() / 8).next_power_of_two().max(1);
    let mut filter = vec![0u64; filter_count];
    let mut buckets = vec![0u32; bucket_count as usize];
    let mut chain = Vec::with_capacity(hashes.len());
    for (position, hash) in hashes.iter().enumerate() {
        filter[(hash / 64) as usize % filter_count] |= 1 << (hash % 64) | 1 << ((hash >> SHIFT) % 64);
        let bucket = &mut buckets[(hash % bucket_count) as usize];
        if *bucket == 0 {
            *bucket = first + position as u32;
        }
        let is_last = hashes.get(position + 1).is_none_or(|next| next % bucket_count != hash % bucket_count);
        chain.push(hash & !1 | u32::from(is_last));
    }
    let mut bytes = Vec::new();
    for word in [bucket_count, first, filter_count as u32, SHIFT] {
        bytes.word(word);
    }
    filter.iter().for_each(|word| bytes.long(*word));
    buckets.iter().chain(&chain).for_each(|word| bytes.word(*word));
    bytes
}

fn gnu_hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)))
}

/// `DT_VERNEED`, and of how many libraries it speaks.
fn needed_versions(strings: &mut Strings, libraries: &[Library], needed: &[Vec<(String, u16)>]) -> (Vec<u8>, u32) {
    const SIZE: u32 = 16;
    let mut bytes = Vec::new();
    let with_versions: Vec<_> = libraries.iter().zip(needed).filter(|(_, versions)| !versions.is_empty()).collect();
    for (position, (library, versions)) in with_versions.iter().enumerate() {
        let is_last = position + 1 == with_versions.len();
        bytes.half(1);
        bytes.half(versions.len() as u16);
        bytes.word(strings.add(library.name().as_bytes()));
        bytes.word(SIZE);
        bytes.word(if is_last { 0 } else { SIZE * (1 + versions.len() as u32) });
        for (position, (version, number)) in versions.iter().enumerate() {
            bytes.word(sysv_hash(version.as_bytes()));
            bytes.half(0);
            bytes.half(*number);
            bytes.word(strings.add(version.as_bytes()));
            bytes.word(if position + 1 == versions.len() { 0 } else { SIZE });
        }
    }
    (bytes, with_versions.len() as u32)
}

fn sysv_hash(name: &[u8]) -> u32 {
    name.iter().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(*byte));
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}
