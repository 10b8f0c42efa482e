//! A COFF object to a link graph.
//!
//! Data flow: section headers → a block for each loaded section, those of one group in the order of what follows `$` →
//! symbols, local ones first → COMDAT groups → edges. Debug sections stay in the input.

use super::headers::Headers;
use super::sections;
use super::symbols::{Entry, Name, Place, Table};
use super::{edges, import, xdata};
use crate::arch::ABS64;
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use crate::interface::Strength;
use crate::names::Names;
use crate::wishes;
use object::LittleEndian as LE;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Base-2 logarithm of the alignment of an address, and of a function record.
const ADDRESS_ALIGN: u8 = 3;
const RECORD_ALIGN: u8 = 2;

/// Reads a whole object, or a member of an import library.
pub fn read(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    if import::is_import(input) {
        return import::read(input);
    }
    let graph = object(input, names)?;
    import::refuse(&graph)?;
    Ok(graph)
}

/// Reads an object, whatever it is for.
pub(super) fn object(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    let headers = Headers::parse(input)?;
    let table = Table::read(&headers)?;
    let mut graph = LinkGraph::of(input.clone(), headers.machine.format);
    graph.strings = headers.strings.clone();
    graph.added_names.push(0);
    let mut reader = Reader { blocks: vec![None; headers.sections.len()], headers, table };
    reader.read_blocks(&mut graph)?;
    reader.read_symbols(&mut graph)?;
    reader.read_groups(&mut graph, names)?;
    edges::read(&reader.headers, &reader.table, &reader.blocks, &mut graph)?;
    reader.make_pointers(&mut graph);
    xdata::split(&mut graph);
    wishes::gather(&mut graph);
    Ok(graph)
}

struct Reader<'a> {
    headers: Headers<'a>,
    table: Table<'a>,
    /// The block of each section, where it is loaded.
    blocks: Vec<Option<BlockId>>,
}

impl Reader<'_> {
    fn read_blocks(&mut self, graph: &mut LinkGraph) -> Result<(), LinkError> {
        let headers = &self.headers;
        let mut left = headers.bytes.len() as u64;
        for index in self.order()? {
            let Some(kind) = self.table.kinds[index] else { continue };
            let (header, name) = (&headers.sections[index], headers.section_name(index)?);
            let content = headers.content(header)?;
            let damaged = |what| headers.malformed(headers.section_at(index), what);
            let align = sections::align_log2(header).ok_or_else(|| damaged("a section of an unknown alignment"))?;
            let size = u64::from(header.size_of_raw_data.get(LE));
            let zero = kind.is_zero_fill();
            if !zero && content.len() as u64 != size {
                return Err(damaged("a section whose bytes are nowhere"));
            }
            // A small file could otherwise ask for any amount of memory by naming the same bytes often.
            let taken = if zero { 0 } else { size };
            left = left.checked_sub(taken).ok_or_else(|| damaged("a section that overlaps others"))?;
            self.blocks[index] = Some(BlockId(graph.blocks.len() as u32));
            graph.blocks.push(Block {
                content: if zero { Content::Zero } else { Content::Input(content.start as u64) },
                size,
                address: 0,
                edges: 0..0,
                section: SectionId(graph.sections.len() as u32),
                // Function records follow each other without gaps.
                align_log2: if kind == SectionKind::Pdata { RECORD_ALIGN } else { align },
                live: true,
            });
            graph.sections.push(Section {
                name: name.start as u32..name.end as u32,
                kind,
                large: false,
                retain: false,
            });
        }
        Ok(())
    }

    /// The sections in the order in which they lie in memory: each group where its first section is, and in it by what
    /// follows `$`.
    fn order(&self) -> Result<Vec<usize>, LinkError> {
        let mut order: Vec<usize> = (0..self.headers.sections.len()).collect();
        let mut first = HashMap::new();
        let mut keys = Vec::with_capacity(order.len());
        for index in 0..order.len() {
            let (group, suffix) = sections::split(&self.headers.bytes[self.headers.section_name(index)?]);
            keys.push((*first.entry(group).or_insert(index), suffix));
        }
        order.sort_by_key(|index| keys[*index]);
        Ok(order)
    }

    fn read_symbols(&self, graph: &mut LinkGraph) -> Result<(), LinkError> {
        graph.symbols.reserve_exact(1 + self.table.locals.len() + self.table.globals.len());
        let (visibility, definition) = (Visibility::Default, Definition::Undefined);
        let (binding, kind) = (Binding::Local, SymbolKind::None);
        graph.symbols.push(Symbol { value: 0, size: 0, name: 0, definition, binding, visibility, kind });
        graph.first_global = SymbolId(1 + self.table.locals.len() as u32);
        for entry in self.table.locals.iter().chain(&self.table.globals) {
            let symbol = self.symbol(graph, entry);
            graph.symbols.push(symbol);
        }
        Ok(())
    }

    fn symbol(&self, graph: &mut LinkGraph, entry: &Entry<'_>) -> Symbol {
        let (definition, value, size) = match entry.place {
            // The block of a pointer is made later.
            Place::Undefined | Place::Pointer(_) => (Definition::Undefined, 0, 0),
            Place::Absolute(value) => (Definition::Absolute, value.into(), 0),
            Place::Common(size, align) => (Definition::Common, 1 << align, size.into()),
            Place::Section(section, value) => match self.blocks[section] {
                Some(block) => (Definition::Block(block), value.into(), 0),
                None => (Definition::Undefined, 0, 0),
            },
        };
        let thread_local = matches!(definition, Definition::Block(block)
            if graph.section(graph.block(block).section).kind.is_thread_local());
        let kind = match entry {
            Entry { section: true, .. } if definition != Definition::Undefined => SymbolKind::Section,
            _ if thread_local => SymbolKind::ThreadLocal,
            Entry { function: true, .. } => SymbolKind::Function,
            _ => SymbolKind::None,
        };
        let binding = match entry.strength {
            Strength::Local => Binding::Local,
            Strength::Weak | Strength::UndefinedWeak | Strength::Fallback => Binding::Weak,
            Strength::Undefined | Strength::Common | Strength::Strong => Binding::Global,
        };
        let name = self.name(graph, entry);
        Symbol { value, size, name, definition, binding, visibility: Visibility::Default, kind }
    }

    /// A name's place in the string table, or among the added names, where the short ones go.
    fn name(&self, graph: &mut LinkGraph, entry: &Entry<'_>) -> u32 {
        let strings = &self.headers.strings;
        if let Name::File(range) = &entry.name
            && strings.start <= range.start
            && range.start < strings.end
        {
            return (range.start - strings.start) as u32;
        }
        let at = strings.len() + graph.added_names.len();
        graph.added_names.extend_from_slice(self.table.name(entry));
        graph.added_names.push(0);
        at as u32
    }

    /// A group of each COMDAT section and those that belong to it. Associative sections of a section that is none live with
    /// it too, which is never replaced.
    fn read_groups(&self, graph: &mut LinkGraph, names: &Names) -> Result<(), LinkError> {
        let mut groups: BTreeMap<usize, Vec<BlockId>> = BTreeMap::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let root = self.table.roots[index];
            if let (Some(block), Some(_)) = (block, self.table.comdats[index]) {
                let others = groups.entry(root).or_insert_with(|| match self.table.comdats[root] {
                    Some(_) => Vec::new(),
                    None => self.blocks[root].into_iter().collect(),
                });
                others.push(*block);
            }
        }
        for (root, blocks) in groups {
            let comdat = self.table.is_replaceable(root);
            if comdat || 1 < blocks.len() {
                let signature = names.intern(&self.headers.bytes[self.signature(root)?]);
                graph.groups.push(Group { comdat, signature, blocks });
            }
        }
        Ok(())
    }

    /// The name that a group goes by.
    fn signature(&self, root: usize) -> Result<Range<usize>, LinkError> {
        match self.table.comdats[root].and_then(|comdat| comdat.leader) {
            Some(leader) => self.headers.symbol_name(leader, &self.headers.raw(leader)),
            None => self.headers.section_name(root),
        }
    }

    /// Makes the pointers that undefined `__imp_X` fall back on.
    fn make_pointers(&self, graph: &mut LinkGraph) {
        let mut section = None;
        for (position, entry) in (0..).zip(&self.table.globals) {
            let Place::Pointer(target) = entry.place else { continue };
            let section = *section.get_or_insert_with(|| made_section(graph, b".idata$5", SectionKind::ReadOnly));
            let target = SymbolId(graph.first_global.0 + target);
            let block = made_block(graph, section, &[0; 8], ADDRESS_ALIGN, &[(0, ABS64, 0, target)]);
            let symbol = &mut graph.symbols[(graph.first_global.0 + position) as usize];
            symbol.definition = Definition::Block(block);
        }
    }
}

/// Adds a section of what the linker makes.
pub(super) fn made_section(graph: &mut LinkGraph, name: &[u8], kind: SectionKind) -> SectionId {
    let start = (graph.input.len() + graph.added_names.len()) as u32;
    graph.added_names.extend_from_slice(name);
    graph.added_names.push(0);
    graph.sections.push(Section { name: start..start + name.len() as u32, kind, large: false, retain: false });
    SectionId(graph.sections.len() as u32 - 1)
}

/// Adds a block of these bytes, with edges given by offset, kind, addend and target.
pub(super) fn made_block(
    graph: &mut LinkGraph,
    section: SectionId,
    bytes: &[u8],
    align_log2: u8,
    edges: &[(u32, EdgeKind, i32, SymbolId)],
) -> BlockId {
    let first = graph.edges.len() as u32;
    for (offset, kind, addend, target) in edges {
        graph.edges.push(Edge { offset: *offset, target: *target, addend: *addend, kind: *kind, wide: false });
    }
    graph.blocks.push(Block {
        content: Content::Made(graph.made.len() as u64),
        size: bytes.len() as u64,
        address: 0,
        edges: first..graph.edges.len() as u32,
        section,
        align_log2,
        live: true,
    });
    graph.made.extend_from_slice(bytes);
    BlockId(graph.blocks.len() as u32 - 1)
}
