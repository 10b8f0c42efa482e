//! The objects that a static link adds to every program without being told, made in memory: `__dso_handle` and the
//! functions of `libc_nonshared.a`, each from its [`Template`].

use crate::lifecycle::{TEMPLATES, Template, TemplateFixupKind};
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

/// Name and bytes of each object. Their symbols are hidden, so every dylib has its own.
pub fn objects() -> Vec<(String, Vec<u8>)> {
    let templates = TEMPLATES.iter().map(|template| (template.name.to_string(), function(template)));
    std::iter::once(("__dso_handle".to_string(), dso_handle())).chain(templates).collect()
}

/// The variable whose address names a dylib.
fn dso_handle() -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let data = object.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
    object.append_section_data(data, &[0; 8], 8);
    object.add_symbol(symbol("__dso_handle", SymbolKind::Data, 8, SymbolSection::Section(data)));
    object.write().expect("a section and a symbol are a valid object")
}

fn function(template: &Template) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let text = object.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    object.append_section_data(text, template.code, 16);
    let size = template.code.len() as u64;
    object.add_symbol(symbol(template.name, SymbolKind::Text, size, SymbolSection::Section(text)));
    for fixup in template.fixups {
        let target = object.add_symbol(symbol(fixup.symbol, SymbolKind::Unknown, 0, SymbolSection::Undefined));
        let r_type = match fixup.kind {
            TemplateFixupKind::Pc32 => object::elf::R_X86_64_PC32,
            TemplateFixupKind::Plt32 => object::elf::R_X86_64_PLT32,
        };
        let flags = RelocationFlags::Elf { r_type };
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
