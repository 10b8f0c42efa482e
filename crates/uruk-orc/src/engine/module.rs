//! What an engine takes: code, or what a compiler makes it of.

use crate::error::Cause;
use crate::layer::{self, Compiler};
use crate::objects::Linkable;
use crate::session::Session;
use std::sync::Arc;
use uruk_cache::ObjectCache;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::format;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// What is not compiled yet.
type Make = Box<dyn FnOnce(&Session, Option<&dyn ObjectCache>) -> Result<Linkable, Cause> + Send>;

/// A module: one or more pieces of code that an engine takes together.
pub struct Module {
    name: String,
    architecture: Option<&'static Architecture>,
    parts: Vec<Make>,
}

impl Module {
    /// An object file of any format.
    pub fn object(object: Input) -> Module {
        // What is none is found out when it is loaded.
        let architecture = format::interface(&object, &Names::default()).ok().map(|interface| interface.format.arch);
        let name = object.name().to_string();
        Module { name, architecture, parts: vec![Box::new(|_, _| Ok(object.into()))] }
    }

    /// A graph that a compiler has made.
    pub fn graph(graph: LinkGraph) -> Module {
        let (name, architecture) = (graph.input.name().to_string(), Some(graph.arch()));
        Module { name, architecture, parts: vec![Box::new(|_, _| Ok(graph.into()))] }
    }

    /// What a compiler makes code of when that is needed: syntax trees, functions of Cranelift, modules of LLVM IR.
    pub fn compiled<R, C>(
        name: impl Into<String>,
        compiler: &Arc<C>,
        representations: impl IntoIterator<Item = R>,
    ) -> Module
    where
        R: Send + 'static,
        C: Compiler<R> + ?Sized + 'static,
    {
        let name = name.into();
        let part = |representation: R| -> Make {
            let (compiler, name) = (compiler.clone(), name.clone());
            // A cache that is out of order is one that has nothing.
            let report = |_| ();
            Box::new(move |session, cache| layer::compile(&*compiler, cache, session, || name, representation, report))
        };
        let parts = representations.into_iter().map(part).collect();
        Module { name, architecture: None, parts }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, if that is known before it is compiled.
    pub fn architecture(&self) -> Option<&'static Architecture> {
        self.architecture
    }

    pub(super) fn compile(self, session: &Session, cache: Option<&dyn ObjectCache>) -> Result<Vec<Linkable>, Cause> {
        self.parts.into_iter().map(|make| make(session, cache)).collect()
    }
}
