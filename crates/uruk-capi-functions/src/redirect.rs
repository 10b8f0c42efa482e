//! Functions that can be replaced while others call them.

use crate::call::{Reach, enter};
use crate::dylib::{uruk_dylib, uruk_symbol};
use crate::error::{Failure, uruk_status};
use crate::handle::{Handle, Kind};
use crate::input::place;
use crate::jit::Program;
use crate::raw::{List, Out, Text};
use crate::tracker::uruk_tracker;
use std::sync::{Arc, Weak};
use uruk_jitlink::names::Name;
use uruk_orc::lazy::Redirectable;
use uruk_orc::unit::Definition;

/// Functions that can be led elsewhere. The functions are their tracker's; this is their JIT's.
pub struct uruk_redirectable;

impl Kind for uruk_redirectable {
    const NAME: &'static str = "uruk_redirectable";
    type Object = Functions;
}

/// Redirectable functions of a program.
pub struct Functions {
    program: Weak<Program>,
    functions: Redirectable,
}

impl Functions {
    fn program(&self) -> Result<Arc<Program>, Failure> {
        let text = "the JIT of this uruk_redirectable is gone: it was destroyed";
        self.program.upgrade().ok_or_else(|| Failure::new(uruk_status::URUK_GONE, text))
    }
}

fn interned(program: &Program, name: Text) -> Result<Name, Failure> {
    Ok(program.jit.session().names().intern(name.bytes("a symbol's name")?))
}

/// Defines functions with the addresses of their first bodies, which the caller keeps for as long as they are called. `tracker` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_define_redirectable(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    functions: List<uruk_symbol>,
    count: usize,
    redirectable: Out<Handle<uruk_redirectable>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        redirectable.check("redirectable")?;
        let (dylib, tracker) = place(dylib, tracker)?;
        let functions = functions
            .get(count, "functions")?
            .iter()
            .map(|function| Ok((Definition::function(interned(&dylib.program, function.name)?), function.address)));
        let functions = functions.collect::<Result<Vec<_>, Failure>>()?;
        let functions = dylib.program.jit.session().define_redirectable(dylib.id, tracker, &functions)?;
        let made = Arc::new(Functions { program: Arc::downgrade(&dylib.program), functions });
        redirectable.put(dylib.program.own::<uruk_redirectable>(made))
    })
}

/// Leads functions to other addresses: all, or, if one of the names is not theirs or they have been removed, none. A call goes to the old
/// body or to the new one. The caller keeps the new bodies for as long as they are called.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_redirectable_redirect(
    redirectable: Handle<uruk_redirectable>,
    targets: List<uruk_symbol>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let functions = redirectable.get()?;
        let program = functions.program()?;
        let targets = targets.get(count, "targets")?.iter();
        let targets = targets.map(|target| Ok((interned(&program, target.name)?, target.address)));
        Ok(functions.functions.redirect(&targets.collect::<Result<Vec<_>, Failure>>()?)?)
    })
}

/// A name that is led to another.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_redirection {
    /// The function.
    pub name: Text,
    /// The name of its new body.
    pub target: Text,
}

/// The same to symbols that a dylib of the same JIT finds: they are linked first, and kept for as long as the functions are.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_redirectable_redirect_to(
    redirectable: Handle<uruk_redirectable>,
    source: Handle<uruk_dylib>,
    targets: List<uruk_redirection>,
    count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (functions, source) = (redirectable.get()?, source.get()?);
        let program = functions.program()?;
        program.require_same(&source.program)?;
        let targets = targets.get(count, "targets")?.iter();
        let targets = targets.map(|pair| Ok((interned(&program, pair.name)?, interned(&program, pair.target)?)));
        Ok(functions.functions.redirect_to(source.id, &targets.collect::<Result<Vec<_>, Failure>>()?)?)
    })
}

/// Disposes of the handle. The functions stay as they are, until their tracker is removed. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_redirectable_dispose(redirectable: Handle<uruk_redirectable>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        if let Some(program) = redirectable.take()?.and_then(|functions| functions.program.upgrade()) {
            program.disown(redirectable);
        }
        Ok(())
    })
}
