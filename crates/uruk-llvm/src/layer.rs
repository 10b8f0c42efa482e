//! The compiler as layers use it.

use crate::compiler::ConcurrentCompiler;
use crate::context::ThreadSafeModule;
use crate::interface::{Interface, Symbol};
use crate::split::Part;
use crate::split::split;
use std::sync::Arc;
use uruk_cache::Key;
use uruk_jitlink::names::{Name, Names};
use uruk_orc::Linkable;
use uruk_orc::error::Cause;
use uruk_orc::layer::{self, Compiler, Partition, Stubs};
use uruk_orc::session::Session;
use uruk_orc::unit::Definition;

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

    fn key(&self, _session: &Session, module: &ThreadSafeModule) -> Option<Key> {
        Some(ConcurrentCompiler::key(self, module, true))
    }
}

/// Divides modules by function, for a [`layer::OnDemandLayer`] on a [`layer::CompileLayer`].
#[derive(Clone)]
pub struct ByFunction {
    compiler: Arc<ConcurrentCompiler>,
}

impl ByFunction {
    /// For a compiler's target.
    pub fn new(compiler: Arc<ConcurrentCompiler>) -> ByFunction {
        ByFunction { compiler }
    }
}

impl Partition<ThreadSafeModule> for ByFunction {
    type Part = Part;

    fn interface(&self, session: &Session, module: &ThreadSafeModule) -> Result<layer::Interface, Cause> {
        self.compiler.interface(session, module)
    }

    fn split(&self, _session: &Session, module: ThreadSafeModule) -> Result<Vec<Part>, Cause> {
        Ok(split(module)?)
    }

    fn stubs(&self, session: &Session, part: &Part) -> Option<Stubs> {
        let (functions, aliases) = part.stubs()?;
        let pairs = |pairs: &[(Symbol, Vec<u8>)]| pairs.iter().map(|pair| interned(pair, session.names())).collect();
        Some(Stubs { functions: pairs(functions), aliases: pairs(aliases) })
    }
}

fn interned((symbol, name): &(Symbol, Vec<u8>), names: &Names) -> (Definition, Name) {
    (symbol.definition(names), names.intern(name))
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

    fn key(&self, _session: &Session, part: &Part) -> Option<Key> {
        // What cannot be extracted cannot be compiled either, which says why.
        part.key(self).ok()
    }
}
