//! Files of 32 bits, whose structures are those of 64-bit files with narrower fields: they are converted up front, so that
//! everything else reads one kind of structure.
//!
//! Source: gABI 4.3, chapters "ELF Header", "Sections", "Symbol Table", "Relocation".

use object::elf::{FileHeader32, FileHeader64, Rela32, Rela64, SectionHeader32, SectionHeader64, Sym32, Sym64};
use object::{LittleEndian as LE, U32, U64, pod};

/// The width of a file's addresses (`EI_CLASS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// 32 bits.
    Narrow,
    /// 64 bits.
    Wide,
}

impl Class {
    /// Bytes of a section header.
    pub const fn section_header_size(self) -> usize {
        match self {
            Class::Narrow => size_of::<SectionHeader32<LE>>(),
            Class::Wide => size_of::<SectionHeader64<LE>>(),
        }
    }

    /// Bytes of a symbol.
    pub const fn symbol_size(self) -> usize {
        match self {
            Class::Narrow => size_of::<Sym32<LE>>(),
            Class::Wide => size_of::<Sym64<LE>>(),
        }
    }

    /// Bytes of a relocation with addend.
    pub const fn rela_size(self) -> usize {
        match self {
            Class::Narrow => size_of::<Rela32<LE>>(),
            Class::Wide => size_of::<Rela64<LE>>(),
        }
    }

    /// Where the size of section headers stands in the file header; the index of their names is four bytes behind it.
    pub const fn section_header_size_at(self) -> u64 {
        match self {
            Class::Narrow => 46,
            Class::Wide => 58,
        }
    }

    /// Where a file's flags (`e_flags`) stand in it.
    pub const fn flags_at(self) -> usize {
        match self {
            Class::Narrow => 36,
            Class::Wide => 48,
        }
    }

    /// The file header, unless the file ends before it does.
    pub fn file_header(self, bytes: &[u8]) -> Option<FileHeader64<LE>> {
        match self {
            Class::Wide => pod::from_bytes(bytes).ok().map(|(header, _)| *header),
            Class::Narrow => pod::from_bytes(bytes).ok().map(|(header, _)| file_header(header)),
        }
    }
}

fn wide(value: U32<LE>) -> U64<LE> {
    U64::new(LE, value.get(LE).into())
}

fn file_header(header: &FileHeader32<LE>) -> FileHeader64<LE> {
    FileHeader64 {
        e_ident: header.e_ident,
        e_type: header.e_type,
        e_machine: header.e_machine,
        e_version: header.e_version,
        e_entry: wide(header.e_entry),
        e_phoff: wide(header.e_phoff),
        e_shoff: wide(header.e_shoff),
        e_flags: header.e_flags,
        e_ehsize: header.e_ehsize,
        e_phentsize: header.e_phentsize,
        e_phnum: header.e_phnum,
        e_shentsize: header.e_shentsize,
        e_shnum: header.e_shnum,
        e_shstrndx: header.e_shstrndx,
    }
}

/// A section header in its wider form.
pub fn section_header(header: &SectionHeader32<LE>) -> SectionHeader64<LE> {
    SectionHeader64 {
        sh_name: header.sh_name,
        sh_type: header.sh_type,
        sh_flags: U64::new(LE, header.sh_flags.get_u64(LE)),
        sh_addr: wide(header.sh_addr),
        sh_offset: wide(header.sh_offset),
        sh_size: wide(header.sh_size),
        sh_link: header.sh_link,
        sh_info: header.sh_info,
        sh_addralign: wide(header.sh_addralign),
        sh_entsize: wide(header.sh_entsize),
    }
}

/// A symbol in its wider form.
pub fn symbol(symbol: &Sym32<LE>) -> Sym64<LE> {
    Sym64 {
        st_name: symbol.st_name,
        st_info: symbol.st_info,
        st_other: symbol.st_other,
        st_shndx: symbol.st_shndx,
        st_value: wide(symbol.st_value),
        st_size: wide(symbol.st_size),
    }
}
