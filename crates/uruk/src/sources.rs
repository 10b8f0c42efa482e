//! Sources in dylibs.

use crate::builder::Builder;
use crate::dylib::Dylib;
use crate::jit::Error;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_cc::{SourceFiles, Sources, Stage, Toolchain};
use uruk_executor::at_fork;
use uruk_orc::{DylibId, SearchEntry};

/// The sources of a JIT's dylibs.
pub(crate) struct SourcesByDylib {
    toolchain: Toolchain,
    known: Arc<Mutex<HashMap<DylibId, Arc<Sources>>>>,
}

impl SourcesByDylib {
    pub fn new(toolchain: Toolchain) -> SourcesByDylib {
        SourcesByDylib { toolchain, known: at_fork::hold_while_alive(Mutex::default()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DylibId, Arc<Sources>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a dylib, if it has any.
    pub fn of(&self, dylib: DylibId) -> Option<Arc<Sources>> {
        self.lock().get(&dylib).cloned()
    }
}

impl Builder {
    /// The compilers for sources, and their flags; those of the system without flags if not said.
    pub fn toolchain(mut self, toolchain: Toolchain) -> Self {
        self.toolchain = toolchain;
        self
    }
}

impl Dylib<'_> {
    /// Adds a source in C, C++ or another language that the system's compilers know, told by its ending. It is compiled
    /// when something is missing that it may define: its text is looked through for that, and a source that seems to
    /// define what is missing is compiled before the libraries of the process are asked, all others after that. So one
    /// that defines, by a macro, a name that a library has, too, is not found. In a [`LazyJit`](crate::LazyJit), what
    /// sources only call is missing when it is called; with [`Builder::lazy_calls`], what any object only calls.
    ///
    /// Its initialisers run before anything in it is used for the first time, which need not be before `main`; those of a
    /// source that nobody needs do not run. C++ allows that ([basic.start.dynamic]).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let jit = uruk::LazyJit::new()?;
    /// jit.main().add_source("program.cpp".as_ref())?;
    /// jit.main().add_source("seldom_needed.cpp".as_ref())?; // compiled if it is called
    /// let status = jit.main().run("main")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_source(&self, path: &Path) -> Result<(), Error> {
        Ok(self.sources()?.add(path)?)
    }

    fn sources(&self) -> Result<Arc<Sources>, Error> {
        let inner = self.jit.inner();
        if let Some(sources) = inner.sources.of(self.id()) {
            return Ok(sources);
        }
        let sources = Arc::new(Sources::new(self.id(), inner.sources.toolchain.clone()));
        let session = self.jit.session();
        let mut known = inner.sources.lock();
        if let Some(sources) = known.get(&self.id()) {
            return Ok(sources.clone());
        }
        // Behind all others: whoever else has a name is asked first.
        let last = session.create_dylib(&format!("sources of dylib {}", self.id().number()))?;
        let mut order = session.search_order(self.id());
        order.push(SearchEntry { dylib: last, all_symbols: false });
        session.set_search_order(self.id(), order);
        session.add_generator(self.id(), Arc::new(SourceFiles::new(sources.clone(), Stage::Likely)));
        session.add_generator(last, Arc::new(SourceFiles::new(sources.clone(), Stage::Possible)));
        if self.jit.is_lazy() && !inner.lazy_calls.everywhere() {
            inner.bind_calls_lazily(self.id())?;
        }
        known.insert(self.id(), sources.clone());
        Ok(sources)
    }
}
