//! What a Mach-O symbol is, from the fields of its entry.
//!
//! Source: `mach-o/nlist.h` of cctools.

use super::headers::Headers;
use super::sections;
use crate::error::LinkError;
use crate::graph::{Binding, SymbolKind, Visibility};
use object::LittleEndian as LE;
use object::macho::Nlist64;

const N_STAB: u8 = 0xe0;
const N_PEXT: u8 = 0x10;
const N_TYPE: u8 = 0x0e;
const N_EXT: u8 = 0x01;
const N_UNDF: u8 = 0;
const N_ABS: u8 = 2;
const N_INDR: u8 = 0xa;
const N_PBUD: u8 = 0xc;
const N_SECT: u8 = 0xe;

const N_NO_DEAD_STRIP: u16 = 0x20;
const N_WEAK_REF: u16 = 0x40;
const N_WEAK_DEF: u16 = 0x80;
const N_SYMBOL_RESOLVER: u16 = 0x100;
const N_ALT_ENTRY: u16 = 0x200;

/// The largest alignment that a common symbol has without saying so.
const MAX_COMMON_ALIGN: u64 = 1 << 12;

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Elsewhere.
    Undefined,
    /// Nowhere: a number.
    Absolute,
    /// In room that the linker makes.
    Common {
        /// Bytes.
        size: u64,
        /// A power of two.
        align: u64,
    },
    /// Where the symbol is whose name lies at this offset of the string table, in whatever object.
    Alias(u32),
    /// In the section of this index, at its value.
    Section(usize),
}

/// A symbol, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Other objects may see it.
    pub external: bool,
    /// Where it is defined.
    pub place: Place,
    /// How it binds.
    pub binding: Binding,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
    /// It is another entry to what the symbol before it names, not the start of something of its own.
    pub alternative: bool,
    /// What it names is kept although nothing refers to it.
    pub retain: bool,
}

/// Decodes a symbol; `None` for what only debuggers read.
pub fn entry(headers: &Headers<'_>, index: usize, raw: &Nlist64<LE>) -> Result<Option<Entry>, LinkError> {
    let (bits, description) = (raw.n_type.0, raw.n_desc.get(LE).0);
    if bits & N_STAB != 0 {
        return Ok(None);
    }
    let external = bits & N_EXT != 0;
    let size = raw.n_value.get(LE);
    let place = match bits & N_TYPE {
        N_UNDF if external && size != 0 => Place::Common { size, align: common_align(size, description) },
        N_UNDF | N_PBUD => Place::Undefined,
        N_ABS => Place::Absolute,
        N_SECT => Place::Section(headers.section(raw.n_sect.into(), headers.symbol_at(index))?),
        // A name for the object itself is one that only debuggers could ask for.
        N_INDR if !external => return Ok(None),
        N_INDR => {
            let past_end = || headers.malformed(headers.symbol_at(index), "another name of a symbol without one");
            Place::Alias(u32::try_from(size).ok().filter(|at| *at != 0).ok_or_else(past_end)?)
        }
        _ => return Err(headers.malformed(headers.symbol_at(index), "a symbol of an unknown type")),
    };
    let defined = place != Place::Undefined;
    let weak = if defined { description & N_WEAK_DEF } else { description & N_WEAK_REF } != 0;
    let binding = match (external, weak && !matches!(place, Place::Common { .. })) {
        (false, _) => Binding::Local,
        (true, true) => Binding::Weak,
        (true, false) => Binding::Global,
    };
    let visibility = if external && bits & N_PEXT != 0 { Visibility::Hidden } else { Visibility::Default };
    let kind = match place {
        Place::Section(_) if description & N_SYMBOL_RESOLVER != 0 => SymbolKind::Indirect,
        Place::Section(section) if sections::is_code(headers.sections[section]) => SymbolKind::Function,
        Place::Section(_) | Place::Common { .. } => SymbolKind::Object,
        Place::Undefined | Place::Absolute | Place::Alias(_) => SymbolKind::None,
    };
    Ok(Some(Entry {
        external,
        place,
        binding,
        visibility,
        kind,
        alternative: description & N_ALT_ENTRY != 0,
        retain: defined && description & N_NO_DEAD_STRIP != 0,
    }))
}

/// The alignment of a common symbol: as it says, or the largest that its size could make use of.
fn common_align(size: u64, description: u16) -> u64 {
    match description >> 8 & 0xf {
        0 => (1 << size.ilog2()).min(MAX_COMMON_ALIGN),
        log2 => 1 << log2,
    }
}
