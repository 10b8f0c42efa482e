//! The JIT: a session in this process, with the dylibs that every program has.

use crate::builder::Builder;
use crate::dylib::Dylib;
use crate::files::{read_file, read_files};
use crate::function::FunctionPointer;
use crate::lazy_calls::LazyCalls;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use uruk_cache::ObjectCache;
use uruk_executor::lifecycle;
use uruk_executor::memory::Statistics;
use uruk_jitlink::format::Convention;
use uruk_jitlink::input::Input;
use uruk_jitlink::memory::MemoryError;
use uruk_orc::error::Missing;
use uruk_orc::executor::{Executor, Resource};
use uruk_orc::generator::{LibrariesOnDemand, ReadFile};
use uruk_orc::layer::CompileLayer;
use uruk_orc::session::Session;
use uruk_orc::support::SupportSymbols;
use uruk_orc::turns::Turns;
use uruk_orc::{DylibId, GcRoots, SearchEntry};

/// Why a JIT could not be made, or something not be linked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Linking failed.
    #[error(transparent)]
    Session(#[from] uruk_orc::error::Error),
    /// The factory of the memory manager made none.
    #[error("cannot make the memory manager: {0}")]
    Memory(#[from] MemoryError),
    /// A source could not be read or compiled.
    #[cfg(feature = "cc")]
    #[error(transparent)]
    Source(#[from] uruk_cc::Error),
    /// A function's text could not be read, or Cranelift not be set up.
    #[cfg(feature = "cranelift")]
    #[error(transparent)]
    Cranelift(#[from] uruk_cranelift::Error),
    /// A module could not be read, or its target not be compiled for.
    #[cfg(feature = "llvm")]
    #[error(transparent)]
    Llvm(#[from] uruk_llvm::Error),
}

impl Error {
    /// The names that nothing defines, and where they were looked for, if that is what is wrong.
    pub fn missing(&self) -> Option<(&[Missing], &[String])> {
        match self {
            Error::Session(uruk_orc::error::Error::Missing { missing, searched }) => Some((missing, searched)),
            _ => None,
        }
    }

    /// Bytes of static thread-local storage that the program needs and this process does not have, if that is what
    /// is wrong; [`restart`](uruk_executor::restart) helps.
    pub fn static_storage_needed(&self) -> Option<u64> {
        match self {
            Error::Session(uruk_orc::error::Error::StaticThreadStorage { needed }) => Some(*needed),
            _ => None,
        }
    }
}

/// A program that is put together and run in this process.
///
/// When it is dropped, its finalisers and what its code has registered with `atexit` and its kin run, the latest first,
/// unless they have run because the process exits; then the code goes. So that code must not be running, and destructors of
/// its `thread_local` objects that have not run will not.
pub struct Jit {
    inner: Arc<Inner>,
    /// Lets linked code find the dylibs by `dlopen` and `dlsym`.
    _directory: Resource,
}

/// What a JIT shares with the functions that its code calls back.
pub(crate) struct Inner {
    pub session: Session,
    pub process: DylibId,
    /// What objects for Windows find instead.
    pub windows: DylibId,
    pub main: OnceLock<DylibId>,
    /// The sections of new dylibs are collected.
    pub gc_sections: bool,
    /// The graphs of new dylibs' objects stay.
    pub retain_graphs: bool,
    /// The thread that runs initialisers.
    pub initialising: Turns<()>,
    /// The dylibs whose calls are bound when they are made.
    pub lazy_calls: LazyCalls,
    /// Those that are compiled when they are needed.
    #[cfg(feature = "cc")]
    pub sources: crate::sources::SourcesByDylib,
    /// Functions are made by their first calls, wherever that can be.
    pub lazy: bool,
    /// Where compiled code is kept.
    pub cache: Option<Arc<dyn ObjectCache>>,
    /// Compiles Cranelift's functions.
    #[cfg(feature = "cranelift")]
    pub cranelift: crate::cranelift::Cranelift,
    /// Compiles LLVM IR.
    #[cfg(feature = "llvm")]
    pub llvm: crate::llvm::Llvm,
}

impl Inner {
    /// A layer that asks the JIT's cache first, if it has one.
    pub fn compile_layer<C>(&self, compiler: C) -> CompileLayer<C> {
        let layer = CompileLayer::new(compiler);
        match &self.cache {
            Some(cache) => layer.with_cache(cache.clone()),
            None => layer,
        }
    }
}

impl Jit {
    /// `directory` lets linked code find the dylibs.
    pub(crate) fn of(inner: Arc<Inner>, directory: Resource) -> Jit {
        Jit { inner, _directory: directory }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// A JIT with the default settings.
    pub fn new() -> Result<Jit, Error> {
        Builder::default().build()
    }

    /// Settings to begin with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The dylib that exists from the start.
    pub fn main(&self) -> Dylib<'_> {
        Dylib::new(self, *self.inner.main.get().expect("`build` makes the main dylib"))
    }

    /// A layer that has what a compiler makes linked, and asks the JIT's cache first if it has one.
    pub fn compile_layer<C>(&self, compiler: C) -> CompileLayer<C> {
        self.inner.compile_layer(compiler)
    }

    /// Whether it makes each function when that is first called: whether it is a [`LazyJit`](crate::LazyJit).
    pub fn is_lazy(&self) -> bool {
        self.inner.lazy
    }

    /// Makes another dylib. It resolves references from itself, from those that it
    /// [links against](Dylib::link_against), and from the process. Errors if the name is taken.
    pub fn create_dylib(&self, name: &str) -> Result<Dylib<'_>, Error> {
        let Inner { session, process, windows, .. } = &*self.inner;
        let dylib = session.create_dylib(name)?;
        let support = session.create_dylib(&format!("{name} <support>"))?;
        session.place_with(support, dylib);
        if self.inner.retain_graphs {
            session.retain_graphs(&[dylib]);
        }
        if self.inner.gc_sections {
            session.collect_sections(dylib, GcRoots::Exported);
        }
        let entry = |dylib, all_symbols| SearchEntry { dylib, all_symbols };
        let (process, windows, own) = (entry(*process, false), entry(*windows, false), entry(support, true));
        session.serve_only(support, Convention::Unix);
        session.set_search_order(dylib, vec![entry(dylib, true), process, windows, own]);
        session.set_search_order(support, vec![own, process]);
        let read: Arc<ReadFile> = Arc::new(read_file);
        let symbols = SupportSymbols::new(lifecycle::support_archives, read);
        session.add_generator(support, Arc::new(symbols));
        if self.inner.lazy_calls.everywhere() {
            self.inner.bind_calls_lazily(dylib)?;
        }
        Ok(Dylib::new(self, dylib))
    }

    /// A dylib by its id, for those who cannot keep what borrows the JIT.
    pub fn dylib(&self, id: DylibId) -> Dylib<'_> {
        Dylib::new(self, id)
    }

    /// Loads a shared library, by path or by soname, whose symbols every dylib then sees.
    pub fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        Ok(self.session().executor().load_library(path_or_soname)?)
    }

    /// Loads these shared libraries, in order, as long as something is missing that they may define.
    pub fn load_libraries_on_demand(&self, sonames: &[&str]) {
        self.inner.session.add_generator(self.inner.process, Arc::new(LibrariesOnDemand::new(sonames)));
    }

    /// The arguments that initialisers and `main` get, the program's name first.
    pub fn set_arguments<T: Into<Vec<u8>>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<(), Error> {
        Ok(self.session().executor().set_arguments(arguments.into_iter().map(Into::into).collect())?)
    }

    /// Opens files as [`read_files`](crate::read_files) does, many of them on several threads.
    pub fn read_files<P: AsRef<Path> + Sync>(&self, paths: &[P]) -> Result<Vec<Input>, Error> {
        /// What opening and reading a file takes, in bytes to be linked.
        const COST: usize = 4 << 10;
        const CHUNK: usize = 64;
        let chunks: Vec<&[P]> = paths.chunks(CHUNK).collect();
        let read = self.inner.session.parallel(paths.len() * COST, &chunks, |chunk| read_files(chunk));
        let mut inputs = Vec::with_capacity(paths.len());
        for chunk in read {
            inputs.append(&mut chunk?);
        }
        Ok(inputs)
    }

    /// Has a function of this process called when it exits, after everything that is registered for that later.
    pub fn at_exit(&self, function: extern "C" fn()) -> Result<(), Error> {
        let executor = self.session().executor();
        require_this_process(executor, "a function of this process")?;
        Ok(executor.run_at_exit(&[FunctionPointer::to_address(function)])?)
    }

    /// What the linked code and data take, as their [memory manager](Builder::memory_manager) counts it.
    pub fn memory_statistics(&self) -> Statistics {
        self.session().executor().memory().statistics()
    }

    /// The session underneath.
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// Links everything that was added to these dylibs, in one batch.
    pub fn link(&self, dylibs: &[Dylib<'_>]) -> Result<(), Error> {
        let dylibs: Vec<DylibId> = dylibs.iter().map(Dylib::id).collect();
        Ok(self.inner.session.materialize_all_roots(&dylibs)?)
    }

    /// Makes the process's libraries use what the main dylib defines and they import (`malloc`, `operator new`, …),
    /// for good, as they would if it were the executable. To be called after linking and before anything runs.
    pub fn interpose(&self) -> Result<(), Error> {
        let session = &self.inner.session;
        let order = [SearchEntry { dylib: self.main().id(), all_symbols: false }];
        let mut definitions = HashMap::new();
        session.executor().for_each_import(&mut |name| {
            if let Some(address) = session.lookup_strong(&order, name) {
                definitions.insert(name.to_vec(), address);
            }
        })?;
        if !definitions.is_empty() {
            session.executor().interpose(&definitions)?;
        }
        Ok(())
    }
}

/// What only makes sense where code of this process and linked code can call each other.
pub(crate) fn require_this_process(executor: &dyn Executor, what: &str) -> Result<(), uruk_orc::error::Error> {
    if executor.is_this_process() {
        return Ok(());
    }
    Err(uruk_orc::error::Error::Executor {
        what: what.into(),
        reason: "linked code runs in another process, which cannot use addresses of this one, nor this one its; \
                 call functions there with `Dylib::call` or `Dylib::run`"
            .into(),
    })
}

impl Drop for Jit {
    fn drop(&mut self) {
        self.inner.session.finalize();
    }
}

impl Inner {
    /// Runs the initialisers that have not run yet, of a dylib and before that of those that it links against.
    pub fn initialize(&self, dylib: DylibId) -> Result<(), Error> {
        for dylib in self.session.dylibs_to_initialise(dylib)? {
            self.session.materialize_all_roots(&[dylib])?;
            self.run_initialisers(dylib)?;
        }
        self.await_initialisers();
        Ok(())
    }

    /// The same as far as it is linked.
    pub fn initialize_linked(&self, dylib: DylibId) -> Result<(), uruk_orc::error::Error> {
        self.session.dylibs_to_initialise(dylib)?.into_iter().try_for_each(|dylib| self.run_initialisers(dylib))?;
        self.await_initialisers();
        Ok(())
    }

    fn run_initialisers(&self, dylib: DylibId) -> Result<(), uruk_orc::error::Error> {
        let _turn = self.initialising.take();
        let functions = self.session.take_functions(dylib);
        let executor = self.session.executor();
        if !functions.finalisers.is_empty() {
            executor.run_at_exit(&functions.finalisers)?;
        }
        if functions.initialisers.is_empty() { Ok(()) } else { executor.run_initialisers(&functions.initialisers) }
    }

    /// Waits for another thread that runs initialisers: they may be those of what this one is about to use.
    fn await_initialisers(&self) {
        drop(self.initialising.take());
    }
}
