//! An ELF relocatable object to a link graph.
//!
//! Data flow: section headers → a block for each loaded section → symbols, one for each entry of the symbol table →
//! groups → edges. Debug sections stay in the input; they are read again when a debugger asks for them.

use super::edges::Edges;
use super::headers::{Headers, SymbolSection};
use super::interface::{Attributes, attributes};
use super::sections::*;
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use crate::names::Names;
use object::LittleEndian as LE;
use object::elf::Sym64;
use object::{U32, pod};

/// Alignments above this are damage, not wishes.
pub(super) const MAX_ALIGN: u64 = 1 << 32;

/// The first section index that means something else.
const SHN_LORESERVE: usize = 0xff00;

/// Reads a whole object.
pub fn read(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    let headers = Headers::parse(input)?;
    let mut reader = Reader { headers, section_blocks: Vec::new() };
    let machine = reader.headers.machine;
    let mut graph = LinkGraph::of(input.clone(), machine.format);
    graph.compressed = reader.headers.flags & machine.compressed != 0;
    graph.strings = reader.headers.strings.clone();
    graph.first_global = SymbolId(reader.headers.first_global as u32);
    reader.read_blocks(&mut graph)?;
    reader.read_links(&mut graph)?;
    reader.read_symbols(&mut graph)?;
    reader.read_groups(&mut graph, names)?;
    Edges::read(&reader, &mut graph)?;
    Ok(graph)
}

pub(super) struct Reader<'a> {
    pub headers: Headers<'a>,
    /// The block of each section, by section index, where it is loaded.
    section_blocks: Vec<Option<BlockId>>,
}

impl Reader<'_> {
    fn read_blocks(&mut self, graph: &mut LinkGraph) -> Result<(), LinkError> {
        let Reader { headers, section_blocks } = self;
        let sections = &headers.sections;
        *section_blocks = vec![None; sections.len()];
        let loaded = sections.iter().filter(|header| header.sh_flags.get(LE).0 & SHF_ALLOC != 0).count();
        graph.sections.reserve_exact(loaded);
        graph.blocks.reserve_exact(loaded);
        let mut left = headers.input.len() as u64;
        for (index, header) in sections.iter().enumerate() {
            let Some(section) = classify(headers, header)? else { continue };
            let range = headers.range(header)?;
            let align = header.sh_addralign.get(LE).max(1);
            if !align.is_power_of_two() || MAX_ALIGN < align {
                return Err(headers.malformed(range.start as u64, "a section whose alignment is no power of two"));
            }
            // A small file could otherwise ask for any amount of memory by naming the same bytes often.
            left = left
                .checked_sub(range.len() as u64)
                .ok_or_else(|| headers.malformed(range.start as u64, "a section that overlaps others"))?;
            let zero = section.kind.is_zero_fill();
            let id = BlockId(graph.blocks.len() as u32);
            graph.blocks.push(Block {
                content: if zero { Content::Zero } else { Content::Input(range.start as u64) },
                size: header.sh_size.get(LE),
                address: 0,
                edges: 0..0,
                section: SectionId(graph.sections.len() as u32),
                align_log2: align.trailing_zeros() as u8,
                live: true,
            });
            graph.sections.push(section);
            section_blocks[index] = Some(id);
        }
        Ok(())
    }

    /// The block of a section that a section header names, if it is loaded.
    pub fn section_block(&self, index: u32) -> Result<Option<BlockId>, LinkError> {
        self.section_block_at(index, self.headers.sections_at)
    }

    /// The block of a section whose index stands at a place of the file, if it is loaded.
    fn section_block_at(&self, index: u32, place: u64) -> Result<Option<BlockId>, LinkError> {
        let block = self.section_blocks.get(index as usize);
        block.copied().ok_or_else(|| self.headers.malformed(place, "a section index past the last section"))
    }

    /// Sections that describe others; a link to none, or to one that is not loaded, says nothing.
    fn read_links(&self, graph: &mut LinkGraph) -> Result<(), LinkError> {
        for (header, block) in self.headers.sections.iter().zip(&self.section_blocks) {
            let linked = header.sh_flags.get(LE).0 & SHF_LINK_ORDER != 0;
            if let (true, Some(block)) = (linked, block)
                && let Some(described) = self.section_block(header.sh_link.get(LE))?
            {
                graph.descriptions.push((*block, described));
            }
        }
        Ok(())
    }

    fn read_symbols(&mut self, graph: &mut LinkGraph) -> Result<(), LinkError> {
        let first_global = self.headers.first_global;
        graph.symbols.reserve_exact(self.headers.symbols.len());
        let usual = &self.section_blocks[..self.section_blocks.len().min(SHN_LORESERVE)];
        for (index, raw) in self.headers.symbols.iter().enumerate() {
            let Attributes { binding, visibility, kind } = attributes(raw);
            if (binding == Binding::Local) != (index < first_global) {
                return Err(self
                    .headers
                    .malformed(self.headers.symbol_at(index), "local symbols that do not come before all others"));
            }
            // Nearly all of them; section 0, which stands for undefined, has no block.
            let section = usize::from(raw.st_shndx.get(LE).0);
            let definition = match usual.get(section) {
                Some(Some(block)) => Definition::Block(*block),
                Some(None) => Definition::Undefined,
                None => self.unusual_definition(index, raw)?,
            };
            let (value, size, name) = (raw.st_value.get(LE), raw.st_size.get(LE), raw.st_name.get(LE));
            graph.symbols.push(Symbol { value, size, name, definition, binding, visibility, kind });
        }
        Ok(())
    }

    /// The definition of a symbol whose section index is a reserved number, or wrong.
    #[cold]
    fn unusual_definition(&self, index: usize, raw: &Sym64<LE>) -> Result<Definition, LinkError> {
        Ok(match self.headers.symbol_section(index, raw)? {
            SymbolSection::Index(section) => match self.section_block_at(section, self.headers.symbol_at(index))? {
                Some(block) => Definition::Block(block),
                None => Definition::Undefined,
            },
            SymbolSection::Undefined => Definition::Undefined,
            SymbolSection::Absolute => Definition::Absolute,
            SymbolSection::Common { .. } => Definition::Common,
        })
    }

    fn read_groups(&self, graph: &mut LinkGraph, names: &Names) -> Result<(), LinkError> {
        const GRP_COMDAT: u32 = 1;
        let mut grouped = Vec::new();
        for header in self.headers.sections.iter() {
            if header.sh_type.get(LE).0 != SHT_GROUP {
                continue;
            }
            let range = self.headers.range(header)?;
            let words = pod::slice_from_bytes::<U32<LE>>(&self.headers.bytes[range.clone()], range.len() / 4);
            let words = words.map_or(&[][..], |(words, _)| words);
            let Some((flags, members)) = words.split_first() else {
                return Err(self.headers.malformed(range.start as u64, "a section group without flags"));
            };
            let mut blocks = Vec::new();
            for (at, member) in (range.start as u64 + 4..).step_by(4).zip(members) {
                let (index, block) = (member.get(LE), self.section_block_at(member.get(LE), at)?);
                grouped.resize(self.headers.sections.len(), false);
                if std::mem::replace(&mut grouped[index as usize], true) {
                    return Err(self.headers.malformed(at, "a section in two groups"));
                }
                blocks.extend(block);
            }
            let Some(symbol) = self.headers.symbols.get(header.sh_info.get(LE) as usize) else {
                return Err(self.headers.malformed(range.start as u64, "a section group without a signature symbol"));
            };
            if blocks.is_empty() {
                continue;
            }
            let comdat = flags.get(LE) & GRP_COMDAT != 0;
            let signature = names.intern(self.signature(symbol)?);
            graph.groups.push(Group { comdat, signature, blocks });
        }
        Ok(())
    }

    /// A group's signature: the name of its symbol, or that of the section which a nameless one stands for.
    fn signature(&self, symbol: &Sym64<LE>) -> Result<&[u8], LinkError> {
        if symbol.st_info.0 & 15 == 3
            && let Some(section) = self.headers.sections.get(usize::from(symbol.st_shndx.get(LE).0))
        {
            let range = self.headers.string(&self.headers.section_names, section.sh_name.get(LE))?;
            return Ok(&self.headers.bytes[range]);
        }
        self.headers.symbol_name(symbol)
    }
}
