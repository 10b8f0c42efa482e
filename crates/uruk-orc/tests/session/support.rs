//! A session with one dylib, and units that do what closures say.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::graph::{LinkGraph, SectionKind, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment};
use uruk_jitlink::names::Name;
use uruk_jitlink::x86_64::BRANCH32;
use uruk_orc::error::Error;
use uruk_orc::executor::{Executor, Exports, Found, Resource, ThreadRequest, ThreadStorage};
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::Session;
use uruk_orc::unit::{Definition, MaterializationUnit};
use uruk_orc::{DylibId, SearchEntry};

pub type Body = Box<dyn FnOnce(Responsibility) + Send>;

/// A unit that does what a closure says.
pub struct Unit {
    pub definitions: Vec<Definition>,
    pub body: Body,
    /// Counts how often it was dropped.
    pub dropped: Option<Arc<AtomicUsize>>,
}

impl MaterializationUnit for Unit {
    fn name(&self) -> String {
        "unit".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        self.definitions.clone()
    }

    fn materialize(mut self: Box<Self>, responsibility: Responsibility) {
        let body = std::mem::replace(&mut self.body, Box::new(|_| ()));
        body(responsibility);
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A process in which nothing runs; where there is no memory, using it panics.
#[derive(Default)]
pub struct Nowhere {
    memory: Option<Imaginary>,
}

impl Nowhere {
    pub fn with_memory() -> Nowhere {
        Nowhere { memory: Some(Imaginary::default()) }
    }
}

impl Executor for Nowhere {
    fn memory(&self) -> &dyn MemoryManager {
        self.memory.as_ref().expect("there is none")
    }

    fn is_this_process(&self) -> bool {
        false
    }

    fn find(&self, names: &[&[u8]]) -> Result<Vec<Option<Found>>, Error> {
        Ok(vec![None; names.len()])
    }

    fn for_each_import(&self, _: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        Ok(())
    }

    fn load_library(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn open_library(&self, _: &str) -> Result<Box<dyn Exports>, Error> {
        Err(Error::Ended)
    }

    fn load_threads(&self, _: &ThreadRequest<'_>) -> Result<ThreadStorage, Error> {
        Err(Error::Ended)
    }

    fn register_unwind(&self, _: Range<u64>, _: Range<u64>) -> Result<Resource, Error> {
        Err(Error::Ended)
    }

    fn run_resolvers(&self, _: &[(u64, u64)]) -> Result<(), Error> {
        Ok(())
    }

    fn run_initialisers(&self, _: &[u64]) -> Result<(), Error> {
        Ok(())
    }

    fn support_object(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

/// Memory at addresses that the process does not have.
#[derive(Default)]
struct Imaginary {
    used: AtomicU64,
}

impl MemoryManager for Imaginary {
    fn span(&self, _: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(0..1 << 30)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let lanes = demand.lanes.map(|lane| {
            let pages = (lane.size + lane.align).div_ceil(4096) * 4096;
            let address = (4096 + self.used.fetch_add(pages, Ordering::Relaxed)).next_multiple_of(lane.align);
            (address, vec![0; (lane.size - lane.zero_fill) as usize])
        });
        Ok(Box::new(Lanes(lanes)))
    }

    fn release(&self, _: &[Segment]) {}
}

/// Each with its address.
struct Lanes([(u64, Vec<u8>); 3]);

impl Allocation for Lanes {
    fn address(&self, lane: Lane) -> u64 {
        self.0[lane as usize].0
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.0.each_mut().map(|(_, bytes)| &mut bytes[..])
    }

    fn finalize(self: Box<Self>) -> Result<(), MemoryError> {
        Ok(())
    }
}

/// Does something when it is dropped.
pub struct OnDrop<F: FnOnce()>(pub Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

/// A session whose main dylib is empty.
pub struct Program {
    pub session: Session,
    pub dylib: DylibId,
}

impl Program {
    pub fn new() -> Program {
        let session = Session::new(Arc::new(InProcess::new(Options::default())), Some(1));
        let dylib = session.create_dylib("main").unwrap();
        Program { session, dylib }
    }

    pub fn name(&self, name: &str) -> Name {
        self.session.names().intern(name.as_bytes())
    }

    pub fn define(&self, names: &[&str], body: impl FnOnce(Responsibility) + Send + 'static) {
        let definitions = names.iter().map(|name| Definition::function(self.name(name))).collect();
        self.session
            .define(self.dylib, None, Box::new(Unit { definitions, body: Box::new(body), dropped: None }))
            .unwrap();
    }

    pub fn order(&self) -> Vec<SearchEntry> {
        self.session.search_order(self.dylib)
    }

    pub fn lookup(&self, name: &str) -> Result<u64, Error> {
        Ok(self.session.lookup(&self.order(), &[name])?[0])
    }
}

/// Defines everything that is owed at one address, needing nothing.
pub fn settle(responsibility: Responsibility, address: u64) {
    let addresses: Vec<_> = responsibility.owed().into_iter().map(|name| (name, address)).collect();
    responsibility.resolve(&addresses).unwrap();
    responsibility.emit(&[]).unwrap();
}

/// A graph with a function that calls `callee`, if there is one, and returns what that does plus `number`.
pub fn function(name: &str, callee: Option<&str>, number: u8) -> LinkGraph {
    let mut graph = LinkGraph::new(name);
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(".text", SectionKind::Code).unwrap();
    let code = match callee {
        None => vec![0xb8, number, 0, 0, 0, 0xc3], // mov $number, %eax; ret
        // push %rbx; call callee; add $number, %eax; pop %rbx; ret
        Some(_) => vec![0x53, 0xe8, 0, 0, 0, 0, 0x83, 0xc0, number, 0x5b, 0xc3],
    };
    let block = editor.add_block(section, &code, 16).unwrap();
    editor.add_symbol(NewSymbol::global(name, block, 0).kind(SymbolKind::Function)).unwrap();
    if let Some(callee) = callee {
        let callee = editor.external(callee).unwrap();
        editor.add_edge(block, 2, BRANCH32, callee, -4).unwrap();
    }
    drop(editor);
    graph
}

/// Compiles C files, given by name and content, to objects of the same names.
pub fn compile_all(sources: &[(String, String)]) -> Vec<Input> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in sources {
        std::fs::write(folder.path().join(name), source).unwrap();
    }
    let names = sources.iter().map(|(name, _)| name);
    let compiled = Command::new("gcc").args(["-c", "-O1"]).args(names).current_dir(&folder).status().unwrap();
    assert!(compiled.success());
    let object = |name: &String| folder.path().join(name).with_extension("o");
    sources.iter().map(|(name, _)| Input::from_bytes(name.as_str(), std::fs::read(object(name)).unwrap())).collect()
}
