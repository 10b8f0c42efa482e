//! The file's headers, and what only tools look at: sections, names, debug information.

use super::super::dynamic_symbols::{ENTRY_SIZE, Entry, Strings, info};
use super::super::tables::{self, HEADER, Header, SEGMENT, Section, Segment};
use super::super::{ROOTS, relocations, start};
use super::{Image, Run, SEGMENTS, Table};
use crate::error::Error;
use crate::link::Defined;
use object::elf;
use std::borrow::Cow;
use std::ops::Range;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::memory::Lane;

impl Image<'_> {
    pub(super) fn sections(&self) -> Vec<Section> {
        let (read, code) = (elf::SHF_ALLOC.0, elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0);
        let write = elf::SHF_ALLOC.0 | elf::SHF_WRITE.0;
        let section =
            |name: &'static str, kind: elf::SectionType, flags: u64, run: &Run, link, align, entry_size| Section {
                name: Cow::Borrowed(name),
                kind: kind.0,
                flags,
                address: run.memory.start,
                offset: run.offset,
                size: run.size(),
                link,
                info: 0,
                align,
                entry_size,
            };
        let table = |table| self.table(table);
        let symbols = section(".dynsym", elf::SHT_DYNSYM, read, table(Table::Symbols), ".dynstr", 8, ENTRY_SIZE as u64);
        let needed =
            section(".gnu.version_r", elf::SHT_GNU_VERNEED, read, table(Table::NeededVersions), ".dynstr", 8, 0);
        let [text, read_only, data] = &self.lanes;
        let (_, thread_size, thread_align) = self.link.thread_image();
        let thread_write = write | elf::SHF_TLS.0;
        let zero = Run { memory: data.memory.end..data.memory.end + self.zero_fill, offset: data.offset + data.size() };
        let thread_end = self.thread_image.memory.end;
        let thread_zero = Run {
            memory: thread_end..thread_end + thread_size - self.thread_image.size(),
            offset: self.thread_image.offset + self.thread_image.size(),
        };
        let part =
            |memory: Range<u64>| Run { offset: read_only.offset + memory.start - read_only.memory.start, memory };
        let Range { start, end } = read_only.memory;
        let records = self.link.unwind_records().unwrap_or(end..end);
        let (before, behind) = (part(start..records.start), part(records.end..end));
        let records = part(records);
        let mut sections = vec![
            section(".interp", elf::SHT_PROGBITS, read, table(Table::Interpreter), "", 1, 0),
            section(".gnu.hash", elf::SHT_GNU_HASH, read, table(Table::Hash), ".dynsym", 8, 0),
            Section { info: 1, ..symbols },
            section(".dynstr", elf::SHT_STRTAB, read, table(Table::Strings), "", 1, 0),
            section(".gnu.version", elf::SHT_GNU_VERSYM, read, table(Table::Versions), ".dynsym", 2, 2),
            Section { info: self.symbols.needed_version_count, ..needed },
            section(".rela.dyn", elf::SHT_RELA, read, table(Table::Long), ".dynsym", 8, relocations::LONG),
            section(".relr.dyn", elf::SHT_RELR, read, table(Table::Short), "", 8, 8),
            section(".eh_frame_hdr", elf::SHT_PROGBITS, read, table(Table::Unwind), "", 4, 0),
            section(".text", elf::SHT_PROGBITS, code, text, "", 16, 0),
            section(".dynamic", elf::SHT_DYNAMIC, write, &self.dynamic_run, ".dynstr", 8, 16),
            section(".tdata", elf::SHT_PROGBITS, thread_write, &self.thread_image, "", thread_align, 0),
            section(".tbss", elf::SHT_NOBITS, thread_write, &thread_zero, "", thread_align, 0),
            section(".data.rel.ro", elf::SHT_PROGBITS, write, &before, "", 16, 0),
            section(".eh_frame", elf::SHT_PROGBITS, read, &records, "", 8, 0),
            section(".data.rel.ro", elf::SHT_PROGBITS, write, &behind, "", 8, 0),
            section(".data", elf::SHT_PROGBITS, write, data, "", 16, 0),
            section(".bss", elf::SHT_NOBITS, write, &zero, "", 1, 0),
        ];
        sections.retain(|section| section.size != 0);
        sections
    }

    fn segments(&self) -> Vec<Segment> {
        let (r, w, x) = (elf::PF_R.0, elf::PF_W.0, elf::PF_X.0);
        let page = self.page();
        let segment = |kind: elf::ProgramType, flags: u32, run: &Run, size: u64, align: u64| Segment {
            kind: kind.0,
            flags,
            address: run.memory.start,
            offset: run.offset,
            file_size: run.size(),
            size,
            align,
        };
        let whole = |kind, flags, run: &Run, align| segment(kind, flags, run, run.size(), align);
        let tables = Run { memory: self.base..self.table(Table::Unwind).memory.end, offset: 0 };
        let headers = Run { memory: self.base + HEADER..self.base + HEADER + SEGMENTS * SEGMENT, offset: HEADER };
        let [code, _, data] = &self.lanes;
        let written = Run { memory: self.relocated.start..data.memory.end, offset: self.dynamic_run.offset };
        let relocated = Run { memory: self.relocated.clone(), offset: self.dynamic_run.offset };
        let (_, thread_size, thread_align) = self.link.thread_image();
        let interpreter = self.table(Table::Interpreter);
        let mut segments = vec![whole(elf::PT_PHDR, r, &headers, 8)];
        if interpreter.size() != 0 {
            segments.push(whole(elf::PT_INTERP, r, interpreter, 1));
        }
        segments.push(whole(elf::PT_LOAD, r, &tables, page));
        if code.size() != 0 {
            segments.push(whole(elf::PT_LOAD, r | x, code, page));
        }
        segments.push(segment(elf::PT_LOAD, r | w, &written, written.size() + self.zero_fill, page));
        segments.push(whole(elf::PT_DYNAMIC, r | w, &self.dynamic_run, 8));
        if thread_size != 0 {
            segments.push(segment(elf::PT_TLS, r, &self.thread_image, thread_size, thread_align));
        }
        let unwind = self.table(Table::Unwind);
        if unwind.size() != 0 {
            segments.push(whole(elf::PT_GNU_EH_FRAME, r, unwind, 4));
        }
        segments.push(whole(elf::PT_GNU_STACK, r | w, &Run::default(), 16));
        segments.push(whole(elf::PT_GNU_RELRO, r, &relocated, 1));
        segments
    }

    /// Names of all functions and variables, for tools, and their strings.
    fn symbol_table(&self, sections: &[Section]) -> (Vec<u8>, Vec<u8>) {
        let mut strings = Strings::new();
        let mut symbols = Vec::new();
        Entry::default().write(&mut symbols);
        for defined in self.link.named() {
            let symbol = defined.symbol;
            let kind = info(elf::STB_LOCAL.0, symbol.kind);
            let entry = Entry { name: strings.add(defined.name), info: kind, ..Entry::default() };
            let section = section_of(sections, &defined);
            Entry { section, value: defined.address, size: symbol.size, ..entry }.write(&mut symbols);
        }
        (symbols, strings.bytes)
    }

    /// Adds what only tools look at, and the headers.
    pub(super) fn finish(self, mut file: Vec<u8>, mut sections: Vec<Section>) -> Result<Vec<u8>, Error> {
        let mut append = |name: &str,
                          kind: elf::SectionType,
                          bytes: &[u8],
                          link,
                          info,
                          entry_size,
                          sections: &mut Vec<Section>| {
            file.resize(file.len().next_multiple_of(8), 0);
            let (offset, size) = (file.len() as u64, bytes.len() as u64);
            let (kind, align) = (kind.0, if entry_size == 0 { 1 } else { 8 });
            let name = name.to_owned().into();
            sections.push(Section { name, kind, flags: 0, address: 0, offset, size, link, info, align, entry_size });
            file.extend_from_slice(bytes);
        };
        if !self.options.strip {
            let (symbols, strings) = self.symbol_table(&sections);
            let count = (symbols.len() / ENTRY_SIZE) as u32;
            append(".symtab", elf::SHT_SYMTAB, &symbols, ".strtab", count, ENTRY_SIZE as u64, &mut sections);
            append(".strtab", elf::SHT_STRTAB, &strings, "", 0, 0, &mut sections);
            for (name, bytes) in tables::debug_sections(&self.link.debug_image(0)?)? {
                append(&name, elf::SHT_PROGBITS, &bytes, "", 0, 0, &mut sections);
            }
        }
        if !self.options.shares.is_empty() {
            append(ROOTS, elf::SHT_PROGBITS, &tables::roots(self.options.shares), "", 0, 0, &mut sections);
        }
        let mut names = Strings::new();
        let mut offsets: Vec<u32> = sections.iter().map(|section| names.add(section.name.as_bytes())).collect();
        offsets.push(names.add(b".shstrtab"));
        append(".shstrtab", elf::SHT_STRTAB, &names.bytes, "", 0, 0, &mut sections);
        file.resize(file.len().next_multiple_of(8), 0);
        let is_program = self.is_executable();
        let riscv = self.machine.number == elf::EM_RISCV.0;
        let header = Header {
            kind: if is_program && self.base != 0 { elf::ET_EXEC.0 } else { elf::ET_DYN.0 },
            machine: self.machine.number,
            entry: self.link.address(start::ENTRY).filter(|_| is_program).unwrap_or(0),
            flags: if riscv { elf::EF_RISCV_FLOAT_ABI_DOUBLE.0 | u32::from(self.link.is_compressed()) } else { 0 },
            sections_at: file.len() as u64,
            section_count: sections.len() as u16 + 1,
        };
        let headers = header.write(&self.segments());
        file[..headers.len()].copy_from_slice(&headers);
        file.extend(tables::section_headers(&sections, &offsets));
        Ok(file)
    }
}

/// The number of the section that a symbol is in.
pub(super) fn section_of(sections: &[Section], defined: &Defined<'_>) -> u16 {
    let number = |name: &str| sections.iter().position(|section| section.name == name).map(|at| at as u16 + 1);
    let within = |section: &Section| {
        section.flags != 0 && (section.address..=section.address + section.size).contains(&defined.address)
    };
    let found = match (defined.symbol.kind, defined.lane) {
        (SymbolKind::ThreadLocal, _) => number(".tdata").or_else(|| number(".tbss")),
        (_, None) => None,
        (_, Some(Lane::Code)) => number(".text"),
        (_, Some(Lane::ReadOnly)) => number(".data.rel.ro"),
        (_, Some(Lane::Data)) => {
            let bss = sections.iter().find(|section| section.name == ".bss").filter(|section| within(section));
            bss.and_then(|_| number(".bss")).or_else(|| number(".data"))
        }
    };
    found.unwrap_or(elf::SHN_ABS.0)
}
