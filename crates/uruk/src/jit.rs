//! The JIT: a session in this process, with the dylibs that every program has.

use crate::dylib::Dylib;
use crate::files::read_file;
use std::sync::Arc;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_executor::{at_exit, lifecycle};
use uruk_orc::generator::{ProcessSymbols, ReadFile};
use uruk_orc::session::Session;
use uruk_orc::support::SupportSymbols;
use uruk_orc::{DylibId, SearchEntry};

/// Why a JIT could not be made, or something not be linked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Linking failed.
    #[error(transparent)]
    Session(#[from] uruk_orc::error::Error),
    /// A shared library could not be loaded.
    #[error(transparent)]
    Library(#[from] uruk_executor::libraries::LibraryError),
}

/// Settings of a [`Jit`].
#[derive(Clone, Debug)]
pub struct Builder {
    threads: usize,
    strict: bool,
    debugger: Option<bool>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            threads: std::thread::available_parallelism().map_or(1, |count| count.get()),
            strict: false,
            debugger: None,
        }
    }
}

impl Builder {
    /// How many threads link large inputs, the calling one among them; as many as there are processors if not said.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = count.max(1);
        self
    }

    /// Never writes to a page that has been executable, by any way; every batch has pages of its own.
    pub fn strict_wx(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Shows what is linked to gdb and lldb, wherever they are attached or will be; this costs time and memory for
    /// every object. If not said, they see it if one is attached when the first code is linked.
    pub fn debugger(mut self, enabled: bool) -> Self {
        self.debugger = Some(enabled);
        self
    }

    /// Makes the JIT.
    pub fn build(self) -> Result<Jit, Error> {
        let executor = Arc::new(InProcess::new(Options { strict: self.strict }));
        if let Some(enabled) = self.debugger {
            executor.set_debugger(enabled);
        }
        let session = Session::new(executor.clone(), self.threads);
        let process = session.create_dylib("<process>")?;
        session.add_generator(process, Arc::new(ProcessSymbols));
        let mut jit = Jit { session, executor, process, main: process };
        jit.main = jit.create_dylib("main")?.id();
        Ok(jit)
    }
}

/// A program that is put together and run in this process.
pub struct Jit {
    session: Session,
    executor: Arc<InProcess>,
    process: DylibId,
    main: DylibId,
}

impl Jit {
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
        Dylib::new(self, self.main)
    }

    /// Makes another dylib. It resolves references from itself, from those that it
    /// [links against](Dylib::link_against), and from the process. Errors if the name is taken.
    pub fn create_dylib(&self, name: &str) -> Result<Dylib<'_>, Error> {
        let dylib = self.session.create_dylib(name)?;
        let support = self.session.create_dylib(&format!("{name} <support>"))?;
        self.session.place_with(support, dylib);
        let entry = |dylib, all_symbols| SearchEntry { dylib, all_symbols };
        let (process, own) = (entry(self.process, false), entry(support, true));
        self.session.set_search_order(dylib, vec![entry(dylib, true), process, own]);
        self.session.set_search_order(support, vec![own, process]);
        let read: Arc<ReadFile> = Arc::new(read_file);
        let symbols = SupportSymbols::new(&self.session, lifecycle::support_archives(), read);
        self.session.add_generator(support, Arc::new(symbols));
        Ok(Dylib::new(self, dylib))
    }

    /// Loads a shared library, by path or by soname, whose symbols every dylib then sees.
    pub fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        Ok(self.executor.load_library(path_or_soname)?)
    }

    /// The arguments that initialisers and `main` get, the program's name first.
    pub fn set_arguments<T: Into<Vec<u8>>>(&self, arguments: impl IntoIterator<Item = T>) {
        self.executor.set_arguments(arguments);
    }

    /// The session underneath.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs the initialisers of a dylib that have not run yet.
    pub(crate) fn initialize(&self, dylib: DylibId) -> Result<(), Error> {
        self.session.materialize_roots(dylib)?;
        let functions = self.session.take_initialisers(dylib);
        at_exit::run_at_exit(self.session.finalisers(dylib));
        self.executor.run_initialisers(&functions);
        Ok(())
    }

    /// Calls a function with the arguments of `main`, and returns its status.
    pub(crate) fn call_main(&self, address: u64) -> i32 {
        self.executor.run_main(address)
    }
}
