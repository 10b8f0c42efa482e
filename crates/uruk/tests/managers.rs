//! What memory managers are told, how objects are given to them, and what is done with memory when it is final.

mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use support::compile;
use uruk::Jit;
use uruk::memory::*;
use uruk::plugin::*;

type Number = extern "C" fn() -> i32;

/// Usual memory that notes what it is asked.
struct Noting {
    memory: InProcessMemory,
    alone: bool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    batches: Vec<(u64, Vec<ObjectPart>)>,
    /// Where the lanes of each are.
    places: Vec<[u64; 3]>,
    released: Vec<Segment>,
}

impl Noting {
    fn new(alone: bool) -> Arc<Noting> {
        let (memory, notes) = (InProcessMemory::new(Options::default()), Mutex::default());
        Arc::new(Noting { memory, alone, notes })
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    /// The names of each batch's objects.
    fn batches(&self) -> Vec<Vec<String>> {
        let names = |(_, objects): &(u64, Vec<ObjectPart>)| objects.iter().map(|part| part.name.to_string()).collect();
        self.notes().batches.iter().map(names).collect()
    }
}

struct Shared(Arc<Noting>);

impl MemoryManager for Shared {
    fn span(&self, placement: Placement) -> Result<std::ops::Range<u64>, MemoryError> {
        self.0.memory.span(placement)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        self.0.memory.allocate(demand)
    }

    fn allocate_for(&self, demand: &Demand, origin: &dyn Origin) -> Result<Box<dyn Allocation>, MemoryError> {
        assert_eq!(origin.architecture().name, "x86-64");
        let allocation = self.0.memory.allocate(demand)?;
        let mut notes = self.0.notes();
        notes.batches.push((origin.number(), origin.objects()));
        notes.places.push(Lane::ALL.map(|lane| allocation.address(lane)));
        Ok(allocation)
    }

    fn each_object_alone(&self) -> bool {
        self.0.alone
    }

    fn release(&self, segments: &[Segment]) {
        self.0.notes().released.extend(segments);
        self.0.memory.release(segments);
    }
}

fn jit(memory: &Arc<Noting>, plugin: Option<Arc<dyn Plugin>>) -> Jit {
    let memory = memory.clone();
    let builder = Jit::builder().memory_manager(move || Ok(Arc::new(Shared(memory.clone()))));
    plugin.into_iter().fold(builder, |builder, plugin| builder.plugin(plugin)).build().unwrap()
}

fn call(jit: &Jit, name: &str) -> i32 {
    // SAFETY: all functions that these tests call so are declared so.
    unsafe { jit.main().function::<Number>(name).unwrap()() }
}

#[test]
fn a_manager_is_told_which_sections_lie_where() {
    let memory = Noting::new(false);
    let jit = jit(&memory, None);
    let source = "int zeros[300]; int ones[] = {1, 1}; const int seven = 7; __thread int own = 5;
        int f(void) { return zeros[3] + ones[1] + seven + own; }";
    jit.main().add_objects(&[compile("f.c", source, &["-fno-common"])]).unwrap();
    let other = jit.create_dylib("other").unwrap();
    other.add_objects(&[compile("g.c", "int g(void) { return 1; }", &[])]).unwrap();
    jit.main().link_against(&[other]);
    assert_eq!(call(&jit, "f"), 13);
    let [f, zeros, ones, seven] = ["f", "zeros", "ones", "seven"].map(|name| jit.main().find(name).unwrap());
    let notes = memory.notes();
    let [(number, objects), (another, others)] = &notes.batches[..] else {
        panic!("two batches, not {:?}", notes.batches)
    };
    assert_eq!((number == another, &*others[0].dylib, others[0].sections.len()), (false, "other", 2), "{others:?}");
    let [object] = &objects[..] else { panic!("one object, not {objects:?}") };
    assert!(*number != 0 && object.name.ends_with("f.c") && &*object.dylib == "main", "{object:?}");
    let section = |name: &str| object.sections.iter().find(|section| section.name == name.as_bytes()).unwrap();
    let lanes = [
        (".text", Lane::Code, f),
        (".rodata", Lane::ReadOnly, seven),
        (".data", Lane::Data, ones),
        (".bss", Lane::Data, zeros),
    ];
    for (name, lane, symbol) in lanes {
        let section = section(name);
        assert_eq!(section.lane, Some(lane), "{name}");
        assert_eq!(
            notes.places[0][lane as usize] + section.range.start,
            symbol,
            "{name}: its only symbol is at its start"
        );
    }
    assert_eq!((section(".bss").range.end - section(".bss").range.start, section(".tdata").lane), (1200, None));
}

#[test]
fn objects_come_alone_if_a_manager_wants_that_and_they_make_sense_alone() {
    let plain = || {
        [
            compile("f.c", "int g(int); int f(void) { return g(3); }", &[]),
            compile("g.c", "int h(int); int g(int n) { return n ? h(n - 1) + 1 : 0; }", &[]),
            compile("h.c", "int g(int); int h(int n) { return n ? g(n - 1) + 1 : 0; }", &[]),
        ]
    };
    let names = |memory: &Noting| memory.batches().into_iter().map(|batch| batch.len()).collect::<Vec<_>>();
    for (alone, batches) in [(false, vec![3]), (true, vec![1, 1, 1])] {
        let memory = Noting::new(alone);
        let jit = jit(&memory, None);
        let objects = jit.main().add_tracked(&plain()).unwrap();
        assert_eq!(call(&jit, "f"), 3);
        assert_eq!(names(&memory), batches);
        drop(objects.remove());
        assert_eq!(memory.memory.statistics().live, [0; 3]);
    }
    let memory = Noting::new(true);
    let jit_of_threads = jit(&memory, None);
    let threads = [
        compile("a.c", "extern __thread int b; __thread int a = 1; int both(void) { return a + b; }", &[]),
        compile("b.c", "extern __thread int a; __thread int b = 2; int other(void) { return a; }", &[]),
        compile("c.c", "int other(void); int c(void) { return other() + 1; }", &[]),
    ];
    jit_of_threads.main().add_objects(&threads).unwrap();
    jit_of_threads.main().initialize().unwrap();
    assert_eq!((call(&jit_of_threads, "both"), call(&jit_of_threads, "c")), (3, 2));
    let mut sizes = names(&memory);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2], "what shares thread-local variables comes together");
    let memory = Noting::new(true);
    let jit = jit(&memory, None);
    let entry = |name: &str| {
        compile(&format!("{name}.c"), &format!("__attribute__((section(\"numbers\"), used)) int {name} = 1;"), &[])
    };
    let sum = "extern int __start_numbers[], __stop_numbers[]; int sum(void) { int n = 0; for (int *p = __start_numbers; p < __stop_numbers; p++) n += *p; return n; }";
    jit.main().add_objects(&[entry("one"), entry("two"), compile("sum.c", sum, &[])]).unwrap();
    jit.main().initialize().unwrap();
    assert_eq!((call(&jit, "sum"), names(&memory)), (2, vec![3]));
}

/// What actions have been called with, in order.
static CALLS: Mutex<Vec<(u64, Vec<u8>)>> = Mutex::new(Vec::new());
/// What `note` returns.
static STATUS: AtomicU64 = AtomicU64::new(0);
/// One test at a time has the two.
static TURN: Mutex<()> = Mutex::new(());

extern "C" fn note(text: *const u8, length: u64, number: u64) -> u64 {
    // SAFETY: these tests call it with bytes that are there.
    let text = unsafe { std::slice::from_raw_parts(text, length as usize) }.to_vec();
    CALLS.lock().unwrap().push((number, text));
    STATUS.load(Relaxed)
}

extern "C" fn forget(number: u64) -> u64 {
    CALLS.lock().unwrap().push((number, Vec::new()));
    // One that fails does not keep the others from being made.
    if number == 12 { 0x66 } else { 0 }
}

/// Adds two actions to each object: the first notes a text in a scratch section.
struct Acts;

impl Plugin for Acts {
    fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
        let section = graph.add_section(".scratch", SectionKind::Scratch)?;
        let block = graph.add_block(section, b"a text for an action", 1)?;
        let text = graph.add_symbol(NewSymbol::local("", block, 2))?;
        let [note, forget] = [graph.external("note")?, graph.external("forget")?];
        let call = |number| Some(Call { function: forget, arguments: vec![Argument::Number(number)] });
        let arguments = vec![Argument::Address(text, 5), Argument::Number(3), Argument::Number(1)];
        graph.add_action(Action {
            finalize: Some(Call { function: note, arguments: arguments.clone() }),
            deallocate: call(11),
        })?;
        let arguments = vec![Argument::Address(text, 0), Argument::Number(4), Argument::Number(2)];
        graph.add_action(Action { finalize: Some(Call { function: note, arguments }), deallocate: call(12) })?;
        Ok(graph.add_action(Action { finalize: None, deallocate: call(13) })?)
    }
}

fn acting(memory: &Arc<Noting>) -> Jit {
    let jit = jit(memory, Some(Arc::new(Acts)));
    jit.main().define("note", note as *const () as u64);
    jit.main().define("forget", forget as *const () as u64);
    jit
}

#[test]
fn actions_are_called_when_memory_is_final_and_when_it_goes_and_scratch_goes_first() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    CALLS.lock().unwrap().clear();
    let memory = Noting::new(false);
    let jit = acting(&memory);
    let object = jit.main().add_tracked(&[compile("f.c", "int f(void) { return 6; }", &[])]).unwrap();
    assert_eq!(call(&jit, "f"), 6);
    let called = std::mem::take(&mut *CALLS.lock().unwrap());
    assert_eq!(called, [(1, b"for".to_vec()), (2, b"text".to_vec())]);
    let scratch: Vec<Segment> = std::mem::take(&mut memory.notes().released);
    let [Segment { lane: Lane::ReadOnly, size: 20, address }] = scratch[..] else { panic!("{scratch:?}") };
    let notes = memory.notes();
    let section = notes.batches[0].1[0].sections.iter().find(|section| section.kind == SectionKind::Scratch).unwrap();
    assert_eq!(notes.places[0][Lane::ReadOnly as usize] + section.range.start, address);
    drop(notes);
    drop(object.remove());
    let called = std::mem::take(&mut *CALLS.lock().unwrap());
    assert_eq!(called.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [13, 12, 11]);
    let reports: Vec<String> = jit.session().take_reports().iter().map(ToString::to_string).collect();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert!(report.contains("f.c: an action before its memory goes failed") && report.contains("0x66"), "{report}");
    assert_eq!(memory.memory.statistics().live, [0; 3]);
}

#[test]
fn an_action_that_fails_fails_its_object() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let memory = Noting::new(false);
    let jit = acting(&memory);
    STATUS.store(0x55, Relaxed);
    CALLS.lock().unwrap().clear();
    jit.main().add_objects(&[compile("f.c", "int f(void) { return 6; }", &[])]).unwrap();
    let error = jit.main().find("f").unwrap_err().to_string();
    STATUS.store(0, Relaxed);
    assert!(error.contains("f.c: an action after finalization failed") && error.contains("returned 0x55"), "{error}");
    let called: Vec<u64> = CALLS.lock().unwrap().iter().map(|(number, _)| *number).collect();
    assert_eq!(called, [1], "neither the others nor what would undo it");
    drop(jit);
    assert_eq!(memory.memory.statistics().live, [0; 3]);
}

#[test]
fn actions_that_make_no_sense_are_refused() {
    struct Wrong;
    impl Plugin for Wrong {
        fn pre_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
            let f = graph.find_symbol(b"f").unwrap();
            let arguments = vec![Argument::Number(0); 7];
            let many = graph.add_action(Action { finalize: Some(Call { function: f, arguments }), deallocate: None });
            assert!(many.unwrap_err().to_string().contains("at most 6 arguments, not 7"));
            let own = graph.find_symbol(b"own").unwrap();
            let arguments = vec![Argument::Address(own, 0)];
            let thread = graph.add_action(Action { finalize: Some(Call { function: f, arguments }), deallocate: None });
            assert!(thread.unwrap_err().to_string().contains("thread-local"));
            let missing = Call { function: SymbolId(9999), arguments: Vec::new() };
            let missing = graph.add_action(Action { finalize: None, deallocate: Some(missing) });
            assert!(missing.unwrap_err().to_string().contains("does not exist"));
            Ok(())
        }
    }
    let memory = Noting::new(false);
    let jit = jit(&memory, Some(Arc::new(Wrong)));
    jit.main().add_objects(&[compile("f.c", "__thread int own = 3; int f(void) { return own; }", &[])]).unwrap();
    assert_eq!(call(&jit, "f"), 3);
}
