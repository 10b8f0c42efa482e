//! Import libraries: what a member of one says of a function or variable of a DLL.
//!
//! A member defines `__imp_X`, a pointer that holds the address of what the DLL exports, and mostly `X`, a jump to there.
//! What the pointer holds is the address of an undefined symbol whose name says what to look for: `kernel32.dll!Sleep`, or
//! `ws2_32.dll!#115` by its number; who resolves it, a generator or a definition by the user, finds DLL and export in it.
//! The short form is a header and two names; members of the long form, the objects that `dlltool` makes, are turned into it
//! by whoever takes them out of their archive ([`shorten`]).
//! Source: PE Format, "Import Library Format", "Import Header", "Import Type", "Import Name Type".

mod long;

pub use long::{refuse, shorten};

use super::headers::wrong_file;
use super::machine::Machine;
use super::read::{made_block, made_section};
use crate::arch::ABS64;
use crate::elf::strings::until_zero;
use crate::error::LinkError;
use crate::graph::*;
use crate::input::Input;
use crate::wishes;

/// Stands between a DLL's name and that of what it exports.
pub const OF_DLL: u8 = b'!';

const HEADER_SIZE: usize = 20;
const SIZE_AT: u64 = 12;
const TYPE_AT: u64 = 18;
const ADDRESS_ALIGN: u8 = 3;
const CODE_ALIGN: u8 = 4;

/// Whether bytes begin as a member of the short form does. Big objects and files of compilers' own have a version.
pub fn is_import(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 0xff, 0xff, 0, 0])
}

/// What is imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    Code,
    Data,
    Const,
}

/// A member of the short form.
struct Import<'a> {
    machine: &'static Machine,
    kind: Type,
    /// The symbol in objects.
    symbol: &'a [u8],
    /// The DLL and what it exports, as one name.
    target: Vec<u8>,
}

impl<'a> Import<'a> {
    fn parse(input: &'a Input) -> Result<Import<'a>, LinkError> {
        let malformed = |offset, what| LinkError::Malformed { file: input.name().to_string(), offset, what };
        let bytes: &'a [u8] = input;
        let Some((header, rest)) = bytes.split_at_checked(HEADER_SIZE) else {
            return Err(wrong_file(input, "a truncated member of an import library"));
        };
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let Some(machine) = Machine::of(half(6)) else {
            return Err(wrong_file(input, "a member of an import library for another architecture"));
        };
        let size = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
        let Some(strings) = rest.get(..size) else {
            return Err(malformed(SIZE_AT, "names that lie past the end of the file"));
        };
        let unterminated = || malformed(HEADER_SIZE as u64, "a name without an end");
        let symbol = until_zero(strings).ok_or_else(unterminated)?;
        let rest = &strings[symbol.len() + 1..];
        let dll = until_zero(rest).ok_or_else(unterminated)?;
        let rest = &rest[dll.len() + 1..];
        if symbol.is_empty() || dll.is_empty() {
            return Err(malformed(HEADER_SIZE as u64, "an import without a name"));
        }
        let flags = half(18);
        let kind = match flags & 3 {
            0 => Type::Code,
            1 => Type::Data,
            2 => Type::Const,
            _ => return Err(malformed(TYPE_AT, "an import of an unknown type")),
        };
        let unprefixed = || symbol.strip_prefix(b"?").or(symbol.strip_prefix(b"@")).or(symbol.strip_prefix(b"_"));
        let ordinal;
        let export: &[u8] = match (flags >> 2) & 7 {
            0 => {
                ordinal = format!("#{}", half(16));
                ordinal.as_bytes()
            }
            1 => symbol,
            2 => unprefixed().unwrap_or(symbol),
            3 => {
                let name = unprefixed().unwrap_or(symbol);
                name.split(|byte| *byte == b'@').next().unwrap_or(name)
            }
            4 => until_zero(rest).ok_or_else(unterminated)?,
            _ => return Err(malformed(TYPE_AT, "an import whose name is found in an unknown way")),
        };
        Ok(Import { machine, kind, symbol, target: [dll, &[OF_DLL], export].concat() })
    }
}

/// Makes the graph of a member of the short form.
pub(super) fn read(input: &Input) -> Result<LinkGraph, LinkError> {
    let Import { machine, kind, symbol, target } = Import::parse(input)?;
    let mut graph = LinkGraph::with_input(input.clone(), machine.format);
    graph.added_names.push(0);
    let pointer_name = [super::IMPORT_PREFIX, symbol].concat();
    // The null symbol is the only local one.
    let export = add_symbol(&mut graph, &target, Definition::Undefined, SymbolKind::None);
    let section = made_section(&mut graph, b".idata$5", SectionKind::ReadOnly);
    let slot = made_block(&mut graph, section, &[0; 8], ADDRESS_ALIGN, &[(0, ABS64, 0, export)]);
    let pointer = add_symbol(&mut graph, &pointer_name, Definition::Block(slot), SymbolKind::None);
    match kind {
        Type::Code => {
            let section = made_section(&mut graph, b".text", SectionKind::Code);
            let edges: Vec<_> =
                machine.thunk.fields.iter().map(|(offset, kind, addend)| (*offset, *kind, *addend, pointer)).collect();
            let code = made_block(&mut graph, section, machine.thunk.code, CODE_ALIGN, &edges);
            add_symbol(&mut graph, symbol, Definition::Block(code), SymbolKind::Function);
        }
        // The name itself stands for the pointer.
        Type::Const => drop(add_symbol(&mut graph, symbol, Definition::Block(slot), SymbolKind::None)),
        Type::Data => {}
    }
    wishes::gather(&mut graph);
    Ok(graph)
}

fn add_symbol(graph: &mut LinkGraph, name: &[u8], definition: Definition, kind: SymbolKind) -> SymbolId {
    let at = graph.added_names.len() as u32;
    graph.added_names.extend_from_slice(name);
    graph.added_names.push(0);
    let (binding, visibility) = (Binding::Global, Visibility::Default);
    graph.symbols.push(Symbol { value: 0, size: 0, name: at, definition, binding, visibility, kind });
    SymbolId(graph.symbols.len() as u32 - 1)
}
