//! From modules to objects.

use crate::context::ThreadSafeModule;
use crate::error::Error;
use crate::native;
use crate::target::Target;
use inkwell::targets::TargetMachine;
use std::sync::{Arc, Mutex, PoisonError};
use uruk_jitlink::input::Input;

/// Compiles one module at a time.
pub struct SimpleCompiler {
    target: Arc<Target>,
    machine: TargetMachine,
}

// SAFETY: a machine belongs to nobody's thread; whoever has the compiler is the only one to use it.
#[allow(unsafe_code)]
unsafe impl Send for SimpleCompiler {}

impl SimpleCompiler {
    /// Errors if LLVM has no code generator for the target.
    pub fn new(target: Arc<Target>) -> Result<SimpleCompiler, Error> {
        let machine = target.machine()?;
        Ok(SimpleCompiler { target, machine })
    }

    /// Runs the target's passes over a module and makes an object of it. The module is changed by that.
    #[allow(unsafe_code)]
    pub fn compile(&mut self, module: &ThreadSafeModule) -> Result<Input, Error> {
        let _guard = module.context().lock();
        self.target.prepare(module)?;
        let passes = self.target.options().passes.as_deref();
        // SAFETY: the module is locked, and verified by `attempt`.
        let object = module.attempt(|raw| unsafe { native::compile(raw, &self.machine, passes) })?;
        Ok(Input::from_bytes(module.name(), object.as_slice().to_vec()))
    }
}

impl ThreadSafeModule {
    /// Makes it fit to be linked at another time than what refers to it, as modules of a session are: passes keep
    /// definitions that nothing in the module refers to (`linkonce`), and its thread-local variables are found from
    /// anywhere. To be called before it is compiled for a session.
    #[allow(unsafe_code)]
    pub fn loosen(&self) {
        // SAFETY: the module is locked while this runs.
        self.inspect(|ir| unsafe { native::loosen(ir.as_mut_ptr()) });
    }
}

/// Compiles modules on any number of threads at once. Modules of one context wait for each other.
pub struct ConcurrentCompiler {
    target: Arc<Target>,
    /// Those that nobody uses now.
    idle: Mutex<Vec<SimpleCompiler>>,
}

impl ConcurrentCompiler {
    /// Errors if LLVM has no code generator for the target.
    pub fn new(target: Arc<Target>) -> Result<ConcurrentCompiler, Error> {
        let first = SimpleCompiler::new(target.clone())?;
        Ok(ConcurrentCompiler { target, idle: Mutex::new(vec![first]) })
    }

    /// What it compiles for.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Runs the target's passes over a module and makes an object of it. The module is changed by that.
    pub fn compile(&self, module: &ThreadSafeModule) -> Result<Input, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compiler = idle.map_or_else(|| SimpleCompiler::new(self.target.clone()), Ok)?;
        let object = compiler.compile(module);
        // After a failure LLVM may have left the machine in any state.
        if object.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(compiler);
        }
        object
    }
}
