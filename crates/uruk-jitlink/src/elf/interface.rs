//! What an object offers and asks for, read without its sections and relocations: enough to define its symbols.

use super::headers::{Headers, SymbolSection};
use super::read::MAX_ALIGN;
use super::strings::unversioned;
use crate::error::LinkError;
use crate::graph::{Binding, Definition, LinkGraph, SymbolKind, Visibility};
use crate::input::Input;
use crate::names::{Name, Names};
use object::LittleEndian as LE;
use object::elf::Sym64;

/// How strongly an object defines a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strength {
    /// Not at all.
    Undefined,
    /// Not at all, and it may stay so.
    UndefinedWeak,
    /// Unless somebody else does.
    Weak,
    /// As room that the linker makes, whose size and alignment [`Interface::common`] gives.
    Common,
    /// For good.
    Strong,
    /// For itself only: a local symbol that a pass has added, or one that a pass has dropped.
    Local,
}

impl Strength {
    /// Whether others can be bound to it.
    pub fn defines(self) -> bool {
        matches!(self, Strength::Weak | Strength::Common | Strength::Strong)
    }
}

/// A symbol that other objects may see.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// Its name, without a default version.
    pub name: Name,
    /// Whether and how it is defined.
    pub strength: Strength,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
    /// One definition for the whole process (`STB_GNU_UNIQUE`).
    pub unique: bool,
}

/// What a symbol of a graph counts for in [`Interface::cost`]: about as much as its part of an object's tables.
const COST_PER_SYMBOL: usize = 64;

/// An object's symbols.
pub struct Interface {
    /// The object.
    pub input: Input,
    /// Its symbols from the first global one on, in the order of its symbol table.
    pub globals: Vec<Global>,
    /// Position among the globals, size and alignment of the common ones, in order.
    commons: Vec<(u32, u64, u64)>,
    /// Its size in sections, symbols and bytes is worth a thread of its own from some point on.
    pub cost: usize,
}

impl Interface {
    /// The size and the alignment that this object wants for a common symbol, given by its position.
    pub fn common(&self, position: usize) -> (u64, u64) {
        let found = self.commons.binary_search_by_key(&(position as u32), |(position, ..)| *position);
        found.map_or((0, 1), |at| (self.commons[at].1, self.commons[at].2))
    }

    /// How many of its globals it defines.
    pub fn defined(&self) -> usize {
        self.globals.iter().filter(|global| global.strength.defines()).count()
    }

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
        Ok(Interface { input: input.clone(), globals, commons, cost: input.len() })
    }

    /// The symbols of a graph that a compiler has made.
    pub fn made(graph: &LinkGraph, names: &Names) -> Interface {
        let none = Interface { input: graph.input.clone(), globals: Vec::new(), commons: Vec::new(), cost: 0 };
        Interface { cost: graph.made.len() + COST_PER_SYMBOL * graph.symbols.len(), ..none.edited(graph, names) }
    }

    /// The same with the symbols that passes have added to the object's graph behind its own, and without what they
    /// have dropped: one global for each symbol of the graph from its first global one on.
    pub fn edited(&self, graph: &LinkGraph, names: &Names) -> Interface {
        let mut globals = self.globals.clone();
        globals.reserve_exact(graph.symbols.len() - graph.first_global.0 as usize - globals.len());
        for (position, (id, symbol)) in graph.globals().enumerate() {
            let local = symbol.binding == Binding::Local;
            if let Some(global) = globals.get_mut(position) {
                if local {
                    global.strength = Strength::Local;
                }
                continue;
            }
            let strength = match (symbol.definition, symbol.binding) {
                (_, Binding::Local) => Strength::Local,
                (Definition::Undefined, Binding::Weak) => Strength::UndefinedWeak,
                (Definition::Undefined, _) => Strength::Undefined,
                (_, Binding::Weak | Binding::Unique) => Strength::Weak,
                _ => Strength::Strong,
            };
            // Local names are not interned.
            let name = names.intern(if local { b"" } else { graph.symbol_name(id) });
            let unique = symbol.binding == Binding::Unique;
            globals.push(Global { name, strength, visibility: symbol.visibility, kind: symbol.kind, unique });
        }
        Interface { input: self.input.clone(), globals, commons: self.commons.clone(), cost: self.cost }
    }
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
