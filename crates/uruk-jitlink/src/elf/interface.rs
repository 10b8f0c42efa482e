//! What an ELF object offers and asks for, read without its sections and relocations.

use super::headers::{Headers, SymbolSection};
use super::read::MAX_ALIGN;
use super::strings::unversioned;
use crate::error::LinkError;
use crate::graph::{Binding, SymbolKind, Visibility};
use crate::input::Input;
use crate::interface::{Global, Interface, Strength};
use crate::names::{Name, Names};
use object::LittleEndian as LE;
use object::elf::Sym64;

/// Reads an object's symbols.
pub fn read(input: &Input, names: &Names) -> Result<Interface, LinkError> {
    let headers = Headers::parse(input)?;
    let symbols = &headers.symbols[headers.first_global..];
    let mut globals = Vec::with_capacity(symbols.len());
    let mut hashed = names.hashing(headers.bytes, symbols.len());
    let mut commons = Vec::new();
    for (index, symbol) in (headers.first_global..).zip(symbols) {
        let name = unversioned(headers.symbol_name(symbol)?);
        // GCC marks objects that hold nothing but its own intermediate code.
        if name == b"__gnu_lto_slim" {
            return Err(LinkError::WrongFile {
                file: input.name().to_string(),
                found: "GCC's intermediate code, which holds no machine code".into(),
                hint: "compile without -flto, or with -ffat-lto-objects",
            });
        }
        hashed.push(headers.strings.start as u32 + symbol.st_name.get(LE), name.len() as u32);
        let attributes = attributes(symbol);
        let strength = match (headers.symbol_section(index, symbol)?, attributes.binding) {
            (SymbolSection::Undefined, Binding::Weak) => Strength::UndefinedWeak,
            (SymbolSection::Undefined, _) => Strength::Undefined,
            (SymbolSection::Common { .. }, _) => {
                let (size, align) = (symbol.st_size.get(LE), symbol.st_value.get(LE).max(1));
                if !align.is_power_of_two() || MAX_ALIGN < align {
                    let place = headers.symbol_at(index);
                    return Err(headers.malformed(place, "a common symbol whose alignment is no power of two"));
                }
                commons.push((globals.len() as u32, size, align));
                Strength::Common
            }
            (_, Binding::Weak | Binding::Unique) => Strength::Weak,
            _ => Strength::Strong,
        };
        let unique = attributes.binding == Binding::Unique;
        let (visibility, kind) = (attributes.visibility, attributes.kind);
        globals.push(Global { name: Name::UNKNOWN, strength, visibility, kind, unique });
    }
    for (global, name) in globals.iter_mut().zip(names.intern_all(hashed)) {
        global.name = name;
    }
    let format = headers.machine.format;
    Ok(Interface { globals, commons, cost: input.len(), ..Interface::of(input.clone(), format) })
}

/// A symbol's binding, visibility and kind.
pub struct Attributes {
    /// How it binds.
    pub binding: Binding,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
}

/// Decodes `st_info` and `st_other`.
pub fn attributes(symbol: &Sym64<LE>) -> Attributes {
    let binding = match symbol.st_info.0 >> 4 {
        0 => Binding::Local,
        2 => Binding::Weak,
        10 => Binding::Unique,
        _ => Binding::Global,
    };
    // STV_INTERNAL promises more than STV_HIDDEN, nothing that a linker acts on.
    let visibility = match symbol.st_other.0 & 3 {
        0 => Visibility::Default,
        3 => Visibility::Protected,
        _ => Visibility::Hidden,
    };
    let kind = match symbol.st_info.0 & 15 {
        1 | 5 => SymbolKind::Object,
        2 => SymbolKind::Function,
        3 => SymbolKind::Section,
        4 => SymbolKind::File,
        6 => SymbolKind::ThreadLocal,
        10 => SymbolKind::Indirect,
        _ => SymbolKind::None,
    };
    Attributes { binding, visibility, kind }
}
