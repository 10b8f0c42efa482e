//! Where `uruk link` links: in this process or another one, where the code can run, or, with `-noexec`, in a slab of
//! addresses.

use super::error::Error;
use super::flags::Request;
use super::lazy;
use crate::remote::Executor;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use uruk::Jit;
use uruk::orc::dry_run::DryRun;
use uruk::orc::error::Error as SessionError;
use uruk::orc::generator::{DefinitionGenerator, ProcessSymbols, Wanted};
use uruk::orc::session::Session;
use uruk::orc::support::SupportSymbols;
use uruk::orc::{DylibId, SearchEntry, is_linker_defined};
use uruk_executor::lifecycle::{self, support_archives};
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::Name;
use uruk_jitlink::slab::Slab;
use uruk_jitlink::x86_64;

/// A session, and what its libraries resolve from after each other.
pub struct Host {
    /// The session.
    pub session: Session,
    /// What it links.
    pub format: &'static Format,
    /// Where everything is laid out, if it is not in this process.
    pub slab: Option<Arc<Slab>>,
    jit: Option<Jit>,
    executor: Option<Executor>,
    process: Option<DylibId>,
    phony: Option<DylibId>,
}

impl Host {
    /// A session for code of a format.
    pub fn new(request: &Request, format: &'static Format) -> Result<Host, Error> {
        let mut host = if request.no_exec { Host::dry(request, format)? } else { Host::live(request, format)? };
        if request.no_process {
            host.process = None;
        }
        if request.phony {
            let phony = host.session.create_dylib("<phony externals>")?;
            host.session.add_generator(phony, Arc::new(Phony));
            host.phony = Some(phony);
        }
        for library in &request.preload {
            host.session.executor().load_library(library)?;
        }
        Ok(host)
    }

    fn live(request: &Request, format: &'static Format) -> Result<Host, Error> {
        let mut builder = Jit::builder();
        let debugger = request.debugger == Some(true);
        let executor = request
            .executors
            .first()
            .map(|place| Executor::at(place, debugger.then_some("--debugger"), request.share_memory));
        let executor = executor.transpose()?;
        if let Some(executor) = &executor {
            builder = builder.executor(executor.remote.clone());
        }
        if let Some(threads) = request.threads {
            builder = builder.threads(threads);
        }
        if request.speculate || request.order.is_some() {
            builder = builder.compile_threads(request.threads.unwrap_or(1));
        }
        if let Some(debugger) = request.debugger {
            builder = builder.debugger(debugger);
        }
        let jit = builder.build()?;
        let session = jit.session().clone();
        let process = session.dylib("<process>");
        Ok(Host { session, format, slab: None, jit: Some(jit), executor, process, phony: None })
    }

    fn dry(request: &Request, format: &'static Format) -> Result<Host, Error> {
        let slab = Arc::new(slab(request, format.arch));
        let session = Session::new(Arc::new(DryRun::new(format.arch, slab.clone())), request.threads);
        let process = session.create_dylib("<process>")?;
        session.add_generator(process, Arc::new(ProcessSymbols));
        Ok(Host { session, format, slab: Some(slab), jit: None, executor: None, process: Some(process), phony: None })
    }

    /// What the session calls a symbol that the objects call so.
    pub fn name(&self, name: &str) -> Name {
        self.session.names().intern(&self.format.container.session_name(name.as_bytes()))
    }

    /// Makes a library; the first one is the program.
    pub fn create(&self, name: &str) -> Result<DylibId, Error> {
        let Some(jit) = &self.jit else {
            let dylib = self.session.create_dylib(name)?;
            let support = self.session.create_dylib(&support_name(name))?;
            self.session.place_with(support, dylib);
            let archives = if self.session.executor().architecture() == &x86_64::ARCHITECTURE {
                support_archives
            } else {
                no_archives
            };
            let symbols = SupportSymbols::new(archives, Arc::new(uruk::read_file));
            self.session.add_generator(support, Arc::new(symbols));
            return Ok(dylib);
        };
        Ok(if name == super::MAIN { jit.main().id() } else { jit.create_dylib(name)?.id() })
    }

    /// Says where a library resolves names from: itself, then these, then the process, what belongs into every program, and
    /// null.
    pub fn set_order(&self, library: DylibId, name: &str, others: impl IntoIterator<Item = SearchEntry>) {
        let support = self.session.dylib(&support_name(name));
        let own = SearchEntry { dylib: library, all_symbols: true };
        let shown = |dylib| SearchEntry { dylib, all_symbols: false };
        let order = [own].into_iter().chain(others).chain(self.process.map(shown));
        let order = order.chain(support.map(|dylib| SearchEntry { dylib, all_symbols: true }));
        self.session.set_search_order(library, order.chain(self.phony.map(shown)).collect());
        if let Some(support) = support {
            let own = SearchEntry { dylib: support, all_symbols: true };
            self.session.set_search_order(support, [own].into_iter().chain(self.process.map(shown)).collect());
        }
    }

    /// Has a function called when the program's process ends, if that is this one.
    pub fn at_exit(&self, function: extern "C" fn()) -> Result<(), Error> {
        let jit = self.jit.as_ref().filter(|_| self.executor.is_none());
        Ok(jit.map_or(Ok(()), |jit| jit.at_exit(function))?)
    }

    /// Runs initialisers and the entry, which one of these libraries defines, with the program's arguments.
    pub fn run(self, entry: &str, libraries: &[DylibId], arguments: Vec<Vec<u8>>) -> Result<ExitCode, Error> {
        let Some(jit) = self.jit else { return Ok(ExitCode::SUCCESS) };
        jit.set_arguments(arguments)?;
        let main = jit.main().id();
        let mut order = self.session.search_order(main);
        let others = libraries.iter().filter(|dylib| **dylib != main);
        order.splice(1..1, others.map(|dylib| SearchEntry { dylib: *dylib, all_symbols: false }));
        self.session.set_search_order(main, order);
        jit.interpose()?;
        let entry = self.format.container.session_name(entry.as_bytes());
        let mut status = jit.main().run(&String::from_utf8_lossy(&entry));
        if let Some(executor) = self.executor {
            status = executor.end(status);
            lazy::write();
        }
        let status = status?;
        // Handlers that the program has registered run in here, so its code has to be there still.
        lifecycle::exit(status)
    }
}

fn support_name(name: &str) -> String {
    format!("{name} <support>")
}

fn no_archives() -> Vec<PathBuf> {
    Vec::new()
}

/// The addresses that are linked for.
fn slab(request: &Request, arch: &Architecture) -> Slab {
    /// Where executables that are not position independent begin.
    const LOW: Range<u64> = 0x40_0000..1 << 31;
    const PAGE: u64 = 0x1000;
    // Far from anything that a process on Linux has, unless addresses have 32 bits.
    let near = if arch.slot_size < 8 { LOW } else { 0x10_0000_0000..0x20_0000_0000 };
    let page = request.slab.page.unwrap_or(PAGE);
    match (request.slab.size, request.slab.address) {
        (None, _) if near == LOW => Slab::new(LOW, page),
        (None, _) => Slab::with_low(near, LOW, page),
        (Some(size), address) => {
            let start = address.unwrap_or(near.start);
            Slab::new(start..start.saturating_add(size), page)
        }
    }
}

/// Defines whatever is asked for as null.
struct Phony;

impl DefinitionGenerator for Phony {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), SessionError> {
        let names = wanted.required().filter(|name| !is_linker_defined(&session.names().bytes(*name)));
        let null: Vec<_> = names.map(|name| (name, 0, SymbolKind::None)).collect();
        session.define_absolute(dylib, &null);
        Ok(())
    }

    fn name(&self) -> String {
        "-phony-externals".into()
    }
}
