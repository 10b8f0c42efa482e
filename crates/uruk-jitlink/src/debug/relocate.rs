//! Relocation of debug sections: addresses of code and data, offsets in other debug sections, thread-local offsets.

use super::sections::{Outputs, Piece, debug_section};
use super::write::Symbols;
use super::{Origin, Places};
use crate::arch::Value;
use crate::ehframe;
use crate::elf::Headers;
use crate::elf::headers::SymbolSection;
use crate::elf::machine::Class;
use crate::elf::relocations::{self, Raw};
use crate::elf::sections::{SHT_CREL, SHT_RELA, classify};
use crate::error::LinkError;
use crate::fixup::DROPPED;
use crate::graph::{SectionKind, SymbolId};
use crate::input::Input;
use object::LittleEndian as LE;
use object::elf::Sym64;

const STT_SECTION: u8 = 3;
const STT_FILE: u8 = 4;
const STT_TLS: u8 = 6;

/// A loaded section, as the link graph has a block for it.
pub struct Loaded {
    pub kind: SectionKind,
    pub size: u64,
    pub address: u64,
}

/// What a section of the object has become.
#[derive(Clone, Copy)]
enum Fate {
    /// A block that is loaded, or was dropped: an index of the object's blocks.
    Loaded(usize),
    /// A part of one of the image's sections.
    Debug(Piece),
    /// Loaded, and a part of one of the image's sections.
    Unwind(usize, Piece),
    /// Nothing.
    None,
}

/// An object whose debug sections are being relocated.
pub struct Object<'a> {
    headers: Headers<'a>,
    pub places: &'a Places,
    pub origin: Origin,
    pub blocks: Vec<Loaded>,
    /// Bytes of the file that no debug section has taken so far.
    left: u64,
    /// By section index.
    fates: Vec<Fate>,
}

impl<'a> Object<'a> {
    /// Parses an object again and takes its debug sections over.
    pub fn parse(
        input: &'a Input,
        places: &'a Places,
        origin: Origin,
        outputs: &mut Outputs,
    ) -> Result<Self, LinkError> {
        let headers = Headers::parse(input)?;
        let left = input.len() as u64;
        let mut object = Object { headers, places, origin, blocks: Vec::new(), left, fates: Vec::new() };
        for index in 0..object.headers.sections.len() {
            let fate = object.take(index, outputs)?;
            object.fates.push(fate);
        }
        Ok(object)
    }

    /// The number of its machine (`e_machine`).
    pub fn machine(&self) -> u16 {
        self.headers.machine.number
    }

    fn take(&mut self, index: usize, outputs: &mut Outputs) -> Result<Fate, LinkError> {
        let header = &self.headers.sections[index];
        let Some(section) = classify(&self.headers, header)? else {
            let Some((name, bytes)) = debug_section(&self.headers, header)? else { return Ok(Fate::None) };
            // A small file could otherwise have an image of any size, by naming the same bytes often.
            let left = self.left.checked_sub(header.sh_size.get(LE));
            self.left = left.ok_or_else(|| {
                self.headers.malformed(header.sh_offset.get(LE), "a debug section that overlaps others")
            })?;
            return Ok(Fate::Debug(outputs.append(&name, &bytes, 0)));
        };
        // As the graph's reader does: a block for each section that it classifies, in this order.
        let index = self.blocks.len();
        let address = match self.places.blocks.get(index) {
            None | Some(&DROPPED) => DROPPED,
            Some(offset) if section.kind.is_thread_local() => *offset,
            Some(address) => address.wrapping_sub(self.origin.base),
        };
        let moved = self.places.moved.as_ref().and_then(|moved| moved.blocks.get(index));
        let size = moved.copied().unwrap_or(header.sh_size.get(LE));
        self.blocks.push(Loaded { kind: section.kind, size, address });
        if section.kind != SectionKind::EhFrame || address == DROPPED {
            return Ok(Fate::Loaded(index));
        }
        let bytes = &self.headers.input[self.headers.range(header)?];
        // A terminator would hide the records of the next object.
        let end = ehframe::records(bytes).ok().and_then(|records| records.last().map(|last| last.range.end));
        Ok(Fate::Unwind(index, outputs.append(b".eh_frame", &bytes[..end.unwrap_or(0)], address)))
    }

    /// Applies the relocations of the object's parts of the image.
    pub fn relocate(&self, outputs: &mut Outputs) -> Result<(), LinkError> {
        let mut left = self.headers.bytes.len() as u64;
        for header in self.headers.sections.iter() {
            let kind = header.sh_type.get(LE).0;
            if kind != SHT_RELA && kind != SHT_CREL {
                continue;
            }
            let fate = self.fates.get(header.sh_info.get(LE) as usize).copied().unwrap_or(Fate::None);
            let (piece, unwind) = match fate {
                Fate::Debug(piece) => (piece, false),
                Fate::Unwind(_, piece) => (piece, true),
                Fate::Loaded(_) | Fate::None => continue,
            };
            left = left
                .checked_sub(header.sh_size.get(LE))
                .ok_or_else(|| self.headers.malformed(header.sh_offset.get(LE), "relocations that overlap others"))?;
            let gone = match outputs.sections[piece.output].name.as_slice() {
                // Two zeros would end these lists; two ones are an empty range.
                b".debug_loc" | b".debug_ranges" => 1,
                _ => 0,
            };
            let address = outputs.address(piece);
            let section = Section { object: self, bytes: outputs.bytes(piece), address, gone };
            let headers = &self.headers;
            match headers.class {
                _ if kind == SHT_CREL => section.relocate(relocations::crel(headers, header)?, unwind)?,
                Class::Wide => section.relocate(relocations::rela(headers, header)?, unwind)?,
                Class::Narrow => section.relocate(relocations::narrow_rela(headers, header)?, unwind)?,
            }
        }
        Ok(())
    }

    /// The final value of a symbol, or `None` if what it stands for is not there.
    fn value(&self, index: u32) -> Result<Option<u64>, LinkError> {
        let Some(symbol) = self.headers.symbols.get(index as usize) else {
            return Err(self.headers.malformed(0, "a relocation to a symbol that does not exist"));
        };
        let elsewhere = &self.places.elsewhere;
        if let Ok(at) = elsewhere.binary_search_by_key(&SymbolId(index), |(id, _)| *id) {
            let known = Some(elsewhere[at].1).filter(|address| *address != 0 && *address != DROPPED);
            return Ok(known.map(|address| address.wrapping_sub(self.origin.base)));
        }
        let (value, _) = self.extent(index, symbol);
        Ok(match self.headers.symbol_section(index as usize, symbol)? {
            SymbolSection::Undefined if index == 0 => Some(0),
            SymbolSection::Undefined | SymbolSection::Common { .. } => None,
            SymbolSection::Absolute => Some(value),
            SymbolSection::Index(section) => match self.fates.get(section as usize) {
                Some(Fate::Loaded(block) | Fate::Unwind(block, _)) => {
                    Some(self.blocks[*block].address).filter(|address| *address != DROPPED)
                }
                Some(Fate::Debug(piece)) => Some(piece.start as u64),
                Some(Fate::None) | None => None,
            }
            .map(|address| address.wrapping_add(value)),
        })
    }

    /// A symbol's value and size, as they have become.
    fn extent(&self, index: u32, symbol: &Sym64<LE>) -> (u64, u64) {
        let moved = self.places.moved.as_ref().and_then(|moved| moved.symbols.get(index as usize));
        moved.copied().unwrap_or((symbol.st_value.get(LE), symbol.st_size.get(LE)))
    }

    /// Enters the object's symbols, local or global ones, in the image's table.
    pub fn add_symbols(&self, local: bool, symbols: &mut Symbols<'_>) -> Result<(), LinkError> {
        for (index, symbol) in (0u32..).zip(self.headers.symbols.iter()) {
            if local != ((index as usize) < self.headers.first_global) || !self.named(index, symbol)? {
                continue;
            }
            if let Some(value) = self.value(index)? {
                let attributes = (symbol.st_info.0, symbol.st_other.0);
                let (_, size) = self.extent(index, symbol);
                symbols.add(self.headers.symbol_name(symbol)?, value, attributes, size);
            }
        }
        Ok(())
    }

    /// Whether a symbol names something that lies at an address.
    fn named(&self, index: u32, symbol: &Sym64<LE>) -> Result<bool, LinkError> {
        if symbol.st_name.get(LE) == 0 || matches!(symbol.st_info.0 & 15, STT_SECTION | STT_FILE | STT_TLS) {
            return Ok(false);
        }
        Ok(match self.headers.symbol_section(index as usize, symbol)? {
            SymbolSection::Index(section) => {
                matches!(self.fates.get(section as usize), Some(Fate::Loaded(_) | Fate::Unwind(..)))
            }
            SymbolSection::Common { .. } => true,
            SymbolSection::Undefined | SymbolSection::Absolute => false,
        })
    }
}

/// An object's part of a section of the image.
struct Section<'a> {
    object: &'a Object<'a>,
    bytes: &'a mut [u8],
    address: u64,
    /// What a field holds that refers to something dropped.
    gone: i64,
}

impl Section<'_> {
    fn relocate(mut self, relocations: impl IntoIterator<Item = Raw>, unwind: bool) -> Result<(), LinkError> {
        let machine = self.object.headers.machine;
        let arch = machine.format.arch;
        let info_of = |raw: &Raw| machine.kind(raw.kind).map(|kind| arch.info(kind));
        let mut relocations = relocations.into_iter().peekable();
        while let Some(raw) = relocations.next() {
            let Some(info) = info_of(&raw) else { continue };
            // Of a difference, the second relocation comes right behind the first.
            let less = relocations.next_if(|next| {
                let subtrahend = info_of(next).is_some_and(|info| info.value == Value::Subtrahend);
                info.value == Value::Difference && subtrahend && next.offset == raw.offset
            });
            let start = usize::try_from(raw.offset).unwrap_or(usize::MAX);
            let size = info.field.size() as usize;
            let fits = start.checked_add(size).is_some_and(|end| end <= self.bytes.len());
            if !fits && unwind {
                // It belongs to the terminator that was cut off, or behind it.
                continue;
            }
            if !fits {
                return Err(self.object.headers.malformed(raw.offset, "a relocation that lies outside its section"));
            }
            let place = self.address.wrapping_add(raw.offset);
            if info.value == Value::ModuleOffset {
                self.relocate_thread_local(&raw, start, size)?;
                continue;
            }
            let value = match (info.value, less) {
                (Value::Difference, Some(less)) => {
                    let (first, second) =
                        (self.compute(Value::Absolute, &raw, 0)?, self.compute(Value::Absolute, &less, 0)?);
                    // Of what has gone, nothing is far from anything.
                    Some(first.zip(second).map_or(0, |(first, second)| first.wrapping_sub(second)))
                }
                _ => self.compute(info.value, &raw, place)?,
            };
            let done = value.is_some_and(|value| arch.encode(info.field, value, &mut self.bytes[start..]).is_ok());
            if !done && unwind {
                self.void_record(start, size);
            } else if !done {
                self.bytes[start..start + size].copy_from_slice(&self.gone.to_le_bytes()[..size]);
            }
        }
        Ok(())
    }

    fn compute(&self, value: Value, raw: &Raw, place: u64) -> Result<Option<i64>, LinkError> {
        let object = self.object;
        let sum = |base: u64| base.wrapping_add_signed(raw.addend) as i64;
        Ok(match value {
            Value::Absolute | Value::Difference => object.value(raw.symbol)?.map(sum),
            Value::Subtrahend => object.value(raw.symbol)?.map(|address| sum(address).wrapping_neg()),
            Value::Relative | Value::Branch => {
                object.value(raw.symbol)?.map(|address| sum(address).wrapping_sub(place as i64))
            }
            Value::Size => object.headers.symbols.get(raw.symbol as usize).map(|symbol| sum(symbol.st_size.get(LE))),
            _ => None,
        })
    }

    /// Stores where a thread-local variable lies in the storage that debuggers find: see [`Origin::threads`].
    fn relocate_thread_local(&mut self, raw: &Raw, start: usize, size: usize) -> Result<(), LinkError> {
        const DW_OP_CONST8U: u8 = 0x0e;
        /// Far from all memory, wherever a thread's storage is.
        const NOWHERE: u64 = 1 << 63;
        let offset = self.object.value(raw.symbol)?.zip(self.object.origin.threads);
        let offset = offset.map(|(value, origin)| value.wrapping_add(origin).wrapping_add_signed(raw.addend));
        let operation = start.checked_sub(1).map(|before| self.bytes[before]);
        // gcc relocates the lower half of an operand of eight bytes and writes zeros for the other.
        if operation == Some(DW_OP_CONST8U)
            && let Some(operand) = self.bytes.get_mut(start..start + 8)
        {
            operand.copy_from_slice(&offset.unwrap_or(NOWHERE).to_le_bytes());
            return Ok(());
        }
        let offset = offset.filter(|offset| size == 8 || *offset <= u64::from(u32::MAX));
        let nowhere = if size == 8 { NOWHERE } else { u64::from(u32::MAX) };
        self.bytes[start..start + size].copy_from_slice(&offset.unwrap_or(nowhere).to_le_bytes()[..size]);
        Ok(())
    }

    /// Makes a record whose function has gone describe nothing: no bytes, from here on.
    fn void_record(&mut self, start: usize, size: usize) {
        let end = (start + 2 * size).min(self.bytes.len());
        self.bytes[start..end].fill(0);
    }
}
