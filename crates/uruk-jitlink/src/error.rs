//! What can go wrong while linking.

use crate::memory::MemoryError;

/// A link that failed. Each names the file and the place in it, what was found, and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Bytes that contradict their format.
    #[error("{file}: {what} at offset {offset:#x}: the file is damaged")]
    Malformed {
        /// The object.
        file: String,
        /// Offset in the object of the structure that is wrong.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file that is not what can be linked here.
    #[error("{file}: {found}; {hint}")]
    WrongFile {
        /// The file.
        file: String,
        /// What it is.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// A relocation type that is not known.
    #[error("{place}: relocation type {kind} is not supported")]
    UnsupportedRelocation {
        /// Where it stands.
        place: String,
        /// Its number.
        kind: u32,
    },
    /// A section that asks for something that is not done.
    #[error("{file}: section `{section}` {what}; {hint}")]
    UnsupportedSection {
        /// The object.
        file: String,
        /// The section.
        section: String,
        /// What it asks for.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// An option that an object gives the linker and that no linker knows.
    #[error("{file}: the linker option `{directive}` in section `.drectve` is unknown and has no effect")]
    UnknownDirective {
        /// The object.
        file: String,
        /// The option.
        directive: String,
    },
    /// An option that an object gives the linker and that is not followed.
    #[error(
        "{file}: the linker option `{directive}` in section `.drectve` is not followed here; remove what asks for it, such as `#pragma comment(linker, …)`"
    )]
    UnsupportedDirective {
        /// The object.
        file: String,
        /// The option.
        directive: String,
    },
    /// A fix-up value does not fit the field that its relocation type gives it.
    #[error("{place}: {kind} to `{symbol}` needs {value}, field holds {min}..={max}; {hint}")]
    OutOfRange {
        /// Where the field lies.
        place: String,
        /// The relocation type.
        kind: &'static str,
        /// What it refers to.
        symbol: String,
        /// The value that does not fit.
        value: i64,
        /// The smallest that would.
        min: i64,
        /// The largest that would.
        max: i64,
        /// What to do.
        hint: &'static str,
    },
    /// A fix-up value is no multiple of what its field counts in.
    #[error("{place}: {kind} to `{symbol}` needs {value:#x}, which is no multiple of {align}; {hint}")]
    Misaligned {
        /// Where the field lies.
        place: String,
        /// The relocation type.
        kind: &'static str,
        /// What it refers to.
        symbol: String,
        /// The value.
        value: i64,
        /// What it has to be a multiple of.
        align: i64,
        /// What to do.
        hint: &'static str,
    },
    /// A reference to something that was dropped: with its group, or by a pass.
    #[error(
        "{place}: refers to `{symbol}`, which was dropped, by a plugin or with its COMDAT group; in the latter case compile both objects with the same compiler and flags"
    )]
    Discarded {
        /// Where the reference stands.
        place: String,
        /// What it refers to.
        symbol: String,
    },
    /// A thread-local access to something that is not, or the other way round.
    #[error("{place}: {kind} to `{symbol}`: {what}")]
    ThreadLocal {
        /// Where the access stands.
        place: String,
        /// The relocation type.
        kind: &'static str,
        /// What it refers to.
        symbol: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The second part of a pair of relocations whose first part is not there.
    #[error("{place}: {kind} to `{symbol}`, where no relocation is that it could complete; compile the object again")]
    Unpaired {
        /// Where it stands.
        place: String,
        /// The relocation type.
        kind: &'static str,
        /// Where the first part should be.
        symbol: String,
    },
    /// The objects need more memory than addresses can name.
    #[error("{file}: the sizes of its sections overflow")]
    TooLarge {
        /// The object.
        file: String,
    },
    /// Memory could not be had.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
