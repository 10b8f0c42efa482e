//! What a Mach-O section is for, from its type, attributes and name, and how it is taken apart.
//!
//! Source: `mach-o/loader.h` of cctools, "section structure flags"; ld64's treatment of literals.

use super::headers::{Headers, RawSection};
use crate::error::LinkError;
use crate::graph::{FunctionTable, Order, SectionKind};
use object::LittleEndian as LE;

const S_REGULAR: u32 = 0;
const S_ZEROFILL: u32 = 1;
const S_CSTRING_LITERALS: u32 = 2;
const S_4BYTE_LITERALS: u32 = 3;
const S_8BYTE_LITERALS: u32 = 4;
const S_LITERAL_POINTERS: u32 = 5;
const S_MOD_INIT_FUNC_POINTERS: u32 = 9;
const S_MOD_TERM_FUNC_POINTERS: u32 = 10;
const S_COALESCED: u32 = 11;
const S_GB_ZEROFILL: u32 = 12;
const S_16BYTE_LITERALS: u32 = 14;
const S_DTRACE_DOF: u32 = 15;
const S_THREAD_LOCAL_REGULAR: u32 = 0x11;
const S_THREAD_LOCAL_ZEROFILL: u32 = 0x12;
const S_THREAD_LOCAL_VARIABLES: u32 = 0x13;
const S_INIT_FUNC_OFFSETS: u32 = 0x16;

const S_ATTR_PURE_INSTRUCTIONS: u32 = 0x8000_0000;
const S_ATTR_NO_DEAD_STRIP: u32 = 0x1000_0000;
const S_ATTR_DEBUG: u32 = 0x0200_0000;
const S_ATTR_SOME_INSTRUCTIONS: u32 = 0x400;

/// Where a section is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split {
    /// Nowhere.
    Whole,
    /// At symbols, if the object allows it.
    Symbols,
    /// Behind each zero byte.
    Strings,
    /// Into pieces of this size.
    Pieces(u64),
}

/// A section's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// What it is for.
    pub kind: SectionKind,
    /// How it is taken apart.
    pub split: Split,
    /// It is kept although nothing refers to it.
    pub retain: bool,
    /// Its parts describe thread-local variables.
    pub thread_variables: bool,
    /// It holds offsets of functions, of which a table of addresses is made.
    pub offsets: bool,
}

/// What a section is for, or `None` where nothing of it is linked.
pub fn classify(headers: &Headers<'_>, section: RawSection<'_>) -> Result<Option<Use>, LinkError> {
    let flags = section.header.flags.get(LE).0;
    let (kind, attributes) = (flags & 0xff, flags & !0xff);
    if attributes & S_ATTR_DEBUG != 0 || matches!(section.segment(), b"__DWARF" | b"__LLVM" | b"__LD") {
        return Ok(None);
    }
    let unsupported = |what, hint| LinkError::UnsupportedSection {
        file: headers.input.name().to_string(),
        section: String::from_utf8_lossy(&section.full_name()).into_owned(),
        what,
        hint,
    };
    let is_code = attributes & (S_ATTR_PURE_INSTRUCTIONS | S_ATTR_SOME_INSTRUCTIONS) != 0;
    let is_text = section.segment() == b"__TEXT";
    let constant =
        is_text || matches!(section.name(), b"__const" | b"__cstring") || section.segment() == b"__DATA_CONST";
    let plain = match (is_code, constant) {
        (true, _) => SectionKind::Code,
        (false, true) => SectionKind::ReadOnly,
        (false, false) => SectionKind::Data,
    };
    let order = Order { priority: NO_PRIORITY, backwards: false };
    let (kind, split) = match kind {
        S_REGULAR | S_COALESCED if is_text && section.name() == b"__eh_frame" => (SectionKind::EhFrame, Split::Whole),
        S_REGULAR | S_COALESCED | S_THREAD_LOCAL_VARIABLES => (plain, Split::Symbols),
        S_ZEROFILL | S_GB_ZEROFILL => (SectionKind::Zero, Split::Symbols),
        S_CSTRING_LITERALS => (SectionKind::ReadOnly, Split::Strings),
        S_4BYTE_LITERALS => (SectionKind::ReadOnly, Split::Pieces(4)),
        S_8BYTE_LITERALS => (SectionKind::ReadOnly, Split::Pieces(8)),
        S_16BYTE_LITERALS => (SectionKind::ReadOnly, Split::Pieces(16)),
        S_LITERAL_POINTERS => (plain, Split::Pieces(8)),
        S_MOD_INIT_FUNC_POINTERS | S_INIT_FUNC_OFFSETS => {
            (SectionKind::Functions(FunctionTable::Init, order), Split::Whole)
        }
        S_MOD_TERM_FUNC_POINTERS => (SectionKind::Functions(FunctionTable::Fini, order), Split::Whole),
        S_THREAD_LOCAL_REGULAR => (SectionKind::TlsData, Split::Symbols),
        S_THREAD_LOCAL_ZEROFILL => (SectionKind::TlsZero, Split::Symbols),
        S_DTRACE_DOF => return Ok(None),
        _ => return Err(unsupported("is of a type that is not linked", "compile for macOS 10.15 or later")),
    };
    let retain = attributes & S_ATTR_NO_DEAD_STRIP != 0;
    let (thread_variables, offsets) = (flags & 0xff == S_THREAD_LOCAL_VARIABLES, flags & 0xff == S_INIT_FUNC_OFFSETS);
    Ok(Some(Use { kind, split, retain, thread_variables, offsets }))
}

/// Whether a section holds instructions, for those who only look at symbols.
pub fn is_code(section: RawSection<'_>) -> bool {
    section.header.flags.get(LE).0 & (S_ATTR_PURE_INSTRUCTIONS | S_ATTR_SOME_INSTRUCTIONS) != 0
}

/// Tables of functions have no priorities here: compilers sort the functions of an object.
const NO_PRIORITY: u32 = 65_536;
