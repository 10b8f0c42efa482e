//! Link graphs as plugins see them: an object's sections, blocks, symbols and edges.
//!
//! A graph is lent: `lend` makes a handle for the time of a callback, and clears what is behind it when that returns.
//! Everything goes by number and is copied, so that C holds nothing that a change would move.

mod edit;
mod kinds;
mod retained;

use crate::call::{Reach, enter, enter_value};
use crate::error::{Failure, copy_text, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Out, Text};
use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_jitlink::edit::Editor;
use uruk_jitlink::graph::{Block, BlockId, Definition, LinkGraph, SectionId, SymbolId};
use uruk_jitlink::placed::{Placed, Working};
use uruk_orc::Retained;

pub use edit::{uruk_graph_argument, uruk_graph_call};
pub use kinds::*;

/// The graph of an object on its way through a link, lent to a callback of a plugin and gone when that returns, or a retained one. What it
/// has is numbered from 0; numbers stay what they are whatever is changed. All of its functions may be called from callbacks.
pub struct uruk_graph;

impl Kind for uruk_graph {
    const NAME: &'static str = "uruk_graph";
    type Object = Graph;
}

/// What a phase of a link lends.
pub(crate) enum View {
    /// It may be changed.
    Editor(*mut Editor<'static>),
    /// It has addresses.
    Placed(*const Placed<'static>),
    /// Its bytes are written, too.
    Written(*const Placed<'static>, *mut Working<'static, 'static>),
    /// It stays.
    Retained(Arc<Retained>),
}

// SAFETY: what it points at is only used under the lock of a `Graph`, by one thread at a time, while its owner waits in `lend`.
unsafe impl Send for View {}

impl View {
    pub fn editor(editor: &mut Editor<'_>) -> View {
        View::Editor(std::ptr::from_mut(editor).cast())
    }

    pub fn placed(placed: &Placed<'_>) -> View {
        View::Placed(std::ptr::from_ref(placed).cast())
    }

    pub fn written(placed: &Placed<'_>, bytes: &mut Working<'_, '_>) -> View {
        View::Written(std::ptr::from_ref(placed).cast(), std::ptr::from_mut(bytes).cast())
    }
}

/// A graph for as long as it is lent.
pub struct Graph(Mutex<Option<View>>);

/// Lends a graph to a callback.
pub(crate) fn lend<T>(view: View, call: impl FnOnce(Handle<uruk_graph>) -> T) -> T {
    struct Lent(Arc<Graph>, Handle<uruk_graph>);
    impl Drop for Lent {
        fn drop(&mut self) {
            self.0.lock().take();
            // It is there: nobody else ends it.
            let _ = self.1.take();
        }
    }
    let graph = Arc::new(Graph(Mutex::new(Some(view))));
    let lent = Lent(graph.clone(), handle::put::<uruk_graph>(graph).handle());
    call(lent.1)
}

impl Graph {
    fn lock(&self) -> MutexGuard<'_, Option<View>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the graph, with its addresses if it has them.
    fn look<T>(&self, look: impl FnOnce(&LinkGraph, Option<&Placed<'_>>) -> Result<T, Failure>) -> Result<T, Failure> {
        let lent = self.lock();
        // SAFETY: `lend` has not returned, so what it points at lives, and under the lock nobody else uses it.
        unsafe {
            match lent.as_ref().ok_or_else(gone)? {
                View::Editor(editor) => look(&**editor, None),
                View::Placed(placed) | View::Written(placed, _) => look(&**placed, Some(&**placed)),
                View::Retained(retained) => {
                    let placed = retained.graph();
                    look(&placed, Some(&placed))
                }
            }
        }
    }

    /// Changes the graph.
    fn edit<T>(&self, edit: impl FnOnce(&mut Editor<'static>) -> Result<T, Failure>) -> Result<T, Failure> {
        let lent = self.lock();
        match lent.as_ref().ok_or_else(gone)? {
            // SAFETY: as in `look`.
            View::Editor(editor) => edit(unsafe { &mut **editor }),
            _ => Err(Failure::invalid(
                "memory has been allocated for this graph: it can be changed by `pre_prune` and `post_prune` only, its bytes by `post_fixup`, too",
            )),
        }
    }

    /// The bytes of a block in working memory, if it has some there.
    fn working<T>(&self, block: u32, with: impl FnOnce(&mut [u8]) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        let id = self.look(|graph, _| block_of(graph, block).map(|(id, _)| id))?;
        match self.lock().as_ref().ok_or_else(gone)? {
            // SAFETY: as in `look`.
            View::Written(_, working) => unsafe { &mut **working }.block(id).map(with).transpose(),
            _ => Ok(None),
        }
    }
}

fn gone() -> Failure {
    Failure::new(uruk_status::URUK_GONE, "this uruk_graph is gone: the callback that it was lent to has returned")
}

fn block_of(graph: &LinkGraph, number: u32) -> Result<(BlockId, &Block), Failure> {
    let block = graph.blocks.get(number as usize);
    block.map(|block| (BlockId(number), block)).ok_or_else(|| unknown("block", number, graph.blocks.len()))
}

fn unknown(what: &str, number: u32, count: usize) -> Failure {
    Failure::invalid(format!("{what} {number} does not exist: there are {count}, counted from 0"))
}

/// How much a graph has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_counts {
    /// Sections.
    pub sections: u32,
    /// Blocks, dropped ones among them.
    pub blocks: u32,
    /// Symbols; number 0 is none.
    pub symbols: u32,
    /// Zero.
    pub reserved: u32,
}

/// A section.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_section {
    /// `URUK_SECTION_…`.
    pub kind: u32,
    /// A collection of sections keeps it: 1, else 0.
    pub retained: u32,
    /// Where it begins; 0 before it is known, and where it has no address.
    pub address: u64,
    /// Up to its last byte; 0 where the address is.
    pub size: u64,
}

/// A block: bytes that stay together.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_block {
    /// The section that it is part of.
    pub section: u32,
    /// How many edges it has.
    pub edges: u32,
    /// 0: it was dropped.
    pub live: u32,
    /// 1: it has no bytes, and starts as zero.
    pub zero: u32,
    /// Bytes.
    pub size: u64,
    /// A power of two.
    pub alignment: u64,
    /// 0 before it is known, and where it has none.
    pub address: u64,
}

/// A symbol.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_symbol {
    /// `URUK_SYMBOL_…`: where it is defined.
    pub definition: u32,
    /// With `URUK_SYMBOL_IN_BLOCK`, the block.
    pub block: u32,
    /// Offset in the block, or address, or alignment.
    pub value: u64,
    /// Bytes; 0 where nobody says.
    pub size: u64,
    /// `URUK_BINDING_…`.
    pub binding: u32,
    /// `URUK_VISIBILITY_…`.
    pub visibility: u32,
    /// `URUK_TYPE_…`.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// 0 where it is not known, or none.
    pub address: u64,
}

/// An edge: a field of a block that depends on a symbol.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_edge {
    /// Where the field is in its block.
    pub offset: u32,
    /// `URUK_EDGE_…`, or a number that only the architecture has.
    pub kind: u32,
    /// The symbol.
    pub target: u32,
    /// Zero.
    pub reserved: u32,
    /// As ELF has it: relative to the field.
    pub addend: i64,
}

/// How much a graph has.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_count(graph: Handle<uruk_graph>, counts: Out<uruk_graph_counts>) -> uruk_status {
    enter(Reach::Anywhere, || {
        graph.get()?.look(|graph, _| {
            let [sections, blocks, symbols] =
                [graph.sections.len(), graph.blocks.len(), graph.symbols.len()].map(|count| count as u32);
            counts.put(uruk_graph_counts { sections, blocks, symbols, reserved: 0 })
        })
    })
}

/// A section.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_get_section(
    graph: Handle<uruk_graph>,
    section: u32,
    description: Out<uruk_graph_section>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        graph.get()?.look(|graph, placed| {
            let found = graph.sections.get(section as usize);
            let found = found.ok_or_else(|| unknown("section", section, graph.sections.len()))?;
            let range = placed.and_then(|placed| placed.section_range(SectionId(section))).unwrap_or(0..0);
            let (kind, retained) = (section_kind(found.kind), found.retain.into());
            let (address, size) = (range.start, range.end - range.start);
            description.put(uruk_graph_section { kind, retained, address, size })
        })
    })
}

/// A block.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_get_block(
    graph: Handle<uruk_graph>,
    block: u32,
    description: Out<uruk_graph_block>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        graph.get()?.look(|graph, placed| {
            let (id, found) = block_of(graph, block)?;
            description.put(uruk_graph_block {
                section: found.section.0,
                edges: found.edges.end - found.edges.start,
                live: found.live.into(),
                zero: (graph.content(found).is_empty() && found.size != 0).into(),
                size: found.size,
                alignment: 1 << found.align_log2,
                address: placed.and_then(|placed| placed.block_range(id)).map_or(0, |range| range.start),
            })
        })
    })
}

/// A symbol.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_get_symbol(
    graph: Handle<uruk_graph>,
    symbol: u32,
    description: Out<uruk_graph_symbol>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        graph.get()?.look(|graph, placed| {
            let found = graph.symbols.get(symbol as usize);
            let found = found.ok_or_else(|| unknown("symbol", symbol, graph.symbols.len()))?;
            let (definition, block) = match found.definition {
                Definition::Undefined => (URUK_SYMBOL_ELSEWHERE, 0),
                Definition::Block(block) => (URUK_SYMBOL_IN_BLOCK, block.0),
                Definition::Absolute => (URUK_SYMBOL_ABSOLUTE, 0),
                Definition::Common => (URUK_SYMBOL_COMMON, 0),
            };
            description.put(uruk_graph_symbol {
                definition,
                block,
                value: found.value,
                size: found.size,
                binding: binding(found.binding),
                visibility: visibility(found.visibility),
                kind: symbol_kind(found.kind),
                reserved: 0,
                address: placed.and_then(|placed| placed.address(SymbolId(symbol))).unwrap_or(0),
            })
        })
    })
}

/// An edge, by its place among those of a block, which are in order of their offsets.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_get_edge(
    graph: Handle<uruk_graph>,
    block: u32,
    index: u32,
    edge: Out<uruk_graph_edge>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        graph.get()?.look(|graph, _| {
            let edges = graph.edges(block_of(graph, block)?.1);
            let found = edges.get(index as usize).ok_or_else(|| unknown("edge", index, edges.len()))?;
            let (kind, addend) = (found.kind.0.into(), graph.addend(found));
            edge.put(uruk_graph_edge { offset: found.offset, kind, target: found.target.0, reserved: 0, addend })
        })
    })
}

/// Copies a section's name as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_section_name(
    graph: Handle<uruk_graph>,
    section: u32,
    buffer: Out<c_char>,
    size: usize,
) -> usize {
    enter_value(Reach::Anywhere, 0, || {
        graph.get()?.look(|graph, _| {
            let count = graph.sections.len();
            let known = ((section as usize) < count).then(|| graph.section_name(SectionId(section)));
            let name = known.ok_or_else(|| unknown("section", section, count))?;
            copy_text(&String::from_utf8_lossy(name), buffer, size)
        })
    })
}

/// Copies a symbol's name, as the object has it, as far as there is room, with a zero byte at the end. Returns how long all of it is,
/// without that byte.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_symbol_name(
    graph: Handle<uruk_graph>,
    symbol: u32,
    buffer: Out<c_char>,
    size: usize,
) -> usize {
    enter_value(Reach::Anywhere, 0, || {
        graph.get()?.look(|graph, _| {
            let count = graph.symbols.len();
            let known = ((symbol as usize) < count).then(|| graph.symbol_name(SymbolId(symbol)));
            let name = known.ok_or_else(|| unknown("symbol", symbol, count))?;
            copy_text(&String::from_utf8_lossy(name), buffer, size)
        })
    })
}

/// The symbol of a name: one that other objects see, or else the first local one. `URUK_MISSING` if there is none.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_find_symbol(graph: Handle<uruk_graph>, name: Text, symbol: Out<u32>) -> uruk_status {
    enter(Reach::Anywhere, || {
        let name = name.bytes("name")?;
        graph.get()?.look(|graph, _| match graph.find_symbol(name) {
            Some(found) => symbol.put(found.0),
            None => {
                let text = format!("the graph has no symbol `{}`", String::from_utf8_lossy(name));
                Err(Failure::new(uruk_status::URUK_MISSING, text))
            }
        })
    })
}

/// Copies bytes of a block: those of the object, or in `post_fixup` what was made of them.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_read(
    graph: Handle<uruk_graph>,
    block: u32,
    offset: u64,
    buffer: Out<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let graph = graph.get()?;
        let written = graph.working(block, |bytes| {
            let range = range(bytes.len() as u64, block, offset, size)?;
            buffer.put_all(bytes[range].iter().copied())
        })?;
        if written.is_some() {
            return Ok(());
        }
        graph.look(|graph, _| {
            let (_, found) = block_of(graph, block)?;
            let range = range(found.size, block, offset, size)?;
            match graph.content(found) {
                [] => buffer.put_all(vec![0; size].into_iter()),
                bytes => buffer.put_all(bytes[range].iter().copied()),
            }
        })
    })
}

/// Changes bytes of a block: those of the object before allocation, or in `post_fixup` what will be at its address.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_write(
    graph: Handle<uruk_graph>,
    block: u32,
    offset: u64,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let new = bytes.get(size, "bytes")?;
        let put = |bytes: &mut [u8]| {
            let range = range(bytes.len() as u64, block, offset, size)?;
            bytes[range].copy_from_slice(new);
            Ok(())
        };
        let graph = graph.get()?;
        if !matches!(&*graph.lock(), Some(View::Written(..))) {
            return graph.edit(|editor| put(editor.content_mut(BlockId(block)).map_err(edit::refused)?));
        }
        graph.working(block, put)?.ok_or_else(|| {
            Failure::invalid(format!("block {block} has no bytes: it was dropped, starts as zero, or is thread-local"))
        })
    })
}

fn range(limit: u64, block: u32, offset: u64, size: usize) -> Result<std::ops::Range<usize>, Failure> {
    let end = offset.checked_add(size as u64).filter(|end| *end <= limit);
    let text = || format!("{size} bytes at offset {offset:#x} do not lie in block {block}, which has {limit:#x}");
    end.map(|end| offset as usize..end as usize).ok_or_else(|| Failure::invalid(text()))
}
