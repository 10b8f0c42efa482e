//! A file format with an architecture: what relocation types are called, which is all that the rest of the linker has to
//! know of where a graph came from. Its readers ([`elf`] and others) know the rest.

use crate::arch::{Architecture, DIFFERENCE32, DIFFERENCE64, NOTHING};
use crate::coff;
use crate::elf;
use crate::error::LinkError;
use crate::graph::{EdgeKind, LinkGraph};
use crate::input::Input;
use crate::interface::Interface;
use crate::macho;
use crate::macho::machine::Does;
use crate::macho::universal;
use crate::names::Names;
use std::borrow::Cow;

/// A kind of object file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Container {
    /// The Executable and Linkable Format.
    Elf,
    /// Darwin's Mach-O.
    MachO,
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
            Container::Elf | Container::MachO => Convention::Unix,
        }
    }

    /// The group of a section whose parts are ordered by their names across objects, and what its part is called.
    pub fn group_of(self, section: &[u8]) -> Option<(&[u8], &[u8])> {
        match self {
            Container::Coff => coff::group_of(section),
            Container::Elf | Container::MachO => None,
        }
    }

    /// What the session calls what an object of this format calls so: the name that a C source has for it. Compilers
    /// for Darwin put an underscore before those; what has none is named in assembly, and gets a byte before it that
    /// no other name begins with.
    pub fn session_name(self, name: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Container::Elf | Container::Coff => name.into(),
            Container::MachO => match name.strip_prefix(b"_") {
                Some(name) => name.into(),
                None => [b"\x01", name].concat().into(),
            },
        }
    }

    /// The other way round: what an object of this format calls what the session calls so.
    pub fn object_name(self, name: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Container::Elf | Container::Coff => name.into(),
            Container::MachO => match name.strip_prefix(b"\x01") {
                Some(name) => name.into(),
                None => [b"_", name].concat().into(),
            },
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
    &macho::x86_64::FORMAT,
    &macho::arm64::FORMAT,
    &coff::x86_64::FORMAT,
    &coff::arm64::FORMAT,
];

impl Format {
    /// The format of a name.
    pub fn named(name: &[u8]) -> Option<&'static Format> {
        FORMATS.iter().copied().find(|format| format.name.as_bytes() == name)
    }

    /// The relocation types that are linked: for each its number, its name and the kind that it stands for. Behind the
    /// number of one of Mach-O comes the logarithm of its field's length, times 256, since what it stands for depends on it.
    pub fn relocations(&self) -> Vec<(u32, &'static str, EdgeKind)> {
        match self.container {
            Container::Elf => {
                let machine = elf::Machine::of_arch(self.arch);
                machine.map_or(&[][..], |machine| machine.relocs).to_vec()
            }
            Container::MachO => {
                let machine = macho::machine::MACHINES.iter().find(|machine| machine.format == self);
                machine.map_or(&[][..], |machine| machine.relocs).iter().filter_map(macho_relocation).collect()
            }
            Container::Coff => {
                let machine = coff::Machine::of_format(self);
                let relocs = machine.map_or(&[][..], |machine| machine.relocs).iter();
                relocs.map(|reloc| (reloc.number.into(), reloc.name, reloc.kind)).collect()
            }
        }
    }

    /// How the functions of an object pass numbers, where objects that differ in it cannot be linked with each other.
    pub fn abi(&self, object: &Input) -> Option<&'static str> {
        match self.container {
            Container::Elf => elf::Machine::of_arch(self.arch)?.abi_of(object),
            _ => None,
        }
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

fn macho_relocation(reloc: &macho::machine::Reloc) -> Option<(u32, &'static str, EdgeKind)> {
    let kind = match reloc.does {
        Does::Refer(kind) | Does::ReferToSymbol(kind) => kind,
        Does::Subtract => [DIFFERENCE32, DIFFERENCE64][usize::from(reloc.length == 3)],
        Does::Add => NOTHING,
        Does::Refuse(_) => return None,
    };
    Some((u32::from(reloc.number) | u32::from(reloc.length) << 8, reloc.name, kind))
}

/// The format that a file's first bytes stand for; ELF, whose reader says what others are, if none is known.
pub fn container(bytes: &[u8]) -> Container {
    match bytes {
        [0xcf, 0xfa, 0xed, 0xfe, ..] => Container::MachO,
        bytes if coff::is_coff(bytes) => Container::Coff,
        _ => Container::Elf,
    }
}

pub use universal::{is_universal, slice, slices};

/// Reads a whole object of any format.
pub fn read(input: &Input, names: &Names) -> Result<LinkGraph, LinkError> {
    match container(input) {
        Container::Elf => elf::read(input, names),
        Container::MachO => macho::read(input, names),
        Container::Coff => coff::read(input, names),
    }
}

/// Reads what an object of any format offers and asks for.
pub fn interface(input: &Input, names: &Names) -> Result<Interface, LinkError> {
    match container(input) {
        Container::Elf => elf::interface::read(input, names),
        Container::MachO => macho::interface::read(input, names),
        Container::Coff => coff::interface::read(input, names),
    }
}
