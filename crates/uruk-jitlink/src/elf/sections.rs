//! What an ELF section is for, from its type, flags and name.
//!
//! Sources: gABI 4.3, "Section Attributes"; psABI x86-64, §4.2 "Sections"; the GNU conventions for `.ctors`,
//! `.gnu.lto_*` and `SHF_GNU_RETAIN`.

use super::headers::Headers;
use crate::error::LinkError;
use crate::graph::{FunctionTable, Order, Section, SectionKind};
use object::LittleEndian as LE;
use object::elf::SectionHeader64;

pub const SHT_PROGBITS: u32 = 1;
pub const SHT_RELA: u32 = 4;
pub const SHT_NOTE: u32 = 7;
pub const SHT_NOBITS: u32 = 8;
pub const SHT_REL: u32 = 9;
pub const SHT_INIT_ARRAY: u32 = 14;
pub const SHT_FINI_ARRAY: u32 = 15;
pub const SHT_PREINIT_ARRAY: u32 = 16;
pub const SHT_GROUP: u32 = 17;
pub const SHT_CREL: u32 = 0x4000_0014;
const SHT_X86_64_UNWIND: u32 = 0x7000_0001;
const SHT_LLVM_BITCODE: u32 = 0x6fff_4c0c;

const SHF_WRITE: u64 = 1;
pub const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
pub const SHF_LINK_ORDER: u64 = 0x80;
const SHF_GROUP: u64 = 0x200;
const SHF_TLS: u64 = 0x400;
pub const SHF_COMPRESSED: u64 = 0x800;
const SHF_GNU_RETAIN: u64 = 0x20_0000;
const SHF_X86_64_LARGE: u64 = 0x1000_0000;
pub const SHF_EXCLUDE: u64 = 0x8000_0000;

/// What a section is for, or `None` where nothing of it is linked.
pub fn classify(headers: &Headers<'_>, header: &SectionHeader64<LE>) -> Result<Option<Section>, LinkError> {
    let flags = header.sh_flags.get(LE).0;
    if flags & SHF_ALLOC == 0 || flags & SHF_EXCLUDE != 0 {
        return Ok(None);
    }
    let range = headers.string(&headers.section_names, header.sh_name.get(LE))?;
    let name = &headers.bytes[range.clone()];
    let kind = header.sh_type.get(LE).0;
    let unsupported = |what, hint| LinkError::UnsupportedSection {
        file: headers.input.name().to_string(),
        section: String::from_utf8_lossy(name).into_owned(),
        what,
        hint,
    };
    if flags & SHF_COMPRESSED != 0 {
        return Err(unsupported("is loaded and compressed, which the gABI forbids", "compile it again"));
    }
    if flags & SHF_WRITE != 0 && flags & SHF_EXECINSTR != 0 {
        return Err(unsupported("is writable and executable", "give it one of the two flags only"));
    }
    let use_ = match kind {
        SHT_NOBITS if flags & SHF_TLS != 0 => SectionKind::TlsZero,
        SHT_NOBITS => SectionKind::Zero,
        SHT_PREINIT_ARRAY => SectionKind::Functions(FunctionTable::Preinit, order(name, false)),
        SHT_INIT_ARRAY => SectionKind::Functions(FunctionTable::Init, order(name, false)),
        SHT_FINI_ARRAY => SectionKind::Functions(FunctionTable::Fini, order(name, false)),
        // Only the static linker reads it.
        SHT_NOTE if name == b".note.gnu.property" => return Ok(None),
        SHT_PROGBITS | SHT_NOTE | SHT_X86_64_UNWIND => match name {
            b".eh_frame" => SectionKind::EhFrame,
            b".init" | b".fini" => {
                return Err(unsupported(
                    "is a piece of a function that only a C library's start files may hold",
                    "leave crti.o and crtn.o out, as initialisers run without them, or use .init_array",
                ));
            }
            _ if is_table(name, b".ctors") => SectionKind::Functions(FunctionTable::Init, order(name, true)),
            _ if is_table(name, b".dtors") => SectionKind::Functions(FunctionTable::Fini, order(name, true)),
            _ if flags & SHF_TLS != 0 => SectionKind::TlsData,
            _ if flags & SHF_EXECINSTR != 0 => SectionKind::Code,
            _ if flags & SHF_WRITE != 0 => SectionKind::Data,
            _ => SectionKind::ReadOnly,
        },
        SHT_LLVM_BITCODE => return Ok(None),
        _ => return Err(unsupported("is loaded but of an unknown type", "report the compiler that made it")),
    };
    Ok(Some(Section {
        name: range.start as u32..range.end as u32,
        kind: use_,
        large: flags & SHF_X86_64_LARGE != 0,
        retain: is_retained(kind, flags, name),
    }))
}

/// What GNU ld keeps without a reference, besides tables of functions: `_bfd_elf_gc_sections`, and the `KEEP` lines of
/// its default script.
fn is_retained(kind: u32, flags: u64, name: &[u8]) -> bool {
    let note = kind == SHT_NOTE && flags & (SHF_GROUP | SHF_LINK_ORDER) == 0;
    flags & SHF_GNU_RETAIN != 0 || note || name == b".jcr"
}

fn is_table(name: &[u8], table: &[u8]) -> bool {
    name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

/// The order that a section's name asks for: `.init_array.00101` runs at 101, `.ctors.65434` at 65535 - 65434.
fn order(name: &[u8], backwards: bool) -> Order {
    let number = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u32>().ok());
    let priority = match number {
        Some(number) if backwards => 65_535u32.saturating_sub(number),
        Some(number) => number.min(65_535),
        None => 65_536,
    };
    Order { priority, backwards }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_come_from_names() {
        assert_eq!(order(b".init_array", false).priority, 65_536);
        assert_eq!(order(b".init_array.00101", false).priority, 101);
        assert_eq!(order(b".ctors.65434", true).priority, 101);
        assert!(is_table(b".ctors", b".ctors") && is_table(b".ctors.5", b".ctors") && !is_table(b".ctorsx", b".ctors"));
    }
}
