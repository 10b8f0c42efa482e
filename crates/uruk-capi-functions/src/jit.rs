//! JITs: how they are set up, and what belongs to all of one.

use crate::cache::uruk_cache;
use crate::call::{Reach, enter};
use crate::compile::Compilers;
use crate::context::Context;
use crate::dispatcher::{self, uruk_dispatcher_callbacks};
use crate::dylib::{self, uruk_dylib};
use crate::error::{self, Failure, uruk_error, uruk_status};
use crate::executor::uruk_executor;
use crate::handle::{self, Handle, Key, Kind};
use crate::memory::{Reports, uruk_memory_manager};
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use ::uruk_executor::at_fork;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk::Jit;
use uruk_orc::DylibId;
use uruk_orc::dry_run::DryRun;
use uruk_orc::executor::Executor;

/// A program that is put together and run.
pub struct uruk_jit;

impl Kind for uruk_jit {
    const NAME: &'static str = "uruk_jit";
    type Object = Program;
}

/// A JIT and the handles that end with it.
pub struct Program {
    pub(crate) jit: Jit,
    pub(crate) compilers: Compilers,
    /// Its code is of this process.
    pub(crate) runs_here: bool,
    children: Arc<Mutex<Children>>,
    /// What its memory manager could not tell.
    memory: Arc<Reports>,
}

#[derive(Default)]
struct Children {
    dylibs: HashMap<DylibId, Key<uruk_dylib>>,
    /// Ends the handle of everything else that is the JIT's, by its number.
    others: HashMap<usize, Box<dyn FnOnce() + Send>>,
    /// What nobody has asked for yet.
    reports: VecDeque<uruk_orc::error::Error>,
    /// The JIT was destroyed: calls that go on make handles that are gone, for one that stayed would keep the JIT for ever.
    destroyed: bool,
}

impl Drop for Program {
    /// Whoever waits for something is told that it will not come, though pins and responsibilities may keep the session.
    fn drop(&mut self) {
        self.jit.session().finalize();
        self.jit.session().end();
    }
}

impl Program {
    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle of a dylib, which is one and the same each time.
    pub(crate) fn dylib(self: &Arc<Self>, id: DylibId) -> Handle<uruk_dylib> {
        let new = || handle::put(Arc::new(dylib::Dylib { program: self.clone(), id }));
        let mut children = self.children();
        if children.destroyed {
            let handle = new().handle();
            _ = handle.take();
            return handle;
        }
        children.dylibs.entry(id).or_insert_with(new).handle()
    }

    /// Ends the handle of a dylib.
    pub(crate) fn forget_dylib(&self, id: DylibId) -> Result<(), Failure> {
        let key = self.children().dylibs.remove(&id);
        key.map_or(Ok(()), |key| key.handle().take().map(drop))
    }

    /// Errors unless another object is of this program, too.
    pub(crate) fn require_same(self: &Arc<Self>, other: &Arc<Program>) -> Result<(), Failure> {
        if Arc::ptr_eq(self, other) { Ok(()) } else { Err(Failure::invalid("these belong to two JITs")) }
    }

    fn next_report(&self) -> Option<Failure> {
        let new = self.jit.session().take_reports();
        let reports = &mut self.children().reports;
        reports.extend(new);
        reports.pop_front().map(Failure::from).or_else(|| self.memory.take())
    }

    /// A handle of something that is this JIT's, and ends with it at the latest.
    pub(crate) fn own<K: Kind>(&self, object: Arc<K::Object>) -> Handle<K> {
        let key = handle::put::<K>(object);
        let end = move || drop(key.handle().take());
        let mut children = self.children();
        if children.destroyed {
            drop(children);
            end();
        } else {
            children.others.insert(key.handle().number(), Box::new(end));
        }
        key.handle()
    }

    /// Ends all handles of what is this JIT's.
    fn end_handles(&self) {
        let ended = Children { destroyed: true, ..Children::default() };
        let Children { dylibs, others, .. } = std::mem::replace(&mut *self.children(), ended);
        dylibs.into_values().for_each(|key| drop(key.handle().take()));
        others.into_values().for_each(|end| end());
    }

    /// A handle of such has been ended.
    pub(crate) fn disown<K: Kind>(&self, handle: Handle<K>) {
        self.children().others.remove(&handle.number());
    }
}

/// Everything that is linked runs strictly without pages that were ever writable and executable.
pub const URUK_JIT_STRICT_WX: u32 = 1;
/// Only sections are linked that something reaches.
pub const URUK_JIT_GC_SECTIONS: u32 = 2;
/// Graphs of linked objects stay, to be looked at.
pub const URUK_JIT_RETAIN_GRAPHS: u32 = 4;
/// Each function is made when it is first called.
pub const URUK_JIT_LAZY: u32 = 8;
/// Objects are linked when one of their functions is first called.
pub const URUK_JIT_LAZY_CALLS: u32 = 16;
/// Debuggers see all that is linked.
pub const URUK_JIT_DEBUGGER: u32 = 32;
/// Debuggers see nothing, even if one is attached.
pub const URUK_JIT_NO_DEBUGGER: u32 = 64;

/// Nothing is ever run: code is linked for the target addresses that the memory manager, which has to be given, answers, wherever they
/// are. What the process has is not found.
pub const URUK_JIT_LINK_ONLY: u32 = 128;

/// How a JIT is set up.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_options {
    /// Filled in by `uruk_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_options_init`.
    pub magic: u64,
    /// `URUK_JIT_…`, joined by `|`.
    pub flags: u32,
    /// How many threads link large inputs; 0: as many as there are processors.
    pub link_threads: u32,
    /// How many threads of the JIT's own compile; 0: the one that looks symbols up.
    pub compile_threads: u32,
    /// Zero.
    pub reserved: u32,
    /// Where calls go whose function cannot be made; 0: a message, and the end of the process.
    pub lazy_failure: u64,
    /// Who gives memory; null: the library.
    pub memory_manager: Handle<uruk_memory_manager>,
    /// Where tasks run; null: as `compile_threads` says. The table is copied. Its context is the JIT's if that could be made.
    pub dispatcher: List<uruk_dispatcher_callbacks>,
    /// Where what compilers make is kept; null: nowhere.
    pub cache: Handle<uruk_cache>,
    /// Where code runs; null: in this process. Its memory is the executor's then.
    pub executor: Handle<uruk_executor>,
    /// What compilers of sources are told beside that, as on a command line, for C, C++, assembler and Fortran. May be null.
    pub compiler_flags: List<Text>,
    /// How many these are.
    pub compiler_flag_count: u32,
    /// How much compilers optimise: `URUK_OPTIMIZE_…`; 0: what each does by itself, which for Cranelift is as much as it can.
    pub optimize: u32,
}

// SAFETY: `repr(C)`, it begins as it must, and numbers and handles, which are numbers, are all that follows.
unsafe impl Grows for uruk_options {
    const NAME: &'static str = "uruk_options";
    const NUMBER: u32 = 3;
}

/// Fills in options: the defaults. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_options_init(options: Out<uruk_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// Makes a JIT. `options` may be null. Of the system's libraries, those of C, C++ and mathematics are there if something needs them.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_create(options: List<uruk_options>, jit: Out<Handle<uruk_jit>>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        jit.check("jit")?;
        let Plan { builder, compilers, dispatcher, memory, runs_here } = match options.first("options")? {
            Some(_) => plan(&sized::copy(options)?)?,
            None => {
                let compilers = Compilers::default();
                let builder = compilers.tell(Jit::builder());
                Plan { builder, compilers, dispatcher: None, memory: Arc::default(), runs_here: true }
            }
        };
        let built = builder.build()?;
        built.load_libraries_on_demand(USUAL_LIBRARIES);
        if let Some(context) = dispatcher {
            context.own();
        }
        let children = at_fork::hold_while_alive(Mutex::default());
        let program = Arc::new(Program { jit: built, compilers, runs_here, children, memory });
        jit.put(handle::put::<uruk_jit>(program).handle())
    })
}

/// What programs in C++ and such as calculate are linked to without being told.
const USUAL_LIBRARIES: &[&str] = if cfg!(windows) { &[] } else { &["libm.so.6", "libstdc++.so.6", "libatomic.so.1"] };

/// What options come to.
struct Plan {
    builder: uruk::Builder,
    compilers: Compilers,
    /// The context of a dispatcher, which becomes the JIT's.
    dispatcher: Option<Arc<Context>>,
    memory: Arc<Reports>,
    runs_here: bool,
}

fn plan(options: &uruk_options) -> Result<Plan, Failure> {
    let mut builder = builder(options)?;
    let cache = options.cache.get_if_any()?.map(|cache| Arc::clone(&*cache));
    if let Some(cache) = &cache {
        builder = builder.cache(cache.clone());
    }
    let mut processor = None;
    if let Some(place) = options.executor.get_if_any()? {
        if !options.memory_manager.is_null() {
            return Err(Failure::invalid("uruk_options: an executor has memory of its own; take no memory manager"));
        }
        processor = place.remote.processor();
        builder = builder.executor(place.remote.clone());
    }
    let mut dispatcher = None;
    if options.dispatcher.first("dispatcher")?.is_some() {
        let (made, context) = dispatcher::dispatcher(options.dispatcher)?;
        builder = builder.dispatcher(made);
        dispatcher = Some(context);
    }
    let compilers = Compilers::new(options, processor, cache)?;
    let memory = options.memory_manager.get_if_any()?.map_or_else(Arc::default, |manager| manager.reports.clone());
    let runs_here = options.executor.is_null() && options.flags & URUK_JIT_LINK_ONLY == 0;
    Ok(Plan { builder: compilers.tell(builder), compilers, dispatcher, memory, runs_here })
}

fn builder(options: &uruk_options) -> Result<uruk::Builder, Failure> {
    const FLAGS: u32 = 2 * URUK_JIT_LINK_ONLY - 1;
    let has = |flag| options.flags & flag != 0;
    if options.flags & !FLAGS != 0 || options.reserved != 0 {
        return Err(Failure::invalid(format!("uruk_options: {:#x} has unknown flags", options.flags)));
    }
    if has(URUK_JIT_DEBUGGER) && has(URUK_JIT_NO_DEBUGGER) {
        return Err(Failure::invalid("uruk_options: debuggers see all or nothing; take one flag"));
    }
    let mut builder = Jit::builder()
        .strict_wx(has(URUK_JIT_STRICT_WX))
        .gc_sections(has(URUK_JIT_GC_SECTIONS))
        .retain_graphs(has(URUK_JIT_RETAIN_GRAPHS))
        .lazy_calls(has(URUK_JIT_LAZY_CALLS))
        .lazy(has(URUK_JIT_LAZY));
    if has(URUK_JIT_DEBUGGER) || has(URUK_JIT_NO_DEBUGGER) {
        builder = builder.debugger(has(URUK_JIT_DEBUGGER));
    }
    if options.link_threads != 0 {
        builder = builder.threads(options.link_threads as usize);
    }
    if options.compile_threads != 0 {
        builder = builder.compile_threads(options.compile_threads as usize);
    }
    if options.lazy_failure != 0 {
        builder = builder.lazy_failure(options.lazy_failure);
    }
    let manager = options.memory_manager.get_if_any()?;
    if has(URUK_JIT_LINK_ONLY) {
        let text = "uruk_options: what is only linked needs a memory manager, which says for which addresses";
        let manager = manager.ok_or_else(|| Failure::new(uruk_status::URUK_HALF_PAIR, text))?;
        return Ok(builder.executor(Arc::new(DryRun::native(manager.memory.clone()))));
    }
    if let Some(manager) = manager {
        if manager.laid_out.is_some() {
            let text =
                "uruk_options: nothing can run in memory that is only laid out; take `URUK_JIT_LINK_ONLY` with it";
            return Err(Failure::invalid(text));
        }
        builder = builder.memory_manager(move || Ok(manager.memory.clone()));
    }
    Ok(builder)
}

/// Destroys a JIT: its finalisers run, and its code goes, with the handles of its dylibs and whatever else is its. None of its code
/// may run. Calls that other threads are in go on; the last of them takes the JIT with it. Null is fine.
/// `URUK_TAMPERED` if the memory manager's callbacks were altered: the JIT is gone all the same.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_destroy(jit: Handle<uruk_jit>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let Some(program) = jit.take()? else { return Ok(()) };
        program.end_handles();
        let memory = program.memory.clone();
        drop(program);
        memory.finish()
    })
}

/// The dylib that every JIT has.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_main(jit: Handle<uruk_jit>, dylib: Out<Handle<uruk_dylib>>) -> uruk_status {
    enter(Reach::Anywhere, || {
        let program = jit.get()?;
        let main = program.jit.main().id();
        dylib.put(program.dylib(main))
    })
}

/// Makes another dylib: a part of the program with a name space of its own. It finds what it needs in itself, in those that it is
/// linked against, and in the process. The handle is the JIT's.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_create_dylib(
    jit: Handle<uruk_jit>,
    name: Text,
    dylib: Out<Handle<uruk_dylib>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        dylib.check("dylib")?;
        let program = jit.get()?;
        let id = program.jit.create_dylib(name.get("name")?)?.id();
        dylib.put(program.dylib(id))
    })
}

/// The dylib of a name; null if there is none.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_find_dylib(
    jit: Handle<uruk_jit>,
    name: Text,
    dylib: Out<Handle<uruk_dylib>>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let program = jit.get()?;
        let found = program.jit.session().dylib(name.get("name")?);
        dylib.put(found.map_or_else(Handle::default, |id| program.dylib(id)))
    })
}

/// Loads a shared library, by path or soname, whose symbols every dylib then sees.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_load_library(jit: Handle<uruk_jit>, path_or_soname: Text) -> uruk_status {
    enter(Reach::OutsideLinks, || Ok(jit.get()?.jit.load_library(path_or_soname.get("path_or_soname")?)?))
}

/// The arguments that initialisers and `main` get from now on, the program's name first.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_set_arguments(jit: Handle<uruk_jit>, arguments: List<Text>, count: usize) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let texts = arguments.get(count, "arguments")?;
        let texts = texts.iter().map(|text| text.bytes("an argument").map(<[u8]>::to_vec));
        Ok(jit.get()?.jit.set_arguments(texts.collect::<Result<Vec<_>, _>>()?)?)
    })
}

/// What linked code and data take, in bytes. Arrays are of code, read-only data and variables.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_memory_statistics {
    /// Given out and not given back.
    pub live: [u64; 3],
    /// In pages that may have memory behind them.
    pub committed: [u64; 3],
    /// Addresses reserved.
    pub reserved: u64,
    /// Number of reservations.
    pub reservations: u64,
}

/// What linked code and data take, as the JIT's memory manager counts it: zeros from one that does not.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_memory_statistics(
    jit: Handle<uruk_jit>,
    statistics: Out<uruk_memory_statistics>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let counted = jit.get()?.jit.memory_statistics();
        statistics.put(uruk_memory_statistics {
            live: counted.live,
            committed: counted.committed,
            reserved: counted.reserved,
            reservations: counted.reservations as u64,
        })
    })
}

/// Waits until everything that was removed is gone: no handle and no other code holds it. `URUK_BUSY` where that is what is going on:
/// in `destroy` of what a unit keeps.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_quiesce(jit: Handle<uruk_jit>) -> uruk_status {
    enter(Reach::OutsideRemovals, || {
        jit.get()?.jit.session().quiesce();
        Ok(())
    })
}

/// The next of the failures that belong to no call, as of a callback that was told something; null if there is none. It is the
/// caller's to dispose of.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_take_report(jit: Handle<uruk_jit>, report: Out<Handle<uruk_error>>) -> uruk_status {
    enter(Reach::Anywhere, || {
        report.check("report")?;
        let next = jit.get()?.next_report();
        report.put(next.map_or_else(Handle::default, error::put))
    })
}
