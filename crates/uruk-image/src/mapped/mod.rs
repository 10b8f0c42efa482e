//! Uruk's own images: a file that is mapped into a running process in one piece, relocated, and used at once.
//!
//! Data flow: graphs → one linked image, with a list of what only its loader knows (`write.rs`) → a file (`file.rs`, `contents.rs`) → one
//! mapping (`region.rs`), relocations, thread-local variables, unwind records, initialisers (`load.rs`) → what has changed since, as an
//! image that builds on it (`base.rs`).
//! Memory: pages of the file, private to the process; those that nothing is relocated in and nobody writes to stay the file's, and are
//! shared by all processes.
//! Invariants: a file that was truncated, altered, or made for another version, architecture or stamp is refused before any of it is used;
//! no word of it is trusted that was not checked.

mod base;
mod contents;
mod error;
mod file;
mod load;
mod program;
mod region;
mod write;

pub use base::{Base, Changes};
pub use contents::{Change, Exported, Imported, Kind, Needed, Stamp};
pub use error::{MappedError, Problem};
pub use load::{Find, LoadOptions, Mapped};
pub use program::run_program;
/// Where an image is loaded: this process, with options of memory that images do not need.
pub use uruk_executor::in_process::InProcess;
pub use uruk_executor::memory::Options as MemoryOptions;
pub use write::write_mapped;

pub(crate) use file::{machine_name, read};
pub(crate) use load::BASE;

use crate::closure::Share;
use crate::library::Library;

/// How a mappable image is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct MappedOptions<'a> {
    /// The function that begins a program.
    pub main: Option<&'a str>,
    /// Where symbols are that the image does not define, in the order in which they are looked for.
    pub libraries: &'a [Library],
    /// What is kept, with all that it refers to; everything that others can see, if not given.
    pub roots: Option<&'a [String]>,
    /// Folders where its libraries are looked for before they are in the system's, with `:` between them; `$ORIGIN` stands for the folder
    /// where the image is. A library that the process has loaded is not looked for.
    pub run_path: Option<&'a str>,
    /// Where it is mapped if nothing else is there: its own pointers need no relocation then. A multiple of 64 KiB, and of whatever
    /// something in it is aligned to.
    pub address: Option<u64>,
    /// What who loads it has to say, too: the version of a runtime.
    pub stamp: &'a str,
    /// The layout of the client's types, which who loads it has to have, too.
    pub layout: Option<[u8; 32]>,
    /// Libraries have to be the very builds that it was made with, not only define the same symbols.
    pub same_builds: bool,
    /// How much each root keeps, for who looks at the image.
    pub shares: &'a [Share],
    /// What it changes in the image that it builds on, whose [`Base::library`] is one of the libraries.
    pub changes: &'a [Change],
    /// Names of functions, for backtraces, and debug information are left out.
    pub strip: bool,
}

/// Whether a file begins as a mappable image does.
pub fn is_mapped(head: &[u8]) -> bool {
    head.starts_with(&file::MAGIC)
}
