//! Changes of graphs, which are refused where they would break one.

use super::kinds::*;
use super::{Graph, uruk_graph, uruk_graph_edge, uruk_graph_symbol};
use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_status};
use crate::handle::Handle;
use crate::raw::{List, Out, Text};
use uruk_jitlink::action::{Action, Argument, Call, MAX_ARGUMENTS};
use uruk_jitlink::edit::{EditError, Editor, NewSymbol};
use uruk_jitlink::graph::{Binding, BlockId, EdgeKind, SectionId, SymbolId, Visibility};

pub(super) fn refused(error: EditError) -> Failure {
    Failure::invalid(error.to_string())
}

/// Does a change.
fn change<T>(
    graph: Handle<uruk_graph>,
    edit: impl FnOnce(&mut Editor<'static>) -> Result<T, EditError>,
) -> Result<T, Failure> {
    Graph::edit(&*graph.get()?, |editor| edit(editor).map_err(refused))
}

/// Adds a section of a kind (`URUK_SECTION_…`).
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_section(
    graph: Handle<uruk_graph>,
    name: Text,
    kind: u32,
    section: Out<u32>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        section.check("section")?;
        let (name, kind) = (name.bytes("name")?, section_kind_of(kind)?);
        section.put(change(graph, |editor| editor.add_section(name, kind))?.0)
    })
}

/// Lets a collection of sections keep a section although nothing refers to it.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_retain_section(graph: Handle<uruk_graph>, section: u32) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.retain_section(SectionId(section))))
}

/// Adds a block of bytes, which are copied. `alignment` is a power of two.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_block(
    graph: Handle<uruk_graph>,
    section: u32,
    bytes: List<u8>,
    size: usize,
    alignment: u64,
    block: Out<u32>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        block.check("block")?;
        let bytes = bytes.get(size, "bytes")?;
        block.put(change(graph, |editor| editor.add_block(SectionId(section), bytes, alignment))?.0)
    })
}

/// Adds a block of bytes that start as zero, to a section of such a kind.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_zero_block(
    graph: Handle<uruk_graph>,
    section: u32,
    size: u64,
    alignment: u64,
    block: Out<u32>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        block.check("block")?;
        block.put(change(graph, |editor| editor.add_zero_block(SectionId(section), size, alignment))?.0)
    })
}

/// Gives a block other bytes, perhaps more or fewer; its edges must still lie in it.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_set_content(
    graph: Handle<uruk_graph>,
    block: u32,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let bytes = bytes.get(size, "bytes")?;
        change(graph, |editor| editor.set_content(BlockId(block), bytes))
    })
}

/// Gives a block another alignment, a power of two.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_set_alignment(graph: Handle<uruk_graph>, block: u32, alignment: u64) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.set_align(BlockId(block), alignment)))
}

/// Drops a block: what it defines is defined no more, and who still refers to it is refused.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_drop_block(graph: Handle<uruk_graph>, block: u32) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.drop_block(BlockId(block))))
}

/// Lets a block live if another does.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_tie(graph: Handle<uruk_graph>, block: u32, to: u32) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.tie(BlockId(block), BlockId(to))))
}

/// Adds a symbol: defined in a block, elsewhere, or, if it is local, at an address. Such as other objects see are added by `pre_prune`
/// only. `name` may be null for local ones; `address` and `reserved` of the description do not matter.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_symbol(
    graph: Handle<uruk_graph>,
    name: Text,
    description: List<uruk_graph_symbol>,
    symbol: Out<u32>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        symbol.check("symbol")?;
        let described = description.first("description")?.ok_or_else(|| Failure::null("description"))?;
        let name = name.or("name", "")?;
        let (binding, visibility) = (binding_of(described.binding)?, visibility_of(described.visibility)?);
        let (block, local) = (BlockId(described.block), binding == Binding::Local);
        let new = match (described.definition, local) {
            (URUK_SYMBOL_IN_BLOCK, true) => NewSymbol::local(name, block, described.value),
            (URUK_SYMBOL_IN_BLOCK, false) => NewSymbol::global(name, block, described.value),
            (URUK_SYMBOL_ELSEWHERE, false) => NewSymbol::external(name),
            (URUK_SYMBOL_ABSOLUTE, true) => NewSymbol::absolute(name, described.value),
            _ => {
                let text = "a symbol to be added is in a block, or elsewhere and not local, or absolute and local";
                return Err(Failure::invalid(text));
            }
        };
        if binding == Binding::Unique || visibility == Visibility::Protected {
            return Err(Failure::invalid("unique and protected symbols come from objects only"));
        }
        let new = new.kind(symbol_kind_of(described.kind)?).size(described.size);
        let new = if binding == Binding::Weak { new.weak() } else { new };
        let new = if visibility == Visibility::Hidden { new.hidden() } else { new };
        symbol.put(change(graph, |editor| editor.add_symbol(new))?.0)
    })
}

/// The symbol of a name that other objects see, added as one that is defined elsewhere if there is none.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_external(graph: Handle<uruk_graph>, name: Text, symbol: Out<u32>) -> uruk_status {
    enter(Reach::Anywhere, || {
        symbol.check("symbol")?;
        let name = name.bytes("name")?;
        symbol.put(change(graph, |editor| editor.external(name))?.0)
    })
}

/// Moves a symbol that the object defines to a place in a block: who refers to it refers to that.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_move_symbol(
    graph: Handle<uruk_graph>,
    symbol: u32,
    block: u32,
    offset: u64,
) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.move_symbol(SymbolId(symbol), BlockId(block), offset)))
}

/// Drops a symbol that no edge refers to any more. Such as other objects see are dropped by `pre_prune` only.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_drop_symbol(graph: Handle<uruk_graph>, symbol: u32) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.drop_symbol(SymbolId(symbol))))
}

/// Adds an edge to a block.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_edge(
    graph: Handle<uruk_graph>,
    block: u32,
    edge: List<uruk_graph_edge>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let uruk_graph_edge { offset, kind, target, addend, .. } =
            *edge.first("edge")?.ok_or_else(|| Failure::null("edge"))?;
        // No architecture has kinds that do not fit.
        let kind = EdgeKind(u8::try_from(kind).unwrap_or(u8::MAX));
        change(graph, |editor| editor.add_edge(BlockId(block), offset, kind, SymbolId(target), addend))
    })
}

/// Points an edge, by its place among those of its block, at another symbol.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_retarget(graph: Handle<uruk_graph>, block: u32, index: u32, target: u32) -> uruk_status {
    enter(Reach::Anywhere, || change(graph, |editor| editor.retarget(BlockId(block), index as usize, SymbolId(target))))
}

/// Points all edges to one symbol at another, but for those of unwind records. `count`, which may be null, gets how many they were.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_redirect(graph: Handle<uruk_graph>, from: u32, to: u32, count: Out<usize>) -> uruk_status {
    enter(Reach::Anywhere, || {
        let redirected = change(graph, |editor| editor.redirect(SymbolId(from), SymbolId(to)))?;
        count.put_if_wanted(redirected)
    })
}

/// Drops an edge, by its place among those of its block: its field keeps the bytes that the block has there.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_drop_edge(graph: Handle<uruk_graph>, block: u32, index: u32) -> uruk_status {
    enter(Reach::Anywhere, || {
        Graph::edit(&*graph.get()?, |editor| {
            let count = editor.edges(super::block_of(editor, block)?.1).len();
            if count <= index as usize {
                return Err(super::unknown("edge", index, count));
            }
            let mut at = 0..;
            editor.retain_edges(BlockId(block), |_| at.next() != Some(index)).map_err(refused)
        })
    })
}

/// What a function of an action is given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_argument {
    /// The address of this symbol, and `value` bytes more; 0: only `value`.
    pub symbol: u32,
    /// Zero.
    pub reserved: u32,
    /// A number, or a distance.
    pub value: i64,
}

/// A call of a function of C with integers, which returns one of 64 bits, 0 if it succeeded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_graph_call {
    /// The symbol of the function.
    pub function: u32,
    /// How many arguments there are, at most six.
    pub argument_count: u32,
    /// What it is given.
    pub arguments: List<uruk_graph_argument>,
}

/// Adds calls in the process where code runs: one for when the object's memory is final, before anybody is given a symbol of it, and one
/// for when it goes, if the first succeeded. Either may be null. They are copied.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_add_action(
    graph: Handle<uruk_graph>,
    finalize: List<uruk_graph_call>,
    deallocate: List<uruk_graph_call>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let finalize = finalize.first("finalize")?.map(call).transpose()?;
        let deallocate = deallocate.first("deallocate")?.map(call).transpose()?;
        change(graph, |editor| editor.add_action(Action { finalize, deallocate }))
    })
}

fn call(call: &uruk_graph_call) -> Result<Call, Failure> {
    let count = call.argument_count as usize;
    if MAX_ARGUMENTS < count {
        return Err(refused(EditError::Arguments { wanted: count }));
    }
    let arguments = call.arguments.get(count, "arguments")?.iter();
    let arguments = arguments.map(|argument| match argument.symbol {
        0 => Argument::Number(argument.value.cast_unsigned()),
        symbol => Argument::Address(SymbolId(symbol), argument.value),
    });
    Ok(Call { function: SymbolId(call.function), arguments: arguments.collect() })
}
