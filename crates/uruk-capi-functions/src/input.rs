//! What goes into dylibs: objects, archives, sources.

use crate::call::{Reach, enter};
use crate::dylib::{Dylib, uruk_dylib};
use crate::error::{Failure, uruk_status};
use crate::handle::Handle;
use crate::raw::{List, Text};
use crate::tracker::uruk_tracker;
use std::path::Path;
use std::sync::Arc;
use uruk::{Input, read_file};
use uruk_orc::TrackerId;

/// The dylib and the tracker that something is added with, which belong together.
pub(crate) fn place(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
) -> Result<(Arc<Dylib>, Option<TrackerId>), Failure> {
    let (dylib, tracker) = (dylib.get()?, tracker.get_if_any()?);
    if tracker
        .as_ref()
        .is_some_and(|tracker| tracker.dylib != dylib.id || !Arc::ptr_eq(&tracker.program, &dylib.program))
    {
        return Err(Failure::invalid("the tracker is one of another dylib"));
    }
    Ok((dylib, tracker.map(|tracker| tracker.id)))
}

pub(crate) fn copied(name: Text, bytes: List<u8>, size: usize) -> Result<Input, Failure> {
    Ok(Input::from_bytes(name.or("name", "<memory>")?, bytes.get(size, "bytes")?.to_vec()))
}

/// Adds an object from memory, of any format; it is copied. `tracker` and `name`, which messages have, may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_object(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    name: Text,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let object = copied(name, bytes, size)?;
        Ok(dylib.program.jit.add_objects(dylib.id, tracker, &[object])?)
    })
}

/// Adds objects from files as one static link would take them. `tracker` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_object_files(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    paths: List<Text>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let paths = paths.get(count, "paths")?.iter().map(|path| path.get("a path"));
        let jit = &dylib.program.jit;
        let objects = jit.read_files(&paths.collect::<Result<Vec<_>, _>>()?)?;
        Ok(jit.add_objects(dylib.id, tracker, &objects)?)
    })
}

/// Adds an object or an archive from a file. Members of an archive are linked when something refers to them.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_file(dylib: Handle<uruk_dylib>, path: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(dylib.get()?.get().add_file(Path::new(path.get("path")?))?))
}

/// Adds an archive from memory, whose members are linked when something refers to them; it is copied.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_archive(
    dylib: Handle<uruk_dylib>,
    name: Text,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(dylib.get()?.get().add_archive(copied(name, bytes, size)?)?))
}

/// Adds all members of an archive in a file.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_whole_archive(dylib: Handle<uruk_dylib>, path: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let archive = read_file(Path::new(path.get("path")?))?;
        Ok(dylib.get().add_whole_archive(&archive)?)
    })
}

/// Adds a source file in C, C++ or another language that the system's compilers know, told by its ending. It is compiled when
/// something is missing that it may define.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_source_file(dylib: Handle<uruk_dylib>, path: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(dylib.get()?.get().add_source(Path::new(path.get("path")?))?))
}

/// Adds functions in Cranelift's language, each of which is compiled when something asks for it. `tracker` and `name`, which messages
/// have, may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_clif(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    name: Text,
    text: Text,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let (name, text) = (name.or("name", "<memory>")?, text.get("text")?);
        Ok(dylib.program.jit.add_clif(dylib.id, tracker, name, text)?)
    })
}

/// Adds LLVM IR from memory, text or bitcode: it is compiled by LLVM's plugin, whole and at once. `URUK_UNSUPPORTED` if that is not there;
/// the text says where it was looked for. Bitcode in files, in archives and among objects is compiled without this. `tracker` and `name`
/// may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_ir(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    name: Text,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let name = name.or("name", "<memory>")?;
        let object = dylib.program.compilers.object("bc", name, bytes.get(size, "bytes")?)?;
        Ok(dylib.program.jit.add_objects(dylib.id, tracker, &[object])?)
    })
}

/// Adds the text of a source, which the system's compiler compiles at once. `language` is the ending that files in it have: "c", "cpp",
/// "s" and so on; "ll" is LLVM IR. `URUK_COMPILE` with what the compiler said, if it said something. `tracker` and `name` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_source(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    language: Text,
    name: Text,
    text: Text,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let (language, name) = (language.get("language")?, name.or("name", "<memory>")?);
        let object = dylib.program.compilers.object(language, name, text.bytes("text")?)?;
        Ok(dylib.program.jit.add_objects(dylib.id, tracker, &[object])?)
    })
}
