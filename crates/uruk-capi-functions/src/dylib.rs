//! Dylibs: what they define, where they look, and what is run of them.

use crate::call::{Reach, enter, enter_value};
use crate::error::{copy_text, uruk_status};
use crate::handle::{Handle, Kind};
use crate::jit::Program;
use crate::raw::{List, Out, Text};
use std::ffi::c_char;
use std::sync::Arc;
use uruk_jitlink::graph::SymbolKind;
use uruk_orc::{DylibId, SearchEntry};

/// A part of a program with a name space of its own. It is its JIT's.
pub struct uruk_dylib;

impl Kind for uruk_dylib {
    const NAME: &'static str = "uruk_dylib";
    type Object = Dylib;
}

/// A dylib of a program.
pub struct Dylib {
    pub(crate) program: Arc<Program>,
    pub(crate) id: DylibId,
}

impl Dylib {
    pub(crate) fn get(&self) -> uruk::Dylib<'_> {
        self.program.jit.dylib(self.id)
    }
}

/// A name with an address.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_symbol {
    /// The name, as C has it.
    pub name: Text,
    /// The address.
    pub address: u64,
}

/// Copies a dylib's name, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte; 0
/// for what is no dylib.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_name(dylib: Handle<uruk_dylib>, buffer: Out<c_char>, size: usize) -> usize {
    enter_value(Reach::Anywhere, 0, || {
        let dylib = dylib.get()?;
        copy_text(&dylib.program.jit.session().dylib_name(dylib.id), buffer, size)
    })
}

/// Defines names at addresses of the process where code runs.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_define(
    dylib: Handle<uruk_dylib>,
    symbols: List<uruk_symbol>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let session = dylib.program.jit.session();
        let symbols = symbols.get(count, "symbols")?.iter().map(|symbol| {
            Ok((session.names().intern(symbol.name.bytes("a symbol's name")?), symbol.address, SymbolKind::None))
        });
        session.define_absolute(dylib.id, &symbols.collect::<Result<Vec<_>, crate::error::Failure>>()?);
        Ok(())
    })
}

/// Defines another name for a symbol that the dylib finds.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_alias(dylib: Handle<uruk_dylib>, name: Text, target: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(dylib.get()?.get().alias(&[(name.get("name")?, target.get("target")?)])?))
}

/// Defines functions of another dylib of the same JIT, under the same names, that are linked when they are called first.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_lazy_reexport(
    dylib: Handle<uruk_dylib>,
    source: Handle<uruk_dylib>,
    names: List<Text>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, source) = (dylib.get()?, source.get()?);
        dylib.program.require_same(&source.program)?;
        let names = names.get(count, "names")?.iter().map(|name| name.get("a name"));
        Ok(dylib.get().lazy_reexport(&source.get(), &names.collect::<Result<Vec<_>, _>>()?)?)
    })
}

/// Lets a dylib find what it needs in others, before the process and in this order.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_link_against(
    dylib: Handle<uruk_dylib>,
    others: List<Handle<uruk_dylib>>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let others = others.get(count, "others")?.iter().map(|other| other.get());
        let others = others.collect::<Result<Vec<_>, _>>()?;
        others.iter().try_for_each(|other| dylib.program.require_same(&other.program))?;
        dylib.get().link_against(&others.iter().map(|other| other.get()).collect::<Vec<_>>());
        Ok(())
    })
}

/// Where a dylib looks: another one, and whether what that hides is found, too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_search_entry {
    /// The dylib.
    pub dylib: Handle<uruk_dylib>,
    /// 0, or 1 for hidden symbols, too.
    pub all_symbols: u32,
    /// Zero.
    pub reserved: u32,
}

/// Sets where a dylib looks, in this order and nowhere else. `uruk_dylib_link_against` adds to what there is.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_set_search_order(
    dylib: Handle<uruk_dylib>,
    entries: List<uruk_search_entry>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let entries = entries.get(count, "entries")?.iter().map(|entry| {
            let other = entry.dylib.get()?;
            dylib.program.require_same(&other.program)?;
            Ok(SearchEntry { dylib: other.id, all_symbols: entry.all_symbols != 0 })
        });
        let order = entries.collect::<Result<Vec<_>, crate::error::Failure>>()?;
        dylib.program.jit.session().set_search_order(dylib.id, order);
        Ok(())
    })
}

/// Loads a shared library, by path or soname, and offers its symbols in this dylib only.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_add_library(dylib: Handle<uruk_dylib>, path_or_soname: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        Ok(dylib.get()?.get().add_library(path_or_soname.get("path_or_soname")?, |_| true)?)
    })
}

/// Links everything that was added, and runs the initialisers that have not run.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_initialize(dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(dylib.get()?.get().initialize()?))
}

/// Links and initialises a dylib and calls a function of it with the arguments of `main`, wherever code runs. `entry` may be null, for
/// `main`, and so may `status`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_run(dylib: Handle<uruk_dylib>, entry: Text, status: Out<i32>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let code = dylib.get()?.get().run(entry.or("entry", "main")?)?;
        status.put_if_wanted(code)
    })
}

/// Links and initialises a dylib and calls a function of it, wherever code runs, with at most six integers or addresses of there.
/// The function has to take and return such.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_call(
    dylib: Handle<uruk_dylib>,
    name: Text,
    arguments: List<u64>,
    count: usize,
    result: Out<u64>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let arguments = arguments.get(count, "arguments")?;
        // SAFETY: that the function is as it is called is asked of the caller in the header.
        let returned = unsafe { dylib.get().call(name.get("name")?, arguments)? };
        result.put_if_wanted(returned)
    })
}

/// Removes everything that was defined in a dylib, which stays. Memory goes when nothing holds it.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_clear(dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let _ = dylib.get()?.get().clear();
        Ok(())
    })
}

/// Removes a dylib with everything in it, and its handle.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_remove(dylib: Handle<uruk_dylib>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let dylib = dylib.get()?;
        let _ = dylib.program.jit.session().remove_dylib(dylib.id);
        dylib.program.forget_dylib(dylib.id)
    })
}
