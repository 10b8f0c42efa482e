//! Units of materialization: names that a client's own compiler defines once somebody asks for one of them.

use crate::call::{Reach, enter};
use crate::context::{Context, uruk_destroy};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, uruk_status};
use crate::handle::Handle;
use crate::input::place;
use crate::jit::Program;
use crate::name::{name_of, uruk_name};
use crate::raw::{List, Out, Text};
use crate::responsibility::{self, uruk_responsibility};
use crate::sized::{self, Grows};
use crate::tracker::uruk_tracker;
use std::ffi::c_void;
use std::sync::{Arc, Weak};
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::{Name, Names};
use uruk_orc::responsibility::Responsibility;
use uruk_orc::unit::{Definition, MaterializationUnit};

/// A function; otherwise it is a variable.
pub const URUK_DEFINITION_FUNCTION: u32 = 1;
/// It gives way to a strong definition.
pub const URUK_DEFINITION_WEAK: u32 = 2;
/// Other dylibs do not see it.
pub const URUK_DEFINITION_HIDDEN: u32 = 4;
/// It has no address: looking it up makes the unit materialize, and that is all.
pub const URUK_DEFINITION_SIDE_EFFECTS_ONLY: u32 = 8;
/// It stands for the unit's initialisers: the unit is materialized when its dylib is initialised.
pub const URUK_DEFINITION_INITIALISER: u32 = 16;
/// A thread-local variable.
pub const URUK_DEFINITION_THREAD_LOCAL: u32 = 32;

/// A name that a unit promises to define.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_definition {
    /// The name.
    pub name: uruk_name,
    /// `URUK_DEFINITION_…`, joined by `|`.
    pub flags: u32,
}

/// A unit of materialization: what it promises, and who makes it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_unit {
    /// Filled in by `uruk_unit_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_unit_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_unit_init`.
    pub magic: u64,
    /// Given to the callbacks.
    pub context: *mut c_void,
    /// What messages call it; null: "a unit". It is copied.
    pub name: Text,
    /// What it promises to define. They are copied.
    pub definitions: List<uruk_definition>,
    /// How many there are.
    pub definition_count: u64,
    /// Makes it, at most once, on whatever thread the JIT chooses; it may look up. The context is the client's again from here on, and so
    /// is the responsibility, which may be settled later and on another thread. Must be given.
    pub materialize: Option<unsafe extern "C" fn(context: *mut c_void, responsibility: Handle<uruk_responsibility>)>,
    /// The unit goes without having been made: it was removed, or stronger definitions have taken all its names. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null, addresses and numbers are all that follows.
unsafe impl Grows for uruk_unit {
    const NAME: &'static str = "uruk_unit";
    const NUMBER: u32 = 4;
}

/// Fills in a unit: nothing. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_unit_init(unit: Out<uruk_unit>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(unit, size))
}

/// Defines what a unit promises, which is made when somebody asks for one of its names. If this fails, the context stays the caller's and
/// no callback is called. `tracker` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_define_unit(
    dylib: Handle<uruk_dylib>,
    tracker: Handle<uruk_tracker>,
    unit: List<uruk_unit>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (dylib, tracker) = place(dylib, tracker)?;
        let session = dylib.program.jit.session();
        let unit = Unit::of(unit, session.names(), Arc::downgrade(&dylib.program))?;
        unit.give(|unit| Ok(session.define(dylib.id, tracker, unit)?))
    })
}

/// A client's unit.
pub(crate) struct Unit {
    name: String,
    definitions: Vec<Definition>,
    initialiser: Option<Name>,
    materialize: unsafe extern "C" fn(*mut c_void, Handle<uruk_responsibility>),
    context: Arc<Context>,
    program: Weak<Program>,
}

impl Unit {
    /// What a client has described. Its context is still the client's.
    pub fn of(unit: List<uruk_unit>, names: &Names, program: Weak<Program>) -> Result<Unit, Failure> {
        let unit = sized::copy(unit)?;
        let materialize = unit.materialize.ok_or_else(|| Failure::null("`materialize` of uruk_unit"))?;
        let name = unit.name.or("`name` of uruk_unit", "a unit")?.to_owned();
        let described = unit.definitions.get(unit.definition_count as usize, "`definitions` of uruk_unit")?;
        let definitions = definitions(names, described)?;
        let mut initialisers = described
            .iter()
            .zip(&definitions)
            .filter(|(described, _)| described.flags & URUK_DEFINITION_INITIALISER != 0);
        let initialiser = initialisers.next().map(|(_, definition)| definition.name);
        if initialisers.next().is_some() {
            return Err(Failure::invalid("uruk_unit: one name stands for all of its initialisers, not two"));
        }
        let context = Arc::new(Context::new(unit.context, unit.destroy));
        Ok(Unit { name, definitions, initialiser, materialize, context, program })
    }

    /// Gives it away, with its context if that succeeds.
    pub fn give(self, take: impl FnOnce(Box<dyn MaterializationUnit>) -> Result<(), Failure>) -> Result<(), Failure> {
        let context = self.context.clone();
        context.own();
        take(Box::new(self)).inspect_err(|_| _ = context.release())
    }
}

/// Definitions as the session has them.
pub(crate) fn definitions(names: &Names, described: &[uruk_definition]) -> Result<Vec<Definition>, Failure> {
    described.iter().map(|described| definition(names, described)).collect()
}

fn definition(names: &Names, described: &uruk_definition) -> Result<Definition, Failure> {
    const FLAGS: u32 = 2 * URUK_DEFINITION_THREAD_LOCAL - 1;
    let (name, has) = (name_of(names, described.name)?, |flag| described.flags & flag != 0);
    if described.flags & !FLAGS != 0 {
        return Err(Failure::invalid(format!("uruk_definition: {:#x} has unknown flags", described.flags)));
    }
    let kinds = [URUK_DEFINITION_FUNCTION, URUK_DEFINITION_THREAD_LOCAL, URUK_DEFINITION_SIDE_EFFECTS_ONLY];
    let definition = match kinds.map(has) {
        [false, false, false] => Definition::data(name),
        [true, false, false] => Definition::function(name),
        [false, true, false] => Definition { kind: SymbolKind::ThreadLocal, ..Definition::data(name) },
        [false, false, true] => Definition::side_effects(name),
        _ => {
            let text =
                "uruk_definition: a function, a thread-local variable and side effects are three things; take one flag";
            return Err(Failure::invalid(text));
        }
    };
    let definition = if has(URUK_DEFINITION_WEAK) { definition.weak() } else { definition };
    Ok(if has(URUK_DEFINITION_HIDDEN) { definition.hidden() } else { definition })
}

impl MaterializationUnit for Unit {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.definitions.clone()
    }

    fn initialiser(&self) -> Option<Name> {
        self.initialiser
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        let handle = responsibility::give(self.program.clone(), responsibility);
        let context = self.context.release();
        // SAFETY: the client's function with its context, and a handle that is the client's from now on.
        unsafe { (self.materialize)(context, handle) };
    }
}
