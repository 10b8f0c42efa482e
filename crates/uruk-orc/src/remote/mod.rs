//! An executor in another process: what the session asks of it goes over a connection.
//!
//! Data flow: [`Remote`] turns what the session wants into requests → `Link` sends them and waits → the executor carries
//! them out, and may ask in turn (`questions`), which the thread answers that waits for it, or one of its own.
//! What is not waited for (registrations, memory that is given back) is posted: a batch of any size takes a constant
//! number of round trips.
//! Invariants: an executor is not trusted. Its answers are checked for their shape, its addresses are data; whatever it does,
//! a call ends with an answer or an error that names it. When it is gone, all that waits gets the reason.

mod connect;
mod link;
mod memory;
mod questions;
mod streams;

pub use connect::Options;
pub use streams::Streams;
pub use uruk_executor::protocol::transport::Address;

use crate::error::Error;
use crate::executor::{
    DylibDirectory, Executor, Exports, Found, NamedCode, Processor, Resource, Stub, StubId, StubSetup, Stubs,
    ThreadRequest, ThreadStorage, ThreadVariable,
};
use link::{Kept, Link};
use memory::RemoteMemory;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use uruk_executor::protocol::message::{self, Answer, Request, ThreadQuestion};
use uruk_executor::serve::Target;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::format::Convention;
use uruk_jitlink::memory::{MemoryManager, Placement};
use uruk_jitlink::tls::Question;

/// Bytes of memory that are asked for at once; executors give as many.
const LARGEST_PIECE: u64 = 1 << 20;

/// A process, perhaps on another machine or of another architecture, where linked code runs.
pub struct Remote {
    link: Arc<Link>,
    memory: RemoteMemory,
    target: Target,
    architecture: &'static Architecture,
}

impl Remote {
    /// What the executor has said of itself.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Ends the process as `exit` does, and returns the status with which it ended.
    pub fn exit(&self, status: i32) -> Result<i32, Error> {
        match self.link.run("ending the program", &Request::Exit { status }) {
            Err(Error::ExecutorLost { status: Some(status), .. }) => Ok(status),
            Err(error) => Err(error),
            Ok(_) => Err(self.link.unexpected("ending the program")),
        }
    }
}

fn is_low(placement: Placement) -> bool {
    placement == Placement::Low
}

impl Executor for Remote {
    fn memory(&self) -> &dyn MemoryManager {
        &self.memory
    }

    fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    fn processor(&self) -> Option<Processor> {
        let Target { architecture, system, features, .. } = &self.target;
        Some(Processor { architecture: architecture.clone(), system: system.clone(), features: features.clone() })
    }

    fn convention(&self) -> Convention {
        if self.target.system == "windows" { Convention::Windows } else { Convention::Unix }
    }

    fn is_this_process(&self) -> bool {
        false
    }

    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        self.link.find(None, names)
    }

    fn insists_on(&self, name: &[u8]) -> bool {
        self.target.insists_on.iter().any(|insisted| insisted == name)
    }

    fn for_each_import(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let what = "listing what libraries import";
        match self.link.ask(what, &Request::Imports)? {
            Answer::Names(names) => names.iter().for_each(|name| each(name)),
            _ => return Err(self.link.unexpected(what)),
        }
        Ok(())
    }

    fn interpose(&self, definitions: &HashMap<Vec<u8>, u64>) -> Result<(), Error> {
        let definitions = definitions.iter().map(|(name, address)| (name.clone(), *address)).collect();
        self.link.done("replacing functions of the process's libraries", &Request::Interpose { definitions })
    }

    fn windows_functions(&self) -> Vec<(Vec<u8>, u64)> {
        self.target.windows_functions.clone()
    }

    fn load_library(&self, path_or_soname: &str) -> Result<(), Error> {
        self.link.run("loading a library", &Request::LoadLibrary { name: path_or_soname.into() }).map(drop)
    }

    fn open_library(&self, path_or_soname: &str) -> Result<Box<dyn Exports>, Error> {
        let kept = self.link.keep();
        let request = Request::OpenLibrary { library: kept.number(), name: path_or_soname.into() };
        self.link.run("loading a library", &request)?;
        Ok(Box::new(RemoteLibrary(kept)))
    }

    fn load_threads(&self, request: &ThreadRequest<'_>) -> Result<ThreadStorage, Error> {
        let what = "loading thread-local variables";
        let kept = self.link.keep();
        let count = request.questions.len();
        let questions =
            request.questions.iter().map(|(variable, question)| (thread_variable(*variable), asked(*question)));
        let request = Request::LoadThreads {
            resource: kept.number(),
            image: request.image.into(),
            size: request.size,
            align: request.align,
            questions: questions.collect(),
        };
        match self.link.ask(what, &request)? {
            Answer::Words(words) if words.len() == 2 * count => {
                let answers = words.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
                Ok(ThreadStorage { answers, resource: Box::new(kept) })
            }
            Answer::StaticThreadStorage { needed } => Err(Error::StaticThreadStorage { needed }),
            _ => Err(self.link.unexpected(what)),
        }
    }

    fn register_unwind(&self, code: Range<u64>, records: Range<u64>) -> Result<Resource, Error> {
        let kept = self.link.keep();
        self.link.post(&Request::RegisterUnwind { resource: kept.number(), code, records });
        Ok(Box::new(kept))
    }

    fn register_functions(&self, base: u64, records: Range<u64>) -> Result<Option<Resource>, Error> {
        if self.convention() != Convention::Windows {
            return Ok(None);
        }
        let kept = self.link.keep();
        self.link.post(&Request::RegisterFunctions { resource: kept.number(), base, records });
        Ok(Some(Box::new(kept)))
    }

    fn stubs(&self, setup: StubSetup) -> Result<Box<dyn Stubs>, Error> {
        let pool = self.link.keep();
        self.link.questions.add_pool(pool.number(), setup.resolver);
        self.link.post(&Request::StubPool {
            pool: pool.number(),
            failure: setup.failure,
            low: is_low(setup.placement),
        });
        Ok(Box::new(RemoteStubs(pool)))
    }

    fn debug_wanted(&self) -> bool {
        self.target.debug_wanted
    }

    fn debug_thread_base(&self) -> Option<u64> {
        self.target.debug_thread_base
    }

    fn register_debug(&self, image: Vec<u8>) -> Option<Resource> {
        let kept = self.link.keep();
        self.link.post_bytes(&Request::RegisterDebug { resource: kept.number() }, &image);
        Some(Box::new(kept))
    }

    fn backtraces_wanted(&self) -> bool {
        self.target.backtraces_wanted
    }

    fn register_names(&self, named: NamedCode) -> Option<Resource> {
        let kept = self.link.keep();
        let NamedCode { base, code, image } = named;
        self.link.questions.add_image(kept.number(), image);
        self.link.post(&Request::RegisterNames { resource: kept.number(), base, code });
        Some(Box::new(kept))
    }

    fn run_resolvers(&self, slots: &[(u64, u64)]) -> Result<(), Error> {
        if slots.is_empty() {
            return Ok(());
        }
        self.link.run("running resolvers", &Request::RunResolvers { slots: slots.into() }).map(drop)
    }

    fn finalize(&self, memory: &[Range<u64>]) -> Result<(), Error> {
        self.link.run("running finalisers", &Request::RunFinalisers { memory: memory.into() }).map(drop)
    }

    fn forget(&self, memory: &[Range<u64>], variables: &[(u64, Range<u64>)]) -> Result<(), Error> {
        self.link.post(&Request::Forget { memory: memory.into(), variables: variables.into() });
        Ok(())
    }

    fn run_initialisers(&self, functions: &[u64]) -> Result<(), Error> {
        self.link.run("running initialisers", &Request::RunInitialisers { functions: functions.into() }).map(drop)
    }

    fn run_at_exit(&self, functions: &[u64]) -> Result<(), Error> {
        self.link.post(&Request::RunAtExit { functions: functions.into() });
        Ok(())
    }

    fn set_arguments(&self, arguments: Vec<Vec<u8>>) -> Result<(), Error> {
        self.link.post(&Request::SetArguments { arguments });
        Ok(())
    }

    /// A program that calls `exit` ends the process; its status is what it returns.
    fn run_main(&self, function: u64) -> Result<i32, Error> {
        match self.link.run("running the program", &Request::RunMain { function }) {
            Ok(Answer::Words(words)) if words.len() == 1 => Ok(words[0] as i32),
            Ok(_) => Err(self.link.unexpected("running the program")),
            Err(Error::ExecutorLost { status: Some(status), .. }) => Ok(status),
            Err(error) => Err(error),
        }
    }

    fn call(&self, function: u64, arguments: &[u64]) -> Result<u64, Error> {
        match self.link.run("calling a function", &Request::Run { function, arguments: arguments.into() })? {
            Answer::Words(words) if words.len() == 1 => Ok(words[0]),
            _ => Err(self.link.unexpected("calling a function")),
        }
    }

    fn read_memory(&self, address: u64, size: u64) -> Result<Vec<u8>, Error> {
        let what = "reading memory";
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            let left = (size - bytes.len() as u64).min(LARGEST_PIECE);
            let request = Request::Memory { address: address.wrapping_add(bytes.len() as u64), size: left };
            match self.link.ask(what, &request)? {
                Answer::Bytes(Some(part)) if part.len() as u64 <= left => {
                    bytes.extend_from_slice(&part);
                    if (part.len() as u64) < left {
                        break;
                    }
                }
                _ => return Err(self.link.unexpected(what)),
            }
        }
        Ok(bytes)
    }

    fn mappings(&self) -> Result<String, Error> {
        let what = "listing what is mapped";
        match self.link.ask(what, &Request::Mappings)? {
            Answer::Bytes(Some(list)) => Ok(String::from_utf8_lossy(&list).into_owned()),
            _ => Err(self.link.unexpected(what)),
        }
    }

    fn offer_dylibs(&self, directory: Arc<dyn DylibDirectory>) -> Result<Resource, Error> {
        let kept = self.link.keep();
        self.link.questions.set_directory(directory);
        self.link.post(&Request::OfferDylibs { resource: kept.number() });
        Ok(Box::new(kept))
    }

    fn support_object(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let what = "looking for support code";
        match self.link.ask(what, &Request::SupportObject { name: name.into() })? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(self.link.unexpected(what)),
        }
    }
}

/// A library of the executor's.
struct RemoteLibrary(Kept);

impl Exports for RemoteLibrary {
    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        self.0.link().find(Some(self.0.number()), names)
    }
}

/// A pool of the executor's.
struct RemoteStubs(Kept);

impl Stubs for RemoteStubs {
    fn make(&self, count: usize) -> Result<Vec<Stub>, Error> {
        let what = "making stubs";
        let link = self.0.link();
        match link.ask(what, &Request::MakeStubs { pool: self.0.number(), count: count as u64 })? {
            Answer::Pairs(pairs) if pairs.len() == count => {
                Ok(pairs.into_iter().map(|(id, address)| Stub { id: StubId(id), address }).collect())
            }
            _ => Err(link.unexpected(what)),
        }
    }

    fn redirect(&self, targets: &[(StubId, u64)]) -> Result<(), Error> {
        let targets = targets.iter().map(|(stub, address)| (stub.0, *address)).collect();
        self.0.link().done("redirecting stubs", &Request::RedirectStubs { pool: self.0.number(), targets })
    }

    fn free(&self, stubs: &[StubId]) -> Result<(), Error> {
        let stubs = stubs.iter().map(|stub| stub.0).collect();
        self.0.link().done("freeing stubs", &Request::FreeStubs { pool: self.0.number(), stubs })
    }
}

fn thread_variable(variable: ThreadVariable<'_>) -> message::ThreadVariable {
    match variable {
        ThreadVariable::Own(offset) => message::ThreadVariable::Own(offset),
        ThreadVariable::Native(name) => message::ThreadVariable::Native(crate::in_process::unversioned(name).into()),
    }
}

fn asked(question: Question) -> ThreadQuestion {
    match question {
        Question::ModuleAndOffset => ThreadQuestion::ModuleAndOffset,
        Question::ThreadOffset => ThreadQuestion::ThreadOffset,
        Question::Descriptor => ThreadQuestion::Descriptor,
    }
}
