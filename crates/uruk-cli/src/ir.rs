//! LLVM IR among the inputs: bitcode, whatever its file is called and in archives too, and `.ll`. The plugin that compiles
//! it is loaded when the first one turns up.

use std::ffi::OsString;
use std::sync::Arc;

use once_cell::race::OnceBox;
use uruk::cache::ObjectCache;
use uruk::orc::error::Cause;
use uruk::orc::executor::Processor;
use uruk::orc::translate::Translate;
use uruk::{Dylib, Input, Jit, OnDemandLayer};
use uruk_llvm_loader::{Compiler, Error, Plugin, is_ir};

use crate::compile::warn;

/// Compiles IR with the optimisation that the command line asks for, unless its cache has that.
pub struct Ir {
    optimize: Option<OsString>,
    processor: Option<Processor>,
    cache: Option<Arc<dyn ObjectCache>>,
    compiler: OnceBox<Result<Compiler, Error>>,
}

impl Ir {
    /// `optimize` is what stands after `-O`, if that is given; `processor` is for code that runs elsewhere.
    pub fn new(optimize: Option<OsString>, processor: Option<Processor>, cache: Option<Arc<dyn ObjectCache>>) -> Ir {
        Ir { optimize, processor, cache, compiler: OnceBox::new() }
    }

    fn compiler(&self) -> Result<&Compiler, Error> {
        let make = || Compiler::new(Plugin::find()?, self.level(), self.processor.as_ref());
        self.compiler.get_or_init(|| Box::new(make())).as_ref().map_err(Error::clone)
    }

    /// Adds IR to a dylib, to be compiled function by function when they are called first.
    pub fn add_by_function(&self, jit: &Jit, dylib: &Dylib<'_>, inputs: &[Input]) -> Result<(), uruk::Error> {
        if inputs.is_empty() {
            return Ok(());
        }
        let file = |input: &Input| input.name().to_string();
        let refuse = |file, cause: Error| uruk::orc::error::Error::Translate { file, cause: Arc::new(cause) };
        let compiler = self.compiler().map_err(|error| refuse(file(&inputs[0]), error))?;
        let base = Arc::new(jit.compile_layer(compiler.clone()));
        let layer = Arc::new(OnDemandLayer::new(compiler.clone(), base));
        for input in inputs {
            let unit = compiler.open(input.name(), input).map_err(|error| refuse(file(input), error))?;
            jit.session().add(&layer, dylib.id(), None, unit)?;
        }
        Ok(())
    }

    /// The level as LLVM has it; drivers have more.
    fn level(&self) -> Option<char> {
        let level = self.optimize.as_ref()?.to_string_lossy();
        Some(match &*level {
            "fast" => '3',
            "g" => '1',
            level => match level.chars().next() {
                None => '1',
                Some(letter @ ('0'..='3' | 's' | 'z')) => letter,
                Some(_) => '3',
            },
        })
    }
}

impl Translate for Ir {
    fn accepts(&self, input: &Input) -> bool {
        is_ir(input.name(), input)
    }

    fn translate(&self, input: &Input) -> Result<Input, Cause> {
        let compiler = self.compiler()?;
        let compile = || compiler.compile(compiler.open(input.name(), input)?);
        let key = self.cache.as_ref().and_then(|_| compiler.key_of_ir(input.name(), input));
        let (Some(cache), Some(key)) = (&self.cache, key) else { return Ok(compile()?) };
        match cache.get(&key) {
            Ok(Some(object)) => return Ok(Input::from_bytes(input.name().clone(), object)),
            Ok(None) => {}
            Err(error) => warn(&error),
        }
        let object = compile()?;
        if let Err(error) = cache.put(&key, &object) {
            warn(&error);
        }
        Ok(object)
    }
}
