//! An object's symbols as the rest of the linker sees them: local and global ones, each with its definition.
//!
//! Data flow: records of the symbol table, COMDAT sections, directives → [`Table`], from which both the interface and the
//! graph are made, so that they agree on the order of globals: those of the file in its order, then those that directives
//! and `__imp_` references add.
//!
//! A weak external symbol whose default the object itself defines is a weak definition. One whose default is the number 0 is
//! a weak reference. Any other is a reference with a [`Fallback`].
//! Sources: PE Format, "COFF Symbol Table", "COMDAT Sections", "Auxiliary Format 3: Weak Externals".

use super::IMPORT_PREFIX;
use super::directives::{self, Directives};
use super::headers::{Headers, Raw};
use super::sections::{self, LNK_COMDAT};
use crate::error::LinkError;
use crate::interface::{Fallback, Strength};
use object::LittleEndian as LE;
use object::pe::ImageAuxSymbolSection;
use object::pod;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

// Storage classes.
const CLASS_EXTERNAL: u8 = 2;
const CLASS_STATIC: u8 = 3;
const CLASS_BLOCK: u8 = 100;
const CLASS_FUNCTION: u8 = 101;
const CLASS_FILE: u8 = 103;
const CLASS_WEAK_EXTERNAL: u8 = 105;
const CLASS_CLR_TOKEN: u8 = 107;
const CLASS_END_OF_FUNCTION: u8 = 255;
/// Section numbers that mean something else.
const SECTION_ABSOLUTE: i32 = -1;
const SECTION_DEBUG: i32 = -2;
/// How a symbol's type says that it is a function.
const DERIVED_FUNCTION: u16 = 2;
/// Ways of a weak external symbol: without looking into libraries, and as a hint of the compiler's.
const SEARCH_NO_LIBRARY: u32 = 1;
const SEARCH_ANTI_DEPENDENCY: u32 = 4;
const SEARCH_LAST: u32 = 4;
/// The strictest alignment that a common symbol has by its size alone.
const MAX_COMMON_ALIGN: u32 = 32;

/// How a COMDAT section is chosen among those of other objects with its symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selection {
    NoDuplicates,
    Any,
    SameSize,
    ExactMatch,
    /// With the number of the section that it belongs to, from 0 on.
    Associative(usize),
    Largest,
}

/// A COMDAT section.
#[derive(Clone, Copy, Debug)]
pub struct Comdat {
    pub selection: Selection,
    /// The symbol that identifies it, by its record.
    pub leader: Option<u32>,
    leader_is_global: bool,
}

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Undefined,
    Absolute(u32),
    /// In a section, by its number from 0 on.
    Section(usize, u32),
    /// Size and base-2 logarithm of the alignment.
    Common(u32, u8),
    /// A pointer to another global, which is made where nothing else defines the symbol.
    Pointer(u32),
}

/// A symbol.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its name: of the file, by its place, or added.
    pub name: Name<'a>,
    pub place: Place,
    pub strength: Strength,
    pub function: bool,
    /// It stands for its section.
    pub section: bool,
}

/// A symbol's name.
#[derive(Clone, Debug)]
pub enum Name<'a> {
    File(Range<usize>),
    Added(Cow<'a, [u8]>),
}

/// Where a record of the symbol table ended up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    None,
    Local(u32),
    Global(u32),
}

/// All symbols.
pub struct Table<'a> {
    bytes: &'a [u8],
    pub locals: Vec<Entry<'a>>,
    pub globals: Vec<Entry<'a>>,
    /// By record.
    pub slots: Vec<Slot>,
    /// By section.
    pub comdats: Vec<Option<Comdat>>,
    /// By section, the one that a chain of associative ones leads to.
    pub roots: Vec<usize>,
    /// What each section is for; `None` where it is not linked.
    pub kinds: Vec<Option<crate::graph::SectionKind>>,
    /// What stands in for globals that nothing defines, by position.
    pub fallbacks: Vec<(u32, Fallback)>,
    /// What directives want of the link as a whole.
    pub directives: Directives<'a>,
}

impl<'a> Table<'a> {
    /// Reads all symbols and what decides about them.
    pub fn read(headers: &Headers<'a>) -> Result<Table<'a>, LinkError> {
        let mut kinds = Vec::with_capacity(headers.sections.len());
        let mut directives = Directives::default();
        for (index, section) in headers.sections.iter().enumerate() {
            let name = &headers.bytes[headers.section_name(index)?];
            kinds.push(sections::classify(headers, section, name)?);
            if name == b".drectve" {
                let content = headers.content(section)?;
                let at = content.start as u64;
                directives.add(directives::read(headers, &headers.bytes[content], at)?);
            }
        }
        let comdats = comdats(headers)?;
        let mut table = Table {
            bytes: headers.bytes,
            locals: Vec::new(),
            globals: Vec::new(),
            slots: vec![Slot::None; headers.symbol_count as usize],
            roots: roots(headers, &comdats)?,
            comdats,
            kinds,
            fallbacks: Vec::new(),
            directives: Directives::default(),
        };
        let mut weak = Vec::new();
        for symbol in headers.symbols() {
            let (index, raw) = symbol?;
            if let Some(entry) = table.entry(headers, index, &raw)? {
                if raw.class == CLASS_WEAK_EXTERNAL && entry.strength != Strength::Local {
                    weak.push((table.globals.len(), index));
                }
                table.slots[index as usize] = table.push(entry);
            }
        }
        for (position, index) in weak {
            table.add_default(headers, position, index)?;
        }
        table.follow(directives);
        table.add_pointers();
        table.fallbacks.sort_unstable_by_key(|(position, _)| *position);
        Ok(table)
    }

    /// The bytes of a symbol's name.
    pub fn name<'n>(&'n self, entry: &'n Entry<'a>) -> &'n [u8] {
        match &entry.name {
            Name::File(range) => &self.bytes[range.clone()],
            Name::Added(name) => name,
        }
    }

    fn push(&mut self, entry: Entry<'a>) -> Slot {
        let list = if entry.strength == Strength::Local { &mut self.locals } else { &mut self.globals };
        let number = list.len() as u32;
        let slot = if entry.strength == Strength::Local { Slot::Local(number) } else { Slot::Global(number) };
        list.push(entry);
        slot
    }

    /// What a record says; `None` for those that only debuggers look at.
    fn entry(&self, headers: &Headers<'a>, index: u32, raw: &Raw) -> Result<Option<Entry<'a>>, LinkError> {
        let ignored = [CLASS_BLOCK, CLASS_FUNCTION, CLASS_FILE, CLASS_CLR_TOKEN, CLASS_END_OF_FUNCTION];
        if ignored.contains(&raw.class) || raw.section == SECTION_DEBUG {
            return Ok(None);
        }
        let global = matches!(raw.class, CLASS_EXTERNAL | CLASS_WEAK_EXTERNAL);
        let (place, strength) = match raw.section {
            0 if raw.class == CLASS_EXTERNAL && raw.value != 0 => {
                let align =
                    raw.value.checked_next_power_of_two().map_or(MAX_COMMON_ALIGN, |size| size.min(MAX_COMMON_ALIGN));
                (Place::Common(raw.value, align.trailing_zeros() as u8), Strength::Common)
            }
            0 => (Place::Undefined, Strength::Undefined),
            SECTION_ABSOLUTE => (Place::Absolute(raw.value), Strength::Strong),
            number => {
                let section =
                    usize::try_from(i64::from(number) - 1).ok().filter(|section| *section < headers.sections.len());
                let Some(section) = section else {
                    return Err(headers.malformed(headers.symbol_at(index), "a section number past the last section"));
                };
                // Nothing can be bound to what is not loaded.
                let strength = match self.kinds[section] {
                    Some(_) => self.strength_in(section),
                    None => Strength::Local,
                };
                (Place::Section(section, raw.value), strength)
            }
        };
        Ok(Some(Entry {
            name: Name::File(headers.symbol_name(index, raw)?),
            place,
            strength: if global { strength } else { Strength::Local },
            function: raw.kind >> 4 == DERIVED_FUNCTION,
            section: is_section(raw),
        }))
    }

    /// How strongly symbols of a section are defined: those of a COMDAT section give way, unless there must be one only.
    fn strength_in(&self, section: usize) -> Strength {
        let root = self.roots[section];
        match self.comdats[root] {
            None | Some(Comdat { selection: Selection::NoDuplicates, .. }) => Strength::Strong,
            Some(comdat) if comdat.leader.is_some() && !comdat.leader_is_global => Strength::Strong,
            Some(_) => Strength::Weak,
        }
    }

    /// Whether a COMDAT section is one that another object's may replace.
    pub fn is_replaceable(&self, root: usize) -> bool {
        self.comdats[root].is_some_and(|comdat| comdat.leader.is_some() && comdat.leader_is_global)
    }

    /// Enters what a weak external symbol is by default.
    fn add_default(&mut self, headers: &Headers<'a>, position: usize, index: u32) -> Result<(), LinkError> {
        let damaged = |what| headers.malformed(headers.symbol_at(index), what);
        let raw = headers.raw(index);
        if self.globals[position].place != Place::Undefined {
            return Err(damaged("a weak external symbol with a definition of its own"));
        }
        if raw.aux == 0 {
            return Err(damaged("a weak external symbol without its default"));
        }
        let aux = headers.record(index + 1);
        let word = |at: usize| u32::from_le_bytes([aux[at], aux[at + 1], aux[at + 2], aux[at + 3]]);
        let (default, search) = (word(0), word(4));
        if search == 0 || SEARCH_LAST < search {
            return Err(damaged("a weak external symbol that is looked for in an unknown way"));
        }
        let optional = matches!(search, SEARCH_NO_LIBRARY | SEARCH_ANTI_DEPENDENCY);
        let strength = if optional { Strength::UndefinedWeak } else { Strength::Undefined };
        let default = match self.slots.get(default as usize) {
            Some(Slot::Local(number)) => self.locals[*number as usize].clone(),
            Some(Slot::Global(number)) if *number as usize != position => {
                let entry = self.globals[*number as usize].clone();
                if entry.place == Place::Undefined || matches!(entry.place, Place::Common(..)) {
                    self.globals[position].strength = strength;
                    self.fallbacks.push((position as u32, Fallback::Global(*number)));
                    return Ok(());
                }
                entry
            }
            _ => return Err(damaged("a weak external symbol whose default does not exist")),
        };
        let entry = &mut self.globals[position];
        match default.place {
            Place::Absolute(0) | Place::Undefined => {
                entry.strength = strength;
                self.fallbacks.push((position as u32, Fallback::Null));
            }
            place => {
                (entry.place, entry.strength) = (place, Strength::Weak);
                entry.function |= default.function;
            }
        }
        Ok(())
    }

    /// Does what directives want of symbols; the rest is for the link as a whole.
    fn follow(&mut self, directives: Directives<'a>) {
        if !directives.includes.is_empty() || !directives.alignments.is_empty() || !directives.exports.is_empty() {
            let mut positions = self.positions();
            // What is exported has to be there, as what is included; another name for it is looked at when it is asked for.
            let exports = directives.exports.iter().filter(|export| !export.is_alias()).map(|export| export.name);
            for name in directives.includes.iter().copied().chain(exports) {
                self.global(&mut positions, name, Strength::Undefined);
            }
            for (name, log2) in &directives.alignments {
                if let Some(entry) = positions.get(*name).map(|at| &mut self.globals[*at as usize])
                    && let Place::Common(_, align) = &mut entry.place
                {
                    *align = *log2;
                }
            }
        }
        self.directives = directives;
    }

    /// Undefined pointers to imported functions and variables get a pointer of the object's own to fall back on.
    fn add_pointers(&mut self) {
        let bytes = self.bytes;
        let is_import = |entry: &Entry<'_>| {
            let name = match &entry.name {
                Name::File(range) => &bytes[range.clone()],
                Name::Added(name) => name,
            };
            entry.place == Place::Undefined
                && entry.strength == Strength::Undefined
                && IMPORT_PREFIX.len() < name.len()
                && name.starts_with(IMPORT_PREFIX)
        };
        let imports: Vec<usize> = (0..self.globals.len()).filter(|at| is_import(&self.globals[*at])).collect();
        if imports.is_empty() {
            return;
        }
        let mut positions = self.positions();
        for position in imports {
            if self.fallbacks.iter().any(|(at, _)| *at as usize == position) {
                continue;
            }
            let name: Cow<'a, [u8]> = match &self.globals[position].name {
                Name::File(range) => Cow::Borrowed(&bytes[range.start + IMPORT_PREFIX.len()..range.end]),
                Name::Added(name) => Cow::Owned(name[IMPORT_PREFIX.len()..].to_vec()),
            };
            let target = self.global(&mut positions, name, Strength::Fallback);
            self.globals[position].place = Place::Pointer(target);
            self.fallbacks.push((position as u32, Fallback::Own(target)));
        }
    }

    fn positions(&self) -> Positions {
        (0..).zip(&self.globals).map(|(at, entry)| (self.name(entry).to_vec(), at)).collect()
    }

    /// The position of a global of a name, which is added with this strength if there is none.
    fn global(&mut self, positions: &mut Positions, name: impl Into<Cow<'a, [u8]>>, strength: Strength) -> u32 {
        let name = name.into();
        if let Some(at) = positions.get(&*name) {
            return *at;
        }
        let at = self.globals.len() as u32;
        positions.insert(name.to_vec(), at);
        let (place, function, section) = (Place::Undefined, false, false);
        self.globals.push(Entry { name: Name::Added(name), place, strength, function, section });
        at
    }
}

/// Positions of globals by name.
type Positions = HashMap<Vec<u8>, u32>;

/// Whether a record stands for a section, whose auxiliary record describes it.
fn is_section(raw: &Raw) -> bool {
    raw.class == CLASS_STATIC && raw.value == 0 && raw.aux != 0 && 0 < raw.section && raw.kind >> 4 != DERIVED_FUNCTION
}

/// The COMDAT sections, each with its symbol.
fn comdats(headers: &Headers<'_>) -> Result<Vec<Option<Comdat>>, LinkError> {
    let is_comdat = |section: usize| {
        let flags = headers.sections.get(section).map(|section| section.characteristics.get(LE).0);
        flags.is_some_and(|flags| flags & LNK_COMDAT != 0)
    };
    let mut comdats: Vec<Option<Comdat>> = vec![None; headers.sections.len()];
    if !(0..headers.sections.len()).any(is_comdat) {
        return Ok(comdats);
    }
    for symbol in headers.symbols() {
        let (index, raw) = symbol?;
        let section = usize::try_from(i64::from(raw.section) - 1).unwrap_or(usize::MAX);
        if !is_comdat(section) || !is_section(&raw) || comdats[section].is_some() {
            continue;
        }
        let (aux, _) = pod::from_bytes::<ImageAuxSymbolSection>(headers.record(index + 1))
            .map_err(|()| headers.malformed(headers.symbol_at(index), "a section symbol without its section"))?;
        let selection = match aux.selection.0 {
            1 => Selection::NoDuplicates,
            2 => Selection::Any,
            3 => Selection::SameSize,
            4 => Selection::ExactMatch,
            5 => {
                let low = usize::from(aux.number.get(LE));
                // The upper half is there in big objects only; others may have anything in its place.
                let high = if headers.is_big() { usize::from(aux.high_number.get(LE)) } else { 0 };
                let parent = (high << 16 | low).wrapping_sub(1);
                if headers.sections.len() <= parent || parent == section {
                    return Err(
                        headers.malformed(headers.symbol_at(index), "an associative section that belongs to none")
                    );
                }
                Selection::Associative(parent)
            }
            6 => Selection::Largest,
            _ => {
                return Err(
                    headers.malformed(headers.symbol_at(index), "a COMDAT section that is chosen in an unknown way")
                );
            }
        };
        comdats[section] = Some(Comdat { selection, leader: None, leader_is_global: false });
    }
    for symbol in headers.symbols() {
        let (index, raw) = symbol?;
        let section = usize::try_from(i64::from(raw.section) - 1).unwrap_or(usize::MAX);
        if let Some(Some(comdat)) = comdats.get_mut(section)
            && comdat.leader.is_none()
            && !is_section(&raw)
        {
            comdat.leader = Some(index);
            comdat.leader_is_global = raw.class == CLASS_EXTERNAL;
        }
    }
    adopt_orphans(headers, &mut comdats)?;
    Ok(comdats)
}

/// GNU assemblers leave out which function the unwind records of `.pdata$f` and `.xdata$f` belong to: the one in `.text$f`.
fn adopt_orphans(headers: &Headers<'_>, comdats: &mut [Option<Comdat>]) -> Result<(), LinkError> {
    let is_orphan = |comdat: &Option<Comdat>| {
        comdat.is_some_and(|comdat| comdat.leader.is_none() && !matches!(comdat.selection, Selection::Associative(_)))
    };
    if !comdats.iter().any(is_orphan) {
        return Ok(());
    }
    let mut functions = HashMap::new();
    for (index, comdat) in comdats.iter().enumerate() {
        if let (b".text", suffix) = sections::split(&headers.bytes[headers.section_name(index)?])
            && comdat.is_some()
        {
            functions.insert(suffix, index);
        }
    }
    for index in (0..comdats.len()).filter(|index| is_orphan(&comdats[*index])).collect::<Vec<_>>() {
        let (_, suffix) = sections::split(&headers.bytes[headers.section_name(index)?]);
        comdats[index] = functions.get(suffix).filter(|function| **function != index).map(|function| Comdat {
            selection: Selection::Associative(*function),
            leader: None,
            leader_is_global: false,
        });
    }
    Ok(())
}

/// For each section the one that a chain of associative ones leads to from it.
fn roots(headers: &Headers<'_>, comdats: &[Option<Comdat>]) -> Result<Vec<usize>, LinkError> {
    let mut roots: Vec<Option<usize>> = vec![None; comdats.len()];
    let mut chain = Vec::new();
    for start in 0..comdats.len() {
        let mut section = start;
        while let (None, Some(Comdat { selection: Selection::Associative(parent), .. })) =
            (roots[section], comdats[section])
        {
            if comdats.len() < chain.len() {
                return Err(headers.malformed(headers.section_at(start), "associative sections in a ring"));
            }
            chain.push(section);
            section = parent;
        }
        let root = roots[section].unwrap_or(section);
        roots[section] = Some(root);
        chain.drain(..).for_each(|section| roots[section] = Some(root));
    }
    Ok(roots.into_iter().enumerate().map(|(section, root)| root.unwrap_or(section)).collect())
}
