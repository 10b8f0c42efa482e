//! The plugin's compiler as layers use it.

use crate::plugin::{Compiler, Pairs, Unit};
use uruk_cache::Key;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::Names;
use uruk_orc::Linkable;
use uruk_orc::error::Cause;
use uruk_orc::layer::{self, Interface, Partition, Stubs};
use uruk_orc::session::Session;
use uruk_orc::unit::{Definition, Linkage};

/// A symbol that a unit defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// The linker's name.
    pub name: Vec<u8>,
    /// Others win against it.
    pub linkage: Linkage,
    /// Other dylibs see it.
    pub exported: bool,
    /// What it stands for.
    pub kind: SymbolKind,
}

impl Symbol {
    fn definition(&self, names: &Names) -> Definition {
        let Symbol { ref name, linkage, exported, kind } = *self;
        Definition { name: names.intern(name), linkage, exported, kind, side_effects_only: false }
    }
}

/// Divides units by function.
impl Partition<Unit> for Compiler {
    type Part = Unit;

    fn interface(&self, session: &Session, unit: &Unit) -> Result<Interface, Cause> {
        layer::Compiler::interface(self, session, unit)
    }

    fn split(&self, _session: &Session, unit: Unit) -> Result<Vec<Unit>, Cause> {
        Ok(unit.split()?)
    }

    fn stubs(&self, session: &Session, part: &Unit) -> Option<Stubs> {
        let (functions, aliases) = part.stubs()?;
        let names = session.names();
        let interned = |pairs: Pairs| {
            let pairs = pairs.into_iter();
            pairs.map(|(symbol, name)| (symbol.definition(names), names.intern(&name))).collect()
        };
        Some(Stubs { functions: interned(functions), aliases: interned(aliases) })
    }
}

impl layer::Compiler<Unit> for Compiler {
    fn interface(&self, session: &Session, unit: &Unit) -> Result<Interface, Cause> {
        let (symbols, initialisers) = unit.symbols();
        let definitions = symbols.iter().map(|symbol| symbol.definition(session.names()));
        let interface = Interface::new(unit.name(), definitions.collect());
        Ok(if initialisers { interface.with_initialiser(session) } else { interface })
    }

    fn compile(&self, _session: &Session, unit: Unit) -> Result<Linkable, Cause> {
        Ok(self.compile_promised(unit)?.into())
    }

    fn key(&self, _session: &Session, unit: &Unit) -> Option<Key> {
        self.key_promised(unit)
    }
}
