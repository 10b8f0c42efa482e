//! What can be wrong with what a client says, and with a world that is to be frozen.

use uruk_jitlink::edit::EditError;

/// Why a world cannot be described or frozen so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A type makes no sense.
    #[error("type `{name}`: {what}")]
    Type {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// An object or a cell cannot be added so.
    #[error("{what} at {address:#x}: {reason}")]
    Place {
        /// What was to be added.
        what: String,
        /// Where.
        address: u64,
        /// Why not.
        reason: String,
    },
    /// An entry for a pointer cannot be added so.
    #[error("an entry for the pointer at {field:#x} to {to}: {reason}")]
    Entry {
        /// The pointer.
        field: u64,
        /// What it is to point to.
        to: String,
        /// Why not.
        reason: String,
    },
    /// Nothing has that name.
    #[error("there is no root `{name}`; roots are cells that were added under a name{}", known(.names))]
    Root {
        /// The name.
        name: String,
        /// Some that there are.
        names: Vec<String>,
    },
    /// A pointer is none of its kind.
    #[error("{path}: {value:#x} is {reason}")]
    Pointer {
        /// The way from a root to the pointer.
        path: String,
        /// What it holds.
        value: u64,
        /// What is wrong.
        reason: String,
    },
    /// Memory of the program cannot be read.
    #[error("{path}: {size} bytes at {address:#x} cannot be read")]
    Unreadable {
        /// The way from a root.
        path: String,
        /// Where.
        address: u64,
        /// How many.
        size: u64,
    },
    /// There is more data than one area of an image can have.
    #[error("an area of the image is larger than 4 GiB; let fewer roots keep objects")]
    Large,
    /// An object file is to be made of nothing.
    #[error("an object file is to be made of no graphs; give it one at least")]
    NoGraphs,
    /// Graphs cannot be in one object file.
    #[error("{first} and {other} cannot be in one object file; write one for each")]
    Mixed {
        /// One, and what it is.
        first: String,
        /// Another, and what it is.
        other: String,
    },
    /// A graph has something that no image can have.
    #[error("{object}: {what} cannot be in an image; leave out the plugin or the compiler's option that adds it")]
    NotInImage {
        /// The object.
        object: String,
        /// What it has.
        what: String,
    },
    /// Two graphs define the same symbol.
    #[error("`{symbol}` is defined in {first} and again in {second}; leave one of them out or make one weak")]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// The object that comes first.
        first: String,
        /// The other one.
        second: String,
    },
    /// Something refers to what was dropped.
    #[error("{place}: refers to `{symbol}`, which has been dropped; keep it, or drop both")]
    Dropped {
        /// The object, the section and the offset there.
        place: String,
        /// What it refers to.
        symbol: String,
    },
    /// A format cannot say what a place refers to.
    #[error("{place}: {format} has no relocation for {kind} to `{symbol}`; {reason}")]
    Relocation {
        /// The object, the section and the offset there.
        place: String,
        /// The format.
        format: &'static str,
        /// What is computed and how it is stored.
        kind: String,
        /// What it refers to.
        symbol: String,
        /// What to do.
        reason: String,
    },
    /// An object file has more of something than its format can count.
    #[error("the object file would have {found} {what}, and {format} counts {most} at most; write several")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there can be.
        most: usize,
        /// The format.
        format: &'static str,
    },
    /// A graph cannot be made so.
    #[error(transparent)]
    Graph(#[from] EditError),
}

fn known(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", as `{}`", names.join("`, `")) }
}
