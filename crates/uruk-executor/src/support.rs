//! The objects that a static link adds to every program without being told, made in memory: `__dso_handle` and the
//! functions of `libc_nonshared.a`, each from its [`Template`].

use crate::lifecycle::{FLAGS, MACHINE, TEMPLATE_START, TEMPLATES, Template};
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, FileFlags, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

/// The object that defines a name, if there is one. Its symbol is hidden, so every dylib has its own.
pub fn object(name: &[u8]) -> Option<Vec<u8>> {
    if let Some((name, bytes)) = VARIABLES.iter().find(|(known, _)| known.as_bytes() == name) {
        return Some(variable(name, bytes));
    }
    TEMPLATES.iter().find(|template| template.name.as_bytes() == name).map(function)
}

/// What a linker defines for an executable: the variable whose address names a dylib; a dynamic section and a file
/// header, of which there are none, so they are empty.
const VARIABLES: &[(&str, &[u8])] = &[
    ("__dso_handle", &[0; 8]),
    ("_DYNAMIC", &[0; 16]),
    ("__ehdr_start", &EMPTY_HEADER),
    ("__executable_start", &EMPTY_HEADER),
];

/// The header of a 64-bit little-endian ELF file without segments and sections.
const EMPTY_HEADER: [u8; 64] = {
    let mut header = [0; 64];
    let identity = *b"\x7fELF\x02\x01\x01";
    let mut at = 0;
    while at < identity.len() {
        header[at] = identity[at];
        at += 1;
    }
    header[16] = 3; // e_type: ET_DYN
    header[18] = MACHINE; // e_machine
    header[20] = 1; // e_version
    header[48] = FLAGS as u8; // e_flags
    header[52] = 64; // e_ehsize
    header
};

fn new_object() -> Object<'static> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        _ => Architecture::Riscv64,
    };
    let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    object.flags =
        FileFlags::Elf { os_abi: object::elf::OsAbi(0), abi_version: 0, e_flags: object::elf::FileFlags(FLAGS) };
    object
}

fn variable(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut object = new_object();
    let data = object.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
    object.append_section_data(data, bytes, 8);
    object.add_symbol(symbol(name, SymbolKind::Data, bytes.len() as u64, SymbolSection::Section(data)));
    object.write().expect("a section and a symbol are a valid object")
}

fn function(template: &Template) -> Vec<u8> {
    let mut object = new_object();
    let text = object.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    object.append_section_data(text, template.code, 16);
    let size = template.code.len() as u64;
    object.add_symbol(symbol(template.name, SymbolKind::Text, size, SymbolSection::Section(text)));
    for fixup in template.fixups {
        let target = match fixup.symbol {
            TEMPLATE_START => object.section_symbol(text),
            name => object.add_symbol(symbol(name, SymbolKind::Unknown, 0, SymbolSection::Undefined)),
        };
        let flags = RelocationFlags::Elf { r_type: object::elf::RelocationType(fixup.relocation) };
        let relocation = Relocation { offset: fixup.offset as u64, symbol: target, addend: fixup.addend, flags };
        object.add_relocation(text, relocation).expect("templates' fix-ups are valid");
    }
    object.write().expect("a template is a valid object")
}

fn symbol(name: &str, kind: SymbolKind, size: u64, section: SymbolSection) -> Symbol {
    let defined = section != SymbolSection::Undefined;
    Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size,
        kind,
        // Linkage scope is what ELF calls hidden.
        scope: if defined { SymbolScope::Linkage } else { SymbolScope::Unknown },
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}
