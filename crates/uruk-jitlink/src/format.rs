//! A file format with an architecture: what relocation types are called, which is all that the rest of the linker has to
//! know of where a graph came from. Its readers ([`elf`] and others) know the rest.

use crate::arch::Architecture;
use crate::coff;
use crate::elf;
use crate::error::LinkError;
use crate::graph::{EdgeKind, LinkGraph};
use crate::input::Input;
use crate::interface::Interface;
use crate::names::Names;

/// A kind of object file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Container {
    /// The Executable and Linkable Format.
    Elf,
    /// The Common Object File Format, as Windows has it.
    Coff,
}

/// How functions are called, on an architecture that has more than one way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Convention {
    /// As Unix-like systems have it.
    Unix,
    /// As Windows has it.
    Windows,
}

impl Container {
    /// How functions of objects of this format call others and are called.
    pub fn convention(self) -> Convention {
        match self {
            Container::Coff => Convention::Windows,
            _ => Convention::Unix,
        }
    }
}

/// A format and an architecture.
pub struct Format {
    /// The format.
    pub container: Container,
    /// The architecture.
    pub arch: &'static Architecture,
    /// Both, as messages name them: `ELF x86-64`.
    pub name: &'static str,
    /// What the format calls a kind, for messages.
    pub relocation: fn(EdgeKind) -> &'static str,
}

/// Every format with an architecture.
pub static FORMATS: &[&Format] = &[
    &elf::x86_64::FORMAT,
    &elf::aarch64::FORMAT,
    &elf::riscv64::FORMAT,
    &elf::riscv32::FORMAT,
    &coff::x86_64::FORMAT,
    &coff::arm64::FORMAT,
];

impl Format {
    /// The format of a name.
    pub fn named(name: &[u8]) -> Option<&'static Format> {
        FORMATS.iter().copied().find(|format| format.name.as_bytes() == name)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Reads a whole object of any format.
pub fn read(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    if coff::is_coff(input) { coff::read(input, names) } else { elf::read(input, names) }
}

/// Reads what an object of any format offers and asks for.
pub fn interface(input: &Input, names: &Names) -> Result<Interface, LinkError> {
    if coff::is_coff(input) { coff::interface::read(input, names) } else { elf::interface::read(input, names) }
}
