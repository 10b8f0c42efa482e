//! An executor that executes nothing: links are laid out and fixed up in a [`Slab`], for any architecture, so that what the
//! linker does can be looked at wherever it is built.
//!
//! Names of this process are found, if that is wanted, since programs refer to them; nothing is ever called there.

use crate::error::Error;
use crate::executor::{
    DylibDirectory, Executor, Exports, Found, Resource, ThreadRequest, ThreadStorage, ThreadVariable,
};
use std::ops::Range;
use std::sync::Arc;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::memory::MemoryManager;
use uruk_jitlink::slab::Slab;
use uruk_jitlink::tls::static_answer;

/// A target that is only linked for.
pub struct DryRun {
    architecture: &'static Architecture,
    memory: Arc<Slab>,
    process: InProcess,
}

impl DryRun {
    /// Links for an architecture in a slab.
    pub fn new(architecture: &'static Architecture, memory: Arc<Slab>) -> DryRun {
        DryRun { architecture, memory, process: InProcess::new(Options::default()) }
    }

    /// Whether the code could run in this process, so that what belongs into every program here is right for it.
    fn is_native(&self) -> bool {
        self.architecture == Executor::architecture(&self.process)
    }
}

impl Executor for DryRun {
    fn memory(&self) -> &dyn MemoryManager {
        &*self.memory
    }

    fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    fn is_this_process(&self) -> bool {
        false
    }

    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        Executor::find(&self.process, names)
    }

    fn for_each_import(&self, _: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        Ok(())
    }

    fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        Executor::load_library(&self.process, path_or_soname)
    }

    fn open_library(&self, path_or_soname: &str) -> Result<Box<dyn Exports>, Error> {
        Executor::open_library(&self.process, path_or_soname)
    }

    fn load_threads(&self, request: &ThreadRequest<'_>) -> Result<ThreadStorage, Error> {
        // As for a program whose only variables these are.
        let align_log2 = request.align.max(1).trailing_zeros() as u8;
        let answers = request.questions.iter().map(|(variable, question)| {
            let offset = match variable {
                ThreadVariable::Own(offset) => *offset,
                ThreadVariable::Native(_) => 0,
            };
            static_answer(&self.architecture.threads, *question, offset, request.size, align_log2)
        });
        Ok(ThreadStorage { answers: answers.collect(), resource: Box::new(()) })
    }

    fn register_unwind(&self, _: Range<u64>, _: Range<u64>) -> Result<Resource, Error> {
        Ok(Box::new(()))
    }

    fn run_resolvers(&self, _: &[(u64, u64)]) -> Result<(), Error> {
        Ok(())
    }

    fn run_initialisers(&self, _: &[u64]) -> Result<(), Error> {
        Ok(())
    }

    fn run_at_exit(&self, _: &[u64]) -> Result<(), Error> {
        Ok(())
    }

    fn set_arguments(&self, _: Vec<Vec<u8>>) -> Result<(), Error> {
        Ok(())
    }

    fn offer_dylibs(&self, _: Arc<dyn DylibDirectory>) -> Result<Resource, Error> {
        Ok(Box::new(()))
    }

    fn support_object(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if self.is_native() { Executor::support_object(&self.process, name) } else { Ok(None) }
    }
}
