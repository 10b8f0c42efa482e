//! What can be wrong with what a client says, and with a world that is to be frozen.

use crate::mapped::MappedError;
use crate::proof::Finding;
use uruk_jitlink::edit::EditError;
use uruk_jitlink::error::LinkError;

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
    /// A pointer has an entry already, for something else.
    #[error("an entry for the pointer at {field:#x} to {to}: it points to {known} already; remove that entry first")]
    SecondEntry {
        /// The pointer.
        field: u64,
        /// What it is to point to.
        to: String,
        /// What its entry says.
        known: String,
    },
    /// A name stands for something already.
    #[error("`{name}` at {address:#x}: there is one of that name at {other:#x}")]
    Named {
        /// The name.
        name: String,
        /// What it is to stand for.
        address: u64,
        /// What it stands for.
        other: u64,
    },
    /// One of several cannot be added, and so none is.
    #[error("{list}[{index}]: {cause}")]
    Batch {
        /// What the list is called.
        list: &'static str,
        /// Which of it.
        index: usize,
        /// Why not.
        cause: Box<Error>,
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
    /// Words of the program would be wrong in an image.
    #[error("{}", lines(.findings))]
    Findings {
        /// They.
        findings: Vec<Finding>,
    },
    /// The memory of this process, or what it has mapped, cannot be looked at.
    #[error("this process cannot look at itself: {0}")]
    Process(std::io::Error),
    /// There is more data than one area of an image can have.
    #[error("an area of the image is larger than 4 GiB; let fewer roots keep objects")]
    Large,
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
    /// There is nothing to make an image of.
    #[error("an image of nothing: there is neither code nor data")]
    Empty,
    /// An object cannot be in an image.
    #[error("{object}: {what}")]
    Object {
        /// The object.
        object: String,
        /// What is wrong.
        what: String,
    },
    /// Two objects define the same.
    #[error("`{symbol}` is defined by {first} and by {second}; make one of them weak or hidden, or leave one out")]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// One of them.
        first: String,
        /// The other one.
        second: String,
    },
    /// What the image refers to is nowhere.
    #[error("neither the image nor one of its libraries defines {}", undefined(.symbols))]
    Undefined {
        /// The symbols, each with an object that refers to it.
        symbols: Vec<(String, String)>,
    },
    /// A root is defined nowhere.
    #[error("no object of the image defines `{name}`, which is to be kept")]
    NoRoot {
        /// Its name.
        name: String,
    },
    /// A dylib has no graphs of what it has linked.
    #[error(
        "dylib `{dylib}` has kept the graph of no object; set `retain_graphs` when its JIT is made, and look up what the image is to have"
    )]
    NotRetained {
        /// Its name.
        dylib: String,
    },
    /// One name stands for two things.
    #[error(
        "`{symbol}` is one thing for {first} and another for {second}, and an image has one of each name; rename one of them"
    )]
    Ambiguous {
        /// The symbol.
        symbol: String,
        /// An object that refers to it, or defines it.
        first: String,
        /// Another one.
        second: String,
    },
    /// A field cannot be right wherever the image is loaded.
    #[error(
        "{place}: {kind} against `{symbol}` depends on where that is loaded, and no loader fills it; compile with -fPIC, or give the image a fixed address"
    )]
    Field {
        /// Where.
        place: String,
        /// The relocation.
        kind: &'static str,
        /// What it is about.
        symbol: String,
    },
    /// Something is to hold the address of a thread-local variable.
    #[error("{place}: `{symbol}` is a thread-local variable, which has an address in each thread and none in an image")]
    ThreadLocal {
        /// Where.
        place: String,
        /// The variable.
        symbol: String,
    },
    /// A pointer to a function leads to a variable.
    #[error(
        "{object}: `{symbol}` is a variable where it is defined, and a pointer to a function leads there; describe it as one to data"
    )]
    NoFunction {
        /// What has the pointer.
        object: String,
        /// The variable.
        symbol: String,
    },
    /// An unwind record makes no sense.
    #[error("{place}: an unwind record that makes no sense")]
    Unwind {
        /// Where.
        place: String,
    },
    /// A library cannot be read.
    #[error("library {library}: {reason}")]
    Library {
        /// Its file.
        library: String,
        /// Why not.
        reason: String,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Option(String),
    /// A lazy function cannot be linked.
    #[error(transparent)]
    Session(uruk_orc::error::Error),
    /// The file of an image cannot be read.
    #[error(transparent)]
    Mapped(#[from] MappedError),
    /// An image cannot be linked.
    #[error(transparent)]
    Link(#[from] LinkError),
}

fn lines(findings: &[Finding]) -> String {
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    all.join("\n")
}

fn known(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", as `{}`", names.join("`, `")) }
}

fn undefined(symbols: &[(String, String)]) -> String {
    let all: Vec<String> = symbols.iter().map(|(name, object)| format!("`{name}` (for {object})")).collect();
    all.join(", ")
}
