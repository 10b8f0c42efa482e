//! The long form of import libraries, as `dlltool` makes them: an object for each export, and two more for the DLL.
//!
//! An export's object has a pointer in `.idata$5`, which it calls `__imp_X`; what that refers to is the name in `.idata$6`,
//! behind a number of two bytes, or the pointer itself holds a number, with its top bit set. `.idata$7` refers to the symbol of
//! the DLL's first object, whose directory (`.idata$2`) refers to that of the last one, where the DLL's name stands. All
//! that is of use only in an image, so the object is replaced by the short form of what it says.

use super::HEADER_SIZE;
use crate::coff::read::object;
use crate::coff::{IMPORT_PREFIX, Machine, is_coff};
use crate::elf::strings::until_zero;
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use crate::names::Names;

const POINTERS: &[u8] = b".idata$5";
const TO_DIRECTORY: &[u8] = b".idata$7";
const DIRECTORY: &[u8] = b".idata$2";
/// Where a directory's entry has the DLL's name.
const NAME_AT: u32 = 12;
/// Marks a pointer that holds a number.
const BY_NUMBER: u64 = 1 << 63;
/// Bytes before an export's name.
const HINT_SIZE: u64 = 2;
/// How the short form says by what the DLL exports it.
const NAMED_APART: u16 = 4 << 2;
/// And that it is a variable.
const IS_DATA: u16 = 1;

/// The pointer that an object has as an export's in the long form, and the name of what it points to.
fn pointer(graph: &LinkGraph) -> Option<(BlockId, Vec<u8>)> {
    graph.globals().find_map(|(id, symbol)| {
        let Definition::Block(block) = symbol.definition else { return None };
        let name = graph.symbol_name(id).strip_prefix(IMPORT_PREFIX)?;
        let is_pointer = graph.section_name(graph.block(block).section) == POINTERS;
        // Pointers that the reader has made are no part of the file.
        let is_own = matches!(graph.block(block).content, Content::Input(_));
        (is_pointer && is_own).then(|| (block, name.to_vec()))
    })
}

/// Refuses objects of the long form, which mean something only together.
pub fn refuse(graph: &LinkGraph) -> Result<(), LinkError> {
    match pointer(graph) {
        None => Ok(()),
        Some(_) => Err(LinkError::UnsupportedSection {
            file: graph.input.name().to_string(),
            section: String::from_utf8_lossy(POINTERS).into_owned(),
            what: "is a part of an import library, which says with others what it imports",
            hint: "add the library as an archive",
        }),
    }
}

/// The short form of an archive's member that is an export's object in the long form; `None` for others. `find` gives the
/// archive's member that defines a name.
pub fn shorten<E: From<LinkError>>(
    member: &Input,
    find: impl Fn(&[u8]) -> Result<Option<Input>, E>,
) -> Result<Option<Input>, E> {
    // Nothing else is looked at twice.
    let mentions = |bytes: &[u8]| member.windows(bytes.len()).any(|window| window == bytes);
    if !is_coff(member) || super::is_import(member) || !mentions(POINTERS) || !mentions(TO_DIRECTORY) {
        return Ok(None);
    }
    let names = Names::default();
    let graph = object(member, &names)?;
    let Some((block, symbol)) = pointer(&graph) else { return Ok(None) };
    let damaged = || LinkError::Malformed {
        file: member.name().to_string(),
        offset: 0,
        what: "an import that does not say from which library",
    };
    let referred = |graph: &LinkGraph, section: &[u8], offset: u32| -> Option<Vec<u8>> {
        let blocks = graph.live_blocks().filter(|(_, block)| graph.section_name(block.section) == section);
        let edges = blocks.flat_map(|(_, block)| graph.edges(block));
        let edge = edges.into_iter().find(|edge| edge.offset == offset)?;
        Some(graph.symbol_name(edge.target).to_vec())
    };
    let head = referred(&graph, TO_DIRECTORY, 0).ok_or_else(damaged)?;
    let head = find(&head)?.ok_or_else(damaged)?;
    let tail_name = referred(&object(&head, &names)?, DIRECTORY, NAME_AT).ok_or_else(damaged)?;
    let tail = object(&find(&tail_name)?.ok_or_else(damaged)?, &names)?;
    let dll = tail.find_symbol(&tail_name).and_then(|id| text(&tail, id, 0)).ok_or_else(damaged)?;

    let (export, number) = exported(&graph, graph.block(block)).ok_or_else(damaged)?;
    let is_function = graph.find_symbol(&symbol).is_some_and(|id| graph.block_of(id).is_some());
    let name_type = if export.is_some() { NAMED_APART } else { 0 };
    let flags = name_type | if is_function { 0 } else { IS_DATA };
    let strings = [&symbol[..], b"\0", dll, b"\0", export.map_or(&b""[..], |name| name), b"\0"].concat();
    let machine = Machine::of_format(graph.format).map_or(0, |machine| machine.number);
    let mut bytes = Vec::with_capacity(HEADER_SIZE + strings.len());
    for half in [0, 0xffff, 0, machine, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend((strings.len() as u32).to_le_bytes());
    bytes.extend([number.to_le_bytes(), flags.to_le_bytes()].concat());
    bytes.extend(strings);
    Ok(Some(Input::from_bytes(member.name().clone(), bytes)))
}

/// The name and number by which a DLL exports what a pointer stands for; one of them counts.
fn exported<'g>(graph: &'g LinkGraph, pointer: &Block) -> Option<(Option<&'g [u8]>, u16)> {
    if let Some(edge) = graph.edges(pointer).first() {
        let at = HINT_SIZE.checked_add_signed(graph.addend(edge))?;
        return Some((Some(text(graph, edge.target, at)?), 0));
    }
    let number = u64::from_le_bytes(*graph.content(pointer).first_chunk()?);
    (number & BY_NUMBER != 0).then_some((None, number as u16))
}

/// The text at an offset from a symbol.
fn text(graph: &LinkGraph, id: SymbolId, offset: u64) -> Option<&[u8]> {
    let block = graph.block(graph.block_of(id)?);
    let at = usize::try_from(graph.symbol(id).value.checked_add(offset)?).ok()?;
    until_zero(graph.content(block).get(at..)?).filter(|text| !text.is_empty())
}
