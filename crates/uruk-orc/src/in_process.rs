//! The in-process executor, as a session sees it.

use crate::error::Error;
use crate::executor::{
    DylibDirectory, Executor, Exports, Found, NamedCode, Resource, Stub, StubId, StubSetup, Stubs, ThreadRequest,
    ThreadStorage, ThreadVariable,
};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use uruk_executor::in_process::InProcess;
use uruk_executor::libraries::{self, Definition, Library, SymbolKind};
use uruk_executor::stubs::{StubError, StubPool};
use uruk_executor::tls::{TlsRequest, TlsSlot, TlsSlotKind, TlsTarget};
use uruk_executor::windows;
use uruk_jitlink::format::Convention;
use uruk_jitlink::memory::MemoryManager;
use uruk_jitlink::tls::Question;

impl Executor for InProcess {
    fn memory(&self) -> &dyn MemoryManager {
        InProcess::memory(self)
    }

    fn convention(&self) -> Convention {
        if cfg!(windows) { Convention::Windows } else { Convention::Unix }
    }

    fn is_this_process(&self) -> bool {
        true
    }

    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        let find = |name: &&[u8]| InProcess::find(self, name);
        let found = names.iter().map(find);
        Ok(found.map(|found| found.map(|(address, thread_local)| Found { address, thread_local })).collect())
    }

    fn insists_on(&self, name: &[u8]) -> bool {
        InProcess::insists_on().contains(&name)
    }

    fn for_each_import(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        InProcess::for_each_import(self, each);
        Ok(())
    }

    fn interpose(&self, definitions: &HashMap<Vec<u8>, u64>) -> Result<(), Error> {
        InProcess::interpose(self, &|name| definitions.get(name).copied()).map_err(|error| Error::Executor {
            what: "replacing functions of the process's libraries".into(),
            reason: error.to_string(),
        })
    }

    fn windows_functions(&self) -> Vec<(Vec<u8>, u64)> {
        windows::functions().map(|(name, address)| (name.into(), address as u64)).into()
    }

    fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        InProcess::load_library(self, path_or_soname)
            .map_err(|error| Error::Executor { what: "loading a library".into(), reason: error.to_string() })
    }

    fn open_library(&self, path_or_soname: &str) -> Result<Box<dyn Exports>, Error> {
        match libraries::load_apart(path_or_soname) {
            Ok(library) => Ok(Box::new(library)),
            Err(error) => Err(Error::Executor { what: "loading a library".into(), reason: error.to_string() }),
        }
    }

    fn load_threads(&self, request: &ThreadRequest<'_>) -> Result<ThreadStorage, Error> {
        let slots: Vec<TlsSlot<'_>> =
            request.questions.iter().map(|(variable, question)| slot(*variable, *question)).collect();
        let (image, mem_size, align) = (request.image, request.size, request.align);
        let module = InProcess::load_threads(self, &TlsRequest { image, mem_size, align, slots: &slots });
        match module {
            Ok(module) => Ok(ThreadStorage { answers: module.values().to_vec(), resource: Box::new(module) }),
            Err(error) => Err(match error.static_storage_needed() {
                Some(needed) => Error::StaticThreadStorage { needed },
                None => Error::Executor { what: "loading thread-local variables".into(), reason: error.to_string() },
            }),
        }
    }

    fn register_unwind(&self, code: Range<u64>, records: Range<u64>) -> Result<Resource, Error> {
        match InProcess::register_unwind(self, code, records) {
            Ok(registration) => Ok(Box::new(registration)),
            Err(error) => Err(Error::Executor { what: "registering unwind records".into(), reason: error.to_string() }),
        }
    }

    fn register_functions(&self, base: u64, records: Range<u64>) -> Result<Option<Resource>, Error> {
        InProcess::register_functions(self, base, records)
            .map_err(|error| Error::Executor { what: "registering function records".into(), reason: error.to_string() })
    }

    fn stubs(&self, setup: StubSetup) -> Result<Box<dyn Stubs>, Error> {
        Ok(Box::new(self.stub_pool(setup)))
    }

    fn debug_wanted(&self) -> bool {
        InProcess::debug_wanted(self)
    }

    fn debug_thread_base(&self) -> Option<u64> {
        InProcess::debug_thread_base()
    }

    fn register_debug(&self, image: Vec<u8>) -> Option<Resource> {
        InProcess::register_debug(self, image).ok()
    }

    fn backtraces_wanted(&self) -> bool {
        InProcess::backtraces_wanted()
    }

    fn register_names(&self, named: NamedCode) -> Option<Resource> {
        let NamedCode { base, code, image } = named;
        InProcess::register_names(self, base, code, image)
    }

    fn run_resolvers(&self, slots: &[(u64, u64)]) -> Result<(), Error> {
        InProcess::run_resolvers(self, slots);
        Ok(())
    }

    fn finalize(&self, memory: &[Range<u64>]) -> Result<(), Error> {
        InProcess::finalize(self, memory);
        Ok(())
    }

    fn forget(&self, memory: &[Range<u64>], variables: &[(u64, Range<u64>)]) -> Result<(), Error> {
        InProcess::forget(self, memory, variables);
        Ok(())
    }

    fn run_initialisers(&self, functions: &[u64]) -> Result<(), Error> {
        InProcess::run_initialisers(self, functions);
        Ok(())
    }

    fn run_at_exit(&self, functions: &[u64]) -> Result<(), Error> {
        InProcess::run_at_exit(self, functions);
        Ok(())
    }

    fn set_arguments(&self, arguments: Vec<Vec<u8>>) -> Result<(), Error> {
        InProcess::set_arguments(self, arguments);
        Ok(())
    }

    fn run_main(&self, function: u64) -> Result<i32, Error> {
        Ok(InProcess::run_main(self, function))
    }

    fn call(&self, function: u64, arguments: &[u64]) -> Result<u64, Error> {
        InProcess::call(self, function, arguments)
            .map_err(|error| Error::Executor { what: "calling a function".into(), reason: error.to_string() })
    }

    fn read_memory(&self, address: u64, size: u64) -> Result<Vec<u8>, Error> {
        let failed = |error: io::Error| Error::Executor { what: "reading memory".into(), reason: error.to_string() };
        InProcess::read_memory(address, size).map_err(failed)
    }

    fn mappings(&self) -> Result<String, Error> {
        let failed =
            |error: io::Error| Error::Executor { what: "listing what is mapped".into(), reason: error.to_string() };
        InProcess::mappings().map_err(failed)
    }

    fn offer_dylibs(&self, directory: Arc<dyn DylibDirectory>) -> Result<Resource, Error> {
        Ok(InProcess::offer_dylibs(self, directory))
    }

    fn support_object(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(InProcess::support_object(name))
    }
}

impl Exports for Library {
    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        let found = |definition: Definition| {
            let thread_local = definition.kind == SymbolKind::ThreadLocal;
            Found { address: if thread_local { 0 } else { definition.address }, thread_local }
        };
        Ok(names.iter().map(|name| Library::find(self, name).map(found)).collect())
    }
}

impl Stubs for StubPool {
    fn make(&self, count: usize) -> Result<Vec<Stub>, Error> {
        StubPool::make(self, count).map_err(|error| stub_error("making stubs", &error))
    }

    fn redirect(&self, targets: &[(StubId, u64)]) -> Result<(), Error> {
        StubPool::redirect(self, targets).map_err(|error| stub_error("redirecting stubs", &error))
    }

    fn free(&self, stubs: &[StubId]) -> Result<(), Error> {
        StubPool::free(self, stubs).map_err(|error| stub_error("freeing stubs", &error))
    }
}

fn stub_error(what: &str, error: &StubError) -> Error {
    Error::Executor { what: what.into(), reason: error.to_string() }
}

fn slot(variable: ThreadVariable<'_>, question: Question) -> TlsSlot<'_> {
    let target = match variable {
        ThreadVariable::Own(offset) => TlsTarget::Own(offset),
        ThreadVariable::Native(name) => TlsTarget::Native(unversioned(name)),
    };
    let kind = match question {
        Question::ModuleAndOffset => TlsSlotKind::ModuleAndOffset,
        Question::ThreadOffset => TlsSlotKind::ThreadOffset,
        Question::Descriptor => TlsSlotKind::Descriptor,
    };
    TlsSlot { target, kind }
}

/// Thread-local variables are found without their version.
pub(crate) fn unversioned(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'@').next().unwrap_or(name)
}
