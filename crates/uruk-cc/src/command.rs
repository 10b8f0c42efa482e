//! Compilers' command lines.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{Error, Flags, Language};

/// A compiler: a program, perhaps with arguments of its own (`CC="ccache gcc"`).
pub struct Compiler {
    language: Language,
    /// The environment variable that chooses it.
    variable: &'static str,
    words: Vec<OsString>,
}

impl Compiler {
    /// The compiler of a language: what the environment says, else what the system calls it.
    pub fn of(language: Language) -> Compiler {
        let (variable, default) = match language {
            Language::C | Language::Assembler => ("CC", "cc"),
            Language::Cxx => ("CXX", "c++"),
            Language::Rust => ("RUSTC", "rustc"),
            Language::Fortran => ("FC", "gfortran"),
        };
        let chosen = std::env::var_os(variable).filter(|value| !value.is_empty());
        let words = match chosen.as_deref().map(|value| (value, value.to_str())) {
            // As make and others do: blanks separate words.
            Some((_, Some(text))) if !text.trim().is_empty() => text.split_whitespace().map(OsString::from).collect(),
            Some((value, None)) => vec![value.to_owned()],
            _ => vec![OsString::from(default)],
        };
        Compiler { language, variable, words }
    }

    /// The program with its own arguments only.
    pub fn start(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }

    /// The command that makes an object of a source.
    pub fn compile(&self, source: &Path, object: &Path, flags: &Flags) -> Command {
        let mut command = self.start();
        match self.language {
            Language::Rust => rust_arguments(&mut command, flags),
            _ => {
                command.arg("-c").args(self.c_arguments(flags));
            }
        }
        command.arg("-o").arg(object).arg(source);
        command
    }

    /// The command that writes what the compiler would read of a source and all that it includes. Of C and C++ only.
    pub fn preprocess(&self, source: &Path, flags: &Flags) -> Command {
        let mut command = self.start();
        command.arg("-E").args(self.c_arguments(flags)).arg(source);
        command
    }

    /// The flags for this language, which is not Rust.
    pub fn c_arguments(&self, flags: &Flags) -> Vec<OsString> {
        let optimize = flags.optimize.iter().map(|level| joined("-O", level));
        let debug = flags.debug.iter().map(|level| joined("-g", level));
        let others = flags.c.iter().filter(|flag| takes(self.language, flag)).cloned();
        optimize.chain(debug).chain(others).collect()
    }

    /// The error for a program that cannot be started.
    pub fn missing(&self, command: String, source: io::Error) -> Error {
        Error::NoCompiler { program: self.words[0].clone(), name: self.variable, command, source }
    }
}

/// No crate type is given: it would win over the source's own `#![crate_type]`, and a program is the default.
fn rust_arguments(command: &mut Command, flags: &Flags) {
    command.args(["--emit=obj", "-C", "prefer-dynamic", "-C", "panic=unwind", "-C", "codegen-units=1"]);
    // Given twice it is an error; without it rustc takes that of 2015.
    if !flags.rust.iter().any(|flag| flag.as_encoded_bytes().starts_with(b"--edition")) {
        command.arg("--edition=2024");
    }
    if let Some(level) = &flags.optimize {
        let level = match level.to_str().unwrap_or_default() {
            "" => "2",
            "fast" => "3",
            "g" => "1",
            other => other,
        };
        command.arg("-C").arg(format!("opt-level={level}"));
    }
    if flags.debug.as_ref().is_some_and(|level| level != "0") {
        command.arg("-g");
    }
    command.args(&flags.rust);
}

/// Whether a flag concerns a language: a standard is one language's, and sources of several may be given together.
fn takes(language: Language, flag: &OsStr) -> bool {
    let Some(standard) = flag.to_str().and_then(|flag| flag.strip_prefix("-std=")) else { return true };
    let cxx = standard.contains("++");
    let fortran = standard.starts_with('f') || standard == "legacy";
    match language {
        Language::Cxx => cxx,
        Language::Fortran => fortran || standard == "gnu",
        Language::C | Language::Assembler => !cxx && !fortran,
        Language::Rust => false,
    }
}

fn joined(flag: &str, value: &OsStr) -> OsString {
    let mut whole = OsString::from(flag);
    whole.push(value);
    whole
}

/// A command as one would type it.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quote = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_gets_its_own_flags() {
        let flags = Flags {
            optimize: Some("g".into()),
            debug: Some("3".into()),
            c: vec!["-std=c++20".into(), "-DX=a b".into(), "-std=c99".into()],
            rust: vec!["--edition=2021".into()],
        };
        let check = |language, want: &str| {
            let command = Compiler::of(language).compile(Path::new("s"), Path::new("o"), &flags);
            let text = line_without_program(&command);
            assert_eq!(text, want);
        };
        check(Language::C, "-c -Og -g3 '-DX=a b' -std=c99 -o o s");
        check(Language::Cxx, "-c -Og -g3 -std=c++20 '-DX=a b' -o o s");
        check(
            Language::Rust,
            "--emit=obj -C prefer-dynamic -C panic=unwind -C codegen-units=1 -C opt-level=1 -g --edition=2021 -o o s",
        );
    }

    /// The environment may choose other compilers.
    fn line_without_program(command: &Command) -> String {
        let line = line(command);
        line[line.find(" -").unwrap() + 1..].to_owned()
    }
}
