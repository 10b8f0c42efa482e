//! The data of an image as a link graph, which every output is made of.
//!
//! Data flow: what is kept → one of four areas, by whether anybody writes to it and whether it has pointers → a block for each, with
//! an edge for each pointer → symbols for cells, exported places, and what others define.
//! Invariants: bytes of pointers that an image computes are zero, so that addresses of this process leave no trace in it; the order in
//! an area is the closure's. Pointers lie together, and what has none comes last, so that pages which are only read are shared.

use crate::closure::{Closure, Owner, Target};
use crate::error::Error;
use crate::pointers::External;
use crate::types::{Type, WORD};
use crate::world::World;
use foldhash::HashMap;
use uruk_jitlink::arch::ABS64;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::format::{Container, Format};
use uruk_jitlink::graph::{BlockId, LinkGraph, SectionKind, SymbolId, SymbolKind};

/// Says what linked functions are called.
pub trait Functions {
    /// The symbol of the function that begins at an address.
    fn symbol_at(&self, address: u64) -> Option<String>;
}

/// There are none.
impl Functions for () {
    fn symbol_at(&self, _: u64) -> Option<String> {
        None
    }
}

/// Where something kept goes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Area {
    constant: bool,
    pointers: bool,
}

impl Area {
    const ALL: [Area; 4] = [
        Area { constant: true, pointers: true },
        Area { constant: true, pointers: false },
        Area { constant: false, pointers: true },
        Area { constant: false, pointers: false },
    ];

    fn of(described: &Type) -> usize {
        let area = Area { constant: described.constant, pointers: described.has_pointers() };
        usize::from(!area.constant) * 2 + usize::from(!area.pointers)
    }

    fn section(self) -> (&'static str, SectionKind) {
        match (self.constant, self.pointers) {
            (true, true) => (".data.rel.ro", SectionKind::ReadOnly),
            (true, false) => (".rodata", SectionKind::ReadOnly),
            (false, true) => (".data.rel", SectionKind::Data),
            (false, false) => (".data", SectionKind::Data),
        }
    }
}

/// The bytes of an area.
#[derive(Default)]
struct Filled {
    bytes: Vec<u8>,
    align: u64,
}

impl Closure {
    /// The data as a graph of a format; messages call it `graph_name`. Functions are referred to by the symbols that they have. All names are
    /// those of C, as a session has them, and become the format's ([`object_name`](uruk_jitlink::format::Container::object_name)).
    pub fn to_graph(
        &self,
        world: &World,
        graph_name: &str,
        format: &'static Format,
        functions: &dyn Functions,
    ) -> Result<LinkGraph, Error> {
        let mut graph = LinkGraph::with_format(graph_name, format);
        let mut editor = graph.edit(Stage::BeforePruning);
        let object_name = |name: &str| format.container.object_name(name.as_bytes()).into_owned();
        let (filled, offsets) = self.fill(world);
        let mut areas: [Option<(BlockId, SymbolId)>; 4] = [None; 4];
        for (index, Filled { bytes, align }) in filled.iter().enumerate().filter(|(_, filled)| !filled.bytes.is_empty())
        {
            let (name, kind) = Area::ALL[index].section();
            let section = editor.add_section(name, kind)?;
            editor.retain_section(section)?;
            let block = editor.add_block(section, bytes, *align)?;
            areas[index] = Some((block, editor.add_symbol(NewSymbol::local("", block, 0))?));
        }
        let area_of = |kept: u32| {
            let described = world.type_named(self.kept[kept as usize].type_id);
            areas[Area::of(described)].expect("an area with something in it has a block")
        };
        for (number, kept) in self.kept.iter().enumerate() {
            if let Owner::Cell(cell) = kept.owner {
                let name = object_name(&world.cell(cell as usize).name);
                let symbol = NewSymbol::global(&name, area_of(number as u32).0, offsets[number]);
                editor.add_symbol(symbol.kind(SymbolKind::Object).size(kept.size))?;
            }
        }
        for (name, place) in &self.exports {
            let offset = offsets[place.kept as usize] + place.offset;
            let name = object_name(name);
            editor.add_symbol(NewSymbol::global(&name, area_of(place.kept).0, offset).kind(SymbolKind::Object))?;
        }
        let mut externals = Vec::with_capacity(self.externals.len());
        for External { name, version, weak, .. } in &self.externals {
            let name = match version {
                Some(version) if format.container == Container::Elf => format!("{name}@{version}"),
                Some(version) => {
                    let what =
                        format!("`{name}` is wanted of version `{version}`, and {} has no versions", format.name);
                    return Err(Error::Object { object: graph_name.into(), what });
                }
                None => name.clone(),
            };
            let name = object_name(&name);
            let symbol = NewSymbol::external(&name);
            externals.push(editor.add_symbol(if *weak { symbol.weak() } else { symbol })?);
        }
        let mut code: HashMap<u64, SymbolId> = HashMap::default();
        for edge in &self.edges {
            let (block, _) = area_of(edge.from.kept);
            let offset = offsets[edge.from.kept as usize] + edge.from.offset;
            let (target, addend) = match edge.to {
                Target::Place(place, tag) => {
                    (area_of(place.kept).1, (offsets[place.kept as usize] + place.offset + tag) as i64)
                }
                Target::External(number) => (externals[number as usize], self.externals[number as usize].addend),
                Target::Code(address) => match code.get(&address) {
                    Some(symbol) => (*symbol, 0),
                    None => {
                        let name = functions.symbol_at(address).ok_or_else(|| Error::Pointer {
                            path: self.path(world, Some((edge.from.kept, edge.from.offset))),
                            value: address,
                            reason: "not the address of a function that was linked here".into(),
                        })?;
                        let symbol = editor.external(&object_name(&name))?;
                        code.insert(address, symbol);
                        (symbol, 0)
                    }
                },
            };
            let offset = u32::try_from(offset).map_err(|_| Error::Large)?;
            editor.add_edge(block, offset, ABS64, target, addend)?;
        }
        drop(editor);
        Ok(graph)
    }

    /// The bytes of all areas, and where in its own each kept thing lies.
    fn fill(&self, world: &World) -> ([Filled; 4], Vec<u64>) {
        let mut filled: [Filled; 4] = Default::default();
        let mut offsets = Vec::with_capacity(self.kept.len());
        let mut edges = self.edges.iter().peekable();
        let mut cleared = self.cleared.iter().peekable();
        for (number, kept) in self.kept.iter().enumerate() {
            let described = world.type_named(kept.type_id);
            let Filled { bytes, align } = &mut filled[Area::of(described)];
            let offset = bytes.len().next_multiple_of(described.align as usize);
            bytes.resize(offset, 0);
            bytes.extend_from_slice(self.bytes_of(kept));
            *align = described.align.max(*align);
            let mut clear = |at: u64| bytes[offset + at as usize..][..WORD as usize].fill(0);
            while let Some(edge) = edges.next_if(|edge| edge.from.kept as usize == number) {
                clear(edge.from.offset);
            }
            while let Some(place) = cleared.next_if(|place| place.kept as usize == number) {
                clear(place.offset);
            }
            offsets.push(offset as u64);
        }
        (filled, offsets)
    }
}
