//! An executor that executes nothing: links are laid out and fixed up in memory that is nobody's process, as a
//! [`Slab`](uruk_jitlink::slab::Slab) is, for any architecture. So what the linker does can be looked at wherever it is built, and
//! images be made for other address spaces.
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
use uruk_jitlink::tls::static_answer;

/// A target that is only linked for.
pub struct DryRun {
    architecture: &'static Architecture,
    memory: Arc<dyn MemoryManager>,
    process: InProcess,
    /// Names of this process are found.
    finds_process: bool,
}

impl DryRun {
    /// Links for an architecture in memory of this manager, whose target addresses nothing is ever called or read at.
    pub fn new(architecture: &'static Architecture, memory: Arc<dyn MemoryManager>) -> DryRun {
        DryRun { architecture, memory, process: InProcess::new(Options::default()), finds_process: true }
    }

    /// For the architecture of this process and another one's addresses: names of this process are not found.
    pub fn native(memory: Arc<dyn MemoryManager>) -> DryRun {
        let process = InProcess::new(Options::default());
        DryRun { architecture: Executor::architecture(&process), memory, process, finds_process: false }
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
        if self.finds_process { Executor::find(&self.process, names) } else { Ok(vec![None; names.len()]) }
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
