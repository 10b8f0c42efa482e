//! The compiler as layers use it.

use crate::compiler::ConcurrentCompiler;
use crate::context::ThreadSafeModule;
use crate::interface::Interface;
use crate::split::Part;
use uruk_orc::Linkable;
use uruk_orc::error::Cause;
use uruk_orc::layer::{self, Compiler};
use uruk_orc::session::Session;

impl Compiler<ThreadSafeModule> for ConcurrentCompiler {
    fn interface(&self, session: &Session, module: &ThreadSafeModule) -> Result<layer::Interface, Cause> {
        module.verify()?;
        let interface = Interface::of(module, self.target())?;
        let definitions = interface.symbols.iter().map(|symbol| symbol.definition(session.names()));
        let promised = layer::Interface::new(module.name(), definitions.collect());
        Ok(if interface.initialisers { promised.with_initialiser(session) } else { promised })
    }

    fn compile(&self, _session: &Session, module: ThreadSafeModule) -> Result<Linkable, Cause> {
        module.loosen();
        Ok(ConcurrentCompiler::compile(self, &module)?.into())
    }
}

impl Compiler<Part> for ConcurrentCompiler {
    fn interface(&self, session: &Session, part: &Part) -> Result<layer::Interface, Cause> {
        let definitions = part.symbols().iter().map(|symbol| symbol.definition(session.names()));
        let promised = layer::Interface::new(part.name(), definitions.collect());
        Ok(if part.has_initialisers() { promised.with_initialiser(session) } else { promised })
    }

    fn compile(&self, _session: &Session, part: Part) -> Result<Linkable, Cause> {
        Ok(ConcurrentCompiler::compile(self, &part.extract()?)?.into())
    }
}
