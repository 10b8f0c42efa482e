//! Images: what a JIT has linked and what a world has, as a file that the system starts by itself, or that a process maps
//! ([`mapped`](crate::mapped)).

mod output;
pub mod summary;

use crate::call::{Reach, enter};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::jit::{Program, uruk_jit};
use crate::mapped::uruk_mapped;
use crate::raw::{List, Out, Text};
use crate::saving;
use crate::sized::{self, Grows};
use crate::world::closure::{Custom, uruk_heap_callbacks};
use crate::world::{lock, uruk_world};
use ::uruk_image::mapped::Base;
use ::uruk_image::{Freeze, Frozen, Heap, World, save};
use output::Output;
use std::path::Path;
use std::sync::Arc;
use uruk_orc::DylibId;

/// A program.
pub const URUK_IMAGE_EXECUTABLE: u32 = 0;
/// A shared object.
pub const URUK_IMAGE_SHARED_OBJECT: u32 = 1;
/// A relocatable object, which the system's linker takes together with others.
pub const URUK_IMAGE_OBJECT: u32 = 2;
/// An image that `uruk_mapped_load` maps into a process that runs.
pub const URUK_IMAGE_MAPPED: u32 = 3;

/// Loaders from before 2022 know its relocations (glibc 2.36, musl 1.2.4 know shorter ones). Of programs and shared objects.
pub const URUK_IMAGE_LONG_RELOCATIONS: u32 = 1;
/// Names that only debuggers, symbolizers and backtraces look at, and debug information, are left out. Not of relocatable objects.
pub const URUK_IMAGE_STRIP: u32 = 2;
/// Libraries have to be the very builds that the image was made with, not only define the same symbols. Of images to be mapped.
pub const URUK_IMAGE_SAME_BUILDS: u32 = 4;
/// The image is stamped with the layout of the world's types, which who loads it can ask for. Of images to be mapped.
pub const URUK_IMAGE_STAMP_LAYOUT: u32 = 8;

/// What an image is made of, and how it is written.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_image_options {
    /// Filled in by `uruk_image_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_image_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_image_options_init`.
    pub magic: u64,
    /// What is made: `URUK_IMAGE_EXECUTABLE`, `URUK_IMAGE_SHARED_OBJECT`, `URUK_IMAGE_OBJECT` or `URUK_IMAGE_MAPPED`.
    pub kind: u32,
    /// `URUK_IMAGE_LONG_RELOCATIONS` and those behind it, joined by `|`.
    pub flags: u32,
    /// Whose code it has, with the values that variables have now; null: no code, or in a program that `uruk run --save-image` runs its
    /// own. It has been made with `URUK_JIT_RETAIN_GRAPHS`, and its code runs in this process.
    pub jit: Handle<uruk_jit>,
    /// The dylibs whose code it is; null: the main one.
    pub dylibs: List<Handle<uruk_dylib>>,
    /// How many these are.
    pub dylib_count: u64,
    /// Whose data it has; null: none.
    pub world: Handle<uruk_world>,
    /// The names of the world's cells whose data it is, with all that they lead to.
    pub roots: List<Text>,
    /// How many these are.
    pub root_count: u64,
    /// Who knows objects that were not added to the world; may be null.
    pub heap: List<uruk_heap_callbacks>,
    /// Paths of findings that are right nevertheless, as messages and `uruk_closure_findings` have them.
    pub allowed: List<Text>,
    /// How many these are.
    pub allowed_count: u64,
    /// The function that a program calls with its arguments; null: `main`. Of an image to be mapped, null: there is none.
    pub main: Text,
    /// Where a program lies: a multiple of 64 KiB; 0: wherever the system puts it. Where an image is mapped if nothing else is there.
    pub address: u64,
    /// What loaders know a shared object by; may be null.
    pub name: Text,
    /// The loader; null: the usual one of the architecture.
    pub interpreter: Text,
    /// Folders where the loader looks for libraries before it does in the system's, with `:` between them; `$ORIGIN` is the image's own;
    /// may be null.
    pub run_path: Text,
    /// Symbols of the code that are kept, with all that they refer to, and the main function of a program; null: everything that
    /// others can see.
    pub keep: List<Text>,
    /// How many these are.
    pub keep_count: u64,
    /// Files of the shared libraries that have what the image does not define, in the order in which the loader is to look; null: those
    /// that this process has loaded. The image needs those of them that it uses. An image to be mapped has all of these loaded; null:
    /// none, and who loads it has to have those that it uses.
    pub libraries: List<Text>,
    /// How many these are.
    pub library_count: u64,
    /// What who loads an image to be mapped can ask for: the version of a runtime; may be null.
    pub stamp: Text,
    /// A loaded image that the one to be mapped builds on, whose file is still there: what lies in it is not frozen again, but for what
    /// has changed since it was loaded. May be null.
    pub base: Handle<uruk_mapped>,
}

// SAFETY: `repr(C)`, it begins as it must, and numbers, addresses and handles, which are numbers, are all that follows.
unsafe impl Grows for uruk_image_options {
    const NAME: &'static str = "uruk_image_options";
    const NUMBER: u32 = 14;
}

/// Fills in options: a program of nothing. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_options_init(options: Out<uruk_image_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// An image: the bytes of a file.
pub struct uruk_image;

impl Kind for uruk_image {
    const NAME: &'static str = "uruk_image";
    type Object = Image;
}

/// The bytes of a file, and whether the system runs it.
pub struct Image {
    bytes: Vec<u8>,
    runs: bool,
}

/// Makes an image of this process. The program goes on as if nothing had happened; while this looks at it, nobody may write to what the
/// image is to have. The same state gives the same bytes, wherever it lies. `URUK_IMAGE` if words would be wrong in another process, unless
/// they are allowed: the text has all of them, a line each.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_make(options: List<uruk_image_options>, image: Out<Handle<uruk_image>>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        image.check("image")?;
        let made = make(&sized::copy(options)?)?;
        image.put(handle::put::<uruk_image>(Arc::new(made)).handle())
    })
}

/// The bytes of an image, which are valid until it is disposed of.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_bytes(image: Handle<uruk_image>, bytes: Out<*const u8>, size: Out<usize>) -> uruk_status {
    enter(Reach::Anywhere, || {
        bytes.check("bytes")?;
        size.check("size")?;
        let image = image.get()?;
        bytes.put(image.bytes.as_ptr())?;
        size.put(image.bytes.len())
    })
}

/// Writes an image to a file, which may be run if it is a program or a shared object, in the place of one that may be running.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_save(image: Handle<uruk_image>, path: Text) -> uruk_status {
    enter(Reach::Anywhere, || {
        let (image, path) = (image.get()?, path.get("path")?);
        save(Path::new(path), &image.bytes, image.runs)
            .map_err(|error| Failure::new(uruk_status::URUK_FILE, format!("{path}: {error}")))
    })
}

/// Disposes of an image. Null is fine.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_dispose(image: Handle<uruk_image>) -> uruk_status {
    enter(Reach::Anywhere, || image.take().map(drop))
}

/// Makes an image of the program that runs here, and writes it to a file.
pub(crate) fn save_program(options: List<uruk_image_options>, path: &Path) -> Result<(), Failure> {
    let Image { bytes, runs } = make(&sized::copy_or_defaults(options)?)?;
    save(path, &bytes, runs)
        .map_err(|error| Failure::new(uruk_status::URUK_FILE, format!("{}: {error}", path.display())))
}

fn make(options: &uruk_image_options) -> Result<Image, Failure> {
    let base = options.base.get_if_any()?;
    let base = base.as_ref().map(|base| base.base()).transpose()?;
    let output = Output::new(options, base.as_ref())?;
    let bytes = output.write(freeze(options, base.as_ref())?)?;
    Ok(Image { bytes, runs: matches!(options.kind, URUK_IMAGE_EXECUTABLE | URUK_IMAGE_SHARED_OBJECT) })
}

fn freeze(options: &uruk_image_options, base: Option<&Base<'_>>) -> Result<Frozen, Failure> {
    let (program, dylibs) = code(options)?;
    let own = if program.is_none() { saving::own() } else { None };
    let code = program.as_ref().map(|program| (program.jit.session(), dylibs.as_slice()));
    let code = code.or_else(|| own.as_ref().map(|own| (&own.session, own.dylibs)));
    let mut allowed = owned(options.allowed, options.allowed_count, "allowed")?;
    allowed.extend(own.iter().flat_map(|own| own.allowed).cloned());
    let roots = texts(options.roots, options.root_count, "roots")?;
    let heap = Custom::new(options.heap)?;
    let heap = heap.as_ref().map(|heap| heap as &dyn Heap);
    let world = options.world.get_if_any()?;
    if world.is_none() && (!roots.is_empty() || heap.is_some()) {
        return Err(Failure::invalid("uruk_image_options: roots and heaps are a world's; give one"));
    }
    let guard = world.as_deref().map(lock);
    let data = guard.as_deref().map(|world: &World| (world, roots.as_slice()));
    let mut frozen = Freeze { code, data, heap, base, allowed: &allowed, ..Freeze::default() }.freeze()?;
    if own.is_some() {
        saving::forget_offered(&mut frozen.graphs);
    }
    Ok(frozen)
}

/// Whose code an image has, and of which dylibs.
fn code(options: &uruk_image_options) -> Result<(Option<Arc<Program>>, Vec<DylibId>), Failure> {
    let dylibs = options.dylibs.get(size(options.dylib_count), "dylibs")?;
    let Some(program) = options.jit.get_if_any()? else {
        return match dylibs {
            [] => Ok((None, Vec::new())),
            _ => Err(Failure::invalid("uruk_image_options: dylibs are a JIT's; give it")),
        };
    };
    if !program.runs_here {
        let text = "uruk_image_options: an image is made of this process, and the code of this JIT does not run here";
        return Err(Failure::invalid(text));
    }
    let mut chosen = Vec::new();
    for dylib in dylibs {
        let dylib = dylib.get()?;
        program.require_same(&dylib.program)?;
        chosen.push(dylib.id);
    }
    if chosen.is_empty() {
        chosen.push(program.jit.main().id());
    }
    Ok((Some(program), chosen))
}

/// A count, which no array has if it does not fit.
fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn texts<'a>(list: List<Text>, count: u64, what: &str) -> Result<Vec<&'a str>, Failure> {
    list.get(size(count), what)?.iter().map(|text| text.get(what)).collect()
}

fn owned(list: List<Text>, count: u64, what: &str) -> Result<Vec<String>, Failure> {
    Ok(texts(list, count, what)?.into_iter().map(str::to_owned).collect())
}
