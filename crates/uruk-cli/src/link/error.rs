//! What can go wrong in `uruk link` beside linking itself.

use std::io;
use std::path::PathBuf;

/// Why nothing was linked, checked or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag that does not exist.
    #[error("there is no flag `{flag}`{hint}; `uruk link --help` lists all")]
    UnknownFlag {
        /// As it was written.
        flag: String,
        /// What was probably meant, or nothing.
        hint: String,
    },
    /// A flag without the value it needs.
    #[error("`-{flag}` needs a value: {value}")]
    NoValue {
        /// The flag.
        flag: &'static str,
        /// What its value is called.
        value: &'static str,
    },
    /// A flag's value that it cannot have.
    #[error("`-{flag}` takes {wanted}, not `{found}`")]
    BadValue {
        /// The flag.
        flag: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given.
        found: String,
    },
    /// A flag that nothing is done for.
    #[error("`-{flag}` is not supported: {advice}")]
    Refused {
        /// The flag.
        flag: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// Flags that do not go together.
    #[error("{0}")]
    Combination(&'static str),
    /// A target that nothing is linked for.
    #[error("`-triple={triple}` is not a target that is linked for; these are: {known}")]
    UnknownTriple {
        /// The target.
        triple: String,
        /// What there is.
        known: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file whose content is not what the flag wants.
    #[error("`{}`: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A library that is in none of the folders.
    #[error("library `{library}` wants -l{name}, which is no -jd and in none of its folders: {searched}")]
    NoLibrary {
        /// Who wants it.
        library: String,
        /// Its name.
        name: String,
        /// Where it was looked for.
        searched: String,
    },
    /// A library that no `-jd` names.
    #[error("`-alias` names the library `{library}`, and no -jd does")]
    NoDylib {
        /// The name.
        library: String,
    },
    /// Files that rules could not tell apart.
    #[error("`{first}` and `{second}` have the same name, so that rules of -check cannot tell them apart")]
    SameName {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// No library defines the entry.
    #[error("Symbols not found: [ {entry} ]; it is the entry, which no library defines; `-entry` names another")]
    NoEntry {
        /// The entry.
        entry: String,
    },
    /// A rule is false, or there are none.
    #[error("some checks in `{}` failed", path.display())]
    Checks {
        /// The file with the rules.
        path: PathBuf,
    },
    /// A regular expression that is none.
    #[error("`-show-graphs={pattern}`: {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Linking or running failed.
    #[error(transparent)]
    Jit(#[from] uruk::Error),
}

impl From<uruk::orc::error::Error> for Error {
    fn from(error: uruk::orc::error::Error) -> Error {
        Error::Jit(error.into())
    }
}
