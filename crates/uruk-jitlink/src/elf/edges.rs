//! Relocations to edges, for REL-less objects: RELA and CREL sections.
//!
//! Every edge is checked here once, so that fixing up needs no checks: its type is known, its field lies in its
//! block, its symbol exists. Wishes for table entries are gathered on the way.

use super::class::Class;
use super::machine::{IS_TLS_FIELD, NEEDS_LOW, NEEDS_STATIC_TLS, Rule, rule};
use super::read::Reader;
use super::relocations::{self, Raw};
use super::sections::{SHT_CREL, SHT_REL, SHT_RELA};
use crate::arch::{Architecture, BRANCH32, Load, NOTHING};
use crate::error::LinkError;
use crate::graph::*;
use crate::{tables, wishes, x86_64};
use object::LittleEndian as LE;
use object::elf::SectionHeader64;

/// A relocation that changes nothing, on every machine; that it names a symbol keeps the symbol's section.
const NONE: u32 = 0;

// What has been noted of each symbol, as bits: the lower ones are wishes, and these are what a relocation has to know of it.
/// A local function in reach of its own object's calls.
const LOCAL: u16 = 1 << 15;
/// Its value is a number.
const ABSOLUTE: u16 = 1 << 14;

/// The block that relocations apply to.
struct Site<'a> {
    id: BlockId,
    bytes: &'a [u8],
    is_code: bool,
}

/// Why a relocation makes no edge.
enum Refusal {
    Unsupported,
    Damage(&'static str),
}

/// Reads the edges of a graph whose blocks and symbols are there.
pub struct Edges<'a, 'b> {
    reader: &'a Reader<'b>,
    graph: &'a mut LinkGraph,
    arch: &'static Architecture,
    rules: &'static [Option<Rule>],
    /// The rule of calls and jumps.
    branch: Rule,
    /// What has been noted of each symbol.
    notes: Vec<u16>,
    /// All [`Rule::demands`].
    demands: u8,
    /// Bytes of the file that no relocation section has taken so far.
    left: u64,
}

impl<'a, 'b> Edges<'a, 'b> {
    /// Reads all relocation sections of loaded sections.
    pub fn read(reader: &'a Reader<'b>, graph: &'a mut LinkGraph) -> Result<(), LinkError> {
        let own_in_reach = tables::own_in_reach(graph);
        let notes = graph.symbols.iter().map(|symbol| {
            let local = own_in_reach && symbol.binding == Binding::Local && symbol.kind != SymbolKind::Indirect;
            let absolute = symbol.definition == Definition::Absolute;
            (u16::from(local) * LOCAL) | (u16::from(absolute) * ABSOLUTE)
        });
        let notes = notes.collect();
        let arch = graph.arch();
        let rules = reader.headers.machine.rules;
        let (branch, left) = (rule(arch, BRANCH32), graph.input.len() as u64);
        let mut edges = Edges { reader, left, graph, arch, rules, branch, notes, demands: 0 };
        edges.reserve();
        for header in reader.headers.sections.iter() {
            match header.sh_type.get(LE).0 {
                SHT_RELA => edges.read_rela(header)?,
                SHT_CREL => edges.read_crel(header)?,
                SHT_REL if reader.section_block(header.sh_info.get(LE))?.is_some() => {
                    let place = header.sh_offset.get(LE);
                    return Err(reader
                        .headers
                        .malformed(place, "relocations without addends, which this architecture does not have"));
                }
                _ => {}
            }
        }
        edges.finish();
        Ok(())
    }

    /// Enters what has been noted on the way.
    fn finish(self) {
        let Edges { graph, notes, demands, .. } = self;
        graph.needs_low |= demands & NEEDS_LOW != 0;
        graph.needs_static_tls |= demands & NEEDS_STATIC_TLS != 0;
        graph.has_tls_fields |= demands & IS_TLS_FIELD != 0;
        wishes::note(graph, &notes);
    }

    fn reserve(&mut self) {
        let sections = self.reader.headers.sections.iter();
        let relocations = sections.filter(|header| {
            header.sh_type.get(LE).0 == SHT_RELA
                && matches!(self.reader.section_block(header.sh_info.get(LE)), Ok(Some(_)))
        });
        let bytes: u64 = relocations.map(|header| header.sh_size.get(LE)).fold(0, u64::saturating_add);
        // What the headers claim is believed only as far as the file could hold it.
        let bytes = bytes.min(self.reader.headers.bytes.len() as u64);
        self.graph.edges.reserve_exact(bytes as usize / self.reader.headers.class.rela_size());
    }

    fn read_rela(&mut self, header: &SectionHeader64<LE>) -> Result<(), LinkError> {
        let Some(block) = self.reader.section_block(header.sh_info.get(LE))? else { return Ok(()) };
        let headers = &self.reader.headers;
        match headers.class {
            Class::Wide => self.add_all(block, header, relocations::rela(headers, header)?),
            Class::Narrow => self.add_all(block, header, relocations::narrow_rela(headers, header)?),
        }
    }

    fn read_crel(&mut self, header: &SectionHeader64<LE>) -> Result<(), LinkError> {
        let Some(block) = self.reader.section_block(header.sh_info.get(LE))? else { return Ok(()) };
        let relocations = relocations::crel(&self.reader.headers, header)?;
        self.add_all(block, header, relocations)
    }

    fn add_all(
        &mut self,
        id: BlockId,
        header: &SectionHeader64<LE>,
        raws: impl IntoIterator<Item = Raw>,
    ) -> Result<(), LinkError> {
        let block = self.graph.block(id);
        let site = Site {
            id,
            bytes: match block.content {
                Content::Input(at) => &self.reader.headers.bytes[at as usize..(at + block.size) as usize],
                Content::Made(_) | Content::Zero => &[],
            },
            is_code: self.graph.section(block.section).kind == SectionKind::Code,
        };
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
            sorted &= last <= raw.offset;
            last = raw.offset;
            self.add(&site, raw).map_err(|what| self.relocation_error(&site, header, index, raw, what))?;
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

    fn relocation_error(
        &self,
        site: &Site<'_>,
        header: &SectionHeader64<LE>,
        index: u64,
        raw: Raw,
        refusal: Refusal,
    ) -> LinkError {
        match refusal {
            Refusal::Unsupported => {
                let place = self.graph.place(self.graph.block(site.id), raw.offset);
                LinkError::UnsupportedRelocation { place, kind: raw.kind }
            }
            Refusal::Damage(what) => {
                // Compact ones have no size of their own.
                let size = if header.sh_type.get(LE).0 == SHT_RELA { self.reader.headers.class.rela_size() } else { 0 };
                self.reader.headers.malformed(header.sh_offset.get(LE) + index * size as u64, what)
            }
        }
    }

    #[inline(always)]
    fn add(&mut self, site: &Site<'_>, raw: Raw) -> Result<(), Refusal> {
        let Some(mut rule) = self.rules.get(raw.kind as usize).and_then(Option::as_ref) else {
            return Err(Refusal::Unsupported);
        };
        if rule.kind == NOTHING {
            if raw.kind == NONE && (raw.symbol as usize) < self.notes.len() {
                self.graph.mentions.push((site.id, SymbolId(raw.symbol)));
            }
            return Ok(());
        }
        let holds =
            raw.offset.checked_add(u64::from(rule.field_size)).is_some_and(|end| end <= site.bytes.len() as u64);
        let (true, Ok(offset)) = (holds, u32::try_from(raw.offset)) else {
            return Err(Refusal::Damage("a relocation that lies outside its section"));
        };
        let Some(notes) = self.notes.get_mut(raw.symbol as usize) else {
            return Err(Refusal::Damage("a relocation to a symbol that does not exist"));
        };
        if rule.may_branch && site.is_code && x86_64::is_branch(site.bytes, offset as usize) {
            rule = &self.branch;
        }
        if *notes & LOCAL == 0 || rule.want != wishes::bit(Entry::Stub) {
            let load = || Load { kind: rule.kind, addend: raw.addend, offset: offset as usize };
            let relaxable = rule.got_load && (self.arch.can_relax)(&load(), site.bytes);
            *notes |= rule.want << u8::from(relaxable);
        }
        self.demands |= if *notes & ABSOLUTE == 0 { rule.demands } else { rule.demands & !NEEDS_LOW };
        let (addend, wide) = match i32::try_from(raw.addend) {
            Ok(addend) => (addend, false),
            Err(_) => {
                self.graph.wide_addends.push(raw.addend);
                (self.graph.wide_addends.len() as i32 - 1, true)
            }
        };
        self.graph.edges.push(Edge { offset, target: SymbolId(raw.symbol), addend, kind: rule.kind, wide });
        Ok(())
    }
}
