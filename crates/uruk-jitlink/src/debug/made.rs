//! Debug images of objects that a compiler made without a file, or whose file is none of ELF: their symbols and debug
//! sections are those of the graph, kept until an image is asked for.
//!
//! Invariants: what is kept has final values, so that nothing of the graph is needed; only distances from the image's
//! own places and offsets in its sections wait for the image.

use super::Origin;
use super::sections::{Outputs, Piece};
use super::write::Symbols;
use crate::arch::{Architecture, Value};
use crate::elf::Machine;
use crate::format::Container;
use crate::graph::*;
use crate::layout::Member;
use crate::resolve::{Target, Targets};

const STB_GLOBAL: u8 = 1 << 4;
const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;

/// What the image of an object without a file is made of.
#[derive(Clone, Debug)]
pub struct Made {
    arch: &'static Architecture,
    symbols: Box<[Named]>,
    sections: Box<[Section]>,
}

#[derive(Clone, Debug)]
struct Named {
    name: Box<[u8]>,
    address: u64,
    size: u64,
    info: u8,
}

/// Debug information, or unwind records, which are loaded.
#[derive(Clone, Debug)]
struct Section {
    name: Box<[u8]>,
    bytes: Box<[u8]>,
    loaded: bool,
    address: u64,
    fields: Box<[Field]>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    offset: u32,
    kind: EdgeKind,
    /// The section that `value` is an offset in, or none for an address.
    section: Option<u32>,
    /// With the addend.
    value: u64,
}

impl Made {
    /// Of a member whose addresses are final, if it comes from no ELF file.
    pub fn new(member: &Member, targets: &Targets, addresses: &[u64]) -> Option<Box<Made>> {
        let graph = &member.graph;
        if !graph.input.is_empty() && graph.format.container == Container::Elf {
            return None;
        }
        let shown = |kind: SectionKind| matches!(kind, SectionKind::EhFrame | SectionKind::Unloaded);
        let ids = (0..graph.blocks.len() as u32).map(BlockId);
        let blocks: Vec<BlockId> =
            ids.filter(|id| graph.block(*id).live && shown(graph.section(graph.block(*id).section).kind)).collect();
        let section = |id: &BlockId| {
            let block = graph.block(*id);
            let field = |edge: &Edge| {
                let target = graph.symbol(edge.target);
                let unloaded = match target.definition {
                    Definition::Block(to) if graph.section(graph.block(to).section).kind == SectionKind::Unloaded => {
                        blocks.iter().position(|block| *block == to)
                    }
                    _ => None,
                };
                let base = if unloaded.is_some() { target.value } else { addresses[edge.target.0 as usize] };
                let value = base.wrapping_add_signed(graph.addend(edge));
                Field { offset: edge.offset, kind: edge.kind, section: unloaded.map(|at| at as u32), value }
            };
            // What debuggers look for, whatever another format calls it.
            let loaded = graph.section(block.section).kind == SectionKind::EhFrame;
            Section {
                name: if loaded { b".eh_frame" } else { graph.section_name(block.section) }.into(),
                bytes: graph.content(block).into(),
                loaded,
                address: block.address,
                fields: graph.edges(block).iter().map(field).collect(),
            }
        };
        let ids = (0..graph.symbols.len() as u32).map(SymbolId);
        let symbols = ids.filter_map(|id| named(graph, targets, id, addresses));
        Some(Box::new(Made {
            arch: graph.arch(),
            symbols: symbols.collect(),
            sections: blocks.iter().map(section).collect(),
        }))
    }
}

/// A symbol that names something of the object's own which lies at an address.
fn named(graph: &LinkGraph, targets: &Targets, id: SymbolId, addresses: &[u64]) -> Option<Named> {
    let symbol = graph.symbol(id);
    let Definition::Block(block) = symbol.definition else { return None };
    let kind = match symbol.kind {
        SymbolKind::Function => STT_FUNC,
        SymbolKind::Object => STT_OBJECT,
        SymbolKind::None => 0,
        SymbolKind::Section | SymbolKind::ThreadLocal | SymbolKind::Indirect | SymbolKind::File => return None,
    };
    let block = graph.block(block);
    let loaded = block.live && graph.section(block.section).kind != SectionKind::Unloaded;
    let name = graph.symbol_name(id);
    if !loaded || name.is_empty() || graph.first_global <= id && targets.get(id) != Target::Own {
        return None;
    }
    let binding = if symbol.binding == Binding::Local { 0 } else { STB_GLOBAL };
    let name = graph.format.container.session_name(name).into_owned().into();
    Some(Named { name, address: addresses[id.0 as usize], size: symbol.size, info: binding | kind })
}

/// Such an object in an image.
pub struct Object<'a> {
    made: &'a Made,
    origin: Origin,
    pieces: Vec<Piece>,
}

impl<'a> Object<'a> {
    /// Gives its sections their places.
    pub fn new(made: &'a Made, origin: Origin, outputs: &mut Outputs) -> Object<'a> {
        let piece = |section: &Section| {
            let address = if section.loaded { section.address.wrapping_sub(origin.base) } else { 0 };
            outputs.append(&section.name, &section.bytes, address)
        };
        let pieces = made.sections.iter().map(piece).collect();
        Object { made, origin, pieces }
    }

    /// The number of its machine (`e_machine`).
    pub fn machine(&self) -> u16 {
        Machine::of_arch(self.made.arch).map_or(0, |machine| machine.number)
    }

    /// Enters addresses and offsets in its sections.
    pub fn relocate(&self, outputs: &mut Outputs) {
        for (section, piece) in self.made.sections.iter().zip(&self.pieces) {
            let start = outputs.address(*piece);
            for field in &section.fields {
                let value = match field.section {
                    Some(section) => field.value.wrapping_add(self.pieces[section as usize].start as u64),
                    None => field.value.wrapping_sub(self.origin.base),
                };
                let info = self.made.arch.info(field.kind);
                let value = match info.value {
                    Value::Relative => value.wrapping_sub(start + u64::from(field.offset)),
                    _ => value,
                };
                // What does not fit stays as it is: one odd field must not hide the functions.
                let _ = self.made.arch.encode(
                    info.field,
                    value as i64,
                    &mut outputs.bytes(*piece)[field.offset as usize..],
                );
            }
        }
    }

    /// Enters the object's symbols, local or global ones, in the image's table.
    pub fn add_symbols(&self, local: bool, symbols: &mut Symbols<'_>) {
        for named in self.made.symbols.iter().filter(|named| local == (named.info < STB_GLOBAL)) {
            let address = named.address.wrapping_sub(self.origin.base);
            symbols.add(&named.name, address, (named.info, 0), named.size);
        }
    }
}
