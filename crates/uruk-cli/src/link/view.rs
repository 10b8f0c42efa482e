//! What has been linked, as rules and the `-show` flags see it: the graphs that the session has retained, and the bytes
//! where they lie.

use super::host::Host;
use super::inputs::Library;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use uruk::orc::Retained;
use uruk_executor::in_process::InProcess;
use uruk_jitlink::check::{InstructionSet, Symbol, View};
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::{Definition, Entry, SectionId, SymbolId, SymbolKind};
use uruk_jitlink::placed::Placed;
use uruk_jitlink::slab::Slab;

/// The section under whose name GOT slots are asked for.
pub const GOT: &str = "$__GOT";
/// The same for stubs.
pub const STUBS: &str = "$__STUBS";

/// What has been linked.
pub struct Linked {
    /// The graphs, library by library.
    pub graphs: Vec<Arc<Retained>>,
    symbols: HashMap<String, Symbol>,
    memory: Memory,
}

/// Where the bytes are.
enum Memory {
    Slab(Arc<Slab>),
    /// In this process: what of it may be read, in order.
    Process(Vec<Range<u64>>),
}

impl Linked {
    /// What the libraries have, and these absolute symbols.
    pub fn new(host: &Host, libraries: &[Library], absolute: &[(String, u64)]) -> Linked {
        let dylibs =
            libraries.iter().flat_map(|library| [library.dylib].into_iter().chain(library.parts.iter().copied()));
        let graphs: Vec<Arc<Retained>> = dylibs.flat_map(|dylib| host.session.retained_graphs(dylib)).collect();
        let instructions = InstructionSet::of(host.format.arch);
        let mut symbols = HashMap::new();
        for (name, address) in absolute {
            let absolute = Symbol { address: *address, size: 0, absolute: true, instructions };
            symbols.insert(name.clone(), absolute);
        }
        for retained in &graphs {
            symbols.extend(named_symbols(&retained.graph()).map(|(name, id)| {
                let graph = retained.graph();
                let address = graph.address(id).unwrap_or_default();
                let absolute = graph.symbol(id).definition == Definition::Absolute;
                (name, Symbol { address, size: size(&graph, id), absolute, instructions })
            }));
        }
        let memory = match &host.slab {
            Some(slab) => Memory::Slab(slab.clone()),
            None => Memory::Process(ranges(&graphs, host)),
        };
        Linked { graphs, symbols, memory }
    }

    /// The graph of a file, by the last component of its name.
    fn file(&self, name: &str) -> Result<&Retained, String> {
        let found = self.graphs.iter().find(|retained| base_name(retained.object()) == name);
        found.map(|retained| &**retained).ok_or_else(|| {
            let files: Vec<&str> = self.graphs.iter().map(|retained| base_name(retained.object())).collect();
            format!("no file called `{name}` was linked, only {}", files.join(", "))
        })
    }

    fn entry(&self, file: &str, symbol: &str, entry: Entry, what: &str) -> Result<u64, String> {
        let retained = self.file(file)?;
        let graph = retained.graph();
        let found = retained
            .entries()
            .iter()
            .find(|(id, kind, _)| *kind == entry && graph.symbol_name(*id) == symbol.as_bytes());
        found.map(|(_, _, address)| *address).ok_or_else(|| {
            let made: Vec<String> = retained
                .entries()
                .iter()
                .filter(|(_, kind, _)| *kind == entry)
                .map(|(id, ..)| String::from_utf8_lossy(graph.symbol_name(*id)).into_owned())
                .collect();
            let made = if made.is_empty() { "none".to_string() } else { made.join(", ") };
            format!("no {what} was made for `{symbol}` in `{file}`; those that were: {made}")
        })
    }
}

impl View for Linked {
    fn symbol(&self, name: &str) -> Result<Symbol, String> {
        let found = self.symbols.get(name).copied();
        found.ok_or_else(|| format!("nothing that was linked is called `{name}`"))
    }

    fn section(&self, file: &str, section: &str) -> Result<u64, String> {
        let retained = self.file(file)?;
        let entries = |wanted: Entry| {
            let addresses =
                retained.entries().iter().filter(move |(_, kind, _)| (*kind == Entry::Stub) == (wanted == Entry::Stub));
            addresses.map(|(_, _, address)| *address).min()
        };
        let address = match section {
            GOT => entries(Entry::Got),
            STUBS => entries(Entry::Stub),
            _ => {
                let graph = retained.graph();
                graph.sections_named(section.as_bytes()).find_map(|id| first_symbol(&graph, id))
            }
        };
        address.ok_or_else(|| format!("`{file}` has no section `{section}` that was linked"))
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<u64, String> {
        self.entry(file, symbol, Entry::Got, "GOT entry")
    }

    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<u64, String> {
        match kind {
            None => self.entry(file, symbol, Entry::Stub, "stub"),
            Some(kind) => Err(format!("stubs have no kinds here, so none is of kind `{kind}`; leave it out")),
        }
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        match &self.memory {
            Memory::Slab(slab) => slab.read(address, bytes),
            Memory::Process(ranges) => {
                let Some(end) = address.checked_add(bytes.len() as u64) else { return false };
                let inside = ranges.iter().any(|range| range.start <= address && end <= range.end);
                inside && InProcess::read(address, bytes)
            }
        }
    }
}

/// The last component of an object's name.
pub fn base_name(name: &str) -> &str {
    name.rsplit(std::path::is_separator).next().unwrap_or(name)
}

/// The symbols of a graph that were linked and have names.
pub fn named_symbols<'a>(graph: &Placed<'a>) -> impl Iterator<Item = (String, SymbolId)> + 'a {
    let graph = *graph;
    (1..graph.symbols.len() as u32).map(SymbolId).filter_map(move |id| {
        let symbol = graph.symbol(id);
        let place = matches!(symbol.definition, Definition::Block(_)) && graph.block_of(id).is_some();
        let named = !matches!(symbol.kind, SymbolKind::Section | SymbolKind::File) && !graph.symbol_name(id).is_empty();
        let linked = named && (place || symbol.definition == Definition::Absolute) && graph.address(id).is_some();
        linked.then(|| (String::from_utf8_lossy(graph.symbol_name(id)).into_owned(), id))
    })
}

/// A symbol's size; where the format does not say, up to the next symbol of its block.
pub fn size(graph: &Placed<'_>, id: SymbolId) -> u64 {
    let symbol = graph.symbol(id);
    let Some(block) = graph.block_of(id).filter(|_| symbol.size == 0 && graph.format.container != Container::Elf)
    else {
        return symbol.size;
    };
    let later = graph.symbols_in(block).map(|(_, other)| other.value).filter(|value| symbol.value < *value);
    let end = later.min().unwrap_or(graph.block(block).size);
    end.saturating_sub(symbol.value)
}

/// The address of a section's first symbol, or of the section if it has none.
fn first_symbol(graph: &Placed<'_>, id: SectionId) -> Option<u64> {
    let inside = |symbol: &SymbolId| graph.block_of(*symbol).is_some_and(|block| graph.block(block).section == id);
    let symbols = (1..graph.symbols.len() as u32).map(SymbolId).filter(inside);
    let first = symbols.filter_map(|symbol| graph.address(symbol)).min();
    first.or_else(|| Some(graph.section_range(id)?.start))
}

/// Where blocks and table entries lie.
fn ranges(graphs: &[Arc<Retained>], host: &Host) -> Vec<Range<u64>> {
    let arch = host.format.arch;
    let mut ranges = Vec::new();
    for retained in graphs {
        let graph = retained.graph();
        ranges.extend(graph.live_blocks().filter_map(|(id, _)| graph.block_range(id)));
        ranges.extend(retained.entries().iter().map(|(_, entry, address)| {
            *address..*address + if *entry == Entry::Stub { arch.stub_size } else { arch.slot_size }
        }));
    }
    // Those that touch are one, so that a read may go from one to the next.
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}
