//! Relocations to edges, for REL-less objects: RELA and CREL sections.
//!
//! Every edge is checked here once, so that fixing up needs no checks: its type is known, its field lies in its
//! block, its symbol exists. Wishes for table entries are gathered on the way.

use super::read::Reader;
use super::sections::{SHT_CREL, SHT_REL, SHT_RELA};
use super::x86_64::BY_TYPE;
use crate::error::LinkError;
use crate::graph::*;
use crate::x86_64::{self, Value, relax};
use object::LittleEndian as LE;
use object::elf::{Rela64, SectionHeader64};
use object::read::elf::CrelIterator;

/// The fields of a relocation, whatever its encoding.
struct Raw {
    offset: u64,
    symbol: u32,
    kind: u32,
    addend: i64,
}

/// Reads the edges of a graph whose blocks and symbols are there.
pub struct Edges<'a, 'b> {
    reader: &'a Reader<'b>,
    graph: &'a mut LinkGraph,
    /// Bytes of the file that no relocation section has taken so far.
    left: u64,
}

impl<'a, 'b> Edges<'a, 'b> {
    /// Reads all relocation sections of loaded sections.
    pub fn read(reader: &'a Reader<'b>, graph: &'a mut LinkGraph) -> Result<(), LinkError> {
        let mut edges = Edges { reader, left: graph.input.len() as u64, graph };
        edges.reserve();
        for header in reader.headers.sections {
            match header.sh_type.get(LE).0 {
                SHT_RELA => edges.read_rela(header)?,
                SHT_CREL => edges.read_crel(header)?,
                SHT_REL if reader.section_block(header.sh_info.get(LE))?.is_some() => {
                    let place = header.sh_offset.get(LE);
                    return Err(reader
                        .headers
                        .malformed(place, "relocations without addends, which x86-64 does not have"));
                }
                _ => {}
            }
        }
        edges.graph.wants.sort_unstable();
        edges.graph.wants.dedup();
        Ok(())
    }

    fn reserve(&mut self) {
        let sections = self.reader.headers.sections.iter();
        let relocations = sections.filter(|header| header.sh_type.get(LE).0 == SHT_RELA);
        let bytes: u64 = relocations.map(|header| header.sh_size.get(LE)).fold(0, u64::saturating_add);
        // What the headers claim is believed only as far as the file could hold it.
        let bytes = bytes.min(self.reader.headers.input.len() as u64);
        self.graph.edges.reserve_exact(bytes as usize / size_of::<Rela64<LE>>());
    }

    fn read_rela(&mut self, header: &SectionHeader64<LE>) -> Result<(), LinkError> {
        let headers = &self.reader.headers;
        let Some(block) = self.reader.section_block(header.sh_info.get(LE))? else { return Ok(()) };
        let place = header.sh_offset.get(LE);
        let size = size_of::<Rela64<LE>>() as u64;
        if !header.sh_size.get(LE).is_multiple_of(size) {
            return Err(headers.malformed(place, "relocations of an unknown entry size"));
        }
        let relocations = headers.array::<Rela64<LE>>(place, header.sh_size.get(LE) / size, "relocations")?;
        let raws = relocations.iter().map(|relocation| {
            let info = relocation.r_info.get(LE);
            Ok(Raw {
                offset: relocation.r_offset.get(LE),
                symbol: (info >> 32) as u32,
                kind: info as u32,
                addend: relocation.r_addend.get(LE),
            })
        });
        self.add_all(block, header, raws)
    }

    fn read_crel(&mut self, header: &SectionHeader64<LE>) -> Result<(), LinkError> {
        let headers = &self.reader.headers;
        let Some(block) = self.reader.section_block(header.sh_info.get(LE))? else { return Ok(()) };
        let range = headers.range(header)?;
        let place = range.start as u64;
        let damaged = || headers.malformed(place, "compact relocations that cannot be decoded");
        let relocations = CrelIterator::new(&headers.input[range]).map_err(|_| damaged())?;
        if !relocations.is_rela() && relocations.len() != 0 {
            return Err(headers.malformed(place, "compact relocations without addends, which x86-64 does not have"));
        }
        let raws = relocations.map(|relocation| {
            let relocation = relocation.map_err(|_| damaged())?;
            Ok(Raw {
                offset: relocation.r_offset,
                symbol: relocation.r_sym,
                kind: relocation.r_type.0,
                addend: relocation.r_addend,
            })
        });
        self.add_all(block, header, raws)
    }

    fn add_all(
        &mut self,
        id: BlockId,
        header: &SectionHeader64<LE>,
        raws: impl Iterator<Item = Result<Raw, LinkError>>,
    ) -> Result<(), LinkError> {
        let start = self.graph.edges.len();
        let place = header.sh_offset.get(LE);
        let headers = &self.reader.headers;
        // A small file could otherwise ask for any number of edges by naming the same bytes often.
        let left = self.left.checked_sub(header.sh_size.get(LE));
        self.left = left.ok_or_else(|| headers.malformed(place, "relocations that overlap others"))?;
        if self.graph.block(id).edges != (0..0) {
            return Err(headers.malformed(place, "two relocation sections for one section"));
        }
        let mut sorted = true;
        let mut last = 0;
        for (index, raw) in (0u64..).zip(raws) {
            let raw = raw?;
            sorted &= last <= raw.offset;
            last = raw.offset;
            // Compact ones have no size of their own.
            let size = if header.sh_type.get(LE).0 == SHT_RELA { size_of::<Rela64<LE>>() as u64 } else { 0 };
            self.add(id, raw, place + index * size)?;
        }
        let end = self.graph.edges.len();
        if !sorted {
            self.graph.edges[start..end].sort_by_key(|edge| edge.offset);
        }
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            return Err(LinkError::TooLarge { file: self.graph.input.name().to_string() });
        };
        self.graph.blocks[id.0 as usize].edges = start..end;
        Ok(())
    }

    /// Adds the edge of a relocation that stands at a place of the file.
    fn add(&mut self, id: BlockId, raw: Raw, place: u64) -> Result<(), LinkError> {
        let block = &self.graph.blocks[id.0 as usize];
        let Some(kind) = BY_TYPE.get(raw.kind as usize).copied().flatten() else {
            let place = self.graph.place(block, raw.offset);
            return Err(LinkError::UnsupportedRelocation { place, kind: raw.kind });
        };
        if kind == x86_64::NOTHING {
            return Ok(());
        }
        let info = x86_64::info(kind);
        let end = raw.offset.checked_add(info.field.size());
        let holds = block.content != Content::Zero && end.is_some_and(|end| end <= block.size);
        let (true, Ok(offset)) = (holds, u32::try_from(raw.offset)) else {
            return Err(self.reader.headers.malformed(place, "a relocation that lies outside its section"));
        };
        let Some(symbol) = self.graph.symbols.get(raw.symbol as usize) else {
            return Err(self.reader.headers.malformed(place, "a relocation to a symbol that does not exist"));
        };
        let target = SymbolId(raw.symbol);
        let kind = self.branch(id, offset, kind);
        let entry = x86_64::info(kind).entry;
        // A local function is always in reach of its own object's calls.
        let local = symbol.binding == Binding::Local && symbol.kind != SymbolKind::Indirect;
        if let Some(entry) = entry
            && !(local && entry == Entry::Stub)
        {
            let block = &self.graph.blocks[id.0 as usize];
            let relaxable = info.value == Value::GotLoad && {
                raw.addend == -4 && relax::rewrite(self.graph.content(block), offset as usize).is_some()
            };
            self.graph.wants.push(Want { symbol: target, entry, relaxable });
        }
        self.graph.needs_low |= info.value == Value::Absolute
            && info.field != x86_64::Field::Word64
            && symbol.definition != Definition::Absolute;
        self.graph.needs_static_tls |= info.value == Value::ThreadOffset || entry == Some(Entry::ThreadOffset);
        self.graph.has_tls_fields |= matches!(info.value, Value::ThreadOffset | Value::ModuleOffset);
        let (addend, wide) = match i32::try_from(raw.addend) {
            Ok(addend) => (addend, false),
            Err(_) => {
                self.graph.wide_addends.push(raw.addend);
                (self.graph.wide_addends.len() as i32 - 1, true)
            }
        };
        self.graph.edges.push(Edge { offset, target, addend, kind, wide });
        Ok(())
    }

    /// Older assemblers mark calls and jumps like data; the opcode tells them apart, so that they can have stubs.
    fn branch(&self, id: BlockId, offset: u32, kind: EdgeKind) -> EdgeKind {
        let block = self.graph.block(id);
        if kind != x86_64::PC32 || self.graph.section(block.section).kind != SectionKind::Code {
            return kind;
        }
        let offset = offset as usize;
        match self.graph.content(block).get(offset.saturating_sub(2)..offset) {
            Some([_, 0xe8 | 0xe9] | [0x0f, 0x80..=0x8f]) => x86_64::BRANCH32,
            _ => kind,
        }
    }
}
