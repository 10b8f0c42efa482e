//! Debug information: a function's name and the lines that its instructions come from.
//!
//! Data flow: source locations in Cranelift's buffer → a compilation unit with one function, and a line table, in
//! sections that are not loaded. Debuggers are shown them by the linker; where nobody debugs, none are made.
//! Source: DWARF 4, §3.1.1, §3.3.1, §6.2, §7.5.

use crate::emit::Graph;
use crate::error::Error;
use crate::function::Source;
use crate::unwind::uleb128;
use cranelift_codegen::{Final, MachSrcLoc};
use uruk_jitlink::graph::{SectionKind, SymbolId};
use uruk_jitlink::x86_64::{ABS32, ABS64};

const DW_TAG_COMPILE_UNIT: u8 = 0x11;
const DW_TAG_SUBPROGRAM: u8 = 0x2e;
const DW_AT_NAME: u8 = 0x03;
const DW_AT_STMT_LIST: u8 = 0x10;
const DW_AT_LOW_PC: u8 = 0x11;
const DW_AT_HIGH_PC: u8 = 0x12;
const DW_AT_DECL_FILE: u8 = 0x3a;
const DW_AT_DECL_LINE: u8 = 0x3b;
const DW_AT_EXTERNAL: u8 = 0x3f;
const DW_FORM_ADDR: u8 = 0x01;
const DW_FORM_DATA4: u8 = 0x06;
const DW_FORM_DATA8: u8 = 0x07;
const DW_FORM_STRING: u8 = 0x08;
const DW_FORM_DATA1: u8 = 0x0b;
const DW_FORM_SEC_OFFSET: u8 = 0x17;
const DW_FORM_FLAG_PRESENT: u8 = 0x19;
const UNIT: u8 = 1;
const FUNCTION: u8 = 2;

/// What the entries of [`information`] consist of.
#[rustfmt::skip]
const ABBREVIATIONS: &[u8] = &[
    UNIT, DW_TAG_COMPILE_UNIT, 1,
    DW_AT_NAME, DW_FORM_STRING, DW_AT_STMT_LIST, DW_FORM_SEC_OFFSET,
    DW_AT_LOW_PC, DW_FORM_ADDR, DW_AT_HIGH_PC, DW_FORM_DATA8, 0, 0,
    FUNCTION, DW_TAG_SUBPROGRAM, 0,
    DW_AT_NAME, DW_FORM_STRING, DW_AT_EXTERNAL, DW_FORM_FLAG_PRESENT,
    DW_AT_DECL_FILE, DW_FORM_DATA1, DW_AT_DECL_LINE, DW_FORM_DATA4,
    DW_AT_LOW_PC, DW_FORM_ADDR, DW_AT_HIGH_PC, DW_FORM_DATA8, 0, 0,
    0,
];

/// Bytes of a section, and the fields in it that depend on addresses or on offsets in other sections.
#[derive(Default)]
struct Section {
    bytes: Vec<u8>,
    addresses: Vec<u32>,
    offsets: Vec<(u32, SymbolId)>,
}

impl Section {
    fn text(&mut self, text: &str) {
        // A zero byte ends it.
        self.bytes.extend(text.bytes().take_while(|byte| *byte != 0));
        self.bytes.push(0);
    }

    fn address(&mut self) {
        self.addresses.push(self.bytes.len() as u32);
        self.bytes.extend([0; 8]);
    }

    fn offset(&mut self, of: SymbolId) {
        self.offsets.push((self.bytes.len() as u32, of));
        self.bytes.extend([0; 4]);
    }

    /// Enters the length of what follows the four bytes at an offset.
    fn close(&mut self, at: usize) {
        let length = (self.bytes.len() - at - 4) as u32;
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Adds it to a graph; returns a symbol at its start.
    fn add(self, graph: &mut Graph<'_>, name: &str, function: SymbolId) -> Result<SymbolId, Error> {
        let addresses = self.addresses.into_iter().map(|at| (at, ABS64, function));
        let offsets = self.offsets.into_iter().map(|(at, symbol)| (at, ABS32, symbol));
        graph.extra(SectionKind::Unloaded, name, &self.bytes, addresses.chain(offsets))
    }
}

/// Adds the debug information of a function of `size` bytes to its graph.
pub fn add(
    graph: &mut Graph<'_>,
    name: &str,
    (function, size): (SymbolId, u32),
    source: &Source,
    locations: &[MachSrcLoc<Final>],
) -> Result<(), Error> {
    let abbreviations = Section { bytes: ABBREVIATIONS.into(), ..Section::default() };
    let abbreviations = abbreviations.add(graph, ".debug_abbrev", function)?;
    let lines = lines(size, source, locations).add(graph, ".debug_line", function)?;
    let information = information(name, size, source, abbreviations, lines);
    information.add(graph, ".debug_info", function).map(drop)
}

fn information(name: &str, size: u32, source: &Source, abbreviations: SymbolId, lines: SymbolId) -> Section {
    let mut section = Section { bytes: vec![0, 0, 0, 0, 4, 0], ..Section::default() };
    section.offset(abbreviations);
    section.bytes.extend([8, UNIT]); // bytes of an address
    section.text(&source.file);
    section.offset(lines);
    section.address();
    section.bytes.extend(u64::from(size).to_le_bytes());
    section.bytes.push(FUNCTION);
    section.text(name);
    section.bytes.push(1); // the file
    section.bytes.extend(source.line.to_le_bytes());
    section.address();
    section.bytes.extend(u64::from(size).to_le_bytes());
    section.bytes.push(0);
    section.close(0);
    section
}

fn lines(size: u32, source: &Source, locations: &[MachSrcLoc<Final>]) -> Section {
    const COPY: u8 = 1;
    const ADVANCE_PC: u8 = 2;
    const ADVANCE_LINE: u8 = 3;
    const OPCODE_BASE: u8 = 13;
    let mut section = Section { bytes: vec![0, 0, 0, 0, 4, 0, 0, 0, 0, 0], ..Section::default() };
    // Instructions of one byte, statements throughout; no opcode that needs a base and a range is used.
    section.bytes.extend([1, 1, 1, 0, 1, OPCODE_BASE, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    section.bytes.push(0); // no folders
    section.text(&source.file);
    section.bytes.extend([0, 0, 0, 0]); // its folder, time and length are not known; no more files
    let header = (section.bytes.len() - 10) as u32;
    section.bytes[6..10].copy_from_slice(&header.to_le_bytes());
    section.bytes.extend([0, 9, 2]); // the address is
    section.address();
    let (mut at, mut line) = (0, 1i64);
    let first = (0, source.line);
    let known = locations.iter().filter(|location| !location.loc.is_default());
    let rows = known.map(|location| (location.start, location.loc.bits()));
    for (start, number) in std::iter::once(first).chain(rows) {
        section.bytes.push(ADVANCE_PC);
        uleb128(&mut section.bytes, start - at);
        section.bytes.push(ADVANCE_LINE);
        sleb128(&mut section.bytes, i64::from(number) - line);
        section.bytes.push(COPY);
        (at, line) = (start, number.into());
    }
    section.bytes.push(ADVANCE_PC);
    uleb128(&mut section.bytes, size - at);
    section.bytes.extend([0, 1, 1]); // the end
    section.close(0);
    section
}

fn sleb128(bytes: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value as u8 & 0x7f;
        value >>= 7;
        let sign = byte & 0x40 != 0;
        if value == 0 && !sign || value == -1 && sign {
            bytes.push(byte);
            return;
        }
        bytes.push(byte | 0x80);
    }
}
