//! What a Mach-O object offers and asks for, read without its relocations.

use super::headers::Headers;
use super::symbols::{Place, entry};
use crate::error::LinkError;
use crate::graph::Binding;
use crate::input::Input;
use crate::interface::{Alias, Global, Interface, Strength, Terms};
use crate::names::{Name, Names};
use object::LittleEndian as LE;

/// Reads an object's symbols.
pub fn read(input: &Input, names: &Names) -> Result<Interface, LinkError> {
    let headers = Headers::parse(input)?;
    let mut globals = Vec::new();
    let mut hashed = names.hashing(headers.bytes, headers.symbols.len());
    let mut commons = Vec::new();
    // Names without the prefix.
    let mut others = Vec::new();
    let mut aliases = Vec::new();
    for (index, raw) in headers.symbols.iter().enumerate() {
        let Some(symbol) = entry(&headers, index, raw)?.filter(|symbol| symbol.external) else { continue };
        let name = headers.symbol_name(raw)?;
        let start = headers.strings.start as u32 + raw.n_strx.get(LE);
        if name.starts_with(b"_") {
            hashed.push(start + 1, name.len() as u32 - 1);
        } else {
            hashed.push(start, name.len() as u32);
            others.push((globals.len(), name));
        }
        let strength = match (symbol.place, symbol.binding) {
            (Place::Undefined, Binding::Weak) => Strength::UndefinedWeak,
            (Place::Undefined, _) => Strength::Undefined,
            (Place::Common { size, align }, _) => {
                commons.push((globals.len() as u32, size, align));
                Strength::Common
            }
            (Place::Alias(target), binding) => {
                aliases.push((globals.len(), headers.name_at(target)?, binding == Binding::Weak));
                Strength::Undefined
            }
            (_, Binding::Weak) => Strength::Weak,
            _ => Strength::Strong,
        };
        let (visibility, kind) = (symbol.visibility, symbol.kind);
        globals.push(Global { name: Name::UNKNOWN, strength, visibility, kind, unique: false });
    }
    for (global, name) in globals.iter_mut().zip(names.intern_all(hashed)) {
        global.name = name;
    }
    let container = headers.machine.format.container;
    for (position, name) in others {
        globals[position].name = names.intern(&container.session_name(name));
    }
    let format = headers.machine.format;
    let alias = |(position, target, weak): (usize, _, _)| {
        let Global { name, visibility, kind, .. }: Global = globals[position];
        Alias { name, target: names.intern(&container.session_name(target)), weak, visibility, kind }
    };
    let terms = Terms { aliases: aliases.into_iter().map(alias).collect(), ..Terms::default() };
    Ok(Interface { globals, commons, terms, cost: input.len(), ..Interface::of(input.clone(), format) })
}
