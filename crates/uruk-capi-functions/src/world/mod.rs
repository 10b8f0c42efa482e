//! Worlds: what a client says of its memory, so that an image can be made of it.
//!
//! Nothing that is said here changes the running program; it is looked at when an image is made ([`image`](crate::image)), or what roots
//! lead to is asked for ([`closure`]).

pub mod closure;
pub mod pointers;
pub mod types;

use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::mapped;
use crate::raw::{List, Out, Text};
use ::uruk_executor::at_fork;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{type_id, uruk_type_id};
use uruk_image::{Error, Move, World};

/// What a client has said of its memory: types, objects, global cells, and what raw pointers are to point to in an image. Whatever is said
/// changes nothing in the running program.
pub struct uruk_world;

impl Kind for uruk_world {
    const NAME: &'static str = "uruk_world";
    type Object = Mutex<World>;
}

pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::new(status_of(&error), error.to_string())
    }
}

fn status_of(error: &Error) -> uruk_status {
    match error {
        Error::Batch { cause, .. } => status_of(cause),
        Error::Type { .. }
        | Error::Place { .. }
        | Error::Entry { .. }
        | Error::Option(_)
        | Error::Empty
        | Error::NotRetained { .. } => uruk_status::URUK_INVALID,
        Error::SecondEntry { .. } | Error::Named { .. } | Error::Duplicate { .. } | Error::Ambiguous { .. } => {
            uruk_status::URUK_DUPLICATE
        }
        Error::Root { .. } | Error::NoRoot { .. } | Error::Undefined { .. } => uruk_status::URUK_MISSING,
        Error::Library { .. } | Error::Process(_) => uruk_status::URUK_FILE,
        Error::Mapped(error) => mapped::status_of(&error.problem),
        Error::Graph(_)
        | Error::Link(_)
        | Error::Object { .. }
        | Error::Dropped { .. }
        | Error::Relocation { .. }
        | Error::TooMany { .. }
        | Error::Unwind { .. } => uruk_status::URUK_LINK,
        _ => uruk_status::URUK_IMAGE,
    }
}

/// Makes a world, of nothing.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_create(world: Out<Handle<uruk_world>>) -> uruk_status {
    enter(Reach::Anywhere, || {
        world.check("world")?;
        world.put(handle::put::<uruk_world>(at_fork::hold_while_alive(Mutex::default())).handle())
    })
}

/// Disposes of a world. What was made of it stays. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_dispose(world: Handle<uruk_world>) -> uruk_status {
    enter(Reach::OutsideLinks, || world.take().map(drop))
}

/// An object of a heap.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_object {
    /// Where it begins.
    pub address: u64,
    /// Its type.
    pub type_id: uruk_type_id,
    /// Zero.
    pub reserved: u32,
}

/// Adds objects of the heap: all of them, or none if one cannot be added; the text says which. Objects may also be asked for when they are
/// met, of a `uruk_heap_callbacks`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_objects(
    world: Handle<uruk_world>,
    objects: List<uruk_object>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let objects = objects.get(count, "objects")?.iter();
        let objects = objects.map(|object| (object.address, type_id(object.type_id)));
        Ok(lock(&world).add_objects(&objects.collect::<Vec<_>>())?)
    })
}

/// Adds a global cell, which is a root, and a symbol of the image, under its name.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_cell(
    world: Handle<uruk_world>,
    name: Text,
    address: u64,
    type_id: uruk_type_id,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        Ok(lock(&world).add_cell(name.get("name")?, address, types::type_id(type_id))?)
    })
}

/// Forgets an object, with its entries: it is dead, or was never to be in an image. `URUK_MISSING` if none that was added begins there.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_remove_object(world: Handle<uruk_world>, address: u64) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let known = lock(&world).remove_object(address);
        known.then_some(()).ok_or_else(|| {
            Failure::new(uruk_status::URUK_MISSING, format!("no object that was added begins at {address:#x}"))
        })
    })
}

/// An object that was moved.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_move {
    /// Where it was.
    pub from: u64,
    /// Where it is now.
    pub to: u64,
    /// Bytes of it.
    pub size: u64,
}

/// Follows objects that a collection has moved, all at once, with their entries and exported places: some may lie now where others were.
/// Of those others, what was said of them and what was to point to them is forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_objects_moved(
    world: Handle<uruk_world>,
    moves: List<uruk_move>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let moves = moves.get(count, "moves")?.iter();
        let moves = moves.map(|moved| Move { from: moved.from, to: moved.to, size: moved.size });
        lock(&world).objects_moved(&moves.collect::<Vec<_>>());
        Ok(())
    })
}

/// Gives a place in an object or a cell a name under which other code, or another image, can link to it.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_export(world: Handle<uruk_world>, name: Text, address: u64) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        Ok(lock(&world).export(name.get("name")?, address)?)
    })
}
