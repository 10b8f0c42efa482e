//! Where everything lies in memory and in the file, and the file.
//!
//! Sizes of tables depend on places only through short relocations, so that places are given, and given anew while those grow.

mod file;

use self::file::section_of;
use super::bytes::Bytes;
use super::dynamic_symbols::{DynamicSymbols, ENTRY_SIZE, Strings};
use super::relocations::{self, Machine, Relocations};
use super::tables::{self, HEADER, SEGMENT, UNWIND_ENTRY, UNWIND_HEADER};
use super::{ElfKind, ElfOptions};
use crate::error::Error;
use crate::link::{Defined, Dynamic, Import, Link, What};
use object::elf;
use std::ops::Range;
use uruk_jitlink::memory::Lane;

/// The largest number of segments that an image has.
const SEGMENTS: u64 = 10;

/// A run of memory with the same bytes in the file.
#[derive(Clone, Debug, Default)]
struct Run {
    memory: Range<u64>,
    offset: u64,
}

impl Run {
    fn size(&self) -> u64 {
        self.memory.end - self.memory.start
    }
}

/// Gives out addresses and offsets that agree in their place in a page.
struct Cursor {
    address: u64,
    offset: u64,
}

impl Cursor {
    fn take(&mut self, size: u64, align: u64) -> Run {
        self.skip(self.address.next_multiple_of(align.max(1)) - self.address);
        let run = Run { memory: self.address..self.address + size, offset: self.offset };
        self.skip(size);
        run
    }

    fn skip(&mut self, size: u64) {
        self.address += size;
        self.offset += size;
    }

    /// What follows has pages of its own in memory, and the file has no gap for that.
    fn next_page(&mut self, page: u64) {
        self.address = self.address.next_multiple_of(page) + self.offset % page;
    }
}

/// Tables, in the order in which they lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Interpreter,
    Hash,
    Symbols,
    Strings,
    Versions,
    NeededVersions,
    Long,
    Short,
    Unwind,
}

/// A linked image with its places.
pub(super) struct Image<'a> {
    link: Link,
    machine: &'static Machine,
    options: &'a ElfOptions<'a>,
    base: u64,
    symbols: DynamicSymbols,
    relocations: Relocations,
    dynamics: Vec<Dynamic>,
    unwind: Vec<(u64, u64)>,
    dynamic: Vec<(elf::DynamicTag, u64)>,
    tables: Vec<(Table, Run)>,
    lanes: [Run; 3],
    zero_fill: u64,
    thread_image: Run,
    dynamic_run: Run,
    /// What is read only once it has been relocated.
    relocated: Range<u64>,
    end: u64,
}

impl<'a> Image<'a> {
    pub fn new(
        mut link: Link,
        machine: &'static Machine,
        options: &'a ElfOptions<'a>,
        base: u64,
    ) -> Result<Image<'a>, Error> {
        link.place(base, [base; 3], base);
        let short = options.short_relocations;
        let exports: Vec<Defined<'_>> = link.exports().collect();
        let dynamics = link.dynamics()?;
        let has_own = dynamics.iter().any(|dynamic| matches!(dynamic.what, What::Own(_)));
        let mut symbols = DynamicSymbols::new(link.imports(), &exports, options.libraries, short && has_own);
        let dynamic = needed(&mut symbols.strings, options, &link);
        let mut image = Image {
            link,
            machine,
            options,
            base,
            symbols,
            relocations: Relocations::default(),
            dynamics,
            unwind: Vec::new(),
            dynamic,
            tables: Vec::new(),
            lanes: Default::default(),
            zero_fill: 0,
            thread_image: Run::default(),
            dynamic_run: Run::default(),
            relocated: 0..0,
            end: 0,
        };
        image.unwind = image.link.unwind()?;
        image.relocate();
        loop {
            let room = image.relocations.short.len();
            image.lay_out();
            image.dynamics = image.link.dynamics()?;
            image.relocate();
            let wanted = image.relocations.short.len();
            if wanted <= room {
                // Words of bits without any change nothing.
                image.relocations.short.resize(room, 1);
                image.unwind = image.link.unwind()?;
                return Ok(image);
            }
        }
    }

    fn relocate(&mut self) {
        let (imports, short) = (&self.symbols.imports, self.options.short_relocations);
        self.relocations = Relocations::new(self.machine, &self.dynamics, imports, short);
    }

    /// What segments' addresses and their offsets in the file agree in: a page, or more where something asks for more.
    fn page(&self) -> u64 {
        self.link.align().max(self.machine.page)
    }

    fn lay_out(&mut self) {
        let page = self.page();
        let mut cursor = Cursor { address: self.base, offset: 0 };
        cursor.skip(HEADER + SEGMENTS * SEGMENT);
        let interpreter = self.interpreter().map_or(0, |name| name.len() as u64 + 1);
        let unwind = if self.unwind.is_empty() { 0 } else { UNWIND_HEADER + UNWIND_ENTRY * self.unwind.len() as u64 };
        let (symbols, relocations) = (&self.symbols, &self.relocations);
        let sizes = [
            (Table::Interpreter, interpreter),
            (Table::Hash, symbols.hash.len() as u64),
            (Table::Symbols, (symbols.symbols.len() * ENTRY_SIZE) as u64),
            (Table::Strings, symbols.strings.bytes.len() as u64),
            (Table::Versions, symbols.versions.len() as u64),
            (Table::NeededVersions, symbols.needed_versions.len() as u64),
            (Table::Long, relocations.long.len() as u64),
            (Table::Short, relocations.short.len() as u64 * 8),
            (Table::Unwind, unwind),
        ];
        self.tables = sizes.map(|(table, size)| (table, cursor.take(size, 8))).to_vec();
        let [code, read_only, data] = self.link.demands();
        if code.size != 0 {
            cursor.next_page(page);
        }
        let code = cursor.take(code.size, code.align);
        cursor.next_page(page);
        // One more than is known now: that code is relocated is only seen once it has its place.
        self.dynamic_run = cursor.take(16 * (self.dynamic_entries().len() as u64 + 1), 16);
        let (bytes, _, align) = self.link.thread_image();
        self.thread_image = cursor.take(bytes, align);
        let read_only = cursor.take(read_only.size, read_only.align);
        // Whole pages are protected; what is in the last one is not to be.
        cursor.skip(cursor.address.next_multiple_of(page) - cursor.address);
        self.relocated = self.dynamic_run.memory.start..cursor.address;
        let filled = cursor.take(data.size - data.zero_fill, data.align);
        self.zero_fill = data.zero_fill;
        self.lanes = [code, read_only, filled];
        self.end = cursor.offset;
        let lanes = [0, 1, 2].map(|lane: usize| self.lanes[lane].memory.start);
        self.link.place(self.base, lanes, self.thread_image.memory.start);
    }

    fn is_executable(&self) -> bool {
        matches!(self.options.kind, ElfKind::Executable { .. })
    }

    fn interpreter(&self) -> Option<&'a str> {
        self.is_executable().then(|| self.options.interpreter.unwrap_or(self.machine.interpreter))
    }

    fn table(&self, wanted: Table) -> &Run {
        let found = self.tables.iter().find(|(table, _)| *table == wanted);
        found.map(|(_, run)| run).expect("every table has a place, if an empty one")
    }

    /// What the loader is told.
    fn dynamic_entries(&self) -> Vec<(elf::DynamicTag, u64)> {
        let mut entries = self.dynamic.clone();
        for (name, start, size) in [
            (".preinit_array", elf::DT_PREINIT_ARRAY, elf::DT_PREINIT_ARRAYSZ),
            (".init_array", elf::DT_INIT_ARRAY, elf::DT_INIT_ARRAYSZ),
            (".fini_array", elf::DT_FINI_ARRAY, elf::DT_FINI_ARRAYSZ),
        ] {
            if let Some(range) = self.link.functions(name) {
                entries.extend([(start, range.start), (size, range.end - range.start)]);
            }
        }
        let address =
            |table| self.tables.iter().find(|(known, _)| *known == table).map_or(0, |(_, run)| run.memory.start);
        let size = |bytes: &[u8]| bytes.len() as u64;
        entries.extend([
            (elf::DT_GNU_HASH, address(Table::Hash)),
            (elf::DT_STRTAB, address(Table::Strings)),
            (elf::DT_STRSZ, size(&self.symbols.strings.bytes)),
            (elf::DT_SYMTAB, address(Table::Symbols)),
            (elf::DT_SYMENT, ENTRY_SIZE as u64),
        ]);
        if self.symbols.needed_version_count != 0 {
            entries.extend([
                (elf::DT_VERSYM, address(Table::Versions)),
                (elf::DT_VERNEED, address(Table::NeededVersions)),
                (elf::DT_VERNEEDNUM, self.symbols.needed_version_count.into()),
            ]);
        }
        if !self.relocations.long.is_empty() {
            entries.extend([
                (elf::DT_RELA, address(Table::Long)),
                (elf::DT_RELASZ, size(&self.relocations.long)),
                (elf::DT_RELAENT, relocations::LONG),
                (elf::DT_RELACOUNT, self.relocations.relative),
            ]);
        }
        if !self.relocations.short.is_empty() {
            entries.extend([
                (elf::DT_RELR, address(Table::Short)),
                (elf::DT_RELRSZ, self.relocations.short.len() as u64 * 8),
                (elf::DT_RELRENT, 8),
            ]);
        }
        // Everything is bound when it is loaded: stubs have no code that would do it later.
        let is_executable = self.is_executable();
        let threads = if self.relocations.static_threads && !is_executable { elf::DF_STATIC_TLS.0 } else { 0 };
        let pie = if is_executable && self.base == 0 { elf::DF_1_PIE.0 } else { 0 };
        entries.extend([(elf::DT_FLAGS, elf::DF_BIND_NOW.0 | threads), (elf::DT_FLAGS_1, elf::DF_1_NOW.0 | pie)]);
        if self.has_code_relocations() {
            entries.push((elf::DT_TEXTREL, 0));
        }
        if is_executable {
            entries.push((elf::DT_DEBUG, 0));
        }
        entries.push((elf::DT_NULL, 0));
        entries
    }

    /// Whether a word amid code is relocated.
    fn has_code_relocations(&self) -> bool {
        let code = &self.lanes[Lane::Code as usize].memory;
        self.dynamics.iter().any(|dynamic| code.contains(&dynamic.place))
    }

    pub fn write(mut self) -> Result<Vec<u8>, Error> {
        let (mut lanes, thread_image) = self.link.write()?;
        self.clear_imports(&mut lanes);
        let sections = self.sections();
        let exports: Vec<Defined<'_>> = self.link.exports().collect();
        self.symbols.set_values(&exports, |defined| section_of(&sections, defined));
        let [code, read_only, data] = lanes;
        let unwind = match self.unwind.first() {
            Some((_, record)) => {
                let first = self.unwind.iter().map(|(_, record)| *record).min().unwrap_or(*record);
                tables::unwind_table(self.table(Table::Unwind).memory.start, first, &self.unwind)?
            }
            None => Vec::new(),
        };
        let mut symbols = Vec::new();
        self.symbols.symbols.iter().for_each(|symbol| symbol.write(&mut symbols));
        let mut short = Vec::new();
        self.relocations.short.iter().for_each(|word| short.long(*word));
        let interpreter = self.interpreter().map(|name| [name.as_bytes(), b"\0"].concat()).unwrap_or_default();
        let dynamic = tables::dynamic(&self.dynamic_entries());
        let parts = [
            (self.table(Table::Interpreter), interpreter),
            (self.table(Table::Hash), self.symbols.hash.clone()),
            (self.table(Table::Symbols), symbols),
            (self.table(Table::Strings), self.symbols.strings.bytes.clone()),
            (self.table(Table::Versions), self.symbols.versions.clone()),
            (self.table(Table::NeededVersions), self.symbols.needed_versions.clone()),
            (self.table(Table::Long), self.relocations.long.clone()),
            (self.table(Table::Short), short),
            (self.table(Table::Unwind), unwind),
            (&self.dynamic_run, dynamic),
            (&self.thread_image, thread_image),
            (&self.lanes[0], code),
            (&self.lanes[1], read_only),
            (&self.lanes[2], data),
        ];
        let mut file = vec![0; self.end as usize];
        for (run, bytes) in &parts {
            file[run.offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        self.finish(file, sections)
    }

    /// What an import's address was out of reach by, while fields were filled, is nothing in the file.
    fn clear_imports(&self, lanes: &mut [Vec<u8>; 3]) {
        for dynamic in self.dynamics.iter().filter(|dynamic| dynamic.what.import().is_some()) {
            for (run, bytes) in self.lanes.iter().zip(lanes.iter_mut()) {
                if run.memory.contains(&dynamic.place) {
                    bytes[(dynamic.place - run.memory.start) as usize..][..8].fill(0);
                }
            }
        }
    }
}

/// Which libraries are needed, and what the image is called.
fn needed(strings: &mut Strings, options: &ElfOptions<'_>, link: &Link) -> Vec<(elf::DynamicTag, u64)> {
    let mut entries = Vec::new();
    for (position, library) in options.libraries.iter().enumerate().filter(|(_, library)| library.is_needed()) {
        let used = |import: &Import| import.found.as_ref().is_some_and(|(library, _)| *library == position);
        if link.imports().iter().any(used) {
            entries.push((elf::DT_NEEDED, strings.add(library.name().as_bytes()).into()));
        }
    }
    if let Some(path) = options.run_path {
        entries.push((elf::DT_RUNPATH, strings.add(path.as_bytes()).into()));
    }
    if let ElfKind::SharedObject { name: Some(name) } = &options.kind {
        entries.push((elf::DT_SONAME, strings.add(name.as_bytes()).into()));
    }
    entries
}
