//! LLVM IR: text and bitcode, compiled by the plugin, which is loaded when the first of it turns up.

use crate::error::{Failure, uruk_status};
use once_cell::race::OnceBox;
use std::sync::Arc;
use uruk::Input;
use uruk::cache::ObjectCache;
use uruk_llvm_loader::{Compiler, Plugin, is_ir};
use uruk_orc::error::Cause;
use uruk_orc::executor::Processor;
use uruk_orc::translate::Translate;

/// Makes objects of IR, unless a cache has them.
#[derive(Default)]
pub struct Ir {
    /// The letter behind `-O`.
    optimize: Option<char>,
    processor: Option<Processor>,
    cache: Option<Arc<dyn ObjectCache>>,
    compiler: OnceBox<Result<Compiler, Failure>>,
}

impl Ir {
    /// For this processor, if code runs elsewhere.
    pub fn new(optimize: Option<char>, processor: Option<Processor>, cache: Option<Arc<dyn ObjectCache>>) -> Ir {
        Ir { optimize, processor, cache, compiler: OnceBox::new() }
    }

    fn compiler(&self) -> Result<&Compiler, Failure> {
        let make = || Compiler::new(Plugin::find()?, self.optimize, self.processor.as_ref());
        let unsupported =
            |error: uruk_llvm_loader::Error| Failure::new(uruk_status::URUK_UNSUPPORTED, error.to_string());
        self.compiler.get_or_init(|| Box::new(make().map_err(unsupported))).as_ref().map_err(Failure::clone)
    }

    /// The object of IR.
    pub fn object(&self, input: &Input) -> Result<Input, Failure> {
        let compiler = self.compiler()?;
        let key = self.cache.as_ref().and_then(|_| compiler.key_of_ir(input.name(), input));
        let kept = self.cache.as_ref().zip(key);
        // A cache that is out of order is one that has less.
        if let Some(object) = kept.as_ref().and_then(|(cache, key)| cache.get(key).ok().flatten()) {
            return Ok(Input::from_bytes(input.name().clone(), object));
        }
        let object = compiler.open(input.name(), input).and_then(|unit| compiler.compile(unit));
        let object = object.map_err(|error| Failure::new(uruk_status::URUK_COMPILE, error.to_string()))?;
        if let Some((cache, key)) = kept {
            let _ = cache.put(&key, &object);
        }
        Ok(object)
    }
}

impl Translate for Ir {
    fn accepts(&self, input: &Input) -> bool {
        is_ir(input.name(), input)
    }

    fn translate(&self, input: &Input) -> Result<Input, Cause> {
        Ok(self.object(input)?)
    }
}
