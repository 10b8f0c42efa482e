//! Generators: who is asked for names that a dylib lacks.

use crate::call::{Reach, answer, enter};
use crate::context::{Context, uruk_destroy};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::jit::{Program, uruk_jit};
use crate::name::{number, uruk_name};
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use uruk_orc::DylibId;
use uruk_orc::error::Error;
use uruk_orc::generator::{AsyncGenerator, DefinitionGenerator, LookupKind, ProcessSymbols, Wanted};
use uruk_orc::session::{Session, Suspended};

/// A linker asks, on behalf of objects or of a client that builds the program.
pub const URUK_LOOKED_UP_STATICALLY: u32 = 0;
/// The running program asks, as by `dlsym`: archives add nothing to it.
pub const URUK_LOOKED_UP_DYNAMICALLY: u32 = 1;

/// A name that a look-up misses.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_wanted_name {
    /// The name.
    pub name: uruk_name,
    /// 0: a weak reference, which is content with a definition that is there anyway.
    pub required: u32,
}

/// What a look-up misses in a dylib. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_wanted {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// `URUK_LOOKED_UP_…`.
    pub kind: u32,
    /// The dylib, to define things in.
    pub dylib: Handle<uruk_dylib>,
    /// The names.
    pub names: *const uruk_wanted_name,
    /// How many there are.
    pub count: u64,
}

/// A look-up that waits for a generator. It is the generator's, on any thread, until it is finished by `uruk_suspended_finish`, once.
pub struct uruk_suspended;

impl Kind for uruk_suspended {
    const NAME: &'static str = "uruk_suspended";
    type Object = Mutex<Option<(String, Suspended)>>;
}

/// The callbacks of a generator: one of the first two. They may be called by several threads at once, and may look up, but not what they are
/// asked for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_generator_callbacks {
    /// Filled in by `uruk_generator_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_generator_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_generator_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// What messages call it; null: "a generator". It is copied.
    pub name: Text,
    /// Defines those of the names that it can, by whatever defines something in a dylib. Returns 0 for success, also if it knows none of
    /// them; otherwise `*message` may be set to a text made by `uruk_message`, and the look-up fails.
    pub generate: Option<
        unsafe extern "C" fn(context: *mut c_void, wanted: *const uruk_wanted, message: *mut *mut c_char) -> i32,
    >,
    /// The same, if it takes its time: the look-up goes on when it is finished, and the callback returns at once.
    pub generate_later: Option<
        unsafe extern "C" fn(context: *mut c_void, wanted: *const uruk_wanted, suspended: Handle<uruk_suspended>),
    >,
    /// The last call of all: the generator was removed, or the JIT is gone. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null and addresses are all that follows.
unsafe impl Grows for uruk_generator_callbacks {
    const NAME: &'static str = "uruk_generator_callbacks";
    const NUMBER: u32 = 5;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_generator_callbacks_init(callbacks: Out<uruk_generator_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Lets a generator be asked for what a dylib lacks, behind those that were added to it before: archives and libraries are such, too. A
/// look-up goes from dylib to dylib along its search order, and in each from generator to generator, as long as something is missing. The
/// table is copied. If this fails, the context stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_generator(
    dylib: Handle<uruk_dylib>,
    callbacks: List<uruk_generator_callbacks>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let callbacks = sized::copy(callbacks)?;
        let name = callbacks.name.or("`name` of uruk_generator_callbacks", "a generator")?.to_owned();
        let session = dylib.program.jit.session();
        let program = Arc::downgrade(&dylib.program);
        let context = Context::new(callbacks.context, callbacks.destroy);
        match (callbacks.generate, callbacks.generate_later) {
            (Some(generate), None) => {
                context.own();
                session.add_generator(dylib.id, Arc::new(Custom { generate, name, context, program }));
            }
            (None, Some(generate)) => {
                context.own();
                session.add_async_generator(dylib.id, Arc::new(Custom { generate, name, context, program }));
            }
            _ => return Err(Failure::invalid("uruk_generator_callbacks: give one of `generate` and `generate_later`")),
        }
        Ok(())
    })
}

/// Lets a dylib find what the process where code runs, and its libraries, export: for dylibs whose search order has no other way there.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_process(dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        dylib.program.jit.session().add_generator(dylib.id, Arc::new(ProcessSymbols));
        Ok(())
    })
}

/// Removes all generators of a dylib: archives, libraries and clients' own. What they have defined stays.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_remove_generators(dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        dylib.get()?.get().close_archives();
        Ok(())
    })
}

/// Loads these shared libraries, by soname and in order, as long as something is missing that they may define. Such as are not installed
/// define nothing.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_load_libraries_on_demand(
    jit: Handle<uruk_jit>,
    sonames: List<Text>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let sonames = sonames.get(count, "sonames")?.iter().map(|soname| soname.get("a soname"));
        jit.get()?.jit.load_libraries_on_demand(&sonames.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    })
}

/// Lets a look-up go on with what has been defined meanwhile, or fail with a message if `status` is not 0. The message may be null; it is
/// copied. The handle is gone then.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_suspended_finish(suspended: Handle<uruk_suspended>, status: i32, message: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let said = message.or("message", "")?;
        let taken = suspended.take()?.ok_or_else(|| Failure::null("suspended"))?;
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((name, suspended)) = taken {
            let failed = || match said {
                "" => format!("it failed with {status} and no message"),
                said => said.to_owned(),
            };
            suspended.finish(if status == 0 {
                Ok(())
            } else {
                Err(error(&name, Failure::new(uruk_status::URUK_CALLBACK, failed())))
            });
        }
        Ok(())
    })
}

fn error(generator: &str, failure: Failure) -> Error {
    Error::Generator { generator: generator.into(), cause: Arc::new(failure) }
}

struct Custom<F> {
    generate: F,
    name: String,
    context: Context,
    program: Weak<Program>,
}

impl<F> Custom<F> {
    /// Describes what is wanted for the time of a call; nothing is if the JIT is going.
    fn ask<T>(&self, dylib: DylibId, wanted: Wanted<'_>, call: impl FnOnce(*const uruk_wanted) -> T) -> Option<T> {
        let program = self.program.upgrade()?;
        let names = wanted.names.iter();
        let names =
            names.map(|(name, required)| uruk_wanted_name { name: number(*name), required: (*required).into() });
        let names: Vec<_> = names.collect();
        let kind = match wanted.kind {
            LookupKind::Static => URUK_LOOKED_UP_STATICALLY,
            LookupKind::Dynamic => URUK_LOOKED_UP_DYNAMICALLY,
        };
        let (struct_size, dylib) = (size_of::<uruk_wanted>() as u32, program.dylib(dylib));
        Some(call(&uruk_wanted { struct_size, kind, dylib, names: names.as_ptr(), count: names.len() as u64 }))
    }
}

impl DefinitionGenerator for Custom<unsafe extern "C" fn(*mut c_void, *const uruk_wanted, *mut *mut c_char) -> i32> {
    fn generate(&self, _: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let asked = self.ask(dylib, wanted, |wanted| {
            // SAFETY: the client's function with its context, and what lives during the call.
            answer("`generate`", |message| unsafe { (self.generate)(self.context.pointer(), wanted, message) })
        });
        asked.unwrap_or(Ok(())).map_err(|failure| error(&self.name, failure))
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl AsyncGenerator for Custom<unsafe extern "C" fn(*mut c_void, *const uruk_wanted, Handle<uruk_suspended>)> {
    fn generate(&self, suspended: Suspended) {
        let (dylib, kind, names) = (suspended.dylib(), suspended.wanted().kind, suspended.wanted().names.to_vec());
        let mut suspended = Some(suspended);
        let asked = self.ask(dylib, Wanted { kind, names: &names }, |wanted| {
            let taken = suspended.take().map(|suspended| (self.name.clone(), suspended));
            let handle = handle::put::<uruk_suspended>(Arc::new(Mutex::new(taken))).handle();
            // SAFETY: the client's function with its context, what lives during the call, and a handle that is the client's.
            unsafe { (self.generate)(self.context.pointer(), wanted, handle) };
        });
        if let (None, Some(suspended)) = (asked, suspended) {
            suspended.finish(Ok(()));
        }
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
