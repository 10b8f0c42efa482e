//! `__TEXT,__init_offsets`: initialisers as offsets from the start of an image, which becomes a table of addresses.
//!
//! An object is no image. What its words mean is what they refer to: the symbol whose distance from the image's header, or
//! from another symbol, a pair of relocations asks for; the place that one without a symbol leads to; or, without any
//! relocation, the address in the object that they hold.
//! Source: `mach-o/loader.h` of cctools, `S_INIT_FUNC_OFFSETS`.

use super::read::Reader;
use crate::arch::ABS64;
use crate::edit::raw;
use crate::error::LinkError;
use crate::graph::*;
use object::LittleEndian as LE;
use object::macho::Relocation;

/// Bytes of an offset, and its logarithm; and those of an address.
const OFFSET: usize = 4;
const OFFSET_LOG2: u8 = 2;
const ADDRESS: usize = 8;
const ADDRESS_LOG2: u8 = 3;
/// The relocation type of an address, on every architecture. The only other one with such fields is what is taken from it.
const UNSIGNED: u8 = 0;
/// What no initialiser is.
const NO_PLACE: &str = "an initialiser that lies in no section";

/// Makes a table of addresses of a section.
pub(super) fn read(reader: &Reader<'_>, index: usize, id: BlockId, graph: &mut LinkGraph) -> Result<(), LinkError> {
    let headers = &reader.headers;
    let section = headers.sections[index];
    let (start, at) = (u64::from(section.header.offset.get(LE)), u64::from(section.header.reloff.get(LE)));
    let bytes: &[u8] = headers.array(start, section.size(), "a section that lies past the end of the file")?;
    if !bytes.len().is_multiple_of(OFFSET) {
        return Err(headers.malformed(start, "initialisers that are not four bytes each"));
    }
    let raws: &[Relocation<LE>] =
        headers.array(at, section.header.nreloc.get(LE).into(), "relocations that lie past the end of the file")?;
    let mut functions: Vec<Option<(SymbolId, i64)>> = vec![None; bytes.len() / OFFSET];
    let held = |word: usize| bytes[word * OFFSET..].first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    for (number, raw) in (0u64..).zip(raws) {
        let info = raw.info(LE);
        let damaged = |what| headers.malformed(at + number * size_of::<Relocation<LE>>() as u64, what);
        let (word, rest) = (info.r_address as usize / OFFSET, info.r_address as usize % OFFSET);
        if rest != 0 || functions.len() <= word || info.r_length != OFFSET_LOG2 || info.r_pcrel {
            return Err(damaged("a relocation of an initialiser that is no offset"));
        }
        if info.r_type.0 != UNSIGNED {
            // What the distance is from does not matter.
            continue;
        }
        functions[word] = match info.r_extern {
            true => reader.symbol(info.r_symbolnum).map(|symbol| (symbol, held(word).into())),
            false => {
                let section = headers.section(info.r_symbolnum, at)?;
                let place = reader.reference(section, held(word) as u64);
                place.map(|(symbol, offset)| (symbol, offset as i64))
            }
        };
        if functions[word].is_none() {
            return Err(damaged(NO_PLACE));
        }
    }
    let mut edges = Vec::with_capacity(functions.len());
    for (word, function) in functions.iter().enumerate() {
        let address = held(word) as u32;
        let (symbol, addend) = function
            .or_else(|| reader.place(address.into()).map(|(symbol, offset)| (symbol, offset as i64)))
            .ok_or_else(|| headers.malformed(start + (word * OFFSET) as u64, NO_PLACE))?;
        edges.push(raw::edge(graph, word * ADDRESS, symbol, ABS64, addend));
    }
    raw::give(graph, id, &vec![0; functions.len() * ADDRESS], edges);
    graph.blocks[id.0 as usize].align_log2 = ADDRESS_LOG2;
    Ok(())
}
