//! LLVM IR in dylibs.

use crate::dylib::{Dylib, Tracker};
use crate::jit::{Builder, Error};
use std::sync::{Arc, OnceLock};
use uruk_llvm::{ConcurrentCompiler, Options, Target, ThreadSafeModule};
use uruk_orc::layer::CompileLayer;

type Layer = CompileLayer<ConcurrentCompiler>;

/// What a JIT compiles modules with, made when the first one is added.
pub(crate) struct Llvm {
    options: Options,
    layer: OnceLock<Arc<Layer>>,
}

impl Llvm {
    pub fn new(options: Options) -> Llvm {
        Llvm { options, layer: OnceLock::new() }
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
}

impl Tracker<'_> {
    /// Adds a module that is removed with everything else of this tracker.
    pub fn add_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        Ok(self.jit.session().add(self.jit.inner().llvm.layer()?, self.dylib, Some(self.id()), module)?)
    }
}
