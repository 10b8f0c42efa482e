//! COFF: relocatable objects of Windows, `/bigobj` ones too, and members of import libraries, to interfaces and link graphs.
//!
//! [`interface`] reads what an object defines and needs; [`read`] makes the whole graph; both go by the same `symbols`.
//! Each architecture has a file that maps its relocation types to edge kinds, in a [`machine`] table.
//!
//! What differs from a static link. Libraries that objects name (`/defaultlib`) are not looked for: whoever links says what
//! there is. An address that is loaded through `__imp_X` is that of an import library's `__imp_X` if there is one, else of a
//! pointer to `X` in the object's own memory, so that no import library is needed. Sections of one object are ordered by
//! what follows `$` in their names, those of different objects that are linked together only where they hold initialisers or
//! where no compiler gives such names by itself. What is relative to the
//! image (`__ImageBase`) is relative to one address of the session, at which no image header lies.
//!
//! Sources: "PE Format" (Microsoft); `link.exe`'s documented options for directives; trials with `lld-link`.

pub mod arm64;
mod directives;
mod edges;
mod headers;
pub mod import;
pub mod interface;
pub mod machine;
mod read;
mod sections;
mod symbols;
pub mod x86_64;
mod xdata;

pub use machine::Machine;
pub use read::read;
pub use sections::group_of;

/// What the image's start is called.
pub const IMAGE_BASE: &[u8] = b"__ImageBase";

/// What a pointer to an imported function or variable is called, before the name of what it points to.
pub const IMPORT_PREFIX: &[u8] = b"__imp_";

/// Whether bytes begin as an object or an import library's member for a known machine does.
pub fn is_coff(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes.get(at..at + 2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    match word(0) {
        // Big objects and members of import libraries.
        Some(0) => word(2) == Some(0xffff),
        Some(machine) => Machine::of(machine).is_some(),
        None => false,
    }
}
