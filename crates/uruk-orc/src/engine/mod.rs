//! An engine with MCJIT's life: modules are added, and compiled when code is needed; their sections may be mapped elsewhere;
//! finalizing ends that; then functions have addresses.
//!
//! Data flow: [`Module`]s → the object cache or their compiler (`module`) → the [`Loader`] → sections mapped by the client, memory for
//! the others → names resolved, once for all → bytes in place, protected, registered with unwinders. Several modules may be added
//! at any time; each [`Engine::finalize_object`] finishes what is not finished.
//! Invariants: nothing is compiled when an engine is made. What a memory manager or a resolver refuses is an error of the call that
//! asked, and the engine goes on. Removal of single modules, laziness and threads are what a [`Session`] is for.

mod module;

pub use module::Module;

use crate::error::{Cause, Error};
use crate::executor::{Executor, Resource};
use crate::objects::Linkable;
use crate::session::Session;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use uruk_cache::ObjectCache;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::graph::FunctionTable;
use uruk_jitlink::input::Input;
use uruk_jitlink::loader::{Finalized, Image, LoadError, Loader, ObjectId, SectionKey, SectionView};
use uruk_jitlink::memory::{MemoryManager, Segment};

/// How code is to be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineKind {
    /// Compiled.
    #[default]
    Jit,
    /// As the engine likes, which is compiled.
    Either,
    /// Interpreted, which no engine does.
    Interpreter,
}

/// Why an engine could not be made, or not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no interpreter.
    #[error("there is no interpreter; ask for `EngineKind::Jit`")]
    Interpreter,
    /// A module could not be compiled.
    #[error("compiling {module}: {cause}")]
    Compile {
        /// The module.
        module: String,
        /// What its compiler said.
        cause: Cause,
    },
    /// A module is for another architecture than the engine.
    #[error("{module} is for {found}, the engine for {expected}; make another engine for it, with that target")]
    Target {
        /// The module.
        module: String,
        /// What it is for.
        found: &'static str,
        /// What the engine is for.
        expected: &'static str,
    },
    /// Loading, mapping, resolving or finalizing failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The executor could not do something.
    #[error(transparent)]
    Executor(#[from] Error),
    /// Nothing defines a name.
    #[error("no module defines `{0}`")]
    NotFound(String),
}

/// Finds addresses, in the process where the code will run, for names that no module defines: one answer for each.
pub type Resolver = Box<dyn FnMut(&[&[u8]]) -> Vec<Option<u64>> + Send>;

/// Settings of an [`Engine`].
pub struct EngineBuilder {
    modules: Vec<Module>,
    kind: EngineKind,
    memory: Option<Arc<dyn MemoryManager>>,
    executor: Option<Arc<dyn Executor>>,
    target: Option<&'static Architecture>,
    cache: Option<Arc<dyn ObjectCache>>,
    resolver: Option<Resolver>,
}

impl EngineBuilder {
    /// For an engine with this module, and more that are added later.
    pub fn new(module: Module) -> EngineBuilder {
        EngineBuilder {
            modules: vec![module],
            kind: EngineKind::default(),
            memory: None,
            executor: None,
            target: None,
            cache: None,
            resolver: None,
        }
    }

    /// How code is to be run.
    pub fn kind(mut self, kind: EngineKind) -> Self {
        self.kind = kind;
        self
    }

    /// Where sections lie that are not mapped elsewhere, in this process. The usual manager if not said.
    pub fn memory_manager(mut self, memory: Arc<dyn MemoryManager>) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Runs the code elsewhere, in memory of that process.
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// What the code is for: the first module's architecture if not said. For another one than the executor's, all sections have
    /// to be mapped, and come out as bytes.
    pub fn target(mut self, target: &'static Architecture) -> Self {
        self.target = Some(target);
        self
    }

    /// Asked before a module is compiled, and told what came out.
    pub fn object_cache(mut self, cache: Arc<dyn ObjectCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Finds what no module defines. The executor's process and its libraries if not said.
    pub fn resolver(mut self, resolver: impl FnMut(&[&[u8]]) -> Vec<Option<u64>> + Send + 'static) -> Self {
        self.resolver = Some(Box::new(resolver));
        self
    }

    /// Makes the engine. Nothing is compiled.
    pub fn create(self) -> Result<Engine, EngineError> {
        let EngineBuilder { modules, kind, memory, executor, target, cache, resolver } = self;
        if kind == EngineKind::Interpreter {
            return Err(EngineError::Interpreter);
        }
        let executor = executor.unwrap_or_else(|| match memory {
            Some(memory) => Arc::new(InProcess::with_memory(memory)),
            None => Arc::new(InProcess::new(Options::default())),
        });
        let first = modules.first().and_then(Module::architecture);
        let target = target.or(first).unwrap_or_else(|| executor.architecture());
        let mut engine = Engine {
            session: Session::new(executor.clone(), Some(1)),
            executor,
            target,
            cache,
            resolver,
            pending: VecDeque::new(),
            loader: Loader::new(),
            objects: Vec::new(),
            initialised: 0,
            unwind: Vec::new(),
            segments: Vec::new(),
        };
        modules.into_iter().try_for_each(|module| engine.add_module(module))?;
        Ok(engine)
    }
}

/// Modules on their way to code, and the code.
pub struct Engine {
    /// For compilers, which name things by it.
    session: Session,
    executor: Arc<dyn Executor>,
    target: &'static Architecture,
    cache: Option<Arc<dyn ObjectCache>>,
    resolver: Option<Resolver>,
    pending: VecDeque<Module>,
    loader: Loader,
    objects: Vec<ObjectId>,
    /// Objects whose constructors have run.
    initialised: usize,
    unwind: Vec<Resource>,
    segments: Vec<Segment>,
}

impl Engine {
    /// An engine with this module.
    pub fn builder(module: Module) -> EngineBuilder {
        EngineBuilder::new(module)
    }

    /// What its code is for.
    pub fn target(&self) -> &'static Architecture {
        self.target
    }

    /// Adds a module, which is compiled when code is needed.
    pub fn add_module(&mut self, module: Module) -> Result<(), EngineError> {
        if let Some(found) = module.architecture().filter(|found| !std::ptr::eq(*found, self.target)) {
            let (module, found, expected) = (module.name().into(), found.name, self.target.name);
            return Err(EngineError::Target { module, found, expected });
        }
        self.pending.push_back(module);
        Ok(())
    }

    /// Adds an object file of any format.
    pub fn add_object(&mut self, object: Input) -> Result<(), EngineError> {
        self.add_module(Module::object(object))
    }

    /// Compiles and loads all modules that are not. A module that fails is dropped; the others stay.
    pub fn generate(&mut self) -> Result<(), EngineError> {
        while let Some(module) = self.pending.pop_front() {
            let name = module.name().to_string();
            let failed = |cause| EngineError::Compile { module: name.clone(), cause };
            for code in module.compile(&self.session, self.cache.as_deref()).map_err(failed)? {
                let object = match code {
                    Linkable::Object(object) => self.loader.load(&object)?,
                    Linkable::Graph(graph) => self.loader.load_graph(*graph)?,
                };
                self.objects.push(object);
            }
        }
        Ok(())
    }

    /// The sections of what has been [generated](Engine::generate).
    pub fn sections(&self) -> Vec<SectionView> {
        self.loader.sections().collect()
    }

    /// Says where a section will lie, here or in another process. May be said again, until it is finalized.
    pub fn map_section(&mut self, section: SectionKey, address: u64) -> Result<(), EngineError> {
        Ok(self.loader.map_section(section, address)?)
    }

    /// Makes the bytes of all sections as they have to be where they are mapped; others are given memory. May be done again,
    /// after more mapping.
    pub fn resolve(&mut self) -> Result<(), EngineError> {
        self.generate()?;
        let mut answers = HashMap::new();
        loop {
            let names: Vec<Vec<u8>> =
                self.loader.undefined().into_iter().filter(|name| !answers.contains_key(name)).collect();
            if names.is_empty() {
                break;
            }
            let texts: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            let found = self.find(&texts)?;
            let missing: Vec<&[u8]> =
                texts.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(name, _)| *name).collect();
            // What a static link adds without being told.
            let added = missing.iter().map(|name| self.executor.support_object(name));
            let added = added.collect::<Result<BTreeSet<_>, _>>()?;
            for object in added.into_iter().flatten() {
                self.objects.push(self.loader.load(&Input::from_bytes("support", object))?);
            }
            answers.extend(names.iter().cloned().zip(found));
        }
        if std::ptr::eq(self.target, self.executor.architecture()) {
            self.loader.allocate(self.executor.memory())?;
        }
        let answer = |names: &[&[u8]]| names.iter().map(|name| answers.get(*name).copied().flatten()).collect();
        Ok(self.loader.resolve(answer)?)
    }

    fn find(&mut self, names: &[&[u8]]) -> Result<Vec<Option<u64>>, EngineError> {
        if let Some(resolver) = &mut self.resolver {
            let found = resolver(names);
            if found.len() != names.len() {
                return Err(LoadError::Answers { found: found.len(), wanted: names.len() }.into());
            }
            return Ok(found);
        }
        let found = self.executor.find(names)?.into_iter();
        Ok(found.map(|found| found.filter(|found| !found.thread_local).map(|found| found.address)).collect())
    }

    /// The bytes of a section for the address that it was last mapped to, once they are resolved.
    pub fn image(&self, section: SectionKey) -> Result<&[u8], EngineError> {
        Ok(self.loader.image(section)?)
    }

    /// All sections, as they have to be in memory.
    pub fn images(&self) -> Result<Vec<Image<'_>>, EngineError> {
        let images = self.objects.iter().map(|object| self.loader.images(*object));
        Ok(images.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Compiles what is not compiled, and ends remapping: what was not mapped is ready to run here, what was is bytes.
    pub fn finalize_object(&mut self) -> Result<(), EngineError> {
        self.generate()?;
        if self.loader.is_final() {
            return Ok(());
        }
        self.resolve()?;
        let Finalized { segments, unwind, indirect } = self.loader.finalize()?;
        let memory: Vec<Range<u64>> = segments.iter().map(range).collect();
        self.segments.extend(segments);
        let is_here = |address: u64| memory.iter().any(|range| range.contains(&address));
        for (code, records) in
            unwind.into_iter().filter(|(code, records)| is_here(code.start) && is_here(records.start))
        {
            self.unwind.push(self.executor.register_unwind(code, records)?);
        }
        let indirect: Vec<_> = indirect.into_iter().filter(|(slot, _)| is_here(*slot)).collect();
        Ok(self.executor.run_resolvers(&indirect)?)
    }

    /// The address of a function or variable, in the process that its section is mapped for; finalizes what is not final.
    pub fn pointer_to_function(&mut self, name: &str) -> Result<u64, EngineError> {
        self.finalize_object()?;
        self.loader.address(name).ok_or_else(|| EngineError::NotFound(name.into()))
    }

    /// Runs the constructors of what has been finalized and was not run before, in the order of the modules.
    pub fn run_static_constructors(&mut self) -> Result<(), EngineError> {
        self.finalize_object()?;
        let objects = self.objects[self.initialised..].iter();
        let functions: Vec<u64> =
            objects.flat_map(|object| self.loader.functions(*object, FunctionTable::Init)).collect();
        self.initialised = self.objects.len();
        Ok(self.executor.run_initialisers(&functions)?)
    }

    /// Runs the destructors of what was constructed, in the reverse order.
    pub fn run_static_destructors(&mut self) -> Result<(), EngineError> {
        let objects = self.objects[..std::mem::take(&mut self.initialised)].iter();
        let mut functions: Vec<u64> =
            objects.flat_map(|object| self.loader.functions(*object, FunctionTable::Fini)).collect();
        functions.reverse();
        Ok(self.executor.run_initialisers(&functions)?)
    }

    /// Calls a function with integers or addresses, at most six.
    ///
    /// What it does is up to who wrote it: in this process, a wrong one can do anything.
    pub fn run_function(&mut self, name: &str, arguments: &[u64]) -> Result<u64, EngineError> {
        let address = self.pointer_to_function(name)?;
        Ok(self.executor.call(address, arguments)?)
    }

    /// Calls `main`, or another function that takes the same.
    pub fn run_function_as_main(&mut self, name: &str, arguments: &[&str]) -> Result<i32, EngineError> {
        let address = self.pointer_to_function(name)?;
        self.executor.set_arguments(arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect())?;
        Ok(self.executor.run_main(address)?)
    }
}

fn range(segment: &Segment) -> Range<u64> {
    segment.address..segment.address + segment.size
}

impl Drop for Engine {
    /// Gives all memory back: no pointer into it may be used any more.
    fn drop(&mut self) {
        let memory: Vec<Range<u64>> = self.segments.iter().map(range).collect();
        // An executor that is gone has nothing left.
        _ = self.executor.finalize(&memory);
        _ = self.executor.forget(&memory, &[]);
        self.unwind.clear();
        self.executor.memory().release(&self.segments);
    }
}
