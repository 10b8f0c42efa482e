//! From modules to objects.

use crate::context::{ThreadSafeModule, content};
use crate::error::Error;
use crate::native;
use crate::target::Target;
use inkwell::targets::TargetMachine;
use std::sync::{Arc, Mutex, PoisonError};
use uruk_cache::{Key, KeyBuilder};
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
        module.changed();
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
        self.changed();
        // SAFETY: the module is locked while this runs.
        self.inspect(|ir| unsafe { native::loosen(ir.as_mut_ptr()) });
    }
}

/// Compiles modules on any number of threads at once. Modules of one context wait for each other.
pub struct ConcurrentCompiler {
    target: Arc<Target>,
    /// Those that nobody uses now.
    idle: Mutex<Vec<SimpleCompiler>>,
    /// What the keys of all objects begin with.
    keys: KeyBuilder,
}

impl ConcurrentCompiler {
    /// Errors if LLVM has no code generator for the target.
    pub fn new(target: Arc<Target>) -> Result<ConcurrentCompiler, Error> {
        let first = SimpleCompiler::new(target.clone())?;
        let keys =
            KeyBuilder::new(concat!("uruk-llvm ", env!("CARGO_PKG_VERSION"))).part(target.fingerprint().as_bytes());
        Ok(ConcurrentCompiler { target, idle: Mutex::new(vec![first]), keys })
    }

    /// What it compiles for.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// What the object of a module depends on, all of it; `promised` says whether the module is
    /// [loosened](ThreadSafeModule::loosen) before it is compiled.
    pub fn key(&self, module: &ThreadSafeModule, promised: bool) -> Key {
        self.key_of_content(module.content(), promised)
    }

    /// The same for text or bitcode that has not been read: [parsed](ThreadSafeModule::parse) under this name, it would have
    /// this key.
    pub fn key_of_ir(&self, name: &str, ir: &[u8], promised: bool) -> Key {
        self.key_of_content(content(name, ir), promised)
    }

    fn key_of_content(&self, content: Key, promised: bool) -> Key {
        self.keys.clone().part(&[promised.into()]).part(&content.0).finish()
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
