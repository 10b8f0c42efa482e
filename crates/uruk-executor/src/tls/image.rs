//! Writes the shared object that carries a batch's thread-local block to the loader.
//! Data flow: request → bytes of an ELF file, and where in it the slots lie. Pure.
//! Layout: a read-only segment (headers, symbols, strings, hash table, relocations, initial image),
//! then a writable one (dynamic section, slots), each at a page of its own; file offsets equal
//! addresses. The initial image is read by glibc from here for every new thread.
//! Sources: gABI chapters 4 and 5.

use super::arch::{FLAGS, MACHINE, relocations};
use super::{TlsRequest, TlsSlotKind, TlsTarget};
use crate::sys::page_bytes;

/// A shared object that has not been loaded.
pub(super) struct Image {
    pub bytes: Vec<u8>,
    /// Of the first slot, relative to the load address. Slots are 16 bytes each.
    pub slots_address: u64,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_TLS: u32 = 7;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_FLAGS: u64 = 30;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DF_STATIC_TLS: u64 = 0x10;

const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const SYMBOL_SIZE: usize = 24;
const RELA_SIZE: usize = 24;
const SLOT_SIZE: usize = 16;

/// A request that passed `check` always has an object.
pub(super) fn build(request: &TlsRequest<'_>) -> Image {
    let page = page_bytes() as usize;
    let has_block = request.mem_size != 0;
    let header_count = 4 + usize::from(has_block);
    let (symbols, strings, symbol_of) = symbol_table(request);
    let relocation_count: usize = request.slots.iter().map(|slot| relocations(slot.kind).len()).sum();

    // Places in the read-only segment, in order.
    let symbols_at = HEADER_SIZE + header_count * PROGRAM_HEADER_SIZE;
    let hash_at = (symbols_at + symbols.len()).next_multiple_of(8);
    let relocations_at = hash_at + GNU_HASH_SIZE;
    let strings_at = relocations_at + relocation_count * RELA_SIZE;
    // The block's own address in the file must be aligned as the block is: glibc keeps the low
    // bits of the address for the place of the block.
    let image_at = (strings_at + strings.len()).next_multiple_of(if has_block { request.align as usize } else { 1 });
    let read_only_end = image_at + request.image.len();
    let dynamic_at = read_only_end.next_multiple_of(page);

    let is_static = request.slots.iter().any(|slot| slot.kind == TlsSlotKind::ThreadOffset);
    let dynamic = [
        [DT_SYMTAB, symbols_at as u64],
        [DT_SYMENT, SYMBOL_SIZE as u64],
        [DT_STRTAB, strings_at as u64],
        [DT_STRSZ, strings.len() as u64],
        [DT_GNU_HASH, hash_at as u64],
        [DT_RELA, relocations_at as u64],
        [DT_RELASZ, (relocation_count * RELA_SIZE) as u64],
        [DT_RELAENT, RELA_SIZE as u64],
        [DT_FLAGS, if is_static { DF_STATIC_TLS } else { 0 }],
        [0, 0],
    ];
    let slots_at = dynamic_at + size_of_val(&dynamic);
    let end = slots_at + request.slots.len() * SLOT_SIZE;

    let mut out = Writer(Vec::with_capacity(end));
    out.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"); // 64-bit, little-endian, System V
    out.half(3); // ET_DYN
    out.half(MACHINE);
    out.word(1);
    out.xword(0); // no entry
    out.xword(HEADER_SIZE as u64);
    out.xword(0); // no sections
    out.word(FLAGS);
    out.half(HEADER_SIZE as u16);
    out.half(PROGRAM_HEADER_SIZE as u16);
    out.half(header_count as u16);
    out.half(64);
    out.half(0);
    out.half(0);
    out.program_header(PT_LOAD, PF_R, 0, read_only_end, read_only_end as u64, page as u64);
    out.program_header(PT_LOAD, PF_R | PF_W, dynamic_at, end - dynamic_at, (end - dynamic_at) as u64, page as u64);
    let dynamic_size = size_of_val(&dynamic);
    out.program_header(PT_DYNAMIC, PF_R | PF_W, dynamic_at, dynamic_size, dynamic_size as u64, 8);
    // Without it glibc would make every stack of the process executable.
    out.program_header(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);
    if has_block {
        out.program_header(PT_TLS, PF_R, image_at, request.image.len(), request.mem_size, request.align);
    }

    out.pad_to(symbols_at);
    out.bytes(&symbols);
    out.pad_to(hash_at);
    out.empty_gnu_hash((symbols.len() / SYMBOL_SIZE) as u32);
    for (index, (slot, &symbol)) in request.slots.iter().zip(&symbol_of).enumerate() {
        // For the own block the symbol is zero, which stands for the object itself.
        let addend = match slot.target {
            TlsTarget::Own(offset) => offset,
            TlsTarget::Native(_) => 0,
        };
        for &(offset, kind) in relocations(slot.kind) {
            out.xword((slots_at + index * SLOT_SIZE + offset) as u64);
            out.xword(u64::from(symbol) << 32 | kind);
            out.xword(addend);
        }
    }
    out.bytes(&strings);
    out.pad_to(image_at);
    out.bytes(request.image);
    out.pad_to(dynamic_at);
    dynamic.into_iter().flatten().for_each(|word| out.xword(word));
    out.pad_to(end);
    Image { bytes: out.0, slots_address: slots_at as u64 }
}

/// The symbol table, the string table, and the symbol of each slot. Every name is there once.
fn symbol_table(request: &TlsRequest<'_>) -> (Vec<u8>, Vec<u8>, Vec<u32>) {
    let mut symbols = Writer(vec![0; SYMBOL_SIZE]);
    let mut strings = vec![0];
    let mut indices = std::collections::HashMap::new();
    let symbol_of = request.slots.iter().map(|slot| match slot.target {
        TlsTarget::Own(_) => 0,
        TlsTarget::Native(name) => *indices.entry(name).or_insert_with(|| {
            let index = (symbols.0.len() / SYMBOL_SIZE) as u32;
            symbols.word(strings.len() as u32);
            symbols.bytes(&[1 << 4 | 6, 0, 0, 0]); // STB_GLOBAL, STT_TLS; default; SHN_UNDEF
            symbols.xword(0);
            symbols.xword(0);
            // The version, if one was asked for, has been checked; glibc takes the default one.
            strings.extend(name.iter().take_while(|&&byte| byte != b'@'));
            strings.push(0);
            index
        }),
    });
    let symbol_of = symbol_of.collect();
    (symbols.0, strings, symbol_of)
}

const GNU_HASH_SIZE: usize = 32;

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn half(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn xword(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn pad_to(&mut self, offset: usize) {
        assert!(self.0.len() <= offset);
        self.0.resize(offset, 0);
    }

    fn program_header(&mut self, kind: u32, flags: u32, at: usize, file_size: usize, mem_size: u64, align: u64) {
        self.word(kind);
        self.word(flags);
        self.xword(at as u64);
        self.xword(at as u64);
        self.xword(at as u64);
        self.xword(file_size as u64);
        self.xword(mem_size);
        self.xword(align);
    }

    /// A table that finds nothing, so that readers which count symbols by it are served as well.
    fn empty_gnu_hash(&mut self, symbol_count: u32) {
        for word in [1, symbol_count, 1, 0] {
            self.word(word); // one bucket, first symbol, one word of filter, no shift
        }
        self.xword(0); // the filter lets nothing pass
        self.word(0); // the bucket is empty
        self.word(1); // the end of a chain that nobody enters
    }
}
