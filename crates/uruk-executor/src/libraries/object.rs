//! Loaded objects as their program headers and dynamic sections describe them.
//! Data flow: `dl_iterate_phdr` → a cached list of [`LoadedObject`], rebuilt when the loader's
//! counters of loads and unloads have moved → closures that run under the loader's lock.
//! Invariants: a `LoadedObject`'s tables are read only by a closure given to [`with_objects`], and
//! only for an object of the list it gets; such a closure calls no foreign code; our own lock is
//! never held while the loader's is taken, so no order between the two can be wrong.
//! Sources: dl_iterate_phdr(3); gABI chapter 5; glibc `elf/dl-lookup.c` (GNU hash, version match).

use crate::phdr::loaded_files;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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

/// What is known of an object's place in the global scope; the loader does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The executable or what it needs: in the global scope, in load order.
    Startup,
    /// Loaded by us with `RTLD_GLOBAL`, or needed by such a library: in the global scope.
    Global,
    /// Preloaded, or loaded by others, perhaps with `RTLD_LOCAL`.
    Unknown,
}

/// An object's `PT_TLS` segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSegment {
    /// The module number that `__tls_get_addr` takes.
    pub module: u64,
    /// Size of each thread's block, in bytes.
    pub mem_size: u64,
    /// Its alignment, in bytes.
    pub align_bytes: u64,
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

/// A `PT_LOAD` segment in memory.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub range: Range<u64>,
    pub writable: bool,
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
struct GnuHash {
    bucket_count: u32,
    first_symbol: u32,
    bloom_mask: u32,
    bloom_shift: u32,
    bloom: *const u64,
    buckets: *const u32,
    chains: *const u32,
}

#[derive(Clone, Copy, Debug)]
struct SysvHash {
    bucket_count: u32,
    buckets: *const u32,
    chains: *const u32,
}

/// One object of the process.
#[derive(Debug)]
pub(crate) struct LoadedObject {
    path: Box<[u8]>,
    base: u64,
    is_executable: bool,
    scope: Scope,
    segments: Vec<Segment>,
    relro: Option<Range<u64>>,
    tls: Option<TlsSegment>,
    gnu_hash: Option<GnuHash>,
    sysv_hash: Option<SysvHash>,
    symbols: *const RawSymbol,
    strings: *const u8,
    strings_size: usize,
    versions: *const u16,
    version_definitions: *const VersionDefinition,
    /// `DT_RELA` and `DT_JMPREL`: address and size in bytes.
    relocations: [(u64, u64); 2],
    soname: Option<u64>,
    needed: Vec<u64>,
}

// SAFETY: the pointers are addresses in the object's image; they are followed only under the
// loader's lock, by `with_objects`, whichever thread that is.
unsafe impl Send for LoadedObject {}
// SAFETY: as above; the image's symbol tables are not written after loading.
unsafe impl Sync for LoadedObject {}

#[repr(C)]
struct RawSymbol {
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
struct VersionDefinition {
    version: u16,
    flags: u16,
    index: u16,
    count: u16,
    hash: u32,
    aux: u32,
    next: u32,
}

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_PLTRELSZ: u64 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_VERDEF: u64 = 0x6fff_fffc;

const SHN_UNDEF: u16 = 0;
const SHN_ABS: u16 = 0xfff1;
/// The bit of a version index that says: not the default version.
const VERSION_HIDDEN: u16 = 0x8000;

impl LoadedObject {
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn is_executable(&self) -> bool {
        self.is_executable
    }

    pub fn scope(&self) -> Scope {
        self.scope
    }

    pub fn tls(&self) -> Option<TlsSegment> {
        self.tls
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn relro(&self) -> Option<&Range<u64>> {
        self.relro.as_ref()
    }

    /// Reads the description the loader gives. To be called from a `dl_iterate_phdr` callback.
    ///
    /// # Safety
    /// `info` is what the loader passed to the running callback.
    unsafe fn read(info: &libc::dl_phdr_info, is_executable: bool) -> Self {
        let base = info.dlpi_addr;
        // SAFETY: the loader's description: a C string, or null, valid during the callback.
        let path =
            unsafe { if info.dlpi_name.is_null() { &[][..] } else { CStr::from_ptr(info.dlpi_name).to_bytes() } };
        let mut object = LoadedObject {
            path: path.into(),
            base,
            is_executable,
            scope: Scope::Unknown,
            segments: Vec::new(),
            relro: None,
            tls: None,
            gnu_hash: None,
            sysv_hash: None,
            symbols: std::ptr::null(),
            strings: std::ptr::null(),
            strings_size: 0,
            versions: std::ptr::null(),
            version_definitions: std::ptr::null(),
            relocations: [(0, 0); 2],
            soname: None,
            needed: Vec::new(),
        };
        let headers: &[libc::Elf64_Phdr] = if info.dlpi_phdr.is_null() {
            &[]
        } else {
            // SAFETY: the loader's description: `dlpi_phnum` headers, mapped during the callback.
            unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) }
        };
        let mut dynamic = None;
        for header in headers {
            let start = base.wrapping_add(header.p_vaddr);
            let range = start..start.wrapping_add(header.p_memsz);
            match header.p_type {
                libc::PT_LOAD => object.segments.push(Segment { range, writable: header.p_flags & libc::PF_W != 0 }),
                libc::PT_GNU_RELRO => object.relro = Some(range),
                libc::PT_DYNAMIC => dynamic = Some(start),
                libc::PT_TLS => {
                    object.tls = Some(TlsSegment {
                        module: info.dlpi_tls_modid as u64,
                        mem_size: header.p_memsz,
                        align_bytes: header.p_align,
                    });
                }
                _ => {}
            }
        }
        if let Some(dynamic) = dynamic.filter(|&dynamic| object.contains(dynamic, 16)) {
            // SAFETY: the loader itself reads this section, to `DT_NULL`, and it lies in a segment.
            unsafe { object.read_dynamic(dynamic as *const [u64; 2]) };
        }
        object
    }

    fn contains(&self, address: u64, len: u64) -> bool {
        self.segments.iter().any(|segment| {
            segment.range.start <= address && address.checked_add(len).is_some_and(|end| end <= segment.range.end)
        })
    }

    /// glibc adds the base to the section's pointers in place, except where the section is
    /// read-only (the vDSO), so both forms occur.
    fn pointer(&self, value: u64) -> Option<u64> {
        [value, self.base.wrapping_add(value)].into_iter().find(|&address| self.contains(address, 1))
    }

    /// # Safety
    /// `dynamic` is the object's dynamic section, mapped and ended by `DT_NULL`.
    unsafe fn read_dynamic(&mut self, mut dynamic: *const [u64; 2]) {
        let (mut pltrel, mut gnu_hash, mut sysv_hash) = (DT_RELA, None, None);
        loop {
            // SAFETY: the caller's promise; the loop ends at `DT_NULL`.
            let [tag, value] = unsafe { *dynamic };
            let pointer = || self.pointer(value).unwrap_or(0);
            match tag {
                DT_NULL => break,
                DT_NEEDED => self.needed.push(value),
                DT_SONAME => self.soname = Some(value),
                DT_STRSZ => self.strings_size = value as usize,
                DT_STRTAB => self.strings = pointer() as *const u8,
                DT_SYMTAB => self.symbols = pointer() as *const RawSymbol,
                DT_HASH => sysv_hash = self.pointer(value),
                DT_GNU_HASH => gnu_hash = self.pointer(value),
                DT_VERSYM => self.versions = pointer() as *const u16,
                DT_VERDEF => self.version_definitions = pointer() as *const VersionDefinition,
                DT_RELA => self.relocations[0].0 = pointer(),
                DT_RELASZ => self.relocations[0].1 = value,
                DT_JMPREL => self.relocations[1].0 = pointer(),
                DT_PLTRELSZ => self.relocations[1].1 = value,
                DT_PLTREL => pltrel = value,
                _ => {}
            }
            dynamic = dynamic.wrapping_add(1);
        }
        if pltrel != DT_RELA || self.relocations[1].0 == 0 {
            self.relocations[1] = (0, 0);
        }
        if self.relocations[0].0 == 0 {
            self.relocations[0] = (0, 0);
        }
        if self.symbols.is_null() || self.strings.is_null() {
            self.relocations = [(0, 0); 2];
            return;
        }
        if let Some(table) = gnu_hash {
            let words = table as *const u32;
            // SAFETY: `DT_GNU_HASH` points at four words, the bloom filter (64-bit words, a power of
            // two of them), the buckets and the chains, one after the other; the loader uses them.
            self.gnu_hash = unsafe {
                let [bucket_count, first_symbol, bloom_size, bloom_shift] = *words.cast::<[u32; 4]>();
                let bloom = words.add(4).cast::<u64>();
                let buckets = bloom.add(bloom_size as usize).cast::<u32>();
                let chains = buckets.add(bucket_count as usize);
                // A filter that lets nothing pass: the object exports nothing.
                let is_empty = bloom_size == 1 && *bloom == 0;
                (bucket_count != 0 && bloom_size != 0 && !is_empty).then_some(GnuHash {
                    bucket_count,
                    first_symbol,
                    bloom_mask: bloom_size - 1,
                    bloom_shift,
                    bloom,
                    buckets,
                    chains,
                })
            };
        } else if let Some(table) = sysv_hash {
            let words = table as *const u32;
            // SAFETY: `DT_HASH` points at two words, the buckets and the chains; the loader uses them.
            self.sysv_hash = unsafe {
                let bucket_count = *words;
                let buckets = words.add(2);
                let chains = buckets.add(bucket_count as usize);
                (bucket_count != 0).then_some(SysvHash { bucket_count, buckets, chains })
            };
        }
    }

    /// This object's definition of a name. Callable inside [`with_objects`] only, as all that follow.
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

    fn string(&self, offset: u64) -> Option<&[u8]> {
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

    fn is_named(&self, needed: &[u8]) -> bool {
        let file_name = self.path.rsplit(|&byte| byte == b'/').next();
        needed == &*self.path
            || self.soname.and_then(|soname| self.string(soname)) == Some(needed)
            || file_name == Some(needed)
    }
}

/// Follows `DT_NEEDED` from the executable, then from the libraries we loaded.
fn mark_scopes(objects: &mut [LoadedObject], loaded: &[u64]) {
    let ours = |object: &LoadedObject| loaded.contains(&object.base);
    let startup = reachable(objects, LoadedObject::is_executable);
    let global = reachable(objects, ours);
    for (object, (startup, global)) in objects.iter_mut().zip(startup.into_iter().zip(global)) {
        object.scope = match (startup, global) {
            (true, _) => Scope::Startup,
            (false, true) => Scope::Global,
            (false, false) => Scope::Unknown,
        };
    }
}

/// Which objects the chosen ones need, directly or not, themselves included.
fn reachable(objects: &[LoadedObject], is_root: impl Fn(&LoadedObject) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = objects.iter().map(&is_root).collect();
    let mut todo: Vec<usize> = (0..objects.len()).filter(|&index| reached[index]).collect();
    while let Some(index) = todo.pop() {
        let object = &objects[index];
        for needed in object.needed.iter().filter_map(|&needed| object.string(needed)) {
            if let Some(found) = objects.iter().position(|object| object.is_named(needed))
                && !std::mem::replace(&mut reached[found], true)
            {
                todo.push(found);
            }
        }
    }
    reached
}

/// When a list was made: the loader's counters (`dlpi_adds`, `dlpi_subs`) and our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moment {
    adds: u64,
    subs: u64,
    /// Counts changes of [`LOADED`].
    loads: u64,
}

impl Moment {
    fn of(info: &libc::dl_phdr_info) -> Self {
        Moment { adds: info.dlpi_adds, subs: info.dlpi_subs, loads: LOAD_COUNT.load(Ordering::Acquire) }
    }
}

/// Every object of the process, in load order.
pub(crate) struct Objects {
    all: Vec<LoadedObject>,
    /// Those that define symbols for others: the thread-local blocks of linked code, of which there
    /// can be thousands, do not.
    exporting: Vec<usize>,
}

impl Objects {
    fn new(all: Vec<LoadedObject>) -> Self {
        let exporting = (0..all.len()).filter(|&index| all[index].gnu_hash.is_some() || all[index].sysv_hash.is_some());
        Objects { exporting: exporting.collect(), all }
    }

    pub fn exporting(&self) -> impl Iterator<Item = &LoadedObject> + Clone {
        self.exporting.iter().map(|&index| &self.all[index])
    }
}

impl std::ops::Deref for Objects {
    type Target = [LoadedObject];

    fn deref(&self) -> &[LoadedObject] {
        &self.all
    }
}

struct ObjectList {
    moment: Moment,
    objects: Objects,
}

/// Bases of the libraries we loaded with `RTLD_GLOBAL`, once for each load.
static LOADED: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static LOAD_COUNT: AtomicU64 = AtomicU64::new(0);

/// Notes that a library was loaded with `RTLD_GLOBAL`.
pub(super) fn note_global(base: u64) {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).push(base);
    LOAD_COUNT.fetch_add(1, Ordering::AcqRel);
}

/// Takes one note back, before the library is closed.
pub(super) fn forget_global(base: u64) {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = loaded.iter().position(|&other| other == base) {
        loaded.swap_remove(index);
    }
    LOAD_COUNT.fetch_add(1, Ordering::AcqRel);
}

static CACHE: RwLock<Option<Arc<ObjectList>>> = RwLock::new(None);

struct Walk<'a, F, R> {
    cached: Option<&'a ObjectList>,
    closure: &'a mut F,
    result: Option<R>,
    moment: Moment,
    fresh: Vec<LoadedObject>,
}

/// Calls `closure` with every object of the process in load order, while the loader's lock keeps
/// them in place. The closure may only read them: no loading, no foreign code, no panic.
pub(crate) fn with_objects<R>(mut closure: impl FnMut(&Objects) -> R) -> R {
    // Our locks are only tried: a thread of a parent process may have held one when it forked. At
    // worst the list is made anew, or the loader asked more often.
    let mut list = CACHE.try_read().ok().and_then(|cache| cache.clone());
    loop {
        let mut walk = Walk {
            cached: list.as_deref(),
            closure: &mut closure,
            result: None,
            moment: Moment::default(),
            fresh: Vec::new(),
        };
        let callback = callback_for(&walk);
        // SAFETY: `callback` takes a pointer to a `Walk` of exactly this type, and gets one that is
        // borrowed by nobody else while the call lasts.
        unsafe { loaded_files(callback, (&raw mut walk).cast()) };
        if let Some(result) = walk.result {
            return result;
        }
        let Walk { moment, mut fresh, .. } = walk;
        let loaded = LOADED.try_lock().map(|loaded| loaded.clone()).unwrap_or_default();
        // The walk is over and its lock given back: the list is used only if another walk finds
        // that nothing was loaded or unloaded since. To mark scopes is to read strings of objects,
        // so that too needs the lock.
        with_lock_if_unchanged(moment, || mark_scopes(&mut fresh, &loaded));
        let made = Arc::new(ObjectList { moment, objects: Objects::new(fresh) });
        list = Some(made.clone());
        if let Ok(mut cache) = CACHE.try_write() {
            *cache = Some(made);
        }
    }
}

type Callback = unsafe extern "C-unwind" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

/// The callback for a walk of this type, which has a closure in it and so cannot be named.
fn callback_for<F: FnMut(&Objects) -> R, R>(_: &Walk<'_, F, R>) -> Callback {
    visit::<F, R>
}

/// # Safety
/// `data` points at a `Walk<F, R>` that nobody else uses; `info` comes from the loader.
unsafe extern "C-unwind" fn visit<F: FnMut(&Objects) -> R, R>(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let (info, walk) = unsafe { (&*info, &mut *data.cast::<Walk<'_, F, R>>()) };
    let first = walk.fresh.is_empty();
    if first {
        walk.moment = Moment::of(info);
        if let Some(cached) = walk.cached
            && cached.moment == walk.moment
        {
            walk.result = Some((walk.closure)(&cached.objects));
            return 1;
        }
    }
    // SAFETY: `info` comes from the loader, and this is its callback. The executable comes first.
    walk.fresh.push(unsafe { LoadedObject::read(info, first) });
    0
}

/// Runs `closure` under the loader's lock if nothing was loaded or unloaded since `moment`.
fn with_lock_if_unchanged<F: FnMut()>(moment: Moment, closure: F) {
    /// # Safety
    /// As for [`visit`], with the pair that is made below.
    unsafe extern "C-unwind" fn check<F: FnMut()>(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the caller's promise.
        let (info, (moment, closure)) = unsafe { (&*info, &mut *data.cast::<(Moment, F)>()) };
        if Moment::of(info) == *moment {
            closure();
        }
        1
    }
    let mut data = (moment, closure);
    // SAFETY: `check::<F>` takes a pointer to such a pair, and this one is ours alone.
    unsafe { loaded_files(check::<F>, (&raw mut data).cast()) };
}
