//! What a client has said of its memory: types, objects, global cells, and what raw pointers are to point to.
//!
//! Invariants: objects and cells do not overlap; names of cells are theirs alone. What is said here is looked at when an image is made,
//! and changes nothing before.

use crate::error::Error;
use crate::pointers::{Move, Moves, PointerEntry, Pointers, check_name};
use crate::types::{Pointer, Type, TypeId};
use std::collections::BTreeMap;

/// Finds objects of a client that does not say of each where it is.
pub trait Heap {
    /// The object that has an address, or ends there: where it begins, and its type.
    fn object_at(&self, address: u64) -> Option<(u64, TypeId)>;
}

/// A variable of the runtime, outside of its heap.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub name: String,
    pub address: u64,
    pub type_id: TypeId,
}

/// What is at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Object(TypeId),
    /// The cell of this number.
    Cell(usize),
}

/// What a client has said of its memory.
#[derive(Default)]
pub struct World {
    types: Vec<Type>,
    cells: Vec<Cell>,
    names: BTreeMap<String, usize>,
    places: BTreeMap<u64, At>,
    pub(crate) pointers: Pointers,
    exports: BTreeMap<String, u64>,
}

impl World {
    /// Of nothing.
    pub fn new() -> World {
        World::default()
    }

    /// Adds a type.
    pub fn add_type(&mut self, described: Type) -> Result<TypeId, Error> {
        let id = TypeId(self.types.len() as u32);
        self.types.push(described.checked()?);
        Ok(id)
    }

    /// Adds an object of the heap.
    pub fn add_object(&mut self, address: u64, type_id: TypeId) -> Result<(), Error> {
        self.add_place("object", address, type_id, At::Object(type_id))
    }

    /// Adds a global cell, which is a root under its name.
    pub fn add_cell(&mut self, name: &str, address: u64, type_id: TypeId) -> Result<(), Error> {
        let what = || format!("cell `{}`", name.escape_default());
        check_name(name).map_err(|reason| Error::Place { what: what(), address, reason })?;
        self.check_unnamed(name, address)?;
        self.add_place(&what(), address, type_id, At::Cell(self.cells.len()))?;
        self.names.insert(name.into(), self.cells.len());
        self.cells.push(Cell { name: name.into(), address, type_id });
        Ok(())
    }

    /// What tells these types from those of another program, or of another version of this one: an image that is stamped with it is
    /// loaded by nobody whose types are others ([`LoadOptions`](crate::mapped::LoadOptions)).
    pub fn layout(&self) -> [u8; 32] {
        *blake3::hash(format!("{:?}", self.types).as_bytes()).as_bytes()
    }

    /// Errors if a name stands for something.
    fn check_unnamed(&self, name: &str, address: u64) -> Result<(), Error> {
        let cell = self.names.get(name).map(|number| self.cells[*number].address);
        match cell.or_else(|| self.exports.get(name).copied()) {
            Some(other) => Err(Error::Named { name: name.into(), address, other }),
            None => Ok(()),
        }
    }

    fn add_place(&mut self, what: &str, address: u64, type_id: TypeId, at: At) -> Result<(), Error> {
        let refused = |reason: String| Error::Place { what: what.into(), address, reason };
        let Some(described) = self.types.get(type_id.0 as usize) else {
            return Err(refused(format!("there is no type {}, of {}", type_id.0, self.types.len())));
        };
        if address == 0 {
            return Err(refused("nothing is at null".into()));
        }
        if !address.is_multiple_of(described.align) {
            return Err(refused(format!("`{}` is aligned to {} bytes", described.name, described.align)));
        }
        if let Some((start, before)) = self.places.range(..=address).next_back() {
            let size = self.type_of(*before).size.max(1);
            if address - start < size {
                return Err(refused(format!("it overlaps {}", self.text_of(*start, *before))));
            }
        }
        if let Some((start, behind)) = self.places.range(address..).next()
            && *start - address < described.size.max(1)
        {
            return Err(refused(format!("it overlaps {}", self.text_of(*start, *behind))));
        }
        self.places.insert(address, at);
        Ok(())
    }

    fn text_of(&self, address: u64, at: At) -> String {
        match at {
            At::Object(type_id) => format!("the `{}` at {address:#x}", self.type_named(type_id).name),
            At::Cell(number) => format!("the cell `{}` at {address:#x}", self.cells[number].name),
        }
    }

    pub(crate) fn type_named(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    pub(crate) fn type_id_of(&self, at: At) -> TypeId {
        match at {
            At::Object(type_id) => type_id,
            At::Cell(number) => self.cells[number].type_id,
        }
    }

    fn type_of(&self, at: At) -> &Type {
        self.type_named(self.type_id_of(at))
    }

    pub(crate) fn has_type(&self, id: TypeId) -> bool {
        (id.0 as usize) < self.types.len()
    }

    pub(crate) fn cell(&self, number: usize) -> &Cell {
        &self.cells[number]
    }

    /// The cell of a name.
    pub(crate) fn root(&self, name: &str) -> Result<usize, Error> {
        self.names.get(name).copied().ok_or_else(|| {
            let names = self.names.keys().take(5).cloned().collect();
            Error::Root { name: name.into(), names }
        })
    }

    /// What begins at an address or before, so that it may have it.
    pub(crate) fn place_before(&self, address: u64) -> Option<(u64, At)> {
        // Most references are to beginnings.
        let begins = self.places.get(&address).map(|at| (address, *at));
        begins.or_else(|| self.places.range(..=address).next_back().map(|(start, at)| (*start, *at)))
    }

    /// Forgets an object, with its entries: it is dead, or was never to be in an image. Says whether it was known. How long a variable
    /// part was is not known any more: it had all entries up to the next object or cell.
    pub fn remove_object(&mut self, address: u64) -> bool {
        let Some(At::Object(type_id)) = self.places.get(&address).copied() else { return false };
        self.places.remove(&address);
        let described = self.type_named(type_id);
        let end = match &described.tail {
            Some(_) => self.places.range(address..).next().map_or(u64::MAX, |(next, _)| *next),
            None => address.saturating_add(described.size),
        };
        self.pointers.remove_within(address..end);
        true
    }

    /// The same of one that has just been added; entries for its pointers may have been there before.
    pub(crate) fn forget_object(&mut self, address: u64) {
        self.places.remove(&address);
    }

    /// Follows objects that a collection has moved, all at once, with their entries and exported places. What an object has taken the
    /// place of is forgotten, with its entries, its exported places, and the entries that pointed to it.
    pub fn objects_moved(&mut self, moves: &[Move]) {
        let moves = Moves::new(moves);
        let before = std::mem::take(&mut self.places);
        // Where something begins is its own, though it be the end of what has been moved.
        let target = |address: u64| moves.place(address, !before.contains_key(&address));
        self.pointers.moved(&moves, target);
        self.exports.retain(|_, address| {
            let now = target(*address);
            *address = now.unwrap_or(*address);
            now.is_some()
        });
        let moved = |(address, at)| match at {
            At::Object(_) => Some((moves.place(address, false)?, at)),
            At::Cell(_) => Some((address, at)),
        };
        self.places = before.iter().map(|(address, at)| (*address, *at)).filter_map(moved).collect();
    }

    /// Says what a raw pointer is to point to in an image. Nothing changes in the running program. The pointer is at an address of an
    /// object or a cell, which is checked now if that is known, and in any case when an image is made.
    pub fn add_pointer(&mut self, field: u64, entry: PointerEntry) -> Result<(), Error> {
        if let Some((start, at)) = self.place_before(field)
            && field - start < self.type_of(at).size
        {
            let described = self.type_of(at);
            let pointer = described.fields.iter().find(|known| known.offset == field - start);
            let raw = pointer.is_some_and(|known| matches!(known.pointer, Pointer::Data | Pointer::Function));
            if !raw {
                let reason = format!("{} has no raw pointer at {}", self.text_of(start, at), field - start);
                return Err(Error::Entry { field, to: entry.to_string(), reason });
            }
        }
        self.pointers.add(field, entry)
    }

    /// Takes an entry back.
    pub fn remove_pointer(&mut self, field: u64) -> Option<PointerEntry> {
        self.pointers.remove(field)
    }

    /// All entries, in order of their pointers' addresses.
    pub fn pointers(&self) -> impl Iterator<Item = (u64, &PointerEntry)> {
        self.pointers.iter()
    }

    /// Gives a place in an object or a cell a name under which other code, or another image, can link to it.
    pub fn export(&mut self, name: &str, address: u64) -> Result<(), Error> {
        let refused = |reason: String| {
            let what = format!("exported symbol `{}`", name.escape_default());
            Error::Place { what, address, reason }
        };
        check_name(name).map_err(refused)?;
        if address == 0 {
            return Err(refused("nothing is at null".into()));
        }
        self.check_unnamed(name, address)?;
        self.exports.insert(name.into(), address);
        Ok(())
    }

    /// Takes a name back that was given so.
    pub(crate) fn remove_export(&mut self, name: &str) {
        self.exports.remove(name);
    }

    pub(crate) fn exports(&self) -> impl Iterator<Item = (&str, u64)> {
        self.exports.iter().map(|(name, address)| (name.as_str(), *address))
    }
}
