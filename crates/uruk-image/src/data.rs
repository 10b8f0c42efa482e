//! The data of an image as a link graph, which every output is made of.
//!
//! Data flow: what is kept → one of four areas, by whether anybody writes to it and whether it has pointers → a block for each, with
//! an edge for each pointer → symbols for cells, exported places, and what others define.
//! Invariants: bytes of pointers that an image computes are zero, so that addresses of this process leave no trace in it; the order in
//! an area is the closure's. Pointers lie together, and what has none comes last, so that pages which are only read are shared.

use crate::closure::{Closure, Kept, Owner, Place, Target};
use crate::error::Error;
use crate::pointers::External;
use crate::types::{Type, WORD};
use crate::world::World;
use foldhash::{HashMap, HashSet};
use std::collections::hash_map::Entry;
use uruk_jitlink::arch::ABS64;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::format::{Container, Format};
use uruk_jitlink::graph::{BlockId, LinkGraph, SectionKind, SymbolId, SymbolKind};

/// Says what functions and variables of the code are called.
pub trait CodeSymbols {
    /// A symbol of the function that begins at an address, and how many bytes lie between, if it is not the function's own.
    fn function_at(&self, address: u64) -> Option<(String, u64)>;

    /// The same of the variable that has an address. What the code has is not in the data. If this is not said, it has no variables.
    fn variable_at(&self, _: u64) -> Option<(String, u64)> {
        None
    }
}

/// There are none.
impl CodeSymbols for () {
    fn function_at(&self, _: u64) -> Option<(String, u64)> {
        None
    }
}

/// The hidden symbol of something kept that a variable of the code points to.
pub(crate) fn symbol_of_kept(number: u32) -> String {
    format!("uruk.object.{number}")
}

/// An external symbol as an object of a format has it; messages call that `object`.
pub(crate) fn name_of_external(external: &External, object: &str, format: &'static Format) -> Result<String, Error> {
    let External { name, version, .. } = external;
    let name = match version {
        Some(version) if format.container == Container::Elf => format!("{name}@{version}"),
        Some(version) => {
            let what = format!("`{name}` is wanted of version `{version}`, and {} has no versions", format.name);
            return Err(Error::Object { object: object.into(), what });
        }
        None => name.clone(),
    };
    Ok(String::from_utf8_lossy(&format.container.object_name(name.as_bytes())).into_owned())
}

/// What a pointer refers to outside of the data's own graph: the symbol as a graph of a format has it, which messages call `object`,
/// whether that may be absent, and what is added. Functions that nobody knows have none; making the data's graph fails because of them.
pub(crate) fn referent(
    closure: &Closure,
    target: Target,
    code: &dyn CodeSymbols,
    object: &str,
    format: &'static Format,
) -> Result<Option<(String, bool, i64)>, Error> {
    let object_name = |name: &str| String::from_utf8_lossy(&format.container.object_name(name.as_bytes())).into_owned();
    Ok(match target {
        Target::Place(place, tag) => {
            let variable = code.variable_at(closure.kept[place.kept as usize].address);
            let (name, offset) = variable.unwrap_or_else(|| (symbol_of_kept(place.kept), 0));
            Some((object_name(&name), false, (offset + place.offset + tag) as i64))
        }
        Target::External(number) => {
            let external = &closure.externals[number as usize];
            Some((name_of_external(external, object, format)?, external.weak, external.addend))
        }
        Target::Code(address) => {
            code.function_at(address).map(|(name, offset)| (object_name(&name), false, offset as i64))
        }
    })
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
struct Filled {
    bytes: Vec<u8>,
    align: u64,
}

impl Closure {
    /// The data as a graph of a format; messages call it `graph_name`. Functions and variables of the code are referred to by the symbols
    /// that they have there. All names are those of C, as a session has them, and become the format's
    /// ([`object_name`](uruk_jitlink::format::Container::object_name)).
    pub fn to_graph(
        &self,
        world: &World,
        graph_name: &str,
        format: &'static Format,
        code: &dyn CodeSymbols,
    ) -> Result<LinkGraph, Error> {
        let mut graph = LinkGraph::with_format(graph_name, format);
        let mut editor = graph.edit(Stage::BeforePruning);
        let object_name = |name: &str| format.container.object_name(name.as_bytes()).into_owned();
        // What is a variable of the code: its symbol, and how many bytes behind that.
        let mut variables = Vec::with_capacity(self.kept.len());
        let mut symbols: HashMap<String, SymbolId> = HashMap::default();
        for kept in &self.kept {
            let variable = code.variable_at(kept.address);
            let symbol = variable.map(|(name, offset)| {
                Ok::<_, Error>(match symbols.entry(name) {
                    Entry::Occupied(known) => (*known.get(), offset),
                    Entry::Vacant(place) => {
                        let symbol = editor.add_symbol(NewSymbol::external(&object_name(place.key())))?;
                        (*place.insert(symbol), offset)
                    }
                })
            });
            variables.push(symbol.transpose()?);
        }
        let is_variable = |kept: u32| variables[kept as usize].is_some();
        let (filled, offsets) = self.fill(world, &is_variable)?;
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
            if let Owner::Cell(cell) = kept.owner
                && !is_variable(number as u32)
            {
                let name = object_name(&world.cell(cell as usize).name);
                let symbol = NewSymbol::global(&name, area_of(number as u32).0, offsets[number]);
                editor.add_symbol(symbol.kind(SymbolKind::Object).size(kept.size))?;
            }
        }
        for (name, place) in self.exports.iter().filter(|(_, place)| !is_variable(place.kept)) {
            let offset = offsets[place.kept as usize] + place.offset;
            let name = object_name(name);
            editor.add_symbol(NewSymbol::global(&name, area_of(place.kept).0, offset).kind(SymbolKind::Object))?;
        }
        let mut externals = Vec::with_capacity(self.externals.len());
        for (external, called) in self.externals.iter().zip(&self.called) {
            let name = name_of_external(external, graph_name, format)?;
            let symbol = NewSymbol::external(&name);
            let symbol = if *called { symbol.kind(SymbolKind::Function) } else { symbol };
            externals.push(editor.add_symbol(if external.weak { symbol.weak() } else { symbol })?);
        }
        let mut functions: HashMap<u64, (SymbolId, i64)> = HashMap::default();
        // What variables refer to.
        let mut offered: HashSet<u32> = HashSet::default();
        for edge in &self.edges {
            let (target, addend) = match edge.to {
                Target::Place(Place { kept, offset }, tag) => {
                    let (symbol, start) = match variables[kept as usize] {
                        Some(variable) => variable,
                        None => (area_of(kept).1, offsets[kept as usize]),
                    };
                    (symbol, (start + offset + tag) as i64)
                }
                Target::External(number) => (externals[number as usize], self.externals[number as usize].addend),
                Target::Code(address) => match functions.get(&address) {
                    Some(known) => *known,
                    None => {
                        let (name, offset) = code.function_at(address).ok_or_else(|| Error::Pointer {
                            path: self.path(world, Some((edge.from.kept, edge.from.offset))),
                            value: address,
                            reason: "not the address of a function that was linked here".into(),
                        })?;
                        let symbol = editor.external(&object_name(&name))?;
                        functions.insert(address, (symbol, offset as i64));
                        (symbol, offset as i64)
                    }
                },
            };
            if !is_variable(edge.from.kept) {
                let offset = offsets[edge.from.kept as usize] + edge.from.offset;
                let offset = u32::try_from(offset).map_err(|_| Error::Large)?;
                editor.add_edge(area_of(edge.from.kept).0, offset, ABS64, target, addend)?;
                continue;
            }
            // The code has that edge, and needs a name for where it leads.
            if let Target::Place(Place { kept, .. }, _) = edge.to
                && !is_variable(kept)
                && offered.insert(kept)
            {
                let name = object_name(&symbol_of_kept(kept));
                let symbol = NewSymbol::global(&name, area_of(kept).0, offsets[kept as usize]).hidden();
                editor.add_symbol(symbol.kind(SymbolKind::Object))?;
            }
        }
        drop(editor);
        Ok(graph)
    }

    /// The bytes of all areas, and where in its own each kept thing lies that is no variable of the code.
    fn fill(&self, world: &World, is_variable: &dyn Fn(u32) -> bool) -> Result<([Filled; 4], Vec<u64>), Error> {
        let mut sizes = [0u64; 4];
        let mut aligns = [0; 4];
        let mut offsets = vec![0; self.kept.len()];
        let own = |(number, _): &(usize, &Kept)| !is_variable(*number as u32);
        for (number, kept) in self.kept.iter().enumerate().filter(own) {
            let described = world.type_named(kept.type_id);
            let area = Area::of(described);
            offsets[number] = sizes[area].next_multiple_of(described.align);
            sizes[area] = offsets[number] + kept.size;
            aligns[area] = described.align.max(aligns[area]);
        }
        if sizes.iter().any(|size| u64::from(u32::MAX) < *size) {
            return Err(Error::Large);
        }
        let mut filled = [0, 1, 2, 3].map(|area| Filled { bytes: vec![0; sizes[area] as usize], align: aligns[area] });
        for (number, kept) in self.kept.iter().enumerate().filter(own) {
            let bytes = &mut filled[Area::of(world.type_named(kept.type_id))].bytes[offsets[number] as usize..];
            bytes[..kept.size as usize].copy_from_slice(self.bytes_of(kept));
            let edges = self.edges_of(number as u32).iter().map(|edge| edge.from.offset);
            for at in edges.chain(self.cleared_of(number as u32)) {
                bytes[at as usize..][..WORD as usize].fill(0);
            }
        }
        Ok((filled, offsets))
    }
}
