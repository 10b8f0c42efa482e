//! Languages, told by the endings of files.

use std::path::Path;

/// A language that can be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// C.
    C,
    /// C++.
    Cxx,
    /// Assembler, through the C compiler.
    Assembler,
    /// Rust.
    Rust,
    /// Fortran.
    Fortran,
}

impl Language {
    /// The language of files with this ending, without its dot.
    pub fn of(ending: &str) -> Option<Language> {
        Some(match ending {
            "c" | "i" => Language::C,
            "cc" | "cpp" | "cxx" | "c++" | "C" | "ii" => Language::Cxx,
            "s" | "S" => Language::Assembler,
            "rs" => Language::Rust,
            "f" | "F" | "for" | "f77" | "f90" | "F90" | "f95" | "F95" | "f03" | "F03" | "f08" | "F08" => {
                Language::Fortran
            }
            _ => return None,
        })
    }

    /// The language of a file.
    pub fn of_file(path: &Path) -> Option<Language> {
        Language::of(path.extension()?.to_str()?)
    }
}
