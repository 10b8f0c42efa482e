//! COFF objects.
//!
//! Source: PE Format, "COFF File Header", "Section Table", "COFF Relocations (Object Only)", "COFF Symbol Table", "COMDAT Sections",
//! "Auxiliary Format 3: Weak Externals"; for the alignment of common symbols GNU's directive `-aligncomm`.
//!
//! A COMDAT group stays one, led by its first symbol, as a linker drops what others have too together with its unwind records; of two
//! graphs' groups of one symbol the first is written. Weak symbols elsewhere are weak externals whose default is the
//! definition, or 0. Pointers `__imp_X` that the reader has made are left out, as import libraries have them; sections that are
//! not loaded are left out as well.

use super::sections::{Output, holds_addresses};
use super::symbols::{Symbol, Where};
use super::{Merged, Numbers, Reference};
use crate::error::Error;
use ::object::pe::{self, ComdatSelection, SymbolClass, SymbolSection, SymbolType, WeakExternSearch};
use ::object::write::coff::{AuxSymbolSection, AuxSymbolWeak, FileHeader, Name, Relocation, SectionHeader, Writer};
use foldhash::HashMap;
use std::borrow::Cow;
use uruk_jitlink::arch::{Field, Value};
use uruk_jitlink::graph::*;
use uruk_jitlink::{aarch64, coff, x86_64};

// Section flags.
const CNT_CODE: u32 = 0x20;
const CNT_DATA: u32 = 0x40;
const CNT_ZERO: u32 = 0x80;
const LNK_INFO: u32 = 0x200;
const LNK_REMOVE: u32 = 0x800;
const LNK_COMDAT: u32 = 0x1000;
const LNK_NRELOC_OVFL: u32 = 0x100_0000;
const MEM_EXECUTE: u32 = 0x2000_0000;
const MEM_READ: u32 = 0x4000_0000;
const MEM_WRITE: u32 = 0x8000_0000;
const ALIGN_SHIFT: u32 = 20;
/// 8192 bytes.
const MAX_ALIGN_LOG2: u8 = 13;
/// A section's number has 16 bits, of which the highest values mean something else.
const MAX_SECTIONS: usize = 0xfeff;
/// Relocations that are counted without help.
const MAX_RELOCATIONS: usize = 0xffff;

// Symbols.
const CLASS_EXTERNAL: u8 = 2;
const CLASS_STATIC: u8 = 3;
const CLASS_WEAK: u8 = 105;
const FUNCTION: u16 = 0x20;
const ABSOLUTE: u16 = 0xffff;
const SELECT_ANY: u8 = 2;
const SELECT_ASSOCIATIVE: u8 = 5;
/// Weak symbols are looked for nowhere but in objects, or stand for their default.
const SEARCH_NO_LIBRARY: u32 = 1;
const SEARCH_ALIAS: u32 = 3;
/// The strictest alignment that a common symbol has by its size alone.
const MAX_COMMON_ALIGN: u64 = 32;

/// Relocation types that the instruction decides between, or that stand for more than the kind that the reader makes of them.
const AMD64_REL32: u16 = 4;
const ARM64_PAGEOFFSET_12A: u16 = 6;
const ARM64_PAGEOFFSET_12L: u16 = 7;
const ARM64_SECREL_LOW12L: u16 = 0xb;
/// `add` and `sub` of AArch64.
const ADD_MASK: u32 = 0x1f00_0000;
const ADD: u32 = 0x1100_0000;

/// What a block's section is called here, and what it is for.
pub fn section<'a>(graph: &'a LinkGraph, block: &Block) -> Option<(Cow<'a, [u8]>, SectionKind)> {
    let kind = graph.section(block.section).kind;
    let name = graph.section_name(block.section);
    let usual: &[u8] = match kind {
        SectionKind::Unloaded => return None,
        _ if is_import(graph, block) => return None,
        _ if !name.is_empty() => name,
        SectionKind::Code => b".text",
        // The loader enters addresses in constants, too.
        SectionKind::ReadOnly | SectionKind::Scratch if holds_addresses(graph, block) => b".rdata",
        SectionKind::ReadOnly | SectionKind::Scratch => b".rdata",
        SectionKind::Data => b".data",
        SectionKind::Zero => b".bss",
        SectionKind::TlsData | SectionKind::TlsZero => b".tls$",
        SectionKind::EhFrame => b".eh_frame",
        SectionKind::Pdata => b".pdata",
        SectionKind::Functions(FunctionTable::Fini, _) => b".CRT$XPU",
        SectionKind::Functions(..) => b".CRT$XCU",
    };
    Some((usual.into(), kind))
}

/// Whether a block is a pointer that the reader has made for `__imp_X`.
fn is_import(graph: &LinkGraph, block: &Block) -> bool {
    graph.section_name(block.section) == b".idata$5" && matches!(block.content, Content::Made(_))
}
