//! The steps: what each does, in which order they may be taken, and what goes wrong.

use crate::support::{HOST, compile, map_all, resolve, word};
use std::ops::Range;
use uruk_executor::memory::{InProcessMemory, Options};
use uruk_jitlink::graph::FunctionTable;
use uruk_jitlink::input::Input;
use uruk_jitlink::loader::{LoadError, Loader, ObjectId};
use uruk_jitlink::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment};

const TABLES: &str = "int first(void) { return 1; }
    extern int absent;
    int *const outside = &absent;
    int (*const table[2])(void) = { first, first };
    int variable = 3;
    int *where = &variable;
    int sum(void) { return variable + table[0]() + absent; }";

/// An object with pointers.
fn loaded(flags: &[&str]) -> (Loader, ObjectId) {
    let mut loader = Loader::new();
    let flags = [&["-fPIC", "-ffunction-sections"], flags].concat();
    let object = loader.load(&compile("tables.c", HOST, TABLES, &flags)).unwrap();
    (loader, object)
}

#[test]
fn references_are_resolved_as_often_as_sections_move_and_only_the_last_addresses_count() {
    let (mut loader, object) = loaded(&["-fno-asynchronous-unwind-tables"]);
    map_all(&mut loader, 0x10_0000);
    resolve(&mut loader, &[("absent", 0x20_0000)]).unwrap();
    let first: Vec<_> =
        loader.images(object).unwrap().iter().map(|image| (image.address, image.bytes.to_vec())).collect();
    let (table, outside) = (loader.address("table").unwrap(), loader.address("outside").unwrap());
    assert_eq!(word(&loader, table), loader.address("first").unwrap());
    assert_eq!(word(&loader, outside), 0x20_0000);
    // Only one section moves, and names change.
    let text = loader.section(object, ".text.first").unwrap();
    loader.map_section(text, 0x7f00_0000_0000).unwrap();
    assert_eq!(loader.address("first"), Some(0x7f00_0000_0000));
    assert!(matches!(loader.image(text), Err(LoadError::Unsettled { .. })), "its bytes are for somewhere else");
    resolve(&mut loader, &[("absent", 0x30_0000)]).unwrap();
    assert_eq!((word(&loader, table), word(&loader, table + 8)), (0x7f00_0000_0000, 0x7f00_0000_0000));
    assert_eq!(word(&loader, outside), 0x30_0000);
    // Through many other places and back.
    for base in [0x5555_0000_0000, 0x1000, 0x7ffe_0000_0000] {
        map_all(&mut loader, base);
        resolve(&mut loader, &[("absent", base + 0x100_0000)]).unwrap();
        let first = loader.address("first").unwrap();
        assert_eq!(word(&loader, loader.address("table").unwrap()), first);
        assert!((base..base + 0x1_0000).contains(&first));
    }
    map_all(&mut loader, 0x10_0000);
    resolve(&mut loader, &[("absent", 0x20_0000)]).unwrap();
    let last: Vec<_> =
        loader.images(object).unwrap().iter().map(|image| (image.address, image.bytes.to_vec())).collect();
    assert_eq!(first, last);
}

#[test]
fn what_the_linker_defines_moves_too() {
    let source = "asm(\".data\\n .globl table, bounds\\n table: .quad _GLOBAL_OFFSET_TABLE_\\n bounds: .quad __start_set, __stop_set\");
        __attribute__((section(\"set\"), used)) static int members[3] = { 1, 2, 3 };
        extern int absent; int *f(void) { return &absent; }";
    let mut loader = Loader::new();
    let object = loader.load(&compile("made.c", HOST, source, &["-fPIC"])).unwrap();
    for base in [0x10_0000, 0x7000_0000_0000, 0x20_0000] {
        map_all(&mut loader, base);
        resolve(&mut loader, &[("absent", 0x10)]).unwrap();
        let start = |name| {
            let key = loader.section(object, name).unwrap();
            loader.sections().find(|section| section.key == key).unwrap().address.unwrap()
        };
        let bounds = loader.address("bounds").unwrap();
        assert_eq!(word(&loader, loader.address("table").unwrap()), start("<got>"));
        assert_eq!((word(&loader, bounds), word(&loader, bounds + 8)), (start("set"), start("set") + 12));
    }
}

#[test]
fn names_are_asked_for_once_for_all_and_what_is_missing_is_told_together() {
    let mut loader = Loader::new();
    loader
        .load(&compile("one.c", HOST, "int a(void), b(void); int one(void) { return a() + b() + a(); }", &[]))
        .unwrap();
    let two = "int a(void), one(void), c(void); __attribute__((weak)) int maybe(void);
        int two(void) { return a() + one() + c() + (maybe ? 1 : 0); }";
    loader.load(&compile("two.c", HOST, two, &[])).unwrap();
    map_all(&mut loader, 0x10_0000);
    let mut asked = Vec::new();
    let error = loader.resolve(|names| {
        asked.extend(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()));
        vec![None; names.len()]
    });
    let error = error.unwrap_err();
    asked.sort();
    assert_eq!(asked, ["a", "b", "c", "maybe"]);
    let LoadError::Unresolved(missing) = &error else { panic!("{error}") };
    let missing: Vec<_> = missing.iter().map(|missing| (&*missing.symbol, &*missing.object)).collect();
    assert_eq!(missing, [("a", "one.c"), ("b", "one.c"), ("a", "two.c"), ("c", "two.c")]);
    assert!(error.to_string().contains("`c`, referred to by two.c(.text+0x"), "{error}");
    let error = loader.resolve(|_| Vec::new()).unwrap_err().to_string();
    assert!(error.contains("0 answers for 4 names"), "{error}");
    resolve(&mut loader, &[("a", 0x20_0000), ("b", 0x20_0000), ("c", 0x20_0000)]).unwrap();
}

#[test]
fn steps_in_the_wrong_order_and_addresses_that_do_not_fit_are_errors() {
    let (mut loader, object) = loaded(&[]);
    let error = |result: Result<(), LoadError>| result.unwrap_err().to_string();
    assert!(error(resolve(&mut loader, &[])).contains("has no address"));
    assert!(error(loader.finalize().map(drop)).contains("resolve them before finalizing"));
    let data = loader.section(object, ".data").unwrap();
    let text = loader.section(object, ".text.first").unwrap();
    assert!(error(loader.map_section(text, 0x1001)).contains("cannot lie at 0x1001"));
    assert!(error(loader.map_section(data, u64::MAX - 7)).contains("cannot lie at"));
    map_all(&mut loader, 0x10_0000);
    let place = loader.address("sum").unwrap();
    loader.map_section(text, place).unwrap();
    assert!(error(resolve(&mut loader, &[("absent", 0)])).contains("both lie at"));
    // Out of reach, which is no error until it is resolved.
    map_all(&mut loader, 0x10_0000);
    loader.map_section(loader.section(object, ".text.sum").unwrap(), 0x7000_0000_0000).unwrap();
    let far = error(resolve(&mut loader, &[("absent", 0)]));
    assert!(far.contains("R_X86_64_") && far.contains("tables.c(.text.sum+"), "{far}");
    map_all(&mut loader, 0x10_0000);
    resolve(&mut loader, &[("absent", 0)]).unwrap();
    loader.finalize().unwrap();
    assert!(error(loader.map_section(text, 0x40_0000)).contains("has been finalized"));
    let other = Loader::new();
    assert!(matches!(other.image(text), Err(LoadError::NoSection)));
    assert!(matches!(other.images(object), Err(LoadError::NoSection)));
}

#[test]
fn definitions_of_several_objects_are_one_program() {
    let mut loader = Loader::new();
    let load = |loader: &mut Loader, name: &str, source: &str| loader.load(&compile(name, HOST, source, &["-fcommon"]));
    load(&mut loader, "a.c", "int shared; __attribute__((weak)) int weak = 1; int *a(void) { return &shared; } int *w(void) { return &weak; }").unwrap();
    load(&mut loader, "b.c", "int shared; int weak = 2; int *b(void) { return &shared; } int *const to = &shared;")
        .unwrap();
    let error = load(&mut loader, "c.c", "int weak = 3;").unwrap_err().to_string();
    assert_eq!(error, "`weak` is defined in b.c and again in c.c; load one of them only");
    let arm = compile("arm.c", "aarch64-linux-gnu", "int x;", &[]);
    assert!(matches!(loader.load(&arm), Err(LoadError::OtherTarget { .. })));
    let thread = compile("thread.c", HOST, "__thread int x; int *f(void) { return &x; }", &[]);
    assert!(matches!(loader.load(&thread), Err(LoadError::Unsupported { .. })));
    assert!(loader.load(&Input::from_bytes("none", b"garbage".to_vec())).is_err());
    map_all(&mut loader, 0x10_0000);
    resolve(&mut loader, &[]).unwrap();
    let shared = loader.address("shared").unwrap();
    assert_eq!(word(&loader, loader.address("to").unwrap()), shared);
    let commons: Vec<_> = loader.sections().filter(|section| section.name == "COMMON").collect();
    assert_eq!((commons.len(), commons[0].size), (1, 4));
    let weak = loader.address("weak").unwrap();
    let data = loader.sections().find(|section| section.address == Some(weak)).unwrap();
    assert_eq!(loader.image(data.key).unwrap()[..4], [2, 0, 0, 0]);
}

/// Gives memory, and refuses what it is told to.
struct Refusing {
    memory: InProcessMemory,
    allocate: bool,
    finalize: bool,
}

struct Refused(Box<dyn Allocation>);

impl Allocation for Refused {
    fn address(&self, lane: Lane) -> u64 {
        self.0.address(lane)
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        self.0.working()
    }

    fn finalize(self: Box<Self>) -> Result<(), MemoryError> {
        Err(MemoryError::Other("not finished today".into()))
    }
}

impl MemoryManager for Refusing {
    fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
        self.memory.span(placement)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        if !self.allocate {
            return Err(MemoryError::Other("nothing to give".into()));
        }
        let allocation = self.memory.allocate(demand)?;
        Ok(if self.finalize { allocation } else { Box::new(Refused(allocation)) })
    }

    fn release(&self, segments: &[Segment]) {
        self.memory.release(segments);
    }
}

#[test]
fn what_a_memory_manager_refuses_reaches_the_caller_and_can_be_tried_again() {
    let (mut loader, object) = loaded(&[]);
    let mut manager = Refusing { memory: InProcessMemory::new(Options::default()), allocate: false, finalize: false };
    assert!(loader.allocate(&manager).unwrap_err().to_string().contains("nothing to give"));
    manager.allocate = true;
    loader.allocate(&manager).unwrap();
    let absent = [("absent", loader.address("variable").unwrap())];
    resolve(&mut loader, &absent).unwrap();
    assert!(loader.finalize().unwrap_err().to_string().contains("not finished today"));
    assert_eq!(loader.address("first"), None, "its memory is gone");
    manager.finalize = true;
    loader.allocate(&manager).unwrap();
    let variable = loader.address("variable").unwrap();
    resolve(&mut loader, &[("absent", variable)]).unwrap();
    let finalized = loader.finalize().unwrap();
    assert!(loader.functions(object, FunctionTable::Init).is_empty() && finalized.indirect.is_empty());
    assert_eq!(finalized.unwind.len(), 1);
    let sum = loader.address("sum").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let bound = |text| u64::from_str_radix(text, 16).unwrap();
        (bound(start)..bound(end)).contains(&sum)
    });
    assert!(line.unwrap().contains(" r-xp "), "never writable and executable");
    // SAFETY: it is a function of this type, in finished memory.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(sum as *const ()) };
    assert_eq!(function(), 7);
    manager.release(&finalized.segments);
    assert_eq!(manager.memory.statistics().live, [0; 3]);
}
