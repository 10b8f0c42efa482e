//! What a COFF section is for, from its characteristics and name.
//!
//! Sources: PE Format, "Section Flags", "Grouped Sections", "Special Sections"; Microsoft's "CRT initialization" for
//! `.CRT$X…`; the GNU conventions for `.ctors`.

use super::headers::Headers;
use crate::error::LinkError;
use crate::graph::{FunctionTable, Order, SectionKind};
use object::LittleEndian as LE;
use object::pe::ImageSectionHeader;

const CNT_CODE: u32 = 0x20;
const CNT_UNINITIALIZED_DATA: u32 = 0x80;
const LNK_INFO: u32 = 0x200;
const LNK_REMOVE: u32 = 0x800;
pub const LNK_COMDAT: u32 = 0x1000;
const TYPE_NO_PAD: u32 = 8;
const ALIGN_SHIFT: u32 = 20;
pub const LNK_NRELOC_OVFL: u32 = 0x100_0000;
const MEM_DISCARDABLE: u32 = 0x200_0000;
const MEM_EXECUTE: u32 = 0x2000_0000;
const MEM_WRITE: u32 = 0x8000_0000;

/// Tables of symbol indices that only linkers read, to say which functions calls may lead to.
const SYMBOL_TABLES: &[&[u8]] = &[b".gfids", b".giats", b".gljmp", b".gehcont", b".sxdata", b".llvm_addrsig"];

/// What a section of a name is for, or `None` where nothing of it is linked.
pub fn classify(
    headers: &Headers<'_>,
    header: &ImageSectionHeader,
    name: &[u8],
) -> Result<Option<SectionKind>, LinkError> {
    let flags = header.characteristics.get(LE).0;
    let (group, suffix) = split(name);
    if flags & (LNK_INFO | LNK_REMOVE | MEM_DISCARDABLE) != 0
        || SYMBOL_TABLES.contains(&group)
        || name.starts_with(b".debug")
    {
        return Ok(None);
    }
    let unsupported = |what, hint| LinkError::UnsupportedSection {
        file: headers.input.name().to_string(),
        section: String::from_utf8_lossy(name).into_owned(),
        what,
        hint,
    };
    let executable = flags & (CNT_CODE | MEM_EXECUTE) != 0;
    if flags & MEM_WRITE != 0 && executable {
        return Err(unsupported("is writable and executable", "give it one of the two flags only"));
    }
    let zero = flags & CNT_UNINITIALIZED_DATA != 0;
    Ok(Some(match group {
        b".pdata" => SectionKind::Pdata,
        b".eh_frame" => SectionKind::EhFrame,
        b".tls" if zero => SectionKind::TlsZero,
        b".tls" => SectionKind::TlsData,
        b".CRT" => match suffix {
            [b'X', b'I', rest @ ..] => initialisers(FunctionTable::Preinit, rest),
            [b'X', b'C', rest @ ..] => initialisers(FunctionTable::Init, rest),
            [b'X', b'P' | b'T', ..] => terminators(suffix),
            _ => {
                return Err(unsupported(
                    "holds functions that only Windows' C runtime calls, such as initialisers of thread-local variables",
                    "only `.CRT$XI…`, `.CRT$XC…`, `.CRT$XP…` and `.CRT$XT…` are run here",
                ));
            }
        },
        _ if is_table(name, b".ctors") => backwards(FunctionTable::Init, name),
        _ if is_table(name, b".dtors") => backwards(FunctionTable::Fini, name),
        _ if zero => SectionKind::Zero,
        _ if executable => SectionKind::Code,
        _ if flags & MEM_WRITE != 0 => SectionKind::Data,
        _ => SectionKind::ReadOnly,
    }))
}

/// The name of the image's section that a section becomes a part of, and what orders it there.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|byte| *byte == b'$') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, b""),
    }
}

/// Groups whose parts compilers name, so that their order across objects says nothing to programs, or is another one's.
const COMPILERS: &[&[u8]] = &[
    b".text",
    b".data",
    b".rdata",
    b".bss",
    b".xdata",
    b".pdata",
    b".tls",
    b".CRT",
    b".idata",
    b".edata",
    b".debug",
    b".eh_frame",
    b".ctors",
    b".dtors",
    b".drectve",
    b".gfids",
    b".giats",
    b".gljmp",
    b".gehcont",
    b".sxdata",
    b".rsrc",
];

/// The group of a section's name and what orders it there, where programs may rely on the order across objects.
pub fn group_of(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (group, place) = split(name);
    (group.len() < name.len() && !COMPILERS.contains(&group)).then_some((group, place))
}

/// Base-2 logarithm of a section's alignment; `None` if it has no meaning.
pub fn align_log2(header: &ImageSectionHeader) -> Option<u8> {
    let flags = header.characteristics.get(LE).0;
    match (flags >> ALIGN_SHIFT) & 15 {
        0 if flags & TYPE_NO_PAD != 0 => Some(0),
        0 => Some(4),
        15 => None,
        bits => Some(bits as u8 - 1),
    }
}

/// A table of functions that run in the order of the rest of their sections' names, compared as bytes.
fn initialisers(table: FunctionTable, rest: &[u8]) -> SectionKind {
    SectionKind::Functions(table, Order { priority: priority(rest), backwards: false })
}

/// Pre-terminators (`XP`) and terminators (`XT`) run in the order of their names too, where finalisers usually run in the
/// reverse of theirs.
fn terminators(suffix: &[u8]) -> SectionKind {
    let late = u32::from(suffix[1] == b'T') << 25;
    let priority = (1 << 26) - (late | priority(&suffix[2..]));
    SectionKind::Functions(FunctionTable::Fini, Order { priority, backwards: true })
}

/// A number below 2^25 that orders names as their bytes do: a letter, and behind it a number of up to five digits (`T00101`) or up to
/// two other characters (`AA`).
fn priority(rest: &[u8]) -> u32 {
    let character = |at: usize| u32::from(rest.get(at).copied().unwrap_or(0) & 0x7f);
    let tail = rest.get(1..).unwrap_or_default();
    let number = std::str::from_utf8(tail).ok().and_then(|digits| digits.parse::<u32>().ok());
    let tail = match number {
        Some(number) => 1 + number.min(0xfffe),
        None => character(1) << 11 | character(2) << 4,
    };
    character(0) << 18 | tail
}

fn is_table(name: &[u8], table: &[u8]) -> bool {
    name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

/// A table that runs from its last entry to its first; `.ctors.65434` at 65535 - 65434.
fn backwards(table: FunctionTable, name: &[u8]) -> SectionKind {
    let number = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u32>().ok());
    let priority = number.map_or(65_536, |number| 65_535u32.saturating_sub(number));
    SectionKind::Functions(table, Order { priority, backwards: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_functions_are_ordered_as_their_names_are() {
        let names: &[&[u8]] = &[b"A", b"A00001", b"A00199", b"AA", b"AB", b"C", b"L", b"T00400", b"T65534", b"U", b"Z"];
        let priorities: Vec<u32> = names.iter().map(|name| priority(name)).collect();
        assert!(priorities.is_sorted_by(|a, b| a < b), "{priorities:?}");
    }

    #[test]
    fn names_have_a_group_and_an_order() {
        assert_eq!(split(b".text$mn"), (&b".text"[..], &b"mn"[..]));
        assert_eq!(split(b".rdata$.refptr.a$b"), (&b".rdata"[..], &b".refptr.a$b"[..]));
        assert_eq!(split(b".text"), (&b".text"[..], &b""[..]));
        assert_eq!(group_of(b".mine$m"), Some((&b".mine"[..], &b"m"[..])));
        assert_eq!((group_of(b".mine"), group_of(b".rdata$r")), (None, None));
    }
}
