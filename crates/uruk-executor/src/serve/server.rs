//! Requests, and what the controller has had made here.

use super::host;
use super::streams::{self, Opening};
use super::upcalls::{Dylibs, StubResolver, image};
use super::{Done, Options, Target, decode, encode};
use crate::in_process::{InProcess, Kept};
use crate::libraries::{self, Library, SymbolKind};
use crate::lifecycle;
use crate::memory::{self, InProcessAllocation, InProcessMemory, Options as MemoryOptions};
use crate::processor;
use crate::protocol::files::Received;
use crate::protocol::message::{Answer, Number, Request, Text, ThreadQuestion, ThreadVariable};
use crate::protocol::transport::Listener;
use crate::protocol::{Handler, Incoming, Peer};
use crate::stubs::{Setup, StubId, StubPool};
use crate::tls::{TlsRequest, TlsSlot, TlsSlotKind, TlsTarget};
use crate::windows;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use uruk_jitlink::memory::{Allocation, Demand, Lane, LaneDemand, MemoryManager, Placement, Segment};

/// Bytes of memory that one answer has at most.
const MOST_READ: u64 = 1 << 20;

/// What the controller has had made.
#[derive(Default)]
struct Made {
    allocations: HashMap<Number, Box<InProcessAllocation>>,
    libraries: HashMap<Number, Arc<Library>>,
    pools: HashMap<Number, Arc<StubPool>>,
    others: HashMap<Number, Kept>,
}

pub(super) struct Server {
    /// The number of the process that serves.
    id: u32,
    pub peer: Arc<Peer>,
    process: InProcess,
    memory: Arc<InProcessMemory>,
    quota: Option<u64>,
    sandbox: bool,
    made: Mutex<Made>,
    /// Files that have come with messages.
    received: Option<Received>,
    /// Work for the main thread.
    main: mpsc::Sender<Incoming>,
    main_is_busy: AtomicBool,
    main_thread: ThreadId,
    /// Where connections for standard streams arrive, until they are asked for.
    listener: Mutex<Option<Listener>>,
    opening: Mutex<Option<Opening>>,
}

impl Server {
    /// Called by the main thread.
    pub fn new(peer: Arc<Peer>, main: mpsc::Sender<Incoming>, received: Option<Received>, options: &Options) -> Server {
        let memory = Arc::new(InProcessMemory::new(MemoryOptions::default()));
        let process = InProcess::with_memory(memory.clone());
        if options.debugger {
            // Where nobody can be shown anything the command line was refused.
            _ = process.set_debugger(true);
        }
        let main_is_busy = AtomicBool::new(false);
        let (made, main_thread) = (Mutex::default(), thread::current().id());
        let (quota, sandbox) = (options.memory, options.sandbox);
        // Without it the controller is told that there is none when it asks.
        let listener = Mutex::new(options.streams.as_ref().and_then(|place| streams::listen(place).ok()));
        let opening = Mutex::default();
        Server {
            id: process::id(),
            peer,
            process,
            memory,
            quota,
            sandbox,
            made,
            received,
            main,
            main_is_busy,
            main_thread,
            listener,
            opening,
        }
    }

    pub fn target(&self) -> Target {
        Target {
            architecture: std::env::consts::ARCH.into(),
            system: std::env::consts::OS.into(),
            features: processor::features(),
            process: self.id,
            insists_on: InProcess::insists_on().iter().map(|name| name.to_vec()).collect(),
            windows_functions: windows::functions().map(|(name, address)| (name.into(), address as u64)).into(),
            debug_wanted: self.process.debug_wanted(),
            debug_thread_base: InProcess::debug_thread_base(),
            backtraces_wanted: InProcess::backtraces_wanted(),
            sandbox: self.sandbox,
            lacks_streams: self.listener.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
            file_pages: self.received.is_some().then(memory::page_bytes),
        }
    }

    /// The controller is gone. An idle process ends as if its `main` had returned; one that runs the controller's code can
    /// only be ended.
    pub fn disconnected(&self) {
        if self.main_is_busy.load(Ordering::Acquire) {
            host::end_at_once(1);
        }
        lifecycle::exit(0);
    }

    /// A process that the program has forked comes back here as well where its code returns. It has nobody to answer to, and
    /// ends as the program would.
    fn end_if_forked(&self, status: i32) {
        if process::id() != self.id {
            lifecycle::exit(status);
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, number: Number, what: Kept) {
        let replaced = self.made().others.insert(number, what);
        drop(replaced);
    }

    fn pool(&self, number: Number) -> Result<Arc<StubPool>, String> {
        self.made().pools.get(&number).cloned().ok_or_else(|| unknown("stub pool", number))
    }

    fn carry_out(&self, request: Request) -> Done {
        match request {
            Request::Find { library, names } => self.find(library, &names),
            Request::Imports => {
                let mut names = Vec::new();
                self.process.for_each_import(&mut |name| names.push(name.to_vec()));
                Ok(Answer::Names(names))
            }
            Request::LoadLibrary { name } => self.process.load_library(&name).map_err(text).map(done),
            Request::OpenLibrary { library, name } => {
                let loaded = Arc::new(libraries::load_apart(&name).map_err(text)?);
                self.made().libraries.insert(library, loaded);
                Ok(Answer::Done)
            }
            Request::Span { low } => self.memory.span(placement(low)).map(Answer::Range).map_err(text),
            Request::Allocate { allocation, low, lanes } => self.allocate(allocation, low, lanes),
            Request::Finalize { allocation } => {
                let finished = self.made().allocations.remove(&allocation);
                let finished = finished.ok_or_else(|| unknown("allocation", allocation))?;
                finished.finalize().map_err(text).map(done)
            }
            Request::Statistics => Ok(Answer::Words(words(&self.memory.statistics()))),
            Request::LoadThreads { resource, image, size, align, questions } => {
                self.load_threads(resource, &image, size, align, &questions)
            }
            Request::MakeStubs { pool, count } => {
                let count = usize::try_from(count).map_err(text)?;
                let stubs = self.pool(pool)?.make(count).map_err(text)?;
                Ok(Answer::Pairs(stubs.iter().map(|stub| (stub.id.0, stub.address)).collect()))
            }
            Request::RedirectStubs { pool, targets } => {
                let targets: Vec<_> = targets.into_iter().map(|(stub, address)| (StubId(stub), address)).collect();
                self.pool(pool)?.redirect(&targets).map_err(text).map(done)
            }
            Request::FreeStubs { pool, stubs } => {
                let stubs: Vec<_> = stubs.into_iter().map(StubId).collect();
                self.pool(pool)?.free(&stubs).map_err(text).map(done)
            }
            Request::RunResolvers { slots } => {
                self.process.run_resolvers(&slots);
                Ok(Answer::Done)
            }
            Request::RunInitialisers { functions } => {
                self.process.run_initialisers(&functions);
                Ok(Answer::Done)
            }
            Request::RunFinalisers { memory } => {
                self.process.finalize(&memory);
                Ok(Answer::Done)
            }
            Request::RunMain { function } => {
                let status = self.process.run_main(function);
                self.end_if_forked(status);
                Ok(Answer::Words(vec![status as u64]))
            }
            Request::Run { function, arguments } => {
                self.process.call(function, &arguments).map(|value| Answer::Words(vec![value])).map_err(text)
            }
            Request::Exit { status } => lifecycle::exit(status),
            Request::Interpose { definitions } => {
                let definitions: HashMap<Text, u64> = definitions.into_iter().collect();
                self.process.interpose(&|name| definitions.get(name).copied()).map_err(text).map(done)
            }
            Request::SupportObject { name } => Ok(Answer::Bytes(InProcess::support_object(&name))),
            Request::OpenStreams => {
                let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
                let listener = listener.ok_or("this process has its standard streams already")?;
                let opening = streams::open(listener).map_err(text)?;
                let (address, token) = (opening.address.to_string(), opening.token);
                *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
                Ok(Answer::Streams { address, token })
            }
            Request::FinishStreams => {
                let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner).take();
                opening.ok_or("no streams are being connected")?.finish().map_err(text).map(done)
            }
            Request::Ping => Ok(Answer::Done),
            Request::Memory { address, size } => {
                let bytes = InProcess::read_memory(address, size.min(MOST_READ)).map_err(text)?;
                Ok(Answer::Bytes(Some(bytes)))
            }
            Request::Mappings => InProcess::mappings().map(|list| Answer::Bytes(Some(list.into()))).map_err(text),
            posted => Err(format!("{posted:?} is not a call")),
        }
    }

    fn find(&self, library: Option<Number>, names: &[Vec<u8>]) -> Done {
        let found: Vec<_> = match library {
            None => names.iter().map(|name| self.process.find(name)).collect(),
            Some(number) => {
                let library = self.made().libraries.get(&number).cloned();
                let library = library.ok_or_else(|| unknown("library", number))?;
                let found = names.iter().map(|name| library.find(name));
                found.map(|found| found.map(|it| (it.address, it.kind == SymbolKind::ThreadLocal))).collect()
            }
        };
        Ok(Answer::Found(found))
    }

    fn allocate(&self, number: Number, low: bool, lanes: [[u64; 3]; 3]) -> Done {
        let lanes = lanes.map(|[size, align, zero_fill]| LaneDemand { size, align, zero_fill });
        let wanted = lanes.iter().fold(0u64, |sum, lane| sum.saturating_add(lane.size));
        if let Some(quota) = self.quota {
            let live: u64 = self.memory.statistics().live.iter().sum();
            if quota < live.saturating_add(wanted) {
                return Err(format!(
                    "{wanted} bytes more than the {live} in use are over this executor's quota of {quota}"
                ));
            }
        }
        if lanes.iter().any(|lane| lane.size < lane.zero_fill || !lane.align.is_power_of_two()) {
            return Err("a lane's zero-fill is larger than the lane, or its alignment no power of two".into());
        }
        let demand = Demand { lanes, placement: placement(low) };
        let allocation = Box::new(self.memory.allocate_here(&demand).map_err(text)?);
        let addresses = Lane::ALL.map(|lane| if lanes[lane as usize].size == 0 { 0 } else { allocation.address(lane) });
        self.made().allocations.insert(number, allocation);
        Ok(Answer::Words(addresses.into()))
    }

    fn load_threads(
        &self,
        resource: Number,
        image: &[u8],
        mem_size: u64,
        align: u64,
        questions: &[(ThreadVariable, ThreadQuestion)],
    ) -> Done {
        let slots: Vec<TlsSlot<'_>> = questions.iter().map(|(variable, question)| slot(variable, *question)).collect();
        match self.process.load_threads(&TlsRequest { image, mem_size, align, slots: &slots }) {
            Ok(module) => {
                let answers = module.values().iter().flatten().copied().collect();
                self.keep(resource, Box::new(module));
                Ok(Answer::Words(answers))
            }
            Err(error) => match error.static_storage_needed() {
                Some(needed) => Ok(Answer::StaticThreadStorage { needed }),
                None => Err(error.to_string()),
            },
        }
    }

    fn take_post(&self, request: Request, payload: &mut dyn Read) -> Result<(), String> {
        match request {
            Request::Write { allocation, lane, offset } => self.write(allocation, lane, offset, payload)?,
            Request::Share { allocation, offsets } => self.share(allocation, offsets)?,
            Request::Abandon { allocation } => {
                let abandoned = self.made().allocations.remove(&allocation);
                drop(abandoned);
            }
            Request::Release { segments } => {
                let lane = |lane: u8| Lane::ALL.get(usize::from(lane)).copied().ok_or("a lane that there is not");
                let segment =
                    |(number, address, size): (u8, u64, u64)| Ok(Segment { lane: lane(number)?, address, size });
                let segments: Result<Vec<_>, String> = segments.into_iter().map(segment).collect();
                self.memory.release(&segments?);
            }
            Request::RegisterUnwind { resource, code, records } => {
                let registration = self.process.register_unwind(code, records).map_err(text)?;
                self.keep(resource, Box::new(registration));
            }
            Request::RegisterDebug { resource } => {
                let mut image = Vec::new();
                payload.read_to_end(&mut image).map_err(text)?;
                self.keep(resource, self.process.register_debug(image).map_err(text)?);
            }
            Request::RegisterNames { resource, base, code } => {
                let peer = self.peer.clone();
                let image = Box::new(move || image(&peer, resource));
                if let Some(registration) = self.process.register_names(base, code, image) {
                    self.keep(resource, registration);
                }
            }
            Request::RegisterFunctions { resource, base, records } => {
                if let Some(registration) = self.process.register_functions(base, records).map_err(text)? {
                    self.keep(resource, registration);
                }
            }
            Request::Drop { resource } => self.forget(resource),
            Request::StubPool { pool, failure, low } => {
                let resolver = Arc::new(StubResolver { peer: self.peer.clone(), pool });
                let made = self.process.stub_pool(Setup { resolver, failure, placement: placement(low) });
                self.made().pools.insert(pool, Arc::new(made));
            }
            Request::RunAtExit { functions } => self.process.run_at_exit(&functions),
            Request::Forget { memory, variables } => self.process.forget(&memory, &variables),
            Request::SetArguments { arguments } => self.process.set_arguments(arguments),
            Request::OfferDylibs { resource } => {
                self.keep(resource, self.process.offer_dylibs(Arc::new(Dylibs { peer: self.peer.clone() })));
            }
            called => return Err(format!("{called:?} is not posted")),
        }
        Ok(())
    }

    /// Content goes from the connection to its place, with no copy in between.
    fn write(&self, number: Number, lane: u8, offset: u64, payload: &mut dyn Read) -> Result<(), String> {
        let taken = self.made().allocations.remove(&number);
        let mut allocation = taken.ok_or_else(|| unknown("allocation", number))?;
        let room = allocation.working().into_iter().nth(lane.into());
        let room = room.and_then(|bytes| bytes.get_mut(usize::try_from(offset).ok()?..));
        let mut room = room.ok_or("content lies outside of its allocation")?;
        while !room.is_empty() {
            match payload.read(room) {
                Ok(0) => break,
                Ok(read) => room = &mut room[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(text(error)),
            }
        }
        self.made().allocations.insert(number, allocation);
        Ok(())
    }

    /// Pages of the file become the allocation's, for this process alone.
    fn share(&self, number: Number, offsets: [u64; 3]) -> Result<(), String> {
        let received = self.received.as_ref().ok_or("no files come over this connection")?;
        let taken = self.made().allocations.remove(&number);
        let mut allocation = taken.ok_or_else(|| unknown("allocation", number))?;
        let lengths = allocation.working().map(|bytes| bytes.len() as u64);
        let lanes = [0, 1, 2].map(|lane| (offsets[lane], lengths[lane]));
        let file = received.next(&lanes)?;
        for lane in Lane::ALL {
            allocation.take_file(lane, &file, offsets[lane as usize]).map_err(text)?;
        }
        self.made().allocations.insert(number, allocation);
        Ok(())
    }

    fn forget(&self, number: Number) {
        let mut made = self.made();
        let (other, pool, library) =
            (made.others.remove(&number), made.pools.remove(&number), made.libraries.remove(&number));
        drop(made);
        drop((other, pool));
        if let Some(library) = library {
            // Its destructors are foreign code, which may ask the controller something. If there can be no thread, they run here.
            _ = thread::Builder::new().spawn(move || drop(library));
        }
    }
}

impl Handler for Server {
    fn post(&self, message: &[u8], payload: &mut dyn Read) -> Result<(), String> {
        self.take_post(decode(message)?, payload)
    }

    fn call(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        thread_local! {
            /// Calls that this thread carries out within each other.
            static DEPTH: Cell<u32> = const { Cell::new(0) };
        }
        DEPTH.set(DEPTH.get() + 1);
        let answer = decode(message).and_then(|request| self.carry_out(request));
        self.end_if_forked(0);
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 && thread::current().id() == self.main_thread {
            // Before the answer is sent: what the controller asks for next comes to the same thread.
            self.main_is_busy.store(false, Ordering::Release);
        }
        Ok(encode(&answer?))
    }

    fn dispatch(&self, incoming: Incoming) {
        match decode(incoming.message()) {
            // What runs no code asks nothing back either, so it needs no thread that is known to wait.
            Ok(request) if !runs_code(&request) => {
                let answer = self.carry_out(request).map(|answer| encode(&answer));
                self.peer.answer(incoming, answer);
            }
            Err(reason) => self.peer.answer(incoming, Err(reason)),
            Ok(_) if !self.main_is_busy.swap(true, Ordering::AcqRel) => {
                // The main thread waits for as long as the process serves.
                _ = self.main.send(incoming);
            }
            Ok(_) => self.peer.execute_elsewhere(incoming, ()),
        }
    }
}

/// Whether a request may run code of the program or of libraries, or wait, so that the reader cannot wait for it.
fn runs_code(request: &Request) -> bool {
    matches!(
        request,
        Request::LoadLibrary { .. }
            | Request::OpenLibrary { .. }
            | Request::RunResolvers { .. }
            | Request::RunInitialisers { .. }
            | Request::RunFinalisers { .. }
            | Request::RunMain { .. }
            | Request::Run { .. }
            | Request::Exit { .. }
            | Request::FinishStreams
    )
}

fn done((): ()) -> Answer {
    Answer::Done
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn unknown(what: &str, number: Number) -> String {
    format!("there is no {what} {number}")
}

fn placement(low: bool) -> Placement {
    if low { Placement::Low } else { Placement::Near }
}

fn words(statistics: &memory::Statistics) -> Vec<u64> {
    let memory::Statistics { live, committed, reserved, reservations } = statistics;
    live.iter().chain(committed).copied().chain([*reserved, *reservations as u64]).collect()
}

fn slot(variable: &ThreadVariable, question: ThreadQuestion) -> TlsSlot<'_> {
    let target = match variable {
        ThreadVariable::Own(offset) => TlsTarget::Own(*offset),
        ThreadVariable::Native(name) => TlsTarget::Native(name),
    };
    let kind = match question {
        ThreadQuestion::ModuleAndOffset => TlsSlotKind::ModuleAndOffset,
        ThreadQuestion::ThreadOffset => TlsSlotKind::ThreadOffset,
        ThreadQuestion::Descriptor => TlsSlotKind::Descriptor,
    };
    TlsSlot { target, kind }
}
