//! What can go wrong with objects that are loaded step by step.

use crate::error::LinkError;
use crate::memory::MemoryError;
use std::fmt;

/// A name that nothing defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The name.
    pub symbol: String,
    /// The object that refers to it.
    pub object: String,
    /// The section, and how far into it: `.text+0x12`. Empty where only a table entry needs it.
    pub place: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, referred to by {}({})", self.symbol, self.object, self.place)
    }
}

/// A step that could not be taken. Sections are where they were before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// An object could not be read, or a value does not fit its field at the addresses that sections have.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Memory could not be had or finished.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// An object needs what only a session does.
    #[error("{object}: {what}; add it to a session's dylib, which does that")]
    Unsupported {
        /// The object.
        object: String,
        /// What it has.
        what: &'static str,
    },
    /// Objects of two architectures or formats that call functions in two ways.
    #[error("{object} is for {found}, what was loaded before for {expected}; take another loader for it")]
    OtherTarget {
        /// The object.
        object: String,
        /// What it is for.
        found: &'static str,
        /// What the first object is for.
        expected: &'static str,
    },
    /// Two objects define the same symbol.
    #[error("`{symbol}` is defined in {first} and again in {second}; load one of them only")]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// The object that was loaded first.
        first: String,
        /// The other.
        second: String,
    },
    /// Names that neither an object nor the resolver knows, all of them.
    #[error("nothing defines {}", list(.0))]
    Unresolved(Vec<Missing>),
    /// A section has no address.
    #[error("section `{section}` of {object} has no address; map it, or allocate memory for all that is not mapped")]
    Unmapped {
        /// The object.
        object: String,
        /// The section.
        section: String,
    },
    /// An address that a section cannot have.
    #[error(
        "section `{section}` of {object} takes {size} bytes at a multiple of {align}, and cannot lie at {address:#x}"
    )]
    Unfit {
        /// The object.
        object: String,
        /// The section.
        section: String,
        /// Its size.
        size: u64,
        /// Its alignment.
        align: u64,
        /// The address.
        address: u64,
    },
    /// Two sections at one place.
    #[error("sections {first} and {second} both lie at {address:#x}; map one of them elsewhere")]
    Overlap {
        /// Section and object.
        first: String,
        /// The other.
        second: String,
        /// Where both lie.
        address: u64,
    },
    /// Something that was finalized is to be changed.
    #[error("{object} has been finalized, so its sections stay where they are; map them before")]
    Finalized {
        /// The object.
        object: String,
    },
    /// Something is to be finalized whose references are not those of its addresses.
    #[error("{object} has been loaded or mapped since references were last resolved; resolve them before finalizing")]
    Unsettled {
        /// The object.
        object: String,
    },
    /// A section of another loader.
    #[error("there is no such section here; ask this loader for its sections")]
    NoSection,
    /// The resolver's answers are not as many as the names.
    #[error("the resolver gave {found} answers for {wanted} names; mend it")]
    Answers {
        /// Answers.
        found: usize,
        /// Names.
        wanted: usize,
    },
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ")
}
