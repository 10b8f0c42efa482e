//! Edges as relocations: a symbol each, and what is added to it in the field, or for instructions of arm64 in a relocation of its own.
//!
//! A distance in data is a pair: an address, and what is subtracted from it, which is the start of the block that the field is in.

use super::super::Reference;
use super::super::sections::Spot;
use super::File;
use crate::error::Error;
use ::object::macho::{RelocationInfo, RelocationType};
use uruk_jitlink::aarch64;
use uruk_jitlink::arch::{
    DESCRIPTOR_ARGUMENT, DESCRIPTOR_FUNCTION, DIFFERENCE32, DIFFERENCE64, DISTANCE32, Field, SUBTRAHEND, Value,
};
use uruk_jitlink::graph::{Edge, EdgeKind, LinkGraph, SectionKind};

// Relocation types: the first two are those of both architectures.
const UNSIGNED: u8 = 0;
const ARM64_SUBTRACTOR: u8 = 1;
const ARM64_ADDEND: u8 = 10;
const X86_64_SUBTRACTOR: u8 = 5;
/// Addends of instructions have 24 bits.
const ADDEND_BITS: u32 = 24;

impl File<'_> {
    /// The relocations of a section, as assemblers order them: the last place first. Addends go where they stand.
    pub fn relocations(&self, section: usize, bytes: &mut [u8]) -> Result<Vec<RelocationInfo>, Error> {
        let mut relocations: Vec<(RelocationInfo, Option<RelocationInfo>)> = Vec::new();
        for reference in self.merged.edges(section) {
            relocations.extend(self.relocation(section, &reference, bytes)?);
        }
        Ok(relocations.into_iter().rev().flat_map(|(first, second)| [Some(first), second]).flatten().collect())
    }

    /// The relocation of an edge, with a second one where they are a pair.
    fn relocation(
        &self,
        section: usize,
        reference: &Reference<'_>,
        bytes: &mut [u8],
    ) -> Result<Option<(RelocationInfo, Option<RelocationInfo>)>, Error> {
        let Reference { graph, edge, .. } = *reference;
        let refuse = |reason: &str| Err(self.merged.refuse(reference, reason));
        let Some(symbol) = self.merged.symbols.position(reference.number, edge.target) else {
            return refuse("let it name a symbol");
        };
        // The field is signed, and the highest bit means something else to older tools.
        let Ok(address) = i32::try_from(reference.at()) else {
            return refuse("let it lie in the first 2 GiB of its section");
        };
        let info = |number: u8, length: u8, relative: bool, symbol: u32| RelocationInfo {
            r_address: address as u32,
            r_symbolnum: symbol,
            r_pcrel: relative,
            r_length: length,
            r_extern: true,
            r_type: RelocationType(number),
        };
        let symbol = self.numbers[symbol as usize];
        let (at, addend) = (reference.at() as usize, reference.addend());
        let mut hold = |value: i64, size: usize| bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        let subtractor = if self.is_arm { ARM64_SUBTRACTOR } else { X86_64_SUBTRACTOR };
        let size = graph.arch().info(edge.kind).field.size() as usize;
        let length = size.trailing_zeros() as u8;
        match edge.kind {
            // The system has its own use for the word before a variable's initial value, and fills it in.
            DESCRIPTOR_FUNCTION => return Ok(None),
            DESCRIPTOR_ARGUMENT => {
                hold(addend, size);
                return Ok(Some((info(UNSIGNED, length, false, symbol), None)));
            }
            SUBTRAHEND => {
                let is_pair =
                    |other: &Edge| other.offset == edge.offset && matches!(other.kind, DIFFERENCE32 | DIFFERENCE64);
                return match at_place(reference, is_pair) {
                    Some(_) => Ok(None),
                    None => refuse("nothing stands there that it is to be subtracted from"),
                };
            }
            DIFFERENCE32 | DIFFERENCE64 => {
                let is_pair = |other: &Edge| other.kind == SUBTRAHEND;
                let less = at_place(reference, is_pair);
                let number = less.and_then(|less| self.merged.symbols.position(reference.number, less.target));
                let (Some(less), Some(number)) = (less, number) else {
                    return refuse("nothing stands there that is to be subtracted");
                };
                hold(addend.wrapping_sub(graph.addend(less)), size);
                let first = info(subtractor, length, false, self.numbers[number as usize]);
                return Ok(Some((first, Some(info(UNSIGNED, length, false, symbol)))));
            }
            _ => {}
        }
        if counts_from_start(graph, edge, self.merged.sections.list[section].kind) {
            let spot = Spot { section: section as u32, offset: reference.block_at };
            let Some(start) = self.starts.get(&spot) else { return refuse("its block has no symbol") };
            hold(addend.wrapping_sub(edge.offset.into()), size);
            let first = info(subtractor, length, false, *start);
            return Ok(Some((first, Some(info(UNSIGNED, length, false, symbol)))));
        }
        let kind = if self.is_arm { arm_kind(edge.kind) } else { edge.kind };
        let Some(known) = self.kinds.of(kind) else { return refuse("let the compiler write it in another way") };
        let (number, length) = (known as u8, (known >> 8) as u8);
        if number == UNSIGNED {
            hold(addend, size);
            return Ok(Some((info(UNSIGNED, length, false, symbol), None)));
        }
        if !self.is_arm {
            // Distances count from the end of their field.
            hold(addend.wrapping_add(size as i64), size);
            return Ok(Some((info(number, length, true, symbol), None)));
        }
        let value = graph.arch().info(kind).value;
        let relative =
            matches!(value, Value::Branch | Value::Page | Value::GotLoadPage | Value::GotRelative | Value::GotPage);
        let only = info(number, length, relative, symbol);
        if addend == 0 {
            return Ok(Some((only, None)));
        }
        let most = 1 << (ADDEND_BITS - 1);
        if !(-most..most).contains(&addend) || !matches!(value, Value::Branch | Value::Page | Value::Absolute) {
            return refuse("there is no room for what is added to the symbol's address");
        }
        let first = info(ARM64_ADDEND, length, false, addend as u32 & ((1 << ADDEND_BITS) - 1));
        Ok(Some((RelocationInfo { r_extern: false, ..first }, Some(only))))
    }
}

/// The edge at the place of another that is wanted there.
fn at_place<'a>(reference: &Reference<'a>, wanted: impl Fn(&Edge) -> bool) -> Option<&'a Edge> {
    let edges = reference.graph.edges(reference.block);
    let from = edges.partition_point(|edge| edge.offset < reference.edge.offset);
    edges[from..].iter().take_while(|edge| edge.offset == reference.edge.offset).find(|edge| wanted(edge))
}

/// Whether an edge is a distance in data, which is written as one from the start of its block.
pub fn counts_from_start(graph: &LinkGraph, edge: &Edge, section: SectionKind) -> bool {
    let info = graph.arch().info(edge.kind);
    let in_data = section != SectionKind::Code || info.field == Field::Word64 || edge.kind == DISTANCE32;
    info.value == Value::Relative
        && matches!(info.field.size(), 4 | 8)
        && in_data
        && !matches!(info.field, Field::Code { .. })
}

/// The kind that stands for all of its sort: how the low bits of an address are scaled is seen in the instruction.
fn arm_kind(kind: EdgeKind) -> EdgeKind {
    use aarch64::*;
    match kind {
        ADD_LO12 | LDST8_LO12 | LDST16_LO12 | LDST32_LO12 | LDST64_LO12 | LDST128_LO12 => PAGEOFF12,
        ADRP_NC => ADRP,
        kind => kind,
    }
}
