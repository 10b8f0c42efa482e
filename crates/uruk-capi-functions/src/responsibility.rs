//! Responsibilities: what a client owes that makes a unit, from the first address to the end.

use crate::call::{Reach, enter, enter_value, removing};
use crate::context::{Context, uruk_destroy};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, copy_text, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::input::copied;
use crate::jit::Program;
use crate::lookup::{self, tell};
use crate::memory::{URUK_KIND_CODE, URUK_KIND_DATA, URUK_KIND_RODATA};
use crate::name::{name_of, names_of, number, uruk_name};
use crate::raw::{List, Opaque, Out, Text};
use crate::unit::{Unit, definitions, uruk_definition, uruk_unit};
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use uruk::memory::Lane;
use uruk_jitlink::names::Name;
use uruk_orc::responsibility::Responsibility;

/// The duty to define what a unit promised. It is the client's from the moment that `materialize` gets it, on any thread, until
/// it is settled, once: by `uruk_responsibility_emit`, `…_link`, `…_look_up`, `…_fail` or `…_dispose`. From then on the
/// handle is gone, even if settling failed. Nobody who needs the unit gets an answer before. If the unit was removed meanwhile, or its
/// JIT destroyed, all that is said of it fails, and it is still to be disposed of.
pub struct uruk_responsibility;

impl Kind for uruk_responsibility {
    const NAME: &'static str = "uruk_responsibility";
    type Object = Owed;
}

/// A responsibility that a client has.
pub struct Owed {
    program: Weak<Program>,
    /// Until it is settled. Calls take a reference with them, so that nothing is done while this is locked.
    responsibility: Mutex<Option<Arc<Responsibility>>>,
}

impl Owed {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Responsibility>>> {
        self.responsibility.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is owed, as long as there is somebody to whom.
    fn get(&self) -> Result<Arc<Responsibility>, Failure> {
        self.program()?;
        self.lock().clone().ok_or_else(gone)
    }

    fn program(&self) -> Result<Arc<Program>, Failure> {
        let text = "the JIT of this uruk_responsibility is gone: it was destroyed";
        self.program.upgrade().ok_or_else(|| Failure::new(uruk_status::URUK_GONE, text))
    }
}

fn gone() -> Failure {
    Failure::new(uruk_status::URUK_GONE, "this uruk_responsibility is gone: it was settled")
}

/// Makes a handle of a responsibility, which is the client's.
pub(crate) fn give(program: Weak<Program>, responsibility: Responsibility) -> Handle<uruk_responsibility> {
    let responsibility = Mutex::new(Some(Arc::new(responsibility)));
    handle::put::<uruk_responsibility>(Arc::new(Owed { program, responsibility })).handle()
}

/// Takes a responsibility back, to settle it.
fn take(handle: Handle<uruk_responsibility>) -> Result<(Weak<Program>, Responsibility), Failure> {
    let owed = handle.get()?;
    let taken = owed.lock().take().ok_or_else(gone)?;
    match Arc::try_unwrap(taken) {
        Ok(responsibility) => {
            handle.take()?;
            Ok((owed.program.clone(), responsibility))
        }
        Err(used) => {
            *owed.lock() = Some(used);
            let text = "another thread is using this uruk_responsibility; settle it when that has returned";
            Err(Failure::new(uruk_status::URUK_BUSY, text))
        }
    }
}

/// Copies what the unit is called, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that
/// byte; 0 for what is no responsibility.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_name(
    responsibility: Handle<uruk_responsibility>,
    buffer: Out<c_char>,
    size: usize,
) -> usize {
    enter_value(Reach::Anywhere, 0, || copy_text(&responsibility.get()?.get()?.name(), buffer, size))
}

/// The dylib that the definitions are for.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_dylib(
    responsibility: Handle<uruk_responsibility>,
    dylib: Out<Handle<uruk_dylib>>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let owed = responsibility.get()?;
        dylib.put(owed.program()?.dylib(owed.get()?.dylib()))
    })
}

/// The names that are owed, those that were promised and that no stronger definition has taken: as many as there is room for, and in
/// `count` how many there are. `names` may be null if `room` is 0.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_owed(
    responsibility: Handle<uruk_responsibility>,
    names: Out<uruk_name>,
    room: usize,
    count: Out<usize>,
) -> uruk_status {
    enter(Reach::Anywhere, || list(&responsibility.get()?.get()?.owed(), names, room, count))
}

/// Those of the names owed that somebody has asked for by now. The others may be given back by `uruk_responsibility_replace`.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_requested(
    responsibility: Handle<uruk_responsibility>,
    names: Out<uruk_name>,
    room: usize,
    count: Out<usize>,
) -> uruk_status {
    enter(Reach::Anywhere, || list(&responsibility.get()?.get()?.requested(), names, room, count))
}

fn list(found: &[Name], names: Out<uruk_name>, room: usize, count: Out<usize>) -> Result<(), Failure> {
    count.check("count")?;
    names.put_all(found[..room.min(found.len())].iter().map(|name| number(*name)))?;
    count.put(found.len())
}

/// A name with its address.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_resolved {
    /// The name.
    pub name: uruk_name,
    /// Zero.
    pub reserved: u32,
    /// The address, in the process where code runs.
    pub address: u64,
}

/// Says where definitions are, all of them or a part. Others can refer to them from now on, and call them once they are emitted.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_resolve(
    responsibility: Handle<uruk_responsibility>,
    addresses: List<uruk_resolved>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let responsibility = responsibility.get()?.get()?;
        let names = responsibility.session().names();
        let addresses = addresses.get(count, "addresses")?.iter();
        let addresses = addresses.map(|resolved| Ok((name_of(names, resolved.name)?, resolved.address)));
        Ok(responsibility.resolve(&addresses.collect::<Result<Vec<_>, Failure>>()?)?)
    })
}

/// Copies bytes into memory of the process where code runs, which goes when the unit is removed. `kind` is `URUK_KIND_CODE`,
/// `URUK_KIND_RODATA` or `URUK_KIND_DATA`; code and constants cannot be changed afterwards. `alignment` is a power of two.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_write(
    responsibility: Handle<uruk_responsibility>,
    kind: u32,
    bytes: List<u8>,
    size: usize,
    alignment: u64,
    address: Out<u64>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        address.check("address")?;
        let responsibility = responsibility.get()?.get()?;
        let lane = match kind {
            URUK_KIND_CODE => Lane::Code,
            URUK_KIND_RODATA => Lane::ReadOnly,
            URUK_KIND_DATA => Lane::Data,
            _ => return Err(Failure::invalid(format!("{kind} is no kind of memory: take code, rodata or data"))),
        };
        if !alignment.is_power_of_two() {
            return Err(Failure::invalid(format!("an alignment of {alignment} is not a power of two")));
        }
        address.put(responsibility.write(lane, bytes.get(size, "bytes")?, alignment)?)
    })
}

/// Functions to run, in this order, when the dylib is initialised next; each is called with the arguments of `main`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_add_initialisers(
    responsibility: Handle<uruk_responsibility>,
    functions: List<u64>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        Ok(responsibility.get()?.get()?.add_initialisers(functions.get(count, "functions")?)?)
    })
}

/// What a unit keeps. Waiting for removals would wait for its end.
struct Kept(Option<Arc<Context>>);

impl Drop for Kept {
    fn drop(&mut self) {
        removing(|| drop(self.0.take()));
    }
}

/// Keeps something until the unit is removed, or its JIT destroyed; then `destroy` is called with it. If this fails it is not.
/// In `destroy`, `uruk_jit_quiesce` returns `URUK_BUSY`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_keep(
    responsibility: Handle<uruk_responsibility>,
    context: *mut c_void,
    destroy: uruk_destroy,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let responsibility = responsibility.get()?.get()?;
        destroy.ok_or_else(|| Failure::null("destroy"))?;
        let context = Arc::new(Context::new(context, destroy));
        context.own();
        Ok(responsibility.keep(Kept(Some(context.clone()))).inspect_err(|_| _ = context.release())?)
    })
}

/// Promises more names.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_define(
    responsibility: Handle<uruk_responsibility>,
    more: List<uruk_definition>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let responsibility = responsibility.get()?.get()?;
        let more = definitions(responsibility.session().names(), more.get(count, "more")?)?;
        Ok(responsibility.define(&more)?)
    })
}

/// Takes a part of the names over into a responsibility of its own, which is to be settled, too.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_delegate(
    responsibility: Handle<uruk_responsibility>,
    names: List<uruk_name>,
    count: usize,
    part: Out<Handle<uruk_responsibility>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        part.check("part")?;
        let owed = responsibility.get()?;
        let responsibility = owed.get()?;
        let names = names_of(responsibility.session().names(), names.get(count, "names")?)?;
        part.put(give(owed.program.clone(), responsibility.delegate(&names)?))
    })
}

/// Gives names back, with another unit that defines them if somebody asks: all of its definitions must be owed. If this fails, the unit's
/// context stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_replace(
    responsibility: Handle<uruk_responsibility>,
    unit: List<uruk_unit>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let owed = responsibility.get()?;
        let responsibility = owed.get()?;
        let unit = Unit::of(unit, responsibility.session().names(), owed.program.clone())?;
        unit.give(|unit| Ok(responsibility.replace(unit)?))
    })
}

/// A symbol that a unit needs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_need {
    /// The dylib along whose search order it is found; null: the unit's own.
    pub dylib: Handle<uruk_dylib>,
    /// Its name.
    pub name: uruk_name,
    /// Zero.
    pub reserved: u32,
}

/// Says that the definitions are complete: all that were promised have been resolved. They become ready together with all that they need.
/// Settles the responsibility; if this fails, the unit has failed.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_emit(
    responsibility: Handle<uruk_responsibility>,
    needs: List<uruk_need>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let needs = needs.get(count, "needs")?;
        let (program, responsibility) = take(responsibility)?;
        let names = responsibility.session().names();
        let needs = needs.iter().map(|need| {
            let dylib = match need.dylib.get_if_any()? {
                None => responsibility.dylib(),
                Some(dylib) if Weak::ptr_eq(&Arc::downgrade(&dylib.program), &program) => dylib.id,
                Some(_) => return Err(Failure::invalid("a dylib of another JIT is needed")),
            };
            Ok((dylib, name_of(names, need.name)?))
        });
        match needs.collect::<Result<Vec<_>, Failure>>() {
            Ok(needs) => Ok(responsibility.emit(&needs)?),
            Err(failure) => {
                responsibility.fail_to_compile(failure.clone());
                Err(failure)
            }
        }
    })
}

/// Has an object linked that defines what was promised, as one of the dylib would be; it is copied, and `name` may be null. Settles the
/// responsibility; if this fails, the unit has failed.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_link(
    responsibility: Handle<uruk_responsibility>,
    name: Text,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let object = copied(name, bytes, size)?;
        Ok(take(responsibility)?.1.link(object)?)
    })
}

/// Has a text compiled that defines what was promised, and the object linked. `language` is as for `uruk_dylib_add_source`, or "clif", of
/// which there has to be one function, or "bc". `name`, which messages have, may be null. Settles the responsibility; if this fails, the
/// unit has failed. What is wrong with a function in Cranelift's language those are told who asked for it.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_compile(
    responsibility: Handle<uruk_responsibility>,
    language: Text,
    name: Text,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (language, name) = (language.get("language")?, name.or("name", "<memory>")?);
        let bytes = bytes.get(size, "bytes")?;
        let (program, responsibility) = take(responsibility)?;
        let program = program.upgrade().ok_or_else(gone)?;
        if language == "clif" {
            let text = std::str::from_utf8(bytes).map_err(|_| Failure::invalid("bytes: this is no text in UTF-8"))?;
            program.jit.compile_clif(responsibility, name, text);
            return Ok(());
        }
        match program.compilers.object(language, name, bytes) {
            Ok(object) => Ok(responsibility.link(object)?),
            Err(failure) => {
                responsibility.fail_to_compile(failure.clone());
                Err(failure)
            }
        }
    })
}

/// Says that the definitions cannot be had, and why; whatever needs them fails, too. Settles the responsibility.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_fail(responsibility: Handle<uruk_responsibility>, message: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let message = message.or("message", "no reason was given")?;
        take(responsibility)?.1.fail_to_compile(Failure::new(uruk_status::URUK_COMPILE, message));
        Ok(())
    })
}

/// The same without a reason. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_dispose(responsibility: Handle<uruk_responsibility>) -> uruk_status {
    enter(Reach::OutsideLinks, || if responsibility.is_null() { Ok(()) } else { take(responsibility).map(drop) })
}

/// Is told what a responsibility has looked up, with that under another handle, which is the client's. The rest is as for
/// `uruk_lookup_callback`.
pub type uruk_responsibility_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        responsibility: Handle<uruk_responsibility>,
        status: uruk_status,
        message: *const c_char,
        addresses: *const u64,
        count: usize,
    ),
>;

/// Looks up what is needed to go on, along the dylib's search order, and goes on in the callback, on whatever thread that is: no thread
/// waits. A look-up that needs this very unit is answered with a failure. `flags` are `URUK_LOOKUP_…`, joined by `|`. This handle is gone
/// then; the callback gets another. If this fails, it is not, and the callback is not called.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_responsibility_look_up(
    responsibility: Handle<uruk_responsibility>,
    names: List<uruk_name>,
    count: usize,
    flags: u32,
    callback: uruk_responsibility_callback,
    context: *mut c_void,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let callback = callback.ok_or_else(|| Failure::null("callback"))?;
        let request = {
            let responsibility = responsibility.get()?.get()?;
            let session = responsibility.session();
            let names = names_of(session.names(), names.get(count, "names")?)?;
            lookup::request(session, responsibility.dylib(), &names, flags)?
        };
        let (program, responsibility) = take(responsibility)?;
        let context = Opaque(context);
        responsibility.look_up_then(&request, move |responsibility, answer| {
            let context = context;
            let handle = give(program, responsibility);
            tell(answer, |status, message, addresses, count| {
                // SAFETY: the client's function with its context, and what it is said to get.
                unsafe { callback(context.0, handle, status, message, addresses, count) };
            });
        });
        Ok(())
    })
}
