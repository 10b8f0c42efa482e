//! LLVM IR in dylibs.

use crate::dylib::{Dylib, Tracker};
use crate::jit::{Builder, Error};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use uruk_llvm::{Bodies, ConcurrentCompiler, Options, Symbol, Target, ThreadSafeModule, split};
use uruk_orc::layer::CompileLayer;
use uruk_orc::reexports::Aliases;
use uruk_orc::{DylibId, SearchEntry};

type Layer = CompileLayer<ConcurrentCompiler>;

/// What a JIT compiles modules with, made when the first one is added.
pub(crate) struct Llvm {
    options: Options,
    layer: OnceLock<Arc<Layer>>,
    /// The dylib of each dylib's lazy functions, behind their stubs.
    bodies: Mutex<HashMap<DylibId, DylibId>>,
}

impl Llvm {
    pub fn new(options: Options) -> Llvm {
        Llvm { options, layer: OnceLock::new(), bodies: Mutex::default() }
    }

    fn layer(&self) -> Result<&Arc<Layer>, Error> {
        if self.layer.get().is_none() {
            let target = Target::new(self.options.clone())?;
            let made = Arc::new(CompileLayer::new(ConcurrentCompiler::new(Arc::new(target))?));
            // Another thread may have been faster.
            let _ = self.layer.set(made);
        }
        Ok(self.layer.get().expect("it was set above"))
    }
}

impl Builder {
    /// How LLVM IR is compiled: for this machine and without passes if not said, as LLVM's own JIT does.
    pub fn llvm_options(mut self, options: Options) -> Self {
        self.llvm = options;
        self
    }
}

impl Dylib<'_> {
    /// Adds a module, which is compiled when something asks for what it defines, or when the dylib is initialised if it
    /// has initialisers.
    pub fn add_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        Ok(self.jit.session().add(self.jit.inner().llvm.layer()?, self.id(), None, module)?)
    }

    /// Adds a module whose functions are compiled one by one, each when it is called first. A call whose function cannot
    /// be had goes where [`lazy_failure`](Builder::lazy_failure) says. A module with assembler outside of its functions is
    /// compiled whole.
    pub fn add_lazy_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        let (session, layer) = (self.jit.session(), self.jit.inner().llvm.layer()?);
        layer.compiler().target().prepare(&module)?;
        if module.has_assembler() {
            return self.add_ir_module(module);
        }
        let bodies = self.bodies()?;
        let names = session.names();
        let (mut functions, mut aliases) = (Vec::new(), Vec::new());
        for part in split(module)? {
            if !part.is_callable() {
                session.add(layer, self.id(), None, part)?;
                continue;
            }
            let Bodies { part, stubs, aliases: others } = part.into_bodies();
            let pair = |(symbol, name): (Symbol, Vec<u8>)| (symbol.definition(names), names.intern(&name));
            functions.extend(stubs.into_iter().map(pair));
            aliases.extend(others.into_iter().map(pair));
            session.add(layer, bodies, None, part)?;
        }
        if !aliases.is_empty() {
            session.define(self.id(), None, Box::new(Aliases::new(self.id(), aliases)))?;
        }
        Ok(session.define_lazy_reexports(self.id(), None, bodies, &functions)?)
    }

    /// The dylib of this one's lazy functions. What they refer to is found where this dylib's code finds it.
    fn bodies(&self) -> Result<DylibId, Error> {
        let session = self.jit.session();
        let mut known = self.jit.inner().llvm.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let bodies = match known.entry(self.id()) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let bodies = session.create_dylib(&format!("{} <bodies>", session.dylib_name(self.id())))?;
                session.place_with(bodies, self.id());
                *entry.insert(bodies)
            }
        };
        let own = SearchEntry { dylib: bodies, all_symbols: true };
        session.set_search_order(bodies, [vec![own], session.search_order(self.id())].concat());
        Ok(bodies)
    }
}

impl Tracker<'_> {
    /// Adds a module that is removed with everything else of this tracker.
    pub fn add_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        Ok(self.jit.session().add(self.jit.inner().llvm.layer()?, self.dylib, Some(self.id()), module)?)
    }
}
