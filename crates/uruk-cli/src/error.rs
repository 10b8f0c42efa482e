//! What can go wrong before the linker has its work. Each message is one line unless it lists places.

use std::io;
use std::path::PathBuf;

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No command was given.
    #[error("no command given; `uruk run FILE...` links files and runs them, `uruk --help` tells more")]
    NoCommand,
    /// A command that does not exist.
    #[error("there is no command `{name}`{hint}; the commands are: {existing}")]
    UnknownCommand {
        /// What was given.
        name: String,
        /// What was probably meant, with its own punctuation, or nothing.
        hint: String,
        /// The commands there are.
        existing: String,
    },
    /// An option that does not exist.
    #[error("there is no option `{option}`{hint}; `uruk run --help` lists all")]
    UnknownOption {
        /// The option as written.
        option: String,
        /// What was probably meant, with its own punctuation, or nothing.
        hint: String,
    },
    /// An option without the value it needs, or with a value it does not take.
    #[error("{0}")]
    Option(#[from] lexopt::Error),
    /// An option's value that it cannot have.
    #[error("`{option}` takes {wanted}, not `{found}`")]
    BadValue {
        /// The option.
        option: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given.
        found: String,
    },
    /// A command that needs a file, without one, or with more than it takes.
    #[error("`uruk {command}` {problem}")]
    Files {
        /// The command.
        command: &'static str,
        /// What is wrong, as the end of a sentence.
        problem: &'static str,
    },
    /// A response file that cannot be read.
    #[error("cannot read the response file `{}`: {source}", path.display())]
    Response {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A response file with a quotation mark that is never closed.
    #[error("response file `{}`: the quotation mark {quote} of line {line} is never closed", path.display())]
    Quote {
        /// The file.
        path: PathBuf,
        /// The mark.
        quote: char,
        /// The line it is in, from 1.
        line: usize,
    },
    /// A response file that names itself.
    #[error("response file `{}` names itself, directly or through others", path.display())]
    ResponseCycle {
        /// The file.
        path: PathBuf,
    },
    /// An input that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input that is nothing the linker takes.
    #[error("`{}` is {found}; {advice}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// Text that is no source by its ending, and no linker script that can be understood.
    #[error("`{}` has no ending of a source that can be compiled, and is no linker script: line {line}: {problem}", path.display())]
    Script {
        /// The script.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Linker scripts that name each other in a circle.
    #[error("linker script `{}` names itself, directly or through others", path.display())]
    ScriptCycle {
        /// The script.
        path: PathBuf,
    },
    /// A library that no folder holds.
    #[error("cannot find the library {wanted}{hint}\n  looked in: {}", list(searched))]
    NoLibrary {
        /// The option and the file names it stands for.
        wanted: String,
        /// Near names, with their own punctuation, or nothing.
        hint: String,
        /// The folders, in order.
        searched: Vec<PathBuf>,
    },
    /// A source that was not compiled.
    #[error(transparent)]
    Compile(#[from] uruk_cc::Error),
    /// The language of `uruk repl` could not be set up.
    #[error(transparent)]
    Language(#[from] uruk_kaleidoscope::Error),
    /// The terminal does not do what line editing needs.
    #[error("cannot read what is typed: {0}")]
    Terminal(#[from] rustyline::error::ReadlineError),
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}
