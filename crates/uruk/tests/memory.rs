//! A memory manager of the user's own: what it is asked for, what it gets back, and what its failures lead to.

mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use support::compile;
use uruk::Jit;
use uruk::memory::*;

type Number = extern "C" fn() -> i32;

/// A run of pages that is given out from its start and never used again.
struct Arena {
    pages: Range<u64>,
    used: Mutex<u64>,
    counts: Counts,
    /// Live bytes by their first.
    live: Mutex<BTreeMap<u64, u64>>,
    /// What goes wrong at which allocation, the first of which is 0.
    fault: Option<(usize, Fault)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Refused,
    Misaligned,
    Short,
    Scattered,
    NotFinalized,
    Panics,
}

#[derive(Default)]
struct Counts {
    allocated: AtomicUsize,
    finalized: AtomicUsize,
    abandoned: AtomicUsize,
}

const BYTES: usize = 64 << 20;
const PAGE: u64 = 4096;

impl Arena {
    fn new(fault: Option<(usize, Fault)>) -> Arena {
        // SAFETY: a fresh private mapping, of which nothing else knows.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(std::ptr::null_mut(), BYTES, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        let start = start as u64;
        let pages = start..start + BYTES as u64;
        Arena { pages, used: Mutex::new(start), counts: Counts::default(), live: Mutex::default(), fault }
    }

    fn counts(&self) -> [usize; 3] {
        [&self.counts.allocated, &self.counts.finalized, &self.counts.abandoned].map(|count| count.load(Relaxed))
    }

    fn live(&self) -> u64 {
        self.live.lock().unwrap().values().sum()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`; the JITs that had parts of it are gone.
        unsafe { libc::munmap(self.pages.start as *mut libc::c_void, BYTES) };
    }
}

/// One lane's pages each.
struct Pages {
    arena: Arc<Arena>,
    lanes: [Range<u64>; 3],
    demand: Demand,
    fault: Option<Fault>,
    finalized: bool,
}

/// An arena as several JITs may have it.
struct Shared(Arc<Arena>);

impl MemoryManager for Shared {
    fn span(&self, _: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(self.0.pages.clone())
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let arena = &self.0;
        let number = arena.counts.allocated.fetch_add(1, Relaxed);
        let fault = arena.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        match fault {
            Some(Fault::Refused) => return Err(MemoryError::Other("the arena is closed".into())),
            Some(Fault::Panics) => panic!("the arena panics, as a test wants it"),
            _ => {}
        }
        let mut used = arena.used.lock().unwrap();
        let lanes = demand.lanes.map(|lane| {
            let start = used.next_multiple_of(lane.align.max(PAGE));
            *used = (start + lane.size).next_multiple_of(PAGE);
            start..start + lane.size
        });
        assert!(*used <= arena.pages.end, "the tests' programs are small");
        Ok(Box::new(Pages { arena: arena.clone(), lanes, demand: *demand, fault, finalized: false }))
    }

    fn release(&self, segments: &[Segment]) {
        let mut live = self.0.live.lock().unwrap();
        for Segment { address, size, .. } in segments {
            // The piece that it is a part of loses it.
            let (start, length) = live.range(..=*address).next_back().map(|(start, length)| (*start, *length)).unwrap();
            let (end, past) = (address + size, start + length);
            assert!(end <= past, "nothing is released twice, or without having been given out");
            live.remove(&start);
            for rest in [start..*address, end..past].into_iter().filter(|rest| !rest.is_empty()) {
                live.insert(rest.start, rest.end - rest.start);
            }
        }
    }
}

impl Allocation for Pages {
    fn address(&self, lane: Lane) -> u64 {
        let address = self.lanes[lane as usize].start;
        match self.fault {
            Some(Fault::Misaligned) => address + 1,
            Some(Fault::Scattered) if lane == Lane::Data => address + (8 << 30),
            _ => address,
        }
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        let short = usize::from(self.fault == Some(Fault::Short));
        let demand = self.demand;
        Lane::ALL.map(|lane| {
            let LaneDemand { size, zero_fill, .. } = demand.lanes[lane as usize];
            let bytes = (size - zero_fill) as usize;
            // SAFETY: pages of this allocation alone, writable until they are finalized, which consumes it.
            unsafe {
                let start = self.lanes[lane as usize].start as *mut u8;
                std::slice::from_raw_parts_mut(start, bytes.saturating_sub(short))
            }
        })
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        if self.fault == Some(Fault::NotFinalized) {
            return Err(MemoryError::Other("the arena does not protect".into()));
        }
        for (lane, protection) in [(0, libc::PROT_READ | libc::PROT_EXEC), (1, libc::PROT_READ)] {
            let Range { start, end } = self.lanes[lane];
            // SAFETY: whole pages of this allocation.
            let result = unsafe { libc::mprotect(start as *mut libc::c_void, (end - start) as usize, protection) };
            assert_eq!(result, 0);
        }
        self.finalized = true;
        self.arena.counts.finalized.fetch_add(1, Relaxed);
        let lanes = self.lanes.iter().filter(|lane| !lane.is_empty());
        self.arena.live.lock().unwrap().extend(lanes.map(|lane| (lane.start, lane.end - lane.start)));
        Ok(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if !self.finalized {
            self.arena.counts.abandoned.fetch_add(1, Relaxed);
        }
    }
}

fn jit(arena: &Arc<Arena>) -> Jit {
    let arena = arena.clone();
    Jit::builder().memory_manager(move || Ok(Arc::new(Shared(arena.clone())))).build().unwrap()
}

fn call(jit: &Jit, name: &str) -> i32 {
    // SAFETY: all functions that these tests call so are declared so, and are there.
    unsafe { jit.main().function::<Number>(name).unwrap()() }
}

#[test]
fn a_batch_is_one_allocation_and_every_byte_comes_back() {
    let arena = Arc::new(Arena::new(None));
    let jit = jit(&arena);
    let main = jit.main();
    let pair = [
        compile("f.c", "extern int g(void); int room[999]; int f(void) { return g() + room[7]; }", &["-fno-common"]),
        compile("g.c", "static int two = 2; const char *text = \"odd\"; int g(void) { return two + text[0]; }", &[]),
    ];
    let [f, g] = pair.map(|object| main.add_tracked(&[object]).unwrap());
    assert_eq!(arena.counts(), [0; 3]);
    assert_eq!(call(&jit, "f"), 2 + i32::from(b'o'));
    assert_eq!(arena.counts(), [1, 1, 0]);
    assert!(arena.pages.contains(&main.address("f").unwrap()));
    let both = arena.live();
    f.remove();
    assert!(arena.live() < both);
    assert_eq!(call(&jit, "g"), 2 + i32::from(b'o'));
    g.remove();
    assert_eq!(arena.live(), 0);
    assert_eq!(arena.counts(), [1, 1, 0]);
}

/// Sections with bounds are shared by the objects of a batch, and libraries' initialisers walk through them.
const GATHERED: &str = "
    __attribute__((section(\"numbers\"))) int entry = 5;
    __attribute__((section(\"tables\"))) const int table = 6;
    extern int __start_numbers[], __stop_numbers[]; extern const int __start_tables[];
    int sum(void) { return __start_numbers[0] + (int)(__stop_numbers - __start_numbers) + __start_tables[0]; }
";

#[test]
fn what_is_left_goes_with_the_jit() {
    let arena = Arc::new(Arena::new(None));
    let jit = jit(&arena);
    let kept = jit.main().add_tracked(&[compile("sum.c", GATHERED, &[])]).unwrap();
    jit.main().add_objects(&[compile("f.c", "int f(void) { return 1; }", &[])]).unwrap();
    assert_eq!((call(&jit, "sum"), call(&jit, "f")), (12, 1));
    kept.remove();
    assert_ne!(arena.live(), 0);
    drop(kept);
    drop(jit);
    assert_eq!(arena.live(), 0);
}

#[test]
fn several_jits_share_a_manager_and_lazy_functions_lie_in_it() {
    let arena = Arc::new(Arena::new(None));
    let manager = arena.clone();
    let builder = Jit::builder().memory_manager(move || Ok(Arc::new(Shared(manager.clone()))));
    let jits = [(); 2].map(|()| builder.clone().build_lazy().unwrap());
    for (number, jit) in (1..).zip(&jits) {
        let source = format!("int f(void) {{ return {number}; }}");
        jit.main().add_objects(&[compile("f.c", &source, &[])]).unwrap();
        assert!(arena.pages.contains(&jit.main().address("f").unwrap()), "the stub");
        assert_eq!(call(jit, "f"), number);
    }
    drop(jits);
    assert_eq!(arena.live(), 0);
}

#[test]
fn a_failure_is_the_look_ups_error_and_the_jit_goes_on() {
    let faults = [
        (Fault::Refused, "the arena is closed", 0),
        (Fault::Misaligned, "mend the manager", 1),
        (Fault::Short, "mend the manager", 1),
        (Fault::Scattered, "32-bit distances do not reach", 1),
        (Fault::NotFinalized, "the arena does not protect", 1),
        (Fault::Panics, "panicked", 0),
    ];
    for (fault, message, abandoned) in faults {
        let arena = Arc::new(Arena::new(Some((1, fault))));
        let jit = jit(&arena);
        let main = jit.main();
        for name in ["first", "second", "third"] {
            let source = format!("int {name}_data = 3; int {name}(void) {{ return {name}_data; }}");
            main.add_member(&compile(&format!("{name}.c"), &source, &[])).unwrap();
        }
        assert_eq!(call(&jit, "first"), 3, "{fault:?}");
        let error = main.address("second").unwrap_err().to_string();
        assert!(error.contains(message), "{fault:?}: {error}");
        assert_eq!((call(&jit, "third"), call(&jit, "first")), (3, 3), "{fault:?}");
        assert_eq!(arena.counts(), [3, 2, abandoned], "{fault:?}");
        drop(jit);
        assert_eq!(arena.live(), 0, "{fault:?}");
    }
}

#[test]
fn a_factory_may_fail() {
    let builder = Jit::builder().memory_manager(|| Err(MemoryError::Other("no arena today".into())));
    let error = builder.build().err().unwrap();
    assert_eq!(error.to_string(), "cannot make the memory manager: no arena today");
}
