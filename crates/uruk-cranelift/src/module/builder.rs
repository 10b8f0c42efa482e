//! Settings of a module.

use super::{LibCallNames, UrukModule};
use crate::compiler::Cranelift;
use crate::target::{OptLevel, Options};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_module::{ModuleDeclarations, ModuleResult};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use uruk_executor::in_process::InProcess;
use uruk_jitlink::graph::SymbolKind;
use uruk_orc::error::Error;
use uruk_orc::generator::{DefinitionGenerator, ProcessSymbols, Wanted};
use uruk_orc::session::Session;
use uruk_orc::{DylibId, SearchEntry};

/// Finds an address by name.
type Lookup = Box<dyn Fn(&str) -> Option<*const u8> + Send>;

/// Settings of a [`UrukModule`], with the methods of `cranelift_jit::JITBuilder`.
pub struct UrukBuilder {
    isa: OwnedTargetIsa,
    libcall_names: LibCallNames,
    symbols: HashMap<String, u64>,
    lookups: Vec<Lookup>,
    hotswap: bool,
    threads: Option<usize>,
}

impl UrukBuilder {
    /// For this machine, without optimisation. `libcall_names` may be `cranelift_module::default_libcall_names()`.
    pub fn new(libcall_names: LibCallNames) -> ModuleResult<UrukBuilder> {
        UrukBuilder::with_flags(&[], libcall_names)
    }

    /// For this machine with these settings of Cranelift.
    pub fn with_flags(flags: &[(&str, &str)], libcall_names: LibCallNames) -> ModuleResult<UrukBuilder> {
        let settings = flags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let options = Options { opt_level: OptLevel::None, settings, ..Options::default() };
        Ok(UrukBuilder::with_isa(options.isa().map_err(super::backend)?, libcall_names))
    }

    /// For a machine that Cranelift has been set up for; it has to be this one in the end.
    pub fn with_isa(isa: OwnedTargetIsa, libcall_names: LibCallNames) -> UrukBuilder {
        let (symbols, lookups) = Default::default();
        UrukBuilder { isa, libcall_names, symbols, lookups, hotswap: false, threads: None }
    }

    /// Defines a name at an address; the last definition counts. Names that are defined in no other way are found in the
    /// process and its libraries.
    pub fn symbol<K: Into<String>>(&mut self, name: K, address: *const u8) -> &mut UrukBuilder {
        self.symbols.insert(name.into(), address.expose_provenance() as u64);
        self
    }

    /// The same for many.
    pub fn symbols<It, K>(&mut self, symbols: It) -> &mut UrukBuilder
    where
        It: IntoIterator<Item = (K, *const u8)>,
        K: Into<String>,
    {
        for (name, address) in symbols {
            self.symbol(name, address);
        }
        self
    }

    /// Asks a function for names that are not defined otherwise; the one added last is asked first.
    pub fn symbol_lookup_fn(&mut self, lookup: Lookup) -> &mut UrukBuilder {
        self.lookups.push(lookup);
        self
    }

    /// Lets functions be [defined again](UrukModule::prepare_for_function_redefine): they are called through stubs.
    pub fn hotswap(&mut self, enabled: bool) -> &mut UrukBuilder {
        self.hotswap = enabled;
        self
    }

    /// Links, and compiles what was [put off](UrukModule::define_function_later), on so many threads; on as many as there are
    /// processors if not said.
    pub fn threads(&mut self, count: usize) -> &mut UrukBuilder {
        self.threads = Some(count);
        self
    }

    /// Makes the module with a session of its own in this process.
    pub fn build(self) -> Result<UrukModule, Error> {
        let session = Session::new(Arc::new(InProcess::new(Default::default())), self.threads);
        let process = session.create_dylib("<process>")?;
        session.add_generator(process, Arc::new(ProcessSymbols));
        Cranelift::with_isa(self.isa.clone()).provide(&session, process);
        let dylib = session.create_dylib("module")?;
        let own = SearchEntry { dylib, all_symbols: true };
        session.set_search_order(dylib, vec![own, SearchEntry { dylib: process, all_symbols: false }]);
        Ok(self.into_module(&session, dylib, String::new(), true))
    }

    /// Makes the module in a dylib that exists, beside what else it has. What is put off is compiled on the threads that the
    /// session links with.
    pub fn build_in(self, session: &Session, dylib: DylibId) -> UrukModule {
        static MODULES: AtomicU64 = AtomicU64::new(0);
        let suffix = format!(".{}", MODULES.fetch_add(1, Ordering::Relaxed));
        self.into_module(session, dylib, suffix, false)
    }

    fn into_module(self, session: &Session, dylib: DylibId, suffix: String, owned: bool) -> UrukModule {
        if !self.symbols.is_empty() || !self.lookups.is_empty() {
            let given = Given { symbols: self.symbols, lookups: Mutex::new(self.lookups) };
            session.add_generator(dylib, Arc::new(given));
        }
        UrukModule {
            compiler: Cranelift::with_isa(self.isa),
            session: session.clone(),
            dylib,
            owned,
            suffix,
            libcall_names: self.libcall_names,
            declarations: ModuleDeclarations::default(),
            items: HashMap::default(),
            pending: Vec::new(),
            stubs: self.hotswap.then(HashMap::new),
        }
    }
}

/// What the builder was told.
struct Given {
    symbols: HashMap<String, u64>,
    /// One at a time, since nobody promised that they can be called by several threads.
    lookups: Mutex<Vec<Lookup>>,
}

impl Given {
    fn find(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).copied().or_else(|| {
            let lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
            lookups.iter().rev().find_map(|lookup| lookup(name)).map(|address| address.expose_provenance() as u64)
        })
    }
}

impl DefinitionGenerator for Given {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let found = wanted.names.iter().filter_map(|(name, _)| {
            let address = self.find(&session.names().text(*name))?;
            Some((*name, address, SymbolKind::None))
        });
        let found: Vec<_> = found.collect();
        session.define_absolute(dylib, &found);
        Ok(())
    }

    fn name(&self) -> String {
        "the module's symbols".into()
    }
}
