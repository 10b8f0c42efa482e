//! The unwind records of an object, looked up by place, and new ones for its thunks.
//!
//! Data flow: `.eh_frame` blocks → frames (entry, description, function) → for each thunk a description whose rules
//! are those of the instruction that it replaces, with the stack pointer's moves in between.
//! New entries have neither personality nor type tables. A thunk makes no call whose frame stays (a `call` stays in
//! its function), so only an exception thrown by a faulting instruction (`-fnon-call-exceptions`) could ask for
//! handlers there, and it passes the function's own.
//! Source: LSB 5.0, "Exception Frames".

use super::cfi::{self, Cfa, Row, push_unsigned};
use super::thunk::{Step, Thunk, Way};
use crate::arch::Value;
use crate::ehframe;
use crate::ehframe::entry::{CommonEntry, Reader, pointer_size};
use crate::graph::*;
use crate::x86_64::{ARCHITECTURE, PC32};
use std::collections::HashMap;
use std::ops::Range;

/// A common information entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The block that it lies in.
    pub block: BlockId,
    /// Offset there of the personality's encoding; the pointer follows.
    pub personality: Option<usize>,
    /// Offset there of the encoding of its descriptions' pointers to language-specific data.
    pub lsda: Option<usize>,
    /// How descriptions point at their functions.
    code_encoding: u8,
    has_length: bool,
    signal: bool,
    data_align: i64,
    initial: Vec<u8>,
}

/// A frame description.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The function's block.
    code: BlockId,
    /// Where in the block it lies.
    range: Range<u64>,
    /// Index of its entry.
    pub entry: usize,
    /// Offset in the entry's block of the pointer to its language-specific data, and where these lie.
    pub lsda: Option<(usize, BlockId, u64)>,
    instructions: (BlockId, Range<usize>),
}

/// All frames of an object.
#[derive(Debug, Default)]
pub struct Frames {
    /// Entries.
    pub entries: Vec<Entry>,
    /// Descriptions, by place.
    pub frames: Vec<Frame>,
}

/// What unwinding needs to know of an instruction's place.
#[derive(Clone, Debug)]
pub struct Site {
    entry: usize,
    row: Row,
}

impl Frames {
    /// Reads the records of all live blocks; those that make no sense are passed over.
    pub fn read(graph: &LinkGraph) -> Frames {
        let mut frames = Frames::default();
        for (id, block) in (0..).zip(&graph.blocks) {
            if block.live && graph.section(block.section).kind == SectionKind::EhFrame {
                frames.read_block(graph, BlockId(id));
            }
        }
        frames.frames.sort_by_key(|frame| (frame.code, frame.range.start));
        frames
    }

    fn read_block(&mut self, graph: &LinkGraph, id: BlockId) {
        let bytes = graph.content(graph.block(id));
        let Ok(records) = ehframe::records(bytes) else { return };
        let mut known = HashMap::new();
        for record in records {
            match record.entry {
                None => {
                    if let Some(entry) = read_entry(id, &bytes[..record.range.end], record.id + 4) {
                        known.insert(record.range.start, self.entries.len());
                        self.entries.push(entry);
                    }
                }
                Some(entry) => {
                    if let Some(entry) = known.get(&entry) {
                        let frame = self.read_frame(graph, id, *entry, record.id + 4, record.range.end);
                        self.frames.extend(frame);
                    }
                }
            }
        }
    }

    fn read_frame(&self, graph: &LinkGraph, id: BlockId, index: usize, at: usize, end: usize) -> Option<Frame> {
        let entry = &self.entries[index];
        let size = pointer_size(entry.code_encoding)?;
        let (code, start) = pointed_at(graph, id, at)?;
        let mut reader = Reader { bytes: &graph.content(graph.block(id))[..end], at: at + size };
        let length = reader.number(size)?;
        let mut lsda = None;
        if entry.has_length {
            let length = usize::try_from(reader.unsigned()?).ok()?;
            let pointed = entry.lsda.and_then(|_| pointed_at(graph, id, reader.at));
            lsda = pointed.map(|(block, offset)| (reader.at, block, offset));
            reader.at = reader.at.checked_add(length).filter(|at| *at <= end)?;
        }
        let range = start..start.checked_add(length)?;
        Some(Frame { code, range, entry: index, lsda, instructions: (id, reader.at..end) })
    }

    /// What holds at a place: `None` where there is no record, `Some(None)` where it is not understood.
    pub fn site(&self, graph: &LinkGraph, code: BlockId, offset: u64) -> Option<Option<Site>> {
        let after = self.frames.partition_point(|frame| (frame.code, frame.range.start) <= (code, offset));
        let frame = self.frames[..after].last()?;
        if frame.code != code || !frame.range.contains(&offset) {
            return None;
        }
        let entry = &self.entries[frame.entry];
        let (block, range) = &frame.instructions;
        let description = &graph.content(graph.block(*block))[range.clone()];
        let row = cfi::row(&entry.initial, description, offset - frame.range.start, entry.data_align);
        Some(row.map(|row| Site { entry: frame.entry, row }))
    }
}

impl Site {
    /// The register that the frame's address counts from, if it is not the stack pointer.
    pub fn kept(&self) -> Option<iced_x86::Register> {
        use iced_x86::Register as R;
        #[rustfmt::skip]
        const NUMBERED: [R; 16] = [
            R::RAX, R::RDX, R::RCX, R::RBX, R::RSI, R::RDI, R::RBP, R::RSP,
            R::R8, R::R9, R::R10, R::R11, R::R12, R::R13, R::R14, R::R15,
        ];
        match self.row.cfa {
            Cfa::Register(register, _) if register != cfi::RSP => NUMBERED.get(register as usize).copied(),
            _ => None,
        }
    }

    /// Whether a thunk that moves the stack pointer can be described.
    pub fn allows_moves(&self) -> bool {
        !self.row.uses_stack
    }
}

/// Unwind records being made.
#[derive(Default)]
pub struct Records {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Their edges.
    pub edges: Vec<Edge>,
    /// Offsets of the new entries, by the number of the entry that they stand for; `None` is that of functions
    /// that are called.
    entries: HashMap<Option<usize>, usize>,
}

impl Records {
    /// Describes a thunk that lies `at` bytes behind the symbol `thunks`.
    pub fn add(&mut self, frames: &Frames, site: &Site, thunk: &Thunk, thunks: SymbolId, at: u32) {
        let called = thunk.way == Way::Called;
        let entry = self.entry(frames, (!called).then_some(site.entry));
        let start = self.begin();
        let distance = self.bytes.len() - entry;
        self.bytes.extend((distance as u32).to_le_bytes());
        self.edges.push(Edge {
            offset: self.bytes.len() as u32,
            target: thunks,
            addend: at as i32,
            kind: PC32,
            wide: false,
        });
        self.bytes.extend([0; 4]);
        self.bytes.extend((thunk.code.len() as u32).to_le_bytes());
        self.bytes.push(0);
        let cfa = match called {
            true => Cfa::Register(cfi::RSP, 8),
            false => {
                self.bytes.extend_from_slice(&site.row.instructions);
                site.row.cfa
            }
        };
        if let Cfa::Register(cfi::RSP, offset) = cfa {
            let mut last = 0;
            for Step { at, depth } in &thunk.steps {
                match at - last {
                    near @ 0..0x40 => self.bytes.push(0x40 | near as u8),
                    far => self.bytes.extend([0x03, far as u8, (far >> 8) as u8]),
                }
                last = *at;
                self.bytes.push(0x0e);
                push_unsigned(&mut self.bytes, offset.wrapping_add(*depth) as u64);
            }
        }
        self.end(start);
    }

    fn entry(&mut self, frames: &Frames, of: Option<usize>) -> usize {
        if let Some(at) = self.entries.get(&of) {
            return *at;
        }
        let old = of.map(|index| &frames.entries[index]);
        let start = self.begin();
        self.bytes.extend([0, 0, 0, 0, 1]);
        self.bytes.extend_from_slice(if old.is_some_and(|old| old.signal) { b"zRS\0" } else { b"zR\0" });
        // Code alignment 1, data alignment -8, return address in column 16, distances of four bytes.
        self.bytes.extend([1, 0x78, 16, 1, 0x1b]);
        match old {
            Some(old) => self.bytes.extend_from_slice(&old.initial),
            None => self.bytes.extend([0x0c, 7, 8, 0x90, 1]),
        }
        self.end(start);
        self.entries.insert(of, start);
        start
    }

    fn begin(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        start
    }

    fn end(&mut self, start: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Reads an entry whose version is at `at`; only what x86-64 compilers write is understood.
fn read_entry(block: BlockId, bytes: &[u8], at: usize) -> Option<Entry> {
    let read = CommonEntry::read(bytes, at)?;
    let CommonEntry { code_encoding, has_length, signal, data_align, .. } = read;
    if (read.code_align, data_align, read.return_column) != (1, -8, 16) {
        return None;
    }
    let personality = read.personality.map(|(at, _)| at);
    let lsda = read.lsda.map(|(at, _)| at);
    let initial = bytes.get(read.instructions..)?.to_vec();
    Some(Entry { block, personality, lsda, code_encoding, has_length, signal, data_align, initial })
}

/// The place in this object that the pointer at an offset of a block refers to.
fn pointed_at(graph: &LinkGraph, id: BlockId, offset: usize) -> Option<(BlockId, u64)> {
    let edges = graph.edges(graph.block(id));
    let edge = edges.get(edges.partition_point(|edge| (edge.offset as usize) < offset))?;
    let value = ARCHITECTURE.info(edge.kind).value;
    if edge.offset as usize != offset || !matches!(value, Value::Absolute | Value::Relative) {
        return None;
    }
    let symbol = graph.symbol(edge.target);
    let Definition::Block(block) = symbol.definition else { return None };
    Some((block, symbol.value.wrapping_add_signed(graph.addend(edge))))
}
