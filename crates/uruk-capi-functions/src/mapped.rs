//! Images that are loaded: files that were written as `URUK_IMAGE_MAPPED`, mapped into this process.
//!
//! Invariant: an image is unloaded once its handle was disposed of, no call uses it, and no loaded image builds on it.

use crate::call::{Reach, enter};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, c_text, uruk_status};
use crate::graph::symbol_kind;
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Opaque, Out, Text};
use crate::sized::{self, Grows};
use crate::world::{lock, uruk_world};
use ::uruk_image::mapped::{self, Base, Exported, InProcess, LoadOptions, Mapped, MappedError, MemoryOptions, Problem};
use std::ffi::{c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uruk_jitlink::graph::SymbolKind;

/// Libraries that the process was started with use what the image defines, for good, as those of a program that the system starts: it is
/// never disposed of.
pub const URUK_LOAD_INTERPOSE: u32 = 1;

/// What an image is loaded with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_load_options {
    /// Filled in by `uruk_load_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_load_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_load_options_init`.
    pub magic: u64,
    /// `URUK_LOAD_INTERPOSE`, or 0.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Its file, which nobody is to write to while the image is used.
    pub path: Text,
    /// The arguments that its initialisers and its `main` get, the program's name first. May be null if there is none.
    pub arguments: List<Text>,
    /// How many these are.
    pub argument_count: u64,
    /// What it has to be stamped with; null: anything.
    pub stamp: Text,
    /// The world whose types have to be laid out as those of the image; null: nobody looks.
    pub world: Handle<uruk_world>,
    /// The image that it builds on, which stays loaded as long as this one; null: none.
    pub base: Handle<uruk_mapped>,
    /// Given to `find`.
    pub context: *mut c_void,
    /// The address of a symbol that the image does not define, before the process is asked for it; 0 if it is not known here. When the
    /// image was made, a library had the symbol, or all references to it were weak. Called on this thread during the call that loads; it
    /// may look up. May be null.
    pub find: Option<unsafe extern "C" fn(context: *mut c_void, name: *const c_char) -> u64>,
}

// SAFETY: `repr(C)`, it begins as it must, and numbers, addresses, handles, which are numbers, and a function pointer that may be null are
// all that follows.
unsafe impl Grows for uruk_load_options {
    const NAME: &'static str = "uruk_load_options";
    const NUMBER: u32 = 15;
}

/// Fills in options: no file. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_load_options_init(options: Out<uruk_load_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// An image that this process has mapped.
pub struct uruk_mapped;

impl Kind for uruk_mapped {
    const NAME: &'static str = "uruk_mapped";
    type Object = Loaded;
}

/// A loaded image.
pub struct Loaded {
    /// Unloaded before what it builds on.
    image: Mapped,
    path: PathBuf,
    /// What it builds on.
    _base: Option<Arc<Loaded>>,
}

impl Loaded {
    /// The same as what another image builds on.
    pub(crate) fn base(&self) -> Result<Base<'_>, Failure> {
        let unreadable =
            |error| Failure::new(uruk_status::URUK_FILE, format!("image {}: {error}", self.path.display()));
        Ok(Base::new(&self.image, &std::fs::read(&self.path).map_err(unreadable)?)?)
    }
}

impl From<MappedError> for Failure {
    fn from(error: MappedError) -> Failure {
        Failure::new(status_of(&error.problem), error.to_string())
    }
}

pub(crate) fn status_of(problem: &Problem) -> uruk_status {
    match problem {
        Problem::System { .. } => uruk_status::URUK_FILE,
        Problem::Version { .. }
        | Problem::Stamp { .. }
        | Problem::Layout
        | Problem::Base { .. }
        | Problem::Library { .. }
        | Problem::Symbol { .. } => uruk_status::URUK_STALE,
        Problem::Chain => uruk_status::URUK_INVALID,
        Problem::Undefined(_) | Problem::NoEntry => uruk_status::URUK_MISSING,
        Problem::Process(_) => uruk_status::URUK_EXECUTOR,
        // It is damaged, or another kind of file, or another processor's.
        _ => uruk_status::URUK_LINK,
    }
}

/// Loads an image, and runs its initialisers. Whatever fails, fails before any of its code has run. `URUK_STALE` if it was made for another
/// version of the program or of its libraries, `URUK_LINK` if it is damaged, `URUK_MISSING` for symbols that nobody defines.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_load(options: List<uruk_load_options>, image: Out<Handle<uruk_mapped>>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        image.check("image")?;
        let options = sized::copy(options)?;
        if options.flags & !URUK_LOAD_INTERPOSE != 0 || options.reserved != 0 {
            return Err(Failure::invalid(format!("uruk_load_options: {:#x} has unknown flags", options.flags)));
        }
        let path = Path::new(options.path.get("`path` of uruk_load_options")?);
        let count = usize::try_from(options.argument_count).unwrap_or(usize::MAX);
        let arguments = options.arguments.get(count, "arguments")?.iter().map(|text| text.bytes("an argument"));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let base = options.base.get_if_any()?;
        let context = Opaque(options.context);
        let find = options.find.map(|find| {
            move |name: &str| {
                // SAFETY: the client's function with its context, and what lives during the call.
                let address = unsafe { find(context.0, c_text(name).as_ptr()) };
                (address != 0).then_some(address)
            }
        });
        let wanted = LoadOptions {
            stamp: options.stamp.get_if_any("stamp")?,
            layout: options.world.get_if_any()?.map(|world| lock(&world).layout()),
            base: base.as_ref().map(|base| &base.image),
            symbols: find.as_ref().map(|find| find as &mapped::Find<'_>),
            interpose: options.flags & URUK_LOAD_INTERPOSE != 0,
        };
        let executor = Arc::new(InProcess::new(MemoryOptions::default()));
        if !arguments.is_empty() {
            executor.set_arguments(arguments);
        }
        let loaded = Mapped::load(path, &wanted, &executor)?;
        // Who builds on it may have gone to another folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        image.put(handle::put::<uruk_mapped>(Arc::new(Loaded { image: loaded, path, _base: base })).handle())
    })
}

/// The address of what an image defines under a name. `URUK_MISSING` if there is nothing, or a thread-local variable, which has none.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_address(image: Handle<uruk_mapped>, name: Text, address: Out<u64>) -> uruk_status {
    enter(Reach::Anywhere, || {
        address.check("address")?;
        let (image, name) = (image.get()?, name.get("name")?);
        let missing = || {
            let text = format!("image {} defines no `{name}` for others", image.path.display());
            Failure::new(uruk_status::URUK_MISSING, text)
        };
        address.put(image.image.address(name).ok_or_else(missing)?)
    })
}

/// Where an image lies, and how many bytes it has. `start` and `size` may be null.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_range(image: Handle<uruk_mapped>, start: Out<u64>, size: Out<u64>) -> uruk_status {
    enter(Reach::Anywhere, || {
        let range = image.get()?.image.range();
        start.put_if_wanted(range.start)?;
        size.put_if_wanted(range.end - range.start)
    })
}

/// A symbol of a loaded image. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_mapped_symbol {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// `URUK_TYPE_FUNCTION`, `URUK_TYPE_OBJECT`, or `URUK_TYPE_NONE` where nobody has said, and for a number.
    pub kind: u32,
    /// Its name.
    pub name: *const c_char,
    /// Where it is in this process.
    pub address: u64,
    /// Bytes; 0 where nobody has said.
    pub size: u64,
}

/// Is told of a symbol.
pub type uruk_mapped_symbol_callback =
    Option<unsafe extern "C" fn(context: *mut c_void, symbol: *const uruk_mapped_symbol)>;

/// Tells of all that an image defines for others, in order of names; thread-local variables have no address, and are left out.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_symbols(
    image: Handle<uruk_mapped>,
    context: *mut c_void,
    each: uruk_mapped_symbol_callback,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let image = image.get()?;
        let (context, each) = (Opaque(context), each.ok_or_else(|| Failure::null("each"))?);
        for (export, address) in image.image.definitions() {
            let name = c_text(&export.name);
            let told = uruk_mapped_symbol {
                struct_size: size_of::<uruk_mapped_symbol>() as u32,
                kind: symbol_kind(kind_of(export)),
                name: name.as_ptr(),
                address,
                size: export.size,
            };
            // SAFETY: the client's function with its context, and what lives during the call.
            unsafe { each(context.0, &told) };
        }
        Ok(())
    })
}

/// Defines all of that in a dylib, so that code can be linked against the image, which has to stay as long as that may run.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_define(image: Handle<uruk_mapped>, dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (image, dylib) = (image.get()?, dylib.get()?);
        if !dylib.program.runs_here {
            return Err(Failure::invalid("the image is in this process, and the code of this JIT does not run here"));
        }
        let session = dylib.program.jit.session();
        let symbols = image
            .image
            .definitions()
            .map(|(export, address)| (session.names().intern(export.name.as_bytes()), address, kind_of(export)));
        session.define_absolute(dylib.id, &symbols.collect::<Vec<_>>());
        Ok(())
    })
}

fn kind_of(export: &Exported) -> SymbolKind {
    match export.kind {
        mapped::Kind::Function => SymbolKind::Function,
        mapped::Kind::Object => SymbolKind::Object,
        mapped::Kind::ThreadLocal => SymbolKind::ThreadLocal,
        mapped::Kind::Unknown | mapped::Kind::Absolute => SymbolKind::None,
    }
}

/// Runs the program that an image is, with the arguments that it was loaded with: the function that it was written with as its main one, or
/// `main`. `URUK_MISSING` if it has none. `status` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_run(image: Handle<uruk_mapped>, status: Out<i32>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let image = image.get()?;
        let refused = |problem: Problem| problem.of(&image.path.display().to_string());
        status.put_if_wanted(image.image.run().map_err(refused)?)
    })
}

/// Unloads an image: its finalisers run, and none of its code may run any more. It stays as long as another thread's call uses it, or a
/// loaded image builds on it. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_mapped_dispose(image: Handle<uruk_mapped>) -> uruk_status {
    enter(Reach::OutsideLinks, || image.take().map(drop))
}
