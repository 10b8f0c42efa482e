//! LLVM IR in dylibs.

use crate::builder::Builder;
use crate::dylib::{Dylib, Tracker};
use crate::jit::{Error, Inner};
use once_cell::race::OnceBox;
use std::sync::Arc;
use uruk_llvm::{ByFunction, ConcurrentCompiler, Options, Target, ThreadSafeModule};
use uruk_orc::layer::{CompileLayer, ObjectLayer, OnDemandLayer};
use uruk_orc::{DylibId, TrackerId};

type Eager = CompileLayer<Arc<ConcurrentCompiler>>;
type Lazy = OnDemandLayer<ByFunction, Eager>;

/// What a JIT compiles modules with, made when the first one is added.
pub(crate) struct Llvm {
    options: Options,
    layers: OnceBox<(Arc<Eager>, Arc<Lazy>)>,
}

impl Llvm {
    pub fn new(options: Options) -> Llvm {
        Llvm { options, layers: OnceBox::new() }
    }
}

impl Inner {
    fn llvm_layers(&self) -> Result<&(Arc<Eager>, Arc<Lazy>), Error> {
        let Llvm { options, layers } = &self.llvm;
        layers.get_or_try_init(|| {
            let options = match self.session.executor().processor() {
                Some(processor) if options.triple.is_none() => options.clone().for_processor(&processor),
                _ => options.clone(),
            };
            let target = Target::new(options)?;
            let compiler = Arc::new(ConcurrentCompiler::new(Arc::new(target))?);
            let eager = Arc::new(self.compile_layer(compiler.clone()));
            let lazy = Arc::new(OnDemandLayer::new(ByFunction::new(compiler), eager.clone()));
            Ok(Box::new((eager, lazy)))
        })
    }

    fn add_ir_module(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        module: ThreadSafeModule,
        by_function: bool,
    ) -> Result<(), Error> {
        let (eager, lazy) = self.llvm_layers()?;
        // Assembler outside of functions belongs to none of them.
        if by_function && !module.has_assembler() {
            self.session.add(lazy, dylib, tracker, module)?;
        } else {
            self.session.add(eager, dylib, tracker, module)?;
        }
        Ok(())
    }

    fn add_ir(&self, dylib: DylibId, tracker: Option<TrackerId>, name: &str, ir: &[u8]) -> Result<(), Error> {
        let (eager, _) = self.llvm_layers()?;
        if !self.lazy {
            let key = eager.compiler().key_of_ir(name, ir, true);
            if let Some(code) = eager.cached::<ThreadSafeModule>(&self.session, name, &key) {
                return Ok(self.session.add(&Arc::new(ObjectLayer), dylib, tracker, code)?);
            }
        }
        self.add_ir_module(dylib, tracker, ThreadSafeModule::parse(name, ir)?, self.lazy)
    }
}

impl Builder {
    /// How LLVM IR is compiled: for the machine where code runs and without passes if not said, as LLVM's own JIT does.
    pub fn llvm_options(mut self, options: Options) -> Self {
        self.llvm = options;
        self
    }
}

impl Dylib<'_> {
    /// Adds a module, which is compiled when something asks for what it defines, or when the dylib is initialised if it
    /// has initialisers; function by function if this is a [lazy](crate::LazyJit) JIT.
    pub fn add_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        self.jit.inner().add_ir_module(self.id(), None, module, self.jit.is_lazy())
    }

    /// Adds a module whose functions are compiled one by one, each when it is called first. A call whose function cannot
    /// be had goes where [`lazy_failure`](Builder::lazy_failure) says. A module with assembler outside of its functions is
    /// compiled whole.
    pub fn add_lazy_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        self.jit.inner().add_ir_module(self.id(), None, module, true)
    }

    /// Adds a module that is text or bitcode, which messages call `name`. If the JIT's [cache](Builder::cache) has it compiled,
    /// LLVM does not even read it; a [lazy](crate::LazyJit) JIT does, as it compiles function by function.
    pub fn add_ir(&self, name: &str, ir: &[u8]) -> Result<(), Error> {
        self.jit.inner().add_ir(self.id(), None, name, ir)
    }
}

impl Tracker<'_> {
    /// Adds a module that is removed with everything else of this tracker.
    pub fn add_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        self.jit.inner().add_ir_module(self.dylib, Some(self.id()), module, self.jit.is_lazy())
    }

    /// Adds a module whose functions are compiled when they are called first, and removed with everything else of this
    /// tracker.
    pub fn add_lazy_ir_module(&self, module: ThreadSafeModule) -> Result<(), Error> {
        self.jit.inner().add_ir_module(self.dylib, Some(self.id()), module, true)
    }

    /// Adds a module that is text or bitcode, to be removed with everything else of this tracker.
    pub fn add_ir(&self, name: &str, ir: &[u8]) -> Result<(), Error> {
        self.jit.inner().add_ir(self.dylib, Some(self.id()), name, ir)
    }
}
