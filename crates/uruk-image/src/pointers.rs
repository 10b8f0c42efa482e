//! What raw pointers are to point to in an image: entries that change nothing in the running program.

use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};

/// A symbol of another library, or of the image itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct External {
    /// Its name.
    pub name: String,
    /// Its version, as in `name@version`, if one is wanted.
    pub version: Option<String>,
    /// Bytes behind it.
    pub addend: i64,
    /// The pointer is null where nobody defines it. The system's loaders add the addend to that, too.
    pub weak: bool,
}

impl External {
    /// The symbol itself, which has to be there.
    pub fn new(name: impl Into<String>) -> External {
        External { name: name.into(), version: None, addend: 0, weak: false }
    }

    /// Bytes behind it.
    pub fn addend(self, addend: i64) -> External {
        External { addend, ..self }
    }

    /// Null if it is not there.
    pub fn weak(self) -> External {
        External { weak: true, ..self }
    }

    /// Of this version.
    pub fn version(self, version: impl Into<String>) -> External {
        External { version: Some(version.into()), ..self }
    }
}

/// What a raw pointer is to point to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PointerEntry {
    /// A symbol, whose address the system's loader finds.
    Symbol(External),
    /// A place in an object or a cell of this world, which is kept for it.
    Own(u64),
}

impl fmt::Display for PointerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PointerEntry::Symbol(symbol) => write!(f, "symbol `{}`", symbol.name.escape_default()),
            PointerEntry::Own(address) => write!(f, "{address:#x}"),
        }
    }
}

/// The entries, by the addresses of their pointers.
#[derive(Clone, Default, Debug)]
pub(crate) struct Pointers(BTreeMap<u64, PointerEntry>);

impl Pointers {
    pub fn add(&mut self, field: u64, entry: PointerEntry) -> Result<(), Error> {
        let refused = |reason: &str| Error::Entry { field, to: entry.to_string(), reason: reason.into() };
        if field == 0 {
            return Err(refused("there is no pointer at null"));
        }
        match &entry {
            PointerEntry::Symbol(symbol) => {
                check_name(&symbol.name).map_err(|reason| refused(&reason))?;
                if let Some(version) = &symbol.version {
                    check_name(version).map_err(|reason| refused(&format!("its version: {reason}")))?;
                }
            }
            PointerEntry::Own(0) => {
                return Err(refused("nothing is at null; without an entry a pointer stays as it is"));
            }
            PointerEntry::Own(_) => {}
        }
        // Pointers do not overlap.
        let near = self.0.range((Bound::Excluded(field.saturating_sub(8)), Bound::Excluded(field.saturating_add(8))));
        for (other, known) in near {
            if *other != field {
                return Err(refused(&format!("it overlaps the pointer at {other:#x} to {}", known)));
            }
            if *known != entry {
                let (to, known) = (entry.to_string(), known.to_string());
                return Err(Error::SecondEntry { field, to, known });
            }
        }
        self.0.insert(field, entry);
        Ok(())
    }

    pub fn remove(&mut self, field: u64) -> Option<PointerEntry> {
        self.0.remove(&field)
    }

    /// Removes those of all pointers that begin there.
    pub fn remove_within(&mut self, fields: Range<u64>) {
        let gone: Vec<u64> = self.0.range(fields).map(|(field, _)| *field).collect();
        for field in gone {
            self.0.remove(&field);
        }
    }

    pub fn at(&self, field: u64) -> Option<&PointerEntry> {
        self.0.get(&field)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &PointerEntry)> {
        self.0.iter().map(|(field, entry)| (*field, entry))
    }

    /// Entries follow objects that have been moved, and so do those that point to them. What was said of places where such an object
    /// lies now, or that point there, was said of one that is gone. `target`: where something is now that is pointed to.
    pub fn moved(&mut self, moves: &Moves, target: impl Fn(u64) -> Option<u64>) {
        let moved = |(field, entry)| {
            let entry = match entry {
                PointerEntry::Own(address) => PointerEntry::Own(target(address)?),
                symbol => symbol,
            };
            Some((moves.place(field, false)?, entry))
        };
        self.0 = std::mem::take(&mut self.0).into_iter().filter_map(moved).collect();
    }
}

/// Where an object was, where it is, and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// Where it was.
    pub from: u64,
    /// Where it is now.
    pub to: u64,
    /// Bytes of it.
    pub size: u64,
}

/// Moves of one collection: places may be taken that others have left.
pub(crate) struct Moves {
    by_origin: Vec<Move>,
    by_place: Vec<Move>,
}

impl Moves {
    pub fn new(moves: &[Move]) -> Moves {
        let (mut by_origin, mut by_place) = (moves.to_vec(), moves.to_vec());
        by_origin.sort_by_key(|moved| moved.from);
        by_place.sort_by_key(|moved| moved.to);
        Moves { by_origin, by_place }
    }

    /// Where an address is now; nowhere if an object that has been moved took its place. `end`: it may be right behind one.
    pub fn place(&self, address: u64, end: bool) -> Option<u64> {
        self.follow(address, end).or_else(|| (!self.is_taken(address)).then_some(address))
    }

    fn follow(&self, address: u64, end: bool) -> Option<u64> {
        let before = self.by_origin.partition_point(|moved| moved.from <= address);
        let moved = self.by_origin.get(before.checked_sub(1)?)?;
        let offset = address - moved.from;
        (offset < moved.size || (end && offset == moved.size)).then(|| moved.to.wrapping_add(offset))
    }

    /// Whether a moved object lies there now.
    fn is_taken(&self, address: u64) -> bool {
        let before = self.by_place.partition_point(|moved| moved.to <= address);
        before.checked_sub(1).and_then(|at| self.by_place.get(at)).is_some_and(|moved| address - moved.to < moved.size)
    }
}

/// Errors unless symbols can have a name, and says why not.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a name is empty".into()),
        _ if name.contains('\0') => Err("a name has a zero byte".into()),
        _ if name.contains('@') => Err("a name has no `@`; versions are given apart".into()),
        _ => Ok(()),
    }
}
