//! The process where linked code runs, as the session sees it.

use crate::error::Error;
use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
pub use uruk_executor::dl::DylibDirectory;
pub use uruk_executor::stubs::{Resolver, Setup as StubSetup, Stub, StubId};
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::format::Convention;
use uruk_jitlink::memory::MemoryManager;
use uruk_jitlink::tls::Question;
use uruk_jitlink::x86_64;

/// A definition outside of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its address; 0 for a thread-local variable, which has one in each thread.
    pub address: u64,
    /// It is a thread-local variable.
    pub thread_local: bool,
}

/// Something that the executor keeps for a unit and gives up when this is dropped.
pub type Resource = Box<dyn Any + Send + Sync>;

/// Which thread-local variable a question is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadVariable<'a> {
    /// The one at this offset of the image that is being loaded.
    Own(u64),
    /// One of the process's libraries, by name.
    Native(&'a [u8]),
}

/// Thread-local storage that a batch needs.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRequest<'a> {
    /// Initial values of the first bytes; the others are zero.
    pub image: &'a [u8],
    /// Bytes in all.
    pub size: u64,
    /// A power of two.
    pub align: u64,
    /// What the linker has to know.
    pub questions: &'a [(ThreadVariable<'a>, Question)],
}

/// Thread-local storage that was had.
pub struct ThreadStorage {
    /// Two words for each question.
    pub answers: Vec<[u64; 2]>,
    /// Keeps it.
    pub resource: Resource,
}

/// Makes an ELF image that names linked code ([`uruk_jitlink::debug`]), or `None` if it cannot be had.
pub type MakeImage = Box<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// Code whose functions backtraces can name, like a shared library's.
pub struct NamedCode {
    /// What is added to addresses in the image.
    pub base: u64,
    /// Where the code is.
    pub code: Vec<Range<u64>>,
    /// Its image.
    pub image: MakeImage,
}

/// A library of the process where linked code runs.
pub trait Exports: Send + Sync {
    /// What it defines under each of these names.
    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error>;
}

/// Stubs that ask one resolver, which is called in this process wherever they are. Dropping this frees them all.
///
/// What is said of [`StubPool`](uruk_executor::stubs::StubPool) holds here: a stub is lazy until it is redirected or
/// its first call is answered, each operation is done for all its stubs or for none, and a freed stub may be called no
/// more. Each operation is one message and one answer, so it pays to do many stubs at once.
pub trait Stubs: Send + Sync {
    /// Makes lazy stubs.
    fn make(&self, count: usize) -> Result<Vec<Stub>, Error>;

    /// Lets stubs lead to other addresses, in this order.
    fn redirect(&self, targets: &[(StubId, u64)]) -> Result<(), Error>;

    /// Frees stubs.
    fn free(&self, stubs: &[StubId]) -> Result<(), Error>;
}

/// What compilers have to know of a machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Processor {
    /// Its architecture, as Rust calls it: `x86_64`, `aarch64`, `riscv64`.
    pub architecture: String,
    /// The system, as Rust calls it: `linux`, `windows`.
    pub system: String,
    /// What it can do, as `is_aarch64_feature_detected!` and its kin call it.
    pub features: Vec<String>,
}

impl Processor {
    /// What compilers call the machine, with the system's usual environment.
    pub fn triple(&self) -> String {
        let Processor { architecture, system, .. } = self;
        match &**system {
            "windows" => format!("{architecture}-pc-windows-gnu"),
            system => format!("{architecture}-unknown-{system}-gnu"),
        }
    }
}

/// The process where linked code runs. Called from several threads at once, and never with a lock of the session.
pub trait Executor: Send + Sync {
    /// Its memory.
    fn memory(&self) -> &dyn MemoryManager;

    /// The architecture whose code it runs; objects for others are refused.
    fn architecture(&self) -> &'static Architecture {
        &x86_64::ARCHITECTURE
    }

    /// The processor that compilers have to make code for, if it is not the one that they run on.
    fn processor(&self) -> Option<Processor> {
        None
    }

    /// Whose conventions the functions of the process and of its libraries have; objects of others do not find them.
    fn convention(&self) -> Convention {
        Convention::Unix
    }

    /// Whether this is the process that calls, so that its addresses can be called and read here.
    fn is_this_process(&self) -> bool;

    /// What the process itself and its libraries define under each of these names.
    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error>;

    /// Whether what the process has under a name is what linked code must use, so that no archive's member takes its place.
    fn insists_on(&self, _name: &[u8]) -> bool {
        false
    }

    /// Names the symbols that the process's libraries import, some of them more than once: what a program defines
    /// under these names they may be made to use.
    fn for_each_import(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Error>;

    /// Makes the process's libraries, the executable excepted, use these definitions of names that they import, for good.
    fn interpose(&self, _definitions: &HashMap<Vec<u8>, u64>) -> Result<(), Error> {
        Err(unsupported("replacing functions of libraries"))
    }

    /// What objects with Windows' calling convention are offered in place of the process's own symbols.
    fn windows_functions(&self) -> Vec<(Vec<u8>, u64)> {
        Vec::new()
    }

    /// Loads a shared library for good, by path or soname.
    fn load_library(&self, path_or_soname: &str) -> Result<(), Error>;

    /// Loads a shared library to be searched by itself, for as long as what is returned lives.
    fn open_library(&self, path_or_soname: &str) -> Result<Box<dyn Exports>, Error>;

    /// Gives every thread a copy of a batch's thread-local variables.
    fn load_threads(&self, request: &ThreadRequest<'_>) -> Result<ThreadStorage, Error>;

    /// Makes unwind records known for a run of code.
    fn register_unwind(&self, code: Range<u64>, records: Range<u64>) -> Result<Resource, Error>;

    /// Makes records of functions known to Windows' unwinder, which count from `base` and are in order of address. Where
    /// there is no such unwinder, nothing is kept.
    fn register_functions(&self, _base: u64, _records: Range<u64>) -> Result<Option<Resource>, Error> {
        Ok(None)
    }

    /// Prepares for making stubs. An executor that cannot make any says so.
    fn stubs(&self, _setup: StubSetup) -> Result<Box<dyn Stubs>, Error> {
        Err(unsupported("making stubs"))
    }

    /// Whether debuggers are to see each object as it is linked.
    fn debug_wanted(&self) -> bool {
        false
    }

    /// What debuggers take offsets of thread-local variables in the objects for relative to, as an offset from the thread
    /// pointer; `None` if they refuse to show such variables.
    fn debug_thread_base(&self) -> Option<u64> {
        None
    }

    /// Shows an object to debuggers until the resource is dropped.
    fn register_debug(&self, _image: Vec<u8>) -> Option<Resource> {
        None
    }

    /// Whether backtraces that others make in the process ask for the names of linked functions.
    fn backtraces_wanted(&self) -> bool {
        false
    }

    /// Lets backtraces name functions until the resource is dropped. The image is made when one needs it, if ever.
    fn register_names(&self, _code: NamedCode) -> Option<Resource> {
        None
    }

    /// Runs resolvers of indirect functions and stores what each returns in its slot: pairs of slot and resolver.
    fn run_resolvers(&self, slots: &[(u64, u64)]) -> Result<(), Error>;

    /// Runs what was registered for the end of the process by code and data in these ranges, or about them, the latest
    /// first, and forgets it. What this runs may use the session.
    fn finalize(&self, _memory: &[Range<u64>]) -> Result<(), Error> {
        Ok(())
    }

    /// Forgets what has been registered by code and data in these ranges, which are about to be released, and destructors
    /// of thread-local variables that go too: each module that has some, by its number, with their offsets.
    fn forget(&self, _memory: &[Range<u64>], _variables: &[(u64, Range<u64>)]) -> Result<(), Error> {
        Ok(())
    }

    /// Calls functions that take the program's arguments as `main` does, one after the other.
    fn run_initialisers(&self, functions: &[u64]) -> Result<(), Error>;

    /// Has functions run in this order at the process's end, or when [`finalize`](Executor::finalize) is given their
    /// memory.
    fn run_at_exit(&self, _functions: &[u64]) -> Result<(), Error> {
        Err(unsupported("running functions at the end"))
    }

    /// The arguments that initialisers and `main` get from now on, the program's name first.
    fn set_arguments(&self, _arguments: Vec<Vec<u8>>) -> Result<(), Error> {
        Err(unsupported("giving arguments to programs"))
    }

    /// Calls a function with the arguments of `main`, and returns its status.
    fn run_main(&self, _function: u64) -> Result<i32, Error> {
        Err(unsupported("running a program"))
    }

    /// Calls a function of the target's C calling convention with these integers or addresses, at most six, and returns
    /// what it returns as one.
    fn call(&self, _function: u64, _arguments: &[u64]) -> Result<u64, Error> {
        Err(unsupported("calling a function"))
    }

    /// The process's memory at an address, up to where nothing can be read: at most so many bytes.
    fn read_memory(&self, _address: u64, _size: u64) -> Result<Vec<u8>, Error> {
        Err(unsupported("reading memory"))
    }

    /// What the process has mapped, as Linux lists it (proc_pid_maps(5)).
    fn mappings(&self) -> Result<String, Error> {
        Err(unsupported("listing what is mapped"))
    }

    /// Lets linked code find a session's dylibs by `dlopen`, `dlsym` and `dladdr` until the resource is dropped.
    fn offer_dylibs(&self, _directory: Arc<dyn DylibDirectory>) -> Result<Resource, Error> {
        Err(unsupported("offering dylibs to `dlopen`"))
    }

    /// Code and data that a static link adds to every program: the object that defines a name, if there is one. They
    /// are searched like archives after everything else.
    fn support_object(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error>;
}

fn unsupported(what: &str) -> Error {
    Error::Executor { what: what.into(), reason: "this executor cannot do that".into() }
}

/// What an executor defines under a single name.
pub fn find_one(executor: &dyn Executor, name: &[u8]) -> Result<Option<Found>, Error> {
    Ok(executor.find(&[name])?.pop().flatten())
}
