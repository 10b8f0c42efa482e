//! Units of materialization that clients write: a compiler for what they define, run when somebody asks for it.
//!
//! Data flow: a unit is defined in a dylib → a look-up claims it → the dispatcher runs [`MaterializationUnit::materialize`]
//! with a [`Responsibility`] → that resolves addresses, then is emitted, fails, is split, extended or given back.
//! Objects are units of the session's own, which are linked in batches.

use crate::responsibility::Responsibility;
use std::sync::Arc;
use uruk_jitlink::graph::{SymbolKind, Visibility};
use uruk_jitlink::interface::Alias;
use uruk_jitlink::names::Name;

/// How strong a definition is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Linkage {
    /// The first one counts, unless a strong one comes before anybody was bound to it.
    Weak,
    /// There is one in a dylib.
    #[default]
    Strong,
}

/// A name that a unit promises to define.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Definition {
    /// The name.
    pub name: Name,
    /// How strong it is.
    pub linkage: Linkage,
    /// Other dylibs see it.
    pub exported: bool,
    /// What it stands for.
    pub kind: SymbolKind,
    /// It has no address: looking it up makes the unit materialize, and that is all.
    pub side_effects_only: bool,
}

impl Definition {
    /// A strong function that other dylibs see.
    pub fn function(name: Name) -> Definition {
        Definition { kind: SymbolKind::Function, ..Definition::data(name) }
    }

    /// A strong variable that other dylibs see.
    pub fn data(name: Name) -> Definition {
        let (linkage, kind) = (Linkage::Strong, SymbolKind::Object);
        Definition { name, linkage, exported: true, kind, side_effects_only: false }
    }

    /// The name that an object gives to another's symbol.
    pub(crate) fn of_alias(alias: &Alias) -> Definition {
        let linkage = if alias.weak { Linkage::Weak } else { Linkage::Strong };
        let exported = alias.visibility != Visibility::Hidden;
        Definition { name: alias.name, linkage, exported, kind: alias.kind, side_effects_only: false }
    }

    /// A name without an address, for what a unit does rather than defines.
    pub fn side_effects(name: Name) -> Definition {
        Definition { kind: SymbolKind::None, side_effects_only: true, ..Definition::data(name) }
    }

    /// The same, giving way to a strong definition.
    pub fn weak(self) -> Definition {
        Definition { linkage: Linkage::Weak, ..self }
    }

    /// The same, for its own dylib only.
    pub fn hidden(self) -> Definition {
        Definition { exported: false, ..self }
    }
}

/// Something that defines symbols when it is asked to: a function's source, an IR module, bytes, an alias.
///
/// A unit is materialized at most once, on whatever thread the session's dispatcher chooses and with no lock of the
/// session held. A unit of which every definition was taken by others is dropped instead.
pub trait MaterializationUnit: Send {
    /// What messages call it.
    fn name(&self) -> String;

    /// What it promises to define.
    fn definitions(&self) -> Vec<Definition>;

    /// A name among its definitions that stands for its initialisers: the unit is materialized when its dylib is
    /// initialised, even if nobody asks for anything else of it.
    fn initialiser(&self) -> Option<Name> {
        None
    }

    /// Defines what the responsibility lists, sooner or later, on this thread or another one.
    fn materialize(self: Box<Self>, responsibility: Responsibility);
}

/// What a unit said of itself, asked once and without a lock.
pub(crate) struct Promises {
    pub name: Arc<str>,
    pub definitions: Vec<Definition>,
    /// One of these stands for initialisers.
    pub initialiser: bool,
}

impl Promises {
    pub fn of(unit: &dyn MaterializationUnit) -> Promises {
        Promises::new(unit.name(), unit.definitions(), unit.initialiser())
    }

    pub fn new(name: String, definitions: Vec<Definition>, initialiser: Option<Name>) -> Promises {
        let initialiser = definitions.iter().any(|definition| Some(definition.name) == initialiser);
        Promises { name: name.into(), definitions, initialiser }
    }
}
