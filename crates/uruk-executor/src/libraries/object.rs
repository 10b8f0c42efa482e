//! Loaded objects as their program headers and dynamic sections describe them.
//! Data flow: the loader's description of an object → where its segments and tables are, which `symbols` reads.
//! Invariant: a `LoadedObject`'s tables are read only by a closure given to `with_objects`, and only for an object of the
//! list it gets.
//! Sources: dl_iterate_phdr(3); gABI chapter 5.

use super::symbols::{GnuHash, RawSymbol, SysvHash, VersionDefinition};
use std::ffi::CStr;
use std::ops::Range;
use std::slice;

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

/// A `PT_LOAD` segment in memory.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub range: Range<u64>,
    pub writable: bool,
}

/// One object of the process.
#[derive(Debug)]
pub(crate) struct LoadedObject {
    pub(super) path: Box<[u8]>,
    pub(super) base: u64,
    pub(super) is_executable: bool,
    pub(super) scope: Scope,
    pub(super) segments: Vec<Segment>,
    pub(super) relro: Option<Range<u64>>,
    pub(super) tls: Option<TlsSegment>,
    pub(super) gnu_hash: Option<GnuHash>,
    pub(super) sysv_hash: Option<SysvHash>,
    pub(super) symbols: *const RawSymbol,
    pub(super) strings: *const u8,
    pub(super) strings_size: usize,
    pub(super) versions: *const u16,
    pub(super) version_definitions: *const VersionDefinition,
    /// `DT_RELA` and `DT_JMPREL`: address and size in bytes.
    pub(super) relocations: [(u64, u64); 2],
    pub(super) soname: Option<u64>,
    pub(super) needed: Vec<u64>,
}

// SAFETY: the pointers are addresses in the object's image; they are followed only under the
// loader's lock, by `with_objects`, whichever thread that is.
unsafe impl Send for LoadedObject {}
// SAFETY: as above; the image's symbol tables are not written after loading.
unsafe impl Sync for LoadedObject {}

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
    pub(super) unsafe fn read(info: &libc::dl_phdr_info, is_executable: bool) -> Self {
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
}
