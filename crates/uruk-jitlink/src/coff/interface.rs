//! What a COFF object offers and asks for, read without its relocations.

use super::directives::{Directives, Export};
use super::headers::Headers;
use super::import;
use super::symbols::{Entry, Place, Selection, Table};
use crate::error::LinkError;
use crate::graph::{SectionKind, SymbolKind, Visibility};
use crate::input::Input;
use crate::interface::{Alias, Choice, Global, Interface, Rival, Terms};
use crate::names::Names;
use object::LittleEndian as LE;
use std::hash::{BuildHasher, Hasher};

/// Reads an object's symbols.
pub fn read(input: &Input, names: &Names) -> Result<Interface, LinkError> {
    if import::is_import(input) {
        return Ok(Interface::made_of(&import::read(input)?, input, names));
    }
    let headers = Headers::parse(input)?;
    let table = Table::read(&headers)?;
    let mut interface = Interface::of(input.clone(), headers.machine.format);
    interface.cost = input.len();
    interface.globals.reserve_exact(table.globals.len());
    for (position, entry) in (0..).zip(&table.globals) {
        if let Place::Common(size, align) = entry.place {
            interface.commons.push((position, size.into(), 1 << align));
        }
        interface.rivals.extend(rival(&headers, &table, entry)?.map(|rival| (position, rival)));
        interface.globals.push(Global {
            name: names.intern(table.name(entry)),
            strength: entry.strength,
            visibility: Visibility::Default,
            kind: kind(&table, entry),
            unique: false,
        });
    }
    interface.terms = terms(&table.directives, names);
    interface.fallbacks = table.fallbacks;
    Ok(interface)
}

/// What directives want of the link as a whole.
fn terms(directives: &Directives<'_>, names: &Names) -> Terms {
    let alias = |export: &Export<'_>| Alias {
        name: names.intern(export.name),
        target: names.intern(&export.target),
        weak: true,
        visibility: Visibility::Default,
        kind: if export.data { SymbolKind::Object } else { SymbolKind::None },
    };
    let pairs = |pairs: &[(&[u8], &[u8])]| {
        pairs.iter().map(|(name, other)| (names.intern(name), names.intern(other))).collect()
    };
    Terms {
        aliases: directives.exports.iter().filter(|export| export.is_alias()).map(alias).collect(),
        alternatives: pairs(&directives.alternatives),
        agreements: pairs(&directives.agreements),
        unknown: directives.unknown.iter().map(|option| String::from_utf8_lossy(option).into_owned()).collect(),
    }
}

fn kind(table: &Table<'_>, entry: &Entry<'_>) -> SymbolKind {
    match entry.place {
        Place::Section(section, _) if table.kinds[section].is_some_and(SectionKind::is_thread_local) => {
            SymbolKind::ThreadLocal
        }
        _ if entry.function => SymbolKind::Function,
        _ => SymbolKind::None,
    }
}

/// What is compared of the COMDAT section that a symbol stands for, where that matters.
fn rival(headers: &Headers<'_>, table: &Table<'_>, entry: &Entry<'_>) -> Result<Option<Rival>, LinkError> {
    let Place::Section(section, _) = entry.place else { return Ok(None) };
    let choice = match table.comdats[section].map(|comdat| comdat.selection) {
        Some(Selection::SameSize) => Choice::SameSize,
        Some(Selection::ExactMatch) => Choice::Same,
        Some(Selection::Largest) => Choice::Largest,
        _ => return Ok(None),
    };
    if !table.is_replaceable(section) {
        return Ok(None);
    }
    let header = &headers.sections[section];
    let size = u64::from(header.size_of_raw_data.get(LE));
    let hash = match choice {
        Choice::Same => {
            let mut hasher = foldhash::quality::FixedState::default().build_hasher();
            hasher.write(&headers.bytes[headers.content(header)?]);
            hasher.finish()
        }
        Choice::SameSize | Choice::Largest => 0,
    };
    Ok(Some(Rival { choice, size, hash }))
}
