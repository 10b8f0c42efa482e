//! Why an image cannot be mapped.

use std::io;

/// Why an image cannot be read or loaded.
#[derive(Debug, thiserror::Error)]
#[error("image {image}: {problem}")]
pub struct MappedError {
    /// Its file.
    pub image: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with an image, or with the process that it is to be loaded into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read or mapped.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// It is another kind of file.
    #[error("it is no image of Uruk's; `uruk image build --mapped` writes such")]
    Kind,
    /// It was written in another version of the format.
    #[error("it has version {found} of the format, and this is version {known}; build it anew")]
    Version {
        /// The image's.
        found: u32,
        /// That of this library.
        known: u32,
    },
    /// It is for other processors.
    #[error("it is for {found}, and this process is for {here}")]
    Architecture {
        /// The image's.
        found: String,
        /// This process's.
        here: String,
    },
    /// It is shorter or longer than it says.
    #[error("it has {found} bytes, and was written with {wanted}; copy it anew")]
    Length {
        /// How many it has.
        found: u64,
        /// How many it says.
        wanted: u64,
    },
    /// Its bytes are not those that were written.
    #[error("it has been altered since it was written; copy it anew or build it anew")]
    Altered,
    /// It contradicts itself.
    #[error("it makes no sense: {0}")]
    Malformed(String),
    /// It was made by, or for, another program.
    #[error("it is stamped `{found}`, and `{wanted}` is wanted; build it anew")]
    Stamp {
        /// The image's stamp.
        found: String,
        /// The one that is wanted.
        wanted: String,
    },
    /// Its objects look different from those of the program that loads it.
    #[error("its types are laid out differently from those of this program; build it anew")]
    Layout,
    /// It changes another image, which is not the one that was given.
    #[error("it holds what has changed since {wanted}, and {found} was given; load that one first")]
    Base {
        /// The first bytes of the digest of the image that it builds on.
        wanted: String,
        /// Those of the one that was given, or that there is none.
        found: String,
    },
    /// A library is not the one that it was made with.
    #[error("library {library} is another build than the one it was made with; build it anew")]
    Library {
        /// Its name.
        library: String,
    },
    /// Symbols are not there.
    #[error("nobody here defines {}", listed(.0))]
    Undefined(Vec<String>),
    /// A symbol is something else than it was.
    #[error("`{symbol}` is {found} here, and was {wanted} when the image was made; build it anew")]
    Symbol {
        /// Its name.
        symbol: String,
        /// What it is here.
        found: String,
        /// What it was.
        wanted: String,
    },
    /// The process cannot have its thread-local variables, its unwind records, or one of its libraries.
    #[error("{0}")]
    Process(String),
    /// It was made without a function to begin with.
    #[error("it has no function to begin with; build it with one")]
    NoEntry,
}

impl Problem {
    /// The same, of the image of this name.
    pub fn of(self, image: &str) -> MappedError {
        MappedError { image: image.into(), problem: self }
    }
}

fn listed(symbols: &[String]) -> String {
    let quoted: Vec<String> = symbols.iter().map(|symbol| format!("`{symbol}`")).collect();
    quoted.join(", ")
}
