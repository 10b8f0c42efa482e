//! Writes one ELF x86-64 relocatable object of many small functions, as a compiler would.
//!
//! Each function `f_OBJECT_INDEX(n)` returns `n + variable + (0 < n ? callee(n - 1) : 0)`: one call, one load through the GOT and
//! one unwind record, so three relocations; its own name, the callee's and the variable's, so three symbols.
//! Sources: System V gABI chapter 4 (headers, symbols), x86-64 psABI §4.4 (relocations), LSB 5 §10.6 (.eh_frame).

use std::collections::HashMap;

use super::sets::{FunctionId, Set};

const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_RELA: u32 = 4;
const SHT_X86_64_UNWIND: u32 = 0x7000_0001;
const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
const SHF_EXEC: u64 = 4;
const SHF_INFO_LINK: u64 = 0x40;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
const STT_SECTION: u8 = 3;
const STB_GLOBAL: u8 = 1;
const R_X86_64_PC32: u32 = 2;
const R_X86_64_PLT32: u32 = 4;
const R_X86_64_REX_GOTPCRELX: u32 = 42;
/// The first section index that would need an extended section table.
const SHN_LORESERVE: usize = 0xff00;

/// The code of one function, 32 bytes; the call's field is at 11, the load's at 20.
#[rustfmt::skip]
const FUNCTION: [u8; 32] = [
    0x53,                               //  0 push %rbx
    0x89, 0xfb,                         //  1 mov %edi, %ebx
    0x85, 0xff,                         //  3 test %edi, %edi
    0x7e, 0x0a,                         //  5 jle 17
    0x8d, 0x7f, 0xff,                   //  7 lea -1(%rdi), %edi
    0xe8, 0, 0, 0, 0,                   // 10 call callee
    0x01, 0xc3,                         // 15 add %eax, %ebx
    0x48, 0x8b, 0x05, 0, 0, 0, 0,       // 17 mov variable@GOTPCREL(%rip), %rax
    0x03, 0x18,                         // 24 add (%rax), %ebx
    0x89, 0xd8,                         // 26 mov %ebx, %eax
    0x5b,                               // 28 pop %rbx
    0xc3,                               // 29 ret
    0x90, 0x90,
];
const CALL_FIELD: u64 = 11;
const LOAD_FIELD: u64 = 20;

/// A common information entry: version 1, "zR", code alignment 1, data alignment -8, return address in 16, PC-relative
/// 32-bit pointers, CFA = rsp + 8, return address at CFA - 8.
#[rustfmt::skip]
const CIE: [u8; 24] = [
    20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0,
];
const FDE_SIZE: usize = 24;

/// Sections, symbols and names of an object that is being written.
#[derive(Default)]
struct Writer {
    sections: Vec<Section>,
    symbols: Vec<u8>,
    names: Vec<u8>,
    globals: HashMap<String, u32>,
    locals: u32,
}

#[derive(Default)]
struct Section {
    name: String,
    kind: u32,
    flags: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_size: u64,
    bytes: Vec<u8>,
}

/// Object number `object` of `set`.
pub fn functions(set: &Set, object: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    let count = set.functions;
    let mut text_of = Vec::with_capacity(count);
    // Texts first, then all relocation sections: symbols must exist before relocations name them.
    for index in 0..count {
        if set.sections || index == 0 {
            let name =
                if set.sections { format!(".text.{}", set.function_name((object, index))) } else { ".text".into() };
            text_of.push(writer.section(&name, SHT_PROGBITS, SHF_ALLOC | SHF_EXEC, 16));
        } else {
            text_of.push(text_of[0]);
        }
        writer.sections[text_of[index]].bytes.extend(FUNCTION);
    }
    let data = writer.section(".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 4);
    let unwind = writer.section(".eh_frame", SHT_X86_64_UNWIND, SHF_ALLOC, 8);
    writer.sections[unwind].bytes.extend(CIE);

    let mut texts = text_of.clone();
    texts.dedup();
    let text_symbols: HashMap<usize, u32> = texts.iter().map(|&text| (text, writer.section_symbol(text))).collect();
    for (index, &text) in text_of.iter().enumerate() {
        let offset = set.offset_in_section(index, FUNCTION.len());
        writer.define(&set.function_name((object, index)), STT_FUNC, text, offset, FUNCTION.len() as u64);
    }
    for index in 0..set.variables() {
        let offset = writer.sections[data].bytes.len() as u64;
        writer.sections[data].bytes.extend(set.variable_value((object, index)).to_le_bytes());
        writer.define(&set.variable_name((object, index)), STT_OBJECT, data, offset, 4);
    }

    let mut relocations: HashMap<usize, Vec<u8>> = HashMap::new();
    let mut unwind_relocations = Vec::new();
    for (index, &text) in text_of.iter().enumerate() {
        let id: FunctionId = (object, index);
        let offset = set.offset_in_section(index, FUNCTION.len());
        let callee = writer.reference(&set.function_name(set.callee(id)));
        let variable = writer.reference(&set.variable_name(set.variable(id)));
        let bytes = relocations.entry(text).or_default();
        rela(bytes, offset + CALL_FIELD, callee, R_X86_64_PLT32, -4);
        rela(bytes, offset + LOAD_FIELD, variable, R_X86_64_REX_GOTPCRELX, -4);
        let place = writer.fde(unwind);
        rela(&mut unwind_relocations, place, text_symbols[&text], R_X86_64_PC32, offset as i64);
    }
    for text in texts {
        let bytes = relocations.remove(&text).unwrap_or_default();
        writer.relocation_section(text, bytes);
    }
    writer.relocation_section(unwind, unwind_relocations);
    writer.finish()
}

/// The object with `main`, which calls some functions and returns 0 if the sum of their results is what the set says.
pub fn main_object(set: &Set) -> Vec<u8> {
    let mut writer = Writer::new();
    let text = writer.section(".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXEC, 16);
    let mut code = vec![0x53, 0x31, 0xdb]; // push %rbx; xor %ebx, %ebx
    let mut calls = Vec::new();
    for (id, depth) in set.calls_of_main() {
        code.push(0xbf); // mov $depth, %edi
        code.extend(depth.to_le_bytes());
        code.push(0xe8); // call
        calls.push((code.len() as u64, id));
        code.extend([0; 4]);
        code.extend([0x01, 0xc3]); // add %eax, %ebx
    }
    code.extend([0x31, 0xc0, 0x81, 0xfb]); // xor %eax, %eax; cmp $expected, %ebx
    code.extend(set.expected_sum().to_le_bytes());
    code.extend([0x0f, 0x95, 0xc0, 0x5b, 0xc3]); // setne %al; pop %rbx; ret
    let size = code.len() as u64;
    writer.sections[text].bytes = code;
    writer.define("main", STT_FUNC, text, 0, size);
    let mut bytes = Vec::new();
    for (place, id) in calls {
        let symbol = writer.reference(&set.function_name(id));
        rela(&mut bytes, place, symbol, R_X86_64_PLT32, -4);
    }
    writer.relocation_section(text, bytes);
    writer.finish()
}

fn rela(bytes: &mut Vec<u8>, offset: u64, symbol: u32, kind: u32, addend: i64) {
    bytes.extend(offset.to_le_bytes());
    bytes.extend((u64::from(symbol) << 32 | u64::from(kind)).to_le_bytes());
    bytes.extend(addend.to_le_bytes());
}

impl Writer {
    fn new() -> Self {
        let mut writer = Self { names: vec![0], ..Self::default() };
        writer.sections.push(Section::default());
        writer.symbol(0, 0, 0, 0, 0);
        writer.locals = 1;
        writer
    }

    /// Adds a section and returns its index.
    fn section(&mut self, name: &str, kind: u32, flags: u64, align: u64) -> usize {
        self.sections.push(Section { name: name.into(), kind, flags, align, ..Section::default() });
        assert!(self.sections.len() < SHN_LORESERVE, "too many sections for 16-bit indices");
        self.sections.len() - 1
    }

    fn relocation_section(&mut self, target: usize, bytes: Vec<u8>) {
        let name = format!(".rela{}", self.sections[target].name);
        let index = self.section(&name, SHT_RELA, SHF_INFO_LINK, 8);
        let section = &mut self.sections[index];
        section.info = target as u32;
        section.entry_size = 24;
        section.bytes = bytes;
    }

    /// Adds a frame description entry and returns where its function's address goes.
    fn fde(&mut self, unwind: usize) -> u64 {
        let bytes = &mut self.sections[unwind].bytes;
        let start = bytes.len();
        bytes.extend((FDE_SIZE as u32 - 4).to_le_bytes());
        bytes.extend((start as u32 + 4).to_le_bytes()); // distance to the CIE at the start
        bytes.extend([0; 4]);
        bytes.extend((FUNCTION.len() as u32).to_le_bytes());
        // No augmentation data; after the push the CFA is rsp + 16 and rbx is at CFA - 16.
        bytes.extend([0, 0x41, 0x0e, 16, 0x83, 2, 0, 0]);
        start as u64 + 8
    }

    fn symbol(&mut self, name: u32, info: u8, section: u16, value: u64, size: u64) -> u32 {
        let index = (self.symbols.len() / 24) as u32;
        self.symbols.extend(name.to_le_bytes());
        self.symbols.extend([info, 0]);
        self.symbols.extend(section.to_le_bytes());
        self.symbols.extend(value.to_le_bytes());
        self.symbols.extend(size.to_le_bytes());
        index
    }

    fn section_symbol(&mut self, section: usize) -> u32 {
        self.locals += 1;
        self.symbol(0, STT_SECTION, section as u16, 0, 0)
    }

    fn global(&mut self, name: &str, kind: u8, section: usize, value: u64, size: u64) -> u32 {
        let place = self.names.len() as u32;
        self.names.extend(name.as_bytes());
        self.names.push(0);
        let index = self.symbol(place, STB_GLOBAL << 4 | kind, section as u16, value, size);
        self.globals.insert(name.into(), index);
        index
    }

    fn define(&mut self, name: &str, kind: u8, section: usize, value: u64, size: u64) {
        self.global(name, kind, section, value, size);
    }

    /// The symbol `name`, undefined if this object does not define it.
    fn reference(&mut self, name: &str) -> u32 {
        match self.globals.get(name) {
            Some(&index) => index,
            None => self.global(name, 0, 0, 0, 0),
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.section(".note.GNU-stack", SHT_PROGBITS, 0, 1);
        let symbols = self.section(".symtab", SHT_SYMTAB, 0, 8);
        let names = self.section(".strtab", SHT_STRTAB, 0, 1);
        let section_names = self.section(".shstrtab", SHT_STRTAB, 0, 1);
        self.sections[symbols].bytes = std::mem::take(&mut self.symbols);
        self.sections[symbols].link = names as u32;
        self.sections[symbols].info = self.locals;
        self.sections[symbols].entry_size = 24;
        self.sections[names].bytes = std::mem::take(&mut self.names);
        for section in self.sections.iter_mut().filter(|section| section.kind == SHT_RELA) {
            section.link = symbols as u32;
        }
        let mut table = Vec::new();
        let name_offsets: Vec<u32> =
            self.sections.iter().map(|section| append_name(&mut table, &section.name)).collect();
        self.sections[section_names].bytes = table;

        let mut file = vec![0; 64];
        let mut headers = Vec::new();
        for (section, name) in self.sections.iter().zip(name_offsets) {
            let align = section.align.max(1) as usize;
            file.resize(file.len().next_multiple_of(align), 0);
            let offset = if section.kind == 0 { 0 } else { file.len() as u64 };
            headers.extend(name.to_le_bytes());
            headers.extend(section.kind.to_le_bytes());
            let size = section.bytes.len() as u64;
            headers.extend([section.flags, 0, offset, size].iter().flat_map(|word| word.to_le_bytes()));
            headers.extend(section.link.to_le_bytes());
            headers.extend(section.info.to_le_bytes());
            headers.extend([section.align, section.entry_size].iter().flat_map(|word| word.to_le_bytes()));
            file.extend(&section.bytes);
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let header = header(file.len() as u64, self.sections.len() as u16, section_names as u16);
        file[..64].copy_from_slice(&header);
        file.extend(headers);
        file
    }
}

fn append_name(table: &mut Vec<u8>, name: &str) -> u32 {
    let place = table.len() as u32;
    table.extend(name.as_bytes());
    table.push(0);
    place
}

fn header(section_headers: u64, section_count: u16, section_names: u16) -> [u8; 64] {
    let mut header = [0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = 1; // ET_REL
    header[18] = 62; // EM_X86_64
    header[20] = 1;
    header[40..48].copy_from_slice(&section_headers.to_le_bytes());
    header[52] = 64;
    header[58] = 64;
    header[60..62].copy_from_slice(&section_count.to_le_bytes());
    header[62..64].copy_from_slice(&section_names.to_le_bytes());
    header
}
