//! Many things that are said of a world in one call: all of them, or none.

use crate::error::Error;
use crate::pointers::PointerEntry;
use crate::types::TypeId;
use crate::world::World;

/// What a call has added so far.
enum Added<'a> {
    Object(u64),
    Pointer(u64),
    Export(&'a str),
}

impl World {
    /// Adds objects of the heap: all, or none if one of them cannot be added. The error says which.
    pub fn add_objects(&mut self, objects: &[(u64, TypeId)]) -> Result<(), Error> {
        self.together(|world, added| {
            each("objects", objects, |(address, type_id)| {
                world.add_object(*address, *type_id)?;
                added.push(Added::Object(*address));
                Ok(())
            })
        })
    }

    /// Says of raw pointers what they are to point to: of all, or of none if one of the entries is wrong. The error says which.
    pub fn add_pointers(&mut self, entries: &[(u64, PointerEntry)]) -> Result<(), Error> {
        self.together(|world, added| each("fields", entries, |entry| world.add_new(entry, added)))
    }

    /// The two lists of an image: places with the names under which others link to them, and raw pointers with what they are to point
    /// to. All of it is put in, or nothing if something is wrong. The error says which of which list.
    pub fn add_named(&mut self, symbols: &[(u64, &str)], relocations: &[(u64, PointerEntry)]) -> Result<(), Error> {
        self.together(|world, added| {
            each("symbols", symbols, |(address, name)| {
                world.export(name, *address)?;
                added.push(Added::Export(name));
                Ok(())
            })?;
            each("relocations", relocations, |entry| world.add_new(entry, added))
        })
    }

    /// Adds an entry, and notes it if it is not there already.
    fn add_new(&mut self, (field, entry): &(u64, PointerEntry), added: &mut Vec<Added<'_>>) -> Result<(), Error> {
        let is_new = self.pointers.at(*field).is_none();
        self.add_pointer(*field, entry.clone())?;
        added.extend(is_new.then_some(Added::Pointer(*field)));
        Ok(())
    }

    /// Adds things, and takes them back if one of them cannot be added.
    fn together<'a>(
        &mut self,
        add: impl FnOnce(&mut World, &mut Vec<Added<'a>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut added = Vec::new();
        let result = add(self, &mut added);
        if result.is_err() {
            for one in added {
                match one {
                    Added::Object(address) => self.forget_object(address),
                    Added::Pointer(field) => drop(self.remove_pointer(field)),
                    Added::Export(name) => self.remove_export(name),
                }
            }
        }
        result
    }
}

/// Does something for each of a list. The error says for which it could not be done.
fn each<T>(list: &'static str, all: &[T], mut add: impl FnMut(&T) -> Result<(), Error>) -> Result<(), Error> {
    all.iter()
        .enumerate()
        .try_for_each(|(index, one)| add(one).map_err(|cause| Error::Batch { list, index, cause: Box::new(cause) }))
}
