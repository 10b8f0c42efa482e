//! Eight threads that add, look up, fail, transfer, pin and remove in dylibs that search each other, with a pool of workers
//! besides. Nothing may hang, every query is answered exactly once, and in the end everything is gone.

#[path = "session/support.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use support::{Body, Unit, compile_all};
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;
use uruk_orc::dispatch::{Priority, ThreadPool};
use uruk_orc::error::Error;
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::{Pin, Request, Session};
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, SearchEntry, TrackerId};

const THREADS: usize = 8;
const DYLIBS: usize = 3;
const OBJECTS: usize = 12;
const NAMES: usize = 32;
const TRACKERS: usize = 6;

/// How long the threads go on.
fn duration() -> Duration {
    let seconds = std::env::var("URUK_STRESS_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// What all threads share.
struct Arena {
    session: Session,
    dylibs: Vec<DylibId>,
    /// Of each dylib.
    trackers: Vec<Vec<TrackerId>>,
    names: Vec<Name>,
    objects: Vec<Input>,
    pins: Mutex<Vec<Pin<'static>>>,
    asked: AtomicUsize,
    answered: AtomicUsize,
    /// Look-ups that found what they asked for, definitions that were accepted, and removed code that was pinned.
    found: AtomicUsize,
    defined: AtomicUsize,
    pinned: AtomicUsize,
    /// What each thread has come to, for the watchdog.
    progress: [AtomicUsize; THREADS],
}

/// A thread's own random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

impl Arena {
    fn new(executor: Arc<InProcess>) -> Arena {
        let session = Session::new(executor, Some(1));
        session.set_dispatcher(Arc::new(ThreadPool::new(3)));
        let dylibs: Vec<_> = (0..DYLIBS).map(|dylib| session.create_dylib(&format!("d{dylib}")).unwrap()).collect();
        for (index, dylib) in dylibs.iter().enumerate() {
            let entry = |step: usize| SearchEntry { dylib: dylibs[(index + step) % DYLIBS], all_symbols: step == 0 };
            session.set_search_order(*dylib, (0..DYLIBS).map(entry).collect());
        }
        let trackers = dylibs.iter().map(|dylib| (0..TRACKERS).map(|_| session.create_tracker(*dylib)).collect());
        let source = |number: usize| {
            let (next, other) = ((number + 1) % OBJECTS, OBJECTS + number);
            format!(
                "int s{next}(int); __attribute__((weak)) int s{other}(int);
                 static int counter = {number}; static int room[32];
                 int s{number}(int depth) {{ counter++; room[depth & 31]++; return depth ? s{next}(depth - 1) + (s{other} ? 1 : 0) : counter; }}"
            )
        };
        let sources: Vec<_> = (0..OBJECTS).map(|number| (format!("s{number}.c"), source(number))).collect();
        Arena {
            names: (0..NAMES).map(|name| session.names().intern(format!("s{name}").as_bytes())).collect(),
            objects: compile_all(&sources),
            trackers: trackers.collect(),
            session,
            dylibs,
            pins: Mutex::default(),
            asked: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            defined: AtomicUsize::new(0),
            pinned: AtomicUsize::new(0),
            progress: Default::default(),
        }
    }

    fn order(&self, random: &mut Random) -> Vec<SearchEntry> {
        self.session.search_order(self.dylibs[random.below(DYLIBS)])
    }

    fn request(&self, random: &mut Random) -> Request {
        let names: Vec<Name> = (0..1 + random.below(2)).map(|_| self.names[random.below(NAMES)]).collect();
        let request = Request::new(&self.order(random), &names).weak(self.names[random.below(NAMES)]);
        if random.below(4) == 0 { request.resolved() } else { request }
    }

    fn step(self: &Arc<Self>, random: &mut Random) {
        let home = random.below(DYLIBS);
        let (dylib, tracker) = (self.dylibs[home], self.trackers[home][random.below(TRACKERS)]);
        match random.below(20) {
            // Duplicate definitions are refused.
            0..3 => {
                let object = self.objects[random.below(OBJECTS)].clone();
                let added = self.session.add_objects(dylib, Some(tracker), &[object]);
                self.defined.fetch_add(usize::from(added.is_ok()), Ordering::Relaxed);
            }
            3..8 => self.define(dylib, tracker, random),
            8..11 => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let arena = self.clone();
                self.session.start_with(&self.request(random), move |_| {
                    arena.answered.fetch_add(1, Ordering::Relaxed);
                });
            }
            11..14 => {
                let found = self.session.start(&self.request(random)).wait();
                self.found.fetch_add(usize::from(found.is_ok()), Ordering::Relaxed);
            }
            14 => drop(self.session.start(&self.request(random))),
            15 => {
                let other = self.trackers[home][random.below(TRACKERS)];
                self.session.transfer(tracker, other).unwrap();
            }
            16 if random.below(4) == 0 => drop(self.session.remove(tracker)),
            17 if random.below(512) == 0 => self.dylibs.iter().for_each(|dylib| drop(self.session.clear(*dylib))),
            16 | 17 => drop(self.session.materialize_all_roots(&[dylib])),
            18 => {
                let pin = self.session.pin(&self.order(random), self.names[random.below(NAMES)]);
                self.pinned.fetch_add(usize::from(pin.is_some()), Ordering::Relaxed);
                self.pins.lock().unwrap().extend(pin.map(Pin::into_owned));
            }
            _ => {
                let pins = std::mem::take(&mut *self.pins.lock().unwrap());
                drop(pins);
            }
        }
    }

    fn define(self: &Arc<Self>, dylib: DylibId, tracker: TrackerId, random: &mut Random) {
        let definition = |random: &mut Random| {
            let definition = Definition::function(self.names[random.below(NAMES)]);
            if random.below(2) == 0 { definition.weak() } else { definition }
        };
        let definitions = (0..1 + random.below(3)).map(|_| definition(random)).collect();
        let (arena, mut own) = (self.clone(), Random(random.0 | 1));
        let body: Body = Box::new(move |responsibility| arena.materialize(responsibility, &mut own));
        let unit = Unit { definitions, body, dropped: None };
        let defined = self.session.define(dylib, Some(tracker), Box::new(unit));
        self.defined.fetch_add(usize::from(defined.is_ok()), Ordering::Relaxed);
    }

    /// Does with a unit what comes to mind. Its tracker may be removed at any time, so every answer may be an error.
    fn materialize(self: &Arc<Self>, responsibility: Responsibility, random: &mut Random) {
        match random.below(24) {
            0 => return responsibility.fail(Error::Ended),
            1 => return drop(responsibility),
            2 => drop(self.session.start(&self.request(random)).wait()),
            3 => {
                let owed = responsibility.owed();
                if let Ok(part) = responsibility.delegate(&owed[..owed.len().min(1)]) {
                    let (arena, mut own) = (self.clone(), Random(random.0 | 1));
                    self.session.spawn(Priority::Normal, move |_| arena.finish(part, &mut own));
                }
            }
            _ => {}
        }
        self.finish(responsibility, random);
    }

    fn finish(&self, responsibility: Responsibility, random: &mut Random) {
        let addresses: Vec<_> = responsibility.owed().into_iter().map(|name| (name, 0x1000)).collect();
        let _ = responsibility.keep(vec![0u8; 16]);
        let _ = responsibility.resolve(&addresses);
        let needs: Vec<_> = (0..random.below(3)).map(|_| self.names[random.below(NAMES)]).collect();
        let dylib = responsibility.dylib();
        let _ = responsibility.emit(&needs.iter().map(|name| (dylib, *name)).collect::<Vec<_>>());
    }
}

/// Ends the process if a minute passes without any thread getting on.
fn watch(arena: Arc<Arena>, done: mpsc::Receiver<()>) {
    let mut last = Vec::new();
    while done.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let now: Vec<usize> = arena.progress.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        if now == last {
            let (asked, answered) = (arena.asked.load(Ordering::Relaxed), arena.answered.load(Ordering::Relaxed));
            eprintln!("stuck: rounds of each thread {now:?}; {answered} of {asked} callbacks were called");
            eprintln!("{:#?}", arena.session.population());
            std::process::abort();
        }
        last = now;
    }
}

#[test]
fn threads_that_do_everything_at_once() {
    let executor = Arc::new(InProcess::new(Options::default()));
    let arena = Arc::new(Arena::new(executor.clone()));
    let (finished, done) = mpsc::channel();
    let watched = arena.clone();
    let watchdog = thread::spawn(move || watch(watched, done));
    let (begun, duration) = (Instant::now(), duration());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let arena = &arena;
            scope.spawn(move || {
                let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number as u64);
                while begun.elapsed() < duration {
                    arena.step(&mut random);
                    arena.progress[number].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let session = &arena.session;
    arena.pins.lock().unwrap().clear();
    // Whatever is still being made ends in time, since nothing that it waits for is lost.
    session.wait_until_idle();
    for (what, count) in [("found", &arena.found), ("defined", &arena.defined), ("pinned", &arena.pinned)] {
        println!("{what}: {}", count.load(Ordering::Relaxed));
    }
    assert_eq!(arena.answered.load(Ordering::Relaxed), arena.asked.load(Ordering::Relaxed));
    // They hold each other, so none goes before all are removed.
    for dylib in &arena.dylibs {
        session.clear(*dylib);
    }
    session.quiesce();
    let population = session.population();
    assert_eq!((population.units, population.symbols, population.queries, population.tasks), (0, 0, 0, 0));
    // With nobody active, all room that was ever needed is there again.
    let mut random = Random(1);
    for _ in 0..1000 {
        arena.define(arena.dylibs[0], session.default_tracker(arena.dylibs[0]), &mut random);
        session.clear(arena.dylibs[0]).wait();
    }
    let again = session.population();
    assert_eq!((again.unit_slots, again.symbol_slots), (population.unit_slots, population.symbol_slots));
    let memory = executor.memory().statistics();
    assert_eq!(memory.live, [0; 3]);
    drop(finished);
    watchdog.join().unwrap();
}
