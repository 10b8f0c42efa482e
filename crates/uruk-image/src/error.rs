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
    /// A graph cannot be made so.
    #[error(transparent)]
    Graph(#[from] EditError),
}

fn known(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", as `{}`", names.join("`, `")) }
}
