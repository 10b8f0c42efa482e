//! How a JIT is set up.

use crate::directory::Directory;
use crate::jit::{Error, Inner, Jit};
use crate::lazy_calls::LazyCalls;
use std::fmt;
use std::sync::{Arc, OnceLock};
use uruk_cache::ObjectCache;
use uruk_executor::in_process::{InProcess, NoDebugger};
use uruk_executor::memory::Options;
use uruk_jitlink::format::Convention;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::memory::{MemoryError, MemoryManager};
use uruk_orc::GcRoots;
use uruk_orc::dispatch::{Dispatcher, ThreadPool};
use uruk_orc::error::Error as SessionError;
use uruk_orc::executor::Executor;
use uruk_orc::generator::ProcessSymbols;
use uruk_orc::listener::Listener;
use uruk_orc::plugin::Plugin;
use uruk_orc::session::Session;
use uruk_orc::translate::Translate;
use uruk_orc::turns::Turns;

#[derive(Clone)]
struct Translator(Arc<dyn Translate>);

impl fmt::Debug for Translator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a translator")
    }
}

/// Makes a JIT's memory.
type MakeMemory = dyn Fn() -> Result<Arc<dyn MemoryManager>, MemoryError> + Send + Sync;

#[derive(Clone)]
struct MemoryFactory(Arc<MakeMemory>);

impl fmt::Debug for MemoryFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a factory")
    }
}

#[derive(Clone)]
struct ChosenExecutor(Arc<dyn Executor>);

impl fmt::Debug for ChosenExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an executor")
    }
}

/// Settings of a [`Jit`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    threads: Option<usize>,
    compile_threads: Option<usize>,
    lazy_failure: Option<u64>,
    strict: bool,
    executor: Option<ChosenExecutor>,
    memory: Option<MemoryFactory>,
    gc_sections: bool,
    gc_roots: Option<Vec<String>>,
    debugger: Option<bool>,
    plugins: Vec<Arc<dyn Plugin>>,
    listeners: Vec<Arc<dyn Listener>>,
    retain_graphs: bool,
    translator: Option<Translator>,
    lazy_calls: bool,
    #[cfg(feature = "cc")]
    pub(crate) toolchain: uruk_cc::Toolchain,
    #[cfg(feature = "cranelift")]
    pub(crate) cranelift: uruk_cranelift::Options,
    lazy: bool,
    cache: Option<Arc<dyn ObjectCache>>,
    dispatcher: Option<Arc<dyn Dispatcher>>,
    #[cfg(feature = "llvm")]
    pub(crate) llvm: uruk_llvm::Options,
}

impl Builder {
    /// Runs the code elsewhere: in another process, perhaps on another machine. Its memory is the executor's.
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(ChosenExecutor(executor));
        self
    }

    /// How many threads link large inputs, the calling one among them; as many as there are processors if not said.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count.max(1));
        self
    }

    /// Materializes units on this many threads of the JIT's own instead of the one that looks them up.
    pub fn compile_threads(mut self, count: usize) -> Self {
        self.compile_threads = Some(count);
        self
    }

    /// Runs tasks where this says, instead.
    pub fn dispatcher(mut self, dispatcher: Arc<dyn Dispatcher>) -> Self {
        self.dispatcher = Some(dispatcher);
        self
    }

    /// Keeps what compilers make, and looks there before they do; see [`cache`](crate::cache).
    pub fn cache(mut self, cache: Arc<dyn ObjectCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Makes each function when it is first called, which a [`LazyJit`](crate::LazyJit) always does.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Where calls go whose body cannot be had, instead of a message and the end of the process: code that is entered
    /// with the arguments of the call, and may throw into its caller. It is code of the process where the program runs; why a
    /// body cannot be had is reported here, in the session. See [`Dylib::lazy_reexport`](crate::Dylib::lazy_reexport).
    pub fn lazy_failure(mut self, address: u64) -> Self {
        self.lazy_failure = Some(address);
        self
    }

    /// Never writes to a page that has been executable, by any way; every batch has pages of its own.
    pub fn strict_wx(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Has everything linked, stubs of lazy functions among it, in memory of this manager instead; see
    /// [`memory`](crate::memory). The function is called once for each JIT that is built, and its error is that of
    /// [`build`](Builder::build); several JITs may be given one manager. What [`strict_wx`](Builder::strict_wx) says is the
    /// manager's own affair then.
    pub fn memory_manager<F>(mut self, factory: F) -> Self
    where
        F: Fn() -> Result<Arc<dyn MemoryManager>, MemoryError> + Send + Sync + 'static,
    {
        self.memory = Some(MemoryFactory(Arc::new(factory)));
        self
    }

    /// Links only the sections that are reached from roots, as `ld --gc-sections` does: symbols that other dylibs
    /// see (unless there are [`gc_roots`](Builder::gc_roots)), symbols looked up before anything of their dylib was
    /// linked, and sections that are marked as retained. All objects added to a dylib so far are linked together;
    /// what is added or looked up later cannot have what was dropped.
    pub fn gc_sections(mut self, collect: bool) -> Self {
        self.gc_sections = collect;
        self
    }

    /// With [`gc_sections`](Builder::gc_sections): of the main dylib's symbols only these, and what the process's
    /// libraries import, are roots, as in an executable.
    pub fn gc_roots<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.gc_roots = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Shows what is linked to gdb and lldb, wherever they are attached or will be; this costs time and memory for
    /// every object. If not said, they see it if one is attached when the first code is linked.
    pub fn debugger(mut self, enabled: bool) -> Self {
        self.debugger = Some(enabled);
        self
    }

    /// Tells a listener of every object that is linked, and when it goes; see [`listener`](crate::listener).
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Lets a plugin take part in every link, after those that were added before. For one that only wants to know what is
    /// where there is [`listener`](Builder::listener).
    pub fn plugin(mut self, plugin: Arc<dyn Plugin>) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Keeps the graphs of linked objects, as they were once pruned, for [`Dylib::retained_graphs`](crate::Dylib::retained_graphs).
    pub fn retain_graphs(mut self, retain: bool) -> Self {
        self.retain_graphs = retain;
        self
    }

    /// Has inputs that are no objects made into some, in files that are added and in archives; without a translator they
    /// are refused.
    pub fn translator(mut self, translator: Arc<dyn Translate>) -> Self {
        self.translator = Some(Translator(translator));
        self
    }

    /// Links an object when one of its functions is first called: where all that an object has of a symbol are calls, they go
    /// through a lazy stub. Other references, and variables, are linked with the object that has them. Objects with
    /// initialisers are linked when their dylib is initialised; initialisers of what is linked later run before the
    /// first use of anything in it. Functions that a library of the process defines are bound at once, as are
    /// calls through the GOT (`-fno-plt`).
    pub fn lazy_calls(mut self, lazy: bool) -> Self {
        self.lazy_calls = lazy;
        self
    }

    fn make_executor(&self) -> Result<Arc<dyn Executor>, Error> {
        if let Some(ChosenExecutor(executor)) = &self.executor {
            return Ok(executor.clone());
        }
        let executor = match &self.memory {
            Some(MemoryFactory(make)) => InProcess::with_memory(make()?),
            None => InProcess::new(Options { strict: self.strict, ..Options::default() }),
        };
        if let Some(enabled) = self.debugger {
            let failed = |error: NoDebugger| SessionError::Executor {
                what: "showing linked code to debuggers".into(),
                reason: error.to_string(),
            };
            executor.set_debugger(enabled).map_err(failed)?;
        }
        Ok(Arc::new(executor))
    }

    /// Makes the JIT.
    pub fn build(self) -> Result<Jit, Error> {
        let session = Session::new(self.make_executor()?, self.threads);
        if let Some(count) = self.compile_threads {
            session.set_dispatcher(Arc::new(ThreadPool::new(count)));
        }
        if let Some(dispatcher) = self.dispatcher {
            session.set_dispatcher(dispatcher);
        }
        if let Some(address) = self.lazy_failure {
            session.set_lazy_failure(address);
        }
        self.plugins.into_iter().for_each(|plugin| session.add_plugin(plugin));
        self.listeners.into_iter().for_each(|listener| session.add_listener(listener));
        if let Some(Translator(translator)) = self.translator {
            session.set_translator(translator);
        }
        let process = session.create_dylib("<process>")?;
        session.add_generator(process, Arc::new(ProcessSymbols));
        session.serve_only(process, session.executor().convention());
        let windows = session.create_dylib("<windows>")?;
        let functions = session.executor().windows_functions().into_iter();
        let functions: Vec<_> =
            functions.map(|(name, address)| (session.names().intern(&name), address, SymbolKind::Function)).collect();
        session.define_absolute(windows, &functions);
        session.serve_only(windows, Convention::Windows);
        let Builder { gc_sections, retain_graphs, lazy, lazy_calls, .. } = self;
        let inner = Arc::new(Inner {
            session,
            process,
            windows,
            main: OnceLock::new(),
            gc_sections,
            retain_graphs,
            initialising: Turns::new(()),
            lazy_calls: LazyCalls::new(lazy_calls),
            #[cfg(feature = "cc")]
            sources: crate::sources::SourcesByDylib::new(self.toolchain),
            #[cfg(feature = "cranelift")]
            cranelift: crate::cranelift::Cranelift::new(self.cranelift),
            lazy,
            cache: self.cache,
            #[cfg(feature = "llvm")]
            llvm: crate::llvm::Llvm::new(self.llvm),
        });
        let weak = Arc::downgrade(&inner);
        inner.session.before_first_calls(move |dylib| match weak.upgrade() {
            Some(inner) => inner.initialize_linked(dylib),
            None => Ok(()),
        });
        let directory = inner.session.executor().offer_dylibs(Arc::new(Directory::new(&inner)))?;
        let jit = Jit::of(inner, directory);
        let main = jit.create_dylib("main")?.id();
        jit.inner().main.get_or_init(|| main);
        jit.session().set_root(main);
        if let (true, Some(names)) = (gc_sections, self.gc_roots) {
            let session = jit.session();
            let names = names.iter().map(|name| session.names().intern(name.as_bytes()));
            session.collect_sections(main, GcRoots::Named(names.collect()));
        }
        Ok(jit)
    }
}
