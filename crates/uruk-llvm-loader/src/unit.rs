//! The plugin's compiler as layers use it.

use crate::plugin::{Compiler, Unit};
use uruk_jitlink::graph::SymbolKind;
use uruk_orc::Linkable;
use uruk_orc::error::Cause;
use uruk_orc::layer::{self, Interface};
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

impl layer::Compiler<Unit> for Compiler {
    fn interface(&self, session: &Session, unit: &Unit) -> Result<Interface, Cause> {
        let (symbols, initialisers) = unit.symbols();
        let definitions = symbols.into_iter().map(|Symbol { name, linkage, exported, kind }| {
            let name = session.names().intern(&name);
            Definition { name, linkage, exported, kind, side_effects_only: false }
        });
        let interface = Interface::new(unit.name(), definitions.collect());
        Ok(if initialisers { interface.with_initialiser(session) } else { interface })
    }

    fn compile(&self, _session: &Session, unit: Unit) -> Result<Linkable, Cause> {
        Ok(self.compile_promised(unit)?.into())
    }
}
