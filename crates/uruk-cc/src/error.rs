//! Why a source was not compiled.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file whose ending is that of no language.
    #[error("`{}` has no ending of a source that can be compiled, as .c or .cpp", path.display())]
    Language {
        /// The file.
        path: PathBuf,
    },
    /// A compiler that could not be started.
    #[error("cannot start the compiler `{}`: {source}\n  command: {command}\n  the environment variable {name} chooses another", program.display())]
    NoCompiler {
        /// The program.
        program: OsString,
        /// The environment variable that chooses it.
        name: &'static str,
        /// The whole command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A compiler that failed.
    #[error("compiling `{}` failed ({status})\n  command: {command}{}", path.display(), after(diagnostics))]
    Compiler {
        /// The source.
        path: PathBuf,
        /// How the compiler ended.
        status: ExitStatus,
        /// The whole command line.
        command: String,
        /// What the compiler said, unless it has said so to our standard error.
        diagnostics: String,
    },
    /// The Rust toolchain has no shared standard library where it says its libraries are.
    #[error("the Rust toolchain has no `libstd-*.so` in `{}`; programs from .rs files need it", folder.display())]
    NoRustStd {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder for objects could not be made.
    #[error("cannot make a temporary folder for compiled sources: {0}")]
    Temporary(io::Error),
}

fn after(diagnostics: &str) -> String {
    match diagnostics.trim_end() {
        "" => String::new(),
        text => format!("\n{text}"),
    }
}
