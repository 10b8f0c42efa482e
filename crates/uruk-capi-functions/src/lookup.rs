//! Look-ups: names in, addresses out, at once or later; and pins, which keep what was found.

use crate::call::{Reach, enter};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, c_text, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Opaque, Out, Text};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use uruk_jitlink::names::Name;
use uruk_orc::session::{Pin, Request, Session};
use uruk_orc::{Answer, DylibId};

/// The address of a symbol, linked, initialised and ready to be used.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_lookup(dylib: Handle<uruk_dylib>, name: Text, address: Out<u64>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        address.check("address")?;
        let found = dylib.get()?.get().address(name.get("name")?)?;
        address.put(found)
    })
}

/// Names are looked up that may be missing: their address is 0 then.
pub const URUK_LOOKUP_WEAK: u32 = 1;
/// As the running program would, by `dlsym`: archives add nothing.
pub const URUK_LOOKUP_DYNAMIC: u32 = 2;
/// An address is enough: the code may not be called yet.
pub const URUK_LOOKUP_RESOLVED: u32 = 4;

/// The addresses of several symbols, linked together. Initialisers do not run for it. `flags` are `URUK_LOOKUP_…`, joined by `|`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_lookup_all(
    dylib: Handle<uruk_dylib>,
    names: List<Text>,
    count: usize,
    flags: u32,
    addresses: Out<u64>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let session = dylib.program.jit.session();
        let request = request(session, dylib.id, &interned(session, names.get(count, "names")?)?, flags)?;
        let found = session.start(&request).wait()?;
        addresses.put_all(addresses_of(found).into_iter())
    })
}

/// Is told what a look-up has found. With `URUK_OK` there are as many addresses as names, in their order, and `message` is null;
/// otherwise there are none, and `message` says why. Both are the library's, and valid during the call.
pub type uruk_lookup_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        status: uruk_status,
        message: *const c_char,
        addresses: *const u64,
        count: usize,
    ),
>;

/// Starts a look-up like that of `uruk_lookup_all`, and does not wait for it: the callback is told, once, on whatever thread knows
/// first, perhaps this one, and perhaps before this returns. It may look up itself. If this fails, it is not called.
///
/// Without threads of the JIT's own, or a dispatcher, most of the work is done before this returns.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_lookup_start(
    dylib: Handle<uruk_dylib>,
    names: List<Text>,
    count: usize,
    flags: u32,
    callback: uruk_lookup_callback,
    context: *mut c_void,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let callback = callback.ok_or_else(|| Failure::null("callback"))?;
        let dylib = dylib.get()?;
        let session = dylib.program.jit.session();
        let request = request(session, dylib.id, &interned(session, names.get(count, "names")?)?, flags)?;
        let context = Opaque(context);
        session.start_with(&request, move |answer| {
            let context = context;
            tell(answer, |status, message, addresses, count| {
                // SAFETY: the client's function with its context, and what it is said to get.
                unsafe { callback(context.0, status, message, addresses, count) };
            });
        });
        Ok(())
    })
}

/// Says an answer as callbacks get it.
pub(crate) fn tell(answer: Answer, told: impl FnOnce(uruk_status, *const c_char, *const u64, usize)) {
    match answer {
        Ok(found) => {
            let addresses = addresses_of(found);
            told(uruk_status::URUK_OK, std::ptr::null(), addresses.as_ptr(), addresses.len());
        }
        Err(error) => {
            let failure = Failure::from(error);
            told(failure.status, c_text(&failure.text).as_ptr(), std::ptr::null(), 0);
        }
    }
}

fn addresses_of(found: Vec<Option<u64>>) -> Vec<u64> {
    found.into_iter().map(Option::unwrap_or_default).collect()
}

fn interned(session: &Session, names: &[Text]) -> Result<Vec<Name>, Failure> {
    names.iter().map(|name| Ok(session.names().intern(name.bytes("a name")?))).collect()
}

/// The request for names along the search order of a dylib.
pub(crate) fn request(session: &Session, dylib: DylibId, names: &[Name], flags: u32) -> Result<Request, Failure> {
    let has = |flag| flags & flag != 0;
    if flags & !(URUK_LOOKUP_WEAK | URUK_LOOKUP_DYNAMIC | URUK_LOOKUP_RESOLVED) != 0 {
        return Err(Failure::invalid(format!("{flags:#x} has unknown flags")));
    }
    let order = session.search_order(dylib);
    let mut request = match has(URUK_LOOKUP_WEAK) {
        true => names.iter().fold(Request::new(&order, &[]), |request, name| request.weak(*name)),
        false => Request::new(&order, names),
    };
    if has(URUK_LOOKUP_DYNAMIC) {
        request = request.dynamic();
    }
    if has(URUK_LOOKUP_RESOLVED) {
        request = request.resolved();
    }
    Ok(request)
}

/// Keeps a function or a variable, and all that it refers to, from going when it is removed. It is who made it that disposes of it; the
/// memory of its JIT stays until then.
pub struct uruk_pin;

impl Kind for uruk_pin {
    const NAME: &'static str = "uruk_pin";
    type Object = Pin<'static>;
}

/// Looks a symbol up like `uruk_lookup`, and keeps it. `address` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_pin_create(
    dylib: Handle<uruk_dylib>,
    name: Text,
    address: Out<u64>,
    pin: Out<Handle<uruk_pin>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        pin.check("pin")?;
        let (dylib, name) = (dylib.get()?, name.get("name")?);
        let session = dylib.program.jit.session();
        let kept = loop {
            dylib.get().address(name)?;
            // If it was removed just now, the look-up says so, or finds another.
            if let Some(kept) = session.pin(&session.search_order(dylib.id), session.mangle(name)) {
                break kept.into_owned();
            }
        };
        address.put_if_wanted(kept.address())?;
        pin.put(handle::put::<uruk_pin>(Arc::new(kept)).handle())
    })
}

/// Lets go of what a pin kept. If it was removed, it goes now, unless something else keeps it. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_pin_dispose(pin: Handle<uruk_pin>) -> uruk_status {
    enter(Reach::OutsideLinks, || pin.take().map(drop))
}
