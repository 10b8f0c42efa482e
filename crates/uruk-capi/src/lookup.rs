//! Look-ups: names in, addresses out.

use crate::call::{Reach, enter};
use crate::dylib::uruk_dylib;
use crate::error::uruk_status;
use crate::handle::Handle;
use crate::raw::{List, Out, Text};
use uruk_orc::session::Request;

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
        let request = request(&dylib, names.get(count, "names")?, flags)?;
        let found = dylib.program.jit.session().start(&request).wait()?;
        addresses.put_all(found.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().into_iter())
    })
}

fn request(dylib: &crate::dylib::Dylib, names: &[Text], flags: u32) -> Result<Request, crate::error::Failure> {
    let session = dylib.program.jit.session();
    let has = |flag| flags & flag != 0;
    if flags & !(URUK_LOOKUP_WEAK | URUK_LOOKUP_DYNAMIC | URUK_LOOKUP_RESOLVED) != 0 {
        return Err(crate::error::Failure::invalid(format!("{flags:#x} has unknown flags")));
    }
    let names = names.iter().map(|name| Ok(session.names().intern(name.bytes("a name")?)));
    let names = names.collect::<Result<Vec<_>, crate::error::Failure>>()?;
    let order = session.search_order(dylib.id);
    let mut request = match has(URUK_LOOKUP_WEAK) {
        true => names.iter().fold(Request::new(&order, &[]), |request, name| request.weak(*name)),
        false => Request::new(&order, &names),
    };
    if has(URUK_LOOKUP_DYNAMIC) {
        request = request.dynamic();
    }
    if has(URUK_LOOKUP_RESOLVED) {
        request = request.resolved();
    }
    Ok(request)
}
