//! What sections, symbols and edges are, as numbers.

use crate::error::Failure;
use uruk_jitlink::arch;
use uruk_jitlink::graph::{Binding, FunctionTable, Order, SectionKind, SymbolKind, Visibility};

/// Machine code.
pub const URUK_SECTION_CODE: u32 = 0;
/// Constants.
pub const URUK_SECTION_RODATA: u32 = 1;
/// Variables with initial values.
pub const URUK_SECTION_DATA: u32 = 2;
/// Variables that start as zero.
pub const URUK_SECTION_ZERO: u32 = 3;
/// Initial values of thread-local variables.
pub const URUK_SECTION_TLS_DATA: u32 = 4;
/// Thread-local variables that start as zero.
pub const URUK_SECTION_TLS_ZERO: u32 = 5;
/// DWARF call-frame records.
pub const URUK_SECTION_EH_FRAME: u32 = 6;
/// Records of functions for Windows' unwinder.
pub const URUK_SECTION_PDATA: u32 = 7;
/// Pointers to functions that run before all initialisers.
pub const URUK_SECTION_PREINIT: u32 = 8;
/// Pointers to initialisers.
pub const URUK_SECTION_INIT: u32 = 9;
/// Pointers to finalisers.
pub const URUK_SECTION_FINI: u32 = 10;
/// What nobody needs once the batch is final, as what actions read; its memory goes then.
pub const URUK_SECTION_SCRATCH: u32 = 11;
/// Debug information and others that are not loaded.
pub const URUK_SECTION_UNLOADED: u32 = 12;

/// The symbol is defined elsewhere.
pub const URUK_SYMBOL_ELSEWHERE: u32 = 0;
/// At an offset of a block.
pub const URUK_SYMBOL_IN_BLOCK: u32 = 1;
/// At an address, or it is a number.
pub const URUK_SYMBOL_ABSOLUTE: u32 = 2;
/// The linker gives it room.
pub const URUK_SYMBOL_COMMON: u32 = 3;

/// Seen by its own object only.
pub const URUK_BINDING_LOCAL: u32 = 0;
/// One definition a dylib.
pub const URUK_BINDING_GLOBAL: u32 = 1;
/// Gives way to a global one; of one that is defined nowhere, the address is 0.
pub const URUK_BINDING_WEAK: u32 = 2;
/// Like weak, and one for the whole process.
pub const URUK_BINDING_UNIQUE: u32 = 3;

/// Other dylibs see it.
pub const URUK_VISIBILITY_DEFAULT: u32 = 0;
/// Other dylibs see it, but this one always uses its own.
pub const URUK_VISIBILITY_PROTECTED: u32 = 1;
/// Objects of its dylib see it.
pub const URUK_VISIBILITY_HIDDEN: u32 = 2;

/// Nobody says what the symbol stands for.
pub const URUK_TYPE_NONE: u32 = 0;
/// A function.
pub const URUK_TYPE_FUNCTION: u32 = 1;
/// A variable.
pub const URUK_TYPE_OBJECT: u32 = 2;
/// The start of a section.
pub const URUK_TYPE_SECTION: u32 = 3;
/// A thread-local variable.
pub const URUK_TYPE_THREAD_LOCAL: u32 = 4;
/// A function that returns the function to call.
pub const URUK_TYPE_INDIRECT: u32 = 5;
/// A source file's name.
pub const URUK_TYPE_FILE: u32 = 6;

/// A 64-bit address. Kinds of edges with a name here are those that every architecture has; others are to be taken from edges.
pub const URUK_EDGE_ABS64: u32 = 1;
/// A zero-extended 32-bit address.
pub const URUK_EDGE_ABS32: u32 = 2;
/// A sign-extended 32-bit address.
pub const URUK_EDGE_ABS32S: u32 = 3;
/// A 64-bit distance.
pub const URUK_EDGE_PC64: u32 = 6;
/// A 32-bit distance.
pub const URUK_EDGE_PC32: u32 = 7;
/// A 32-bit distance to a function or its stub, as of calls of x86-64.
pub const URUK_EDGE_BRANCH32: u32 = 10;
/// A 32-bit distance to a slot with the symbol's address.
pub const URUK_EDGE_GOTPCREL: u32 = 16;

const _: () = {
    assert!(arch::ABS64.0 as u32 == URUK_EDGE_ABS64);
    assert!(arch::ABS32.0 as u32 == URUK_EDGE_ABS32);
    assert!(arch::ABS32S.0 as u32 == URUK_EDGE_ABS32S);
    assert!(arch::PC64.0 as u32 == URUK_EDGE_PC64);
    assert!(arch::PC32.0 as u32 == URUK_EDGE_PC32);
    assert!(arch::BRANCH32.0 as u32 == URUK_EDGE_BRANCH32);
    assert!(arch::GOTPCREL.0 as u32 == URUK_EDGE_GOTPCREL);
};

/// Functions without a priority come behind those that have one.
const LAST: Order = Order { priority: 65_536, backwards: false };

/// Sections as they are added, by number.
const SECTIONS: [SectionKind; 13] = [
    SectionKind::Code,
    SectionKind::ReadOnly,
    SectionKind::Data,
    SectionKind::Zero,
    SectionKind::TlsData,
    SectionKind::TlsZero,
    SectionKind::EhFrame,
    SectionKind::Pdata,
    SectionKind::Functions(FunctionTable::Preinit, LAST),
    SectionKind::Functions(FunctionTable::Init, LAST),
    SectionKind::Functions(FunctionTable::Fini, LAST),
    SectionKind::Scratch,
    SectionKind::Unloaded,
];
const BINDINGS: [Binding; 4] = [Binding::Local, Binding::Global, Binding::Weak, Binding::Unique];
const VISIBILITIES: [Visibility; 3] = [Visibility::Default, Visibility::Protected, Visibility::Hidden];
const SYMBOLS: [SymbolKind; 7] = [
    SymbolKind::None,
    SymbolKind::Function,
    SymbolKind::Object,
    SymbolKind::Section,
    SymbolKind::ThreadLocal,
    SymbolKind::Indirect,
    SymbolKind::File,
];

fn position<T: PartialEq + Copy>(table: &[T], value: T) -> u32 {
    table.iter().position(|known| *known == value).unwrap_or_default() as u32
}

fn value<T: Copy>(table: &[T], number: u32, what: &str) -> Result<T, Failure> {
    let known = table.get(number as usize).copied();
    known.ok_or_else(|| Failure::invalid(format!("{number} is no {what}: there are {}, counted from 0", table.len())))
}

/// The number of a kind of sections.
pub(crate) fn section_kind(kind: SectionKind) -> u32 {
    match kind {
        SectionKind::Functions(table, _) => position(&SECTIONS, SectionKind::Functions(table, LAST)),
        kind => position(&SECTIONS, kind),
    }
}

/// The kind of sections of a number.
pub(super) fn section_kind_of(number: u32) -> Result<SectionKind, Failure> {
    value(&SECTIONS, number, "kind of sections")
}

/// The number of a binding.
pub(super) fn binding(binding: Binding) -> u32 {
    position(&BINDINGS, binding)
}

/// The binding of a number.
pub(super) fn binding_of(number: u32) -> Result<Binding, Failure> {
    value(&BINDINGS, number, "binding")
}

/// The number of a visibility.
pub(super) fn visibility(visibility: Visibility) -> u32 {
    position(&VISIBILITIES, visibility)
}

/// The visibility of a number.
pub(super) fn visibility_of(number: u32) -> Result<Visibility, Failure> {
    value(&VISIBILITIES, number, "visibility")
}

/// The number of a kind of symbols.
pub(crate) fn symbol_kind(kind: SymbolKind) -> u32 {
    position(&SYMBOLS, kind)
}

/// The kind of symbols of a number.
pub(super) fn symbol_kind_of(number: u32) -> Result<SymbolKind, Failure> {
    value(&SYMBOLS, number, "kind of symbols")
}
