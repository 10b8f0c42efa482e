//! Variables of linked code that a world describes, as cells and as objects: they stay where the code has them.

mod support;

use std::process::Command;
use support::{Compiled, HERE, run};
use uruk::Jit;
use uruk_image::memory::ThisProcess;
use uruk_image::{
    Code, ElfKind, ElfOptions, Error, External, Freeze, Mappings, Pointer, PointerEntry, Type, World, write_elf,
    write_object,
};
use uruk_jitlink::elf::x86_64::FORMAT;
use uruk_jitlink::graph::{Definition, LinkGraph};

/// A list on the heap that begins in a global variable and ends in a constant one, which is an object too.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
struct record { struct record *next; struct record **owner; long number; };
extern struct record *records;
static const struct record nil = {0, &records, -1};
struct record *records = (struct record *)&nil;
const struct record *const constants[2] = {&nil, 0};
static struct {
    const char *name;
    struct record *newest, *forgotten;
    long (*function)(long);
    FILE **stream;
    long sum;
} state = {.name = "of the code", .forgotten = (struct record *)&nil};
static char unused[64];
static long twice(long value) { return 2 * value; }
void *describe(int what) {
    switch (what) {
    case 0: return &records;
    case 1: return &state;
    case 2: return (void *)&nil;
    case 3: return (void *)constants;
    default: return unused + 60;
    }
}
struct record *add(long number) {
    struct record *record = malloc(sizeof *record);
    *record = (struct record){records, number % 2 ? &records : &state.newest, number};
    state.forgotten = malloc(sizeof *record);
    state.function = twice;
    state.sum += number;
    return records = state.newest = record;
}
int show(void) {
    for (const struct record *record = records; record; record = record->next)
        printf("%ld%s ", record->number, record->owner == &records ? "" : record->owner == &state.newest ? "*" : "?");
    const struct record *last = records->next->next->next;
    printf("%d %d %d ", last == &nil, constants[0] == &nil, state.newest == records);
    printf("%d %ld %d %s %ld\n", !state.forgotten, state.function(4), state.stream == &stdout, state.name, state.sum);
    records = malloc(sizeof *records);
    return state.newest == records;
}
"#;

/// What is only in the image, and refers to what the world exports.
const MAIN: &str = r#"
#include <stdio.h>
extern long sum_of_numbers;
extern struct { void *next; } newest_record, *records;
int show(void);
int main(void) {
    printf("%ld %d ", sum_of_numbers, records == &newest_record);
    return show();
}
"#;

const EXPECTED: &str = "6 1 3 2* 1 -1 1 1 1 1 8 1 of the code 6\n";

struct Built {
    jit: Jit,
    world: World,
    describe: extern "C" fn(i32) -> u64,
}

impl Built {
    fn new(flags: &[&str]) -> Built {
        let compiled = Compiled::new(&[("program.c", PROGRAM)], flags);
        let jit = Jit::builder().retain_graphs(true).build().unwrap();
        jit.main().add_objects(&compiled.inputs()).unwrap();
        // SAFETY: the functions are declared so.
        let describe = unsafe { jit.main().function::<extern "C" fn(i32) -> u64>("describe").unwrap() };
        // SAFETY: as above.
        let add = unsafe { jit.main().function::<extern "C" fn(i64) -> u64>("add").unwrap() };
        let mut world = World::new();
        let record = Type::new("record", 24, 8).field(0, Pointer::Reference).field(8, Pointer::Inner);
        let cell = Type::new("cell", 8, 8).field(0, Pointer::Reference);
        let state = Type::new("state", 48, 8)
            .field(8, Pointer::Reference)
            .field(16, Pointer::Weak)
            .field(24, Pointer::Code)
            .field(32, Pointer::Data);
        let [record, cell, state] = [record, cell, state].map(|described| world.add_type(described).unwrap());
        for number in 1..=3 {
            let address = add(number);
            world.add_object(address, record).unwrap();
            if number == 3 {
                world.export("newest_record", address).unwrap();
            }
        }
        world.add_cell("records", describe(0), cell).unwrap();
        world.add_cell("the state", describe(1), state).unwrap();
        world.add_object(describe(2), record).unwrap();
        world.add_cell("constant", describe(3), cell).unwrap();
        world.add_pointer(describe(1) + 32, PointerEntry::Symbol(External::new("stdout"))).unwrap();
        world.export("sum_of_numbers", describe(1) + 40).unwrap();
        Built { jit, world, describe }
    }

    /// The program with its data, checked.
    fn graphs(&self) -> Result<Vec<LinkGraph>, Error> {
        let (memory, mappings) = (ThisProcess::open().unwrap(), Mappings::of_this_process().unwrap());
        let closure = self.world.trace(&["records", "the state", "constant"], &memory, None)?;
        let mut code = Code::of(self.jit.session(), &[self.jit.main().id()])?;
        code.connect(&closure)?;
        assert_eq!(closure.prove(&self.world, &code, &mappings), []);
        assert_eq!(code.take_values(&memory, &mappings)?, []);
        let data = closure.to_graph(&self.world, "the data", &FORMAT, &code)?;
        Ok([code.into_graphs(), vec![data]].concat())
    }
}

fn check(program: &mut Command, how: &str) {
    let output = run(program);
    assert_eq!((output.text.as_str(), output.status), (EXPECTED, Some(0)), "{how}: {}", output.errors);
}

#[test]
fn they_have_what_the_world_says_and_are_referred_to() {
    for flags in [&["-O1", "-fPIC"][..], &["-O2", "-fPIC", "-fdata-sections"], &["-O1", "-fno-pic", "-fcommon"]] {
        let main = Compiled::new(&[("main.c", MAIN)], flags);
        let graphs = [main.graphs(), Built::new(flags).graphs().unwrap()].concat();
        let libraries = HERE.libraries(&["libc.so.6"]);
        for address in [None, Some(0x40_0000)] {
            if flags.contains(&"-fno-pic") && address.is_none() {
                continue;
            }
            let kind = ElfKind::Executable { main: "main".into(), address };
            let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries) };
            let image = write_elf(graphs.clone(), &options).unwrap();
            check(&mut Command::new(main.write("image", &image)), &format!("{flags:?} {address:?}"));
        }
        let object = write_object(&graphs.iter().collect::<Vec<_>>()).unwrap();
        let pie = if flags.contains(&"-fno-pic") { "-no-pie" } else { "-pie" };
        let object = main.write("image.o", &object);
        let program = object.with_extension("linked");
        let output = run(Command::new("gcc").arg(pie).arg(&object).arg("-o").arg(&program));
        assert_eq!(output.status, Some(0), "{}", output.errors);
        check(&mut Command::new(&program), &format!("{flags:?} linked by the system"));
    }
}

/// The words that nobody describes are looked at all the same, and what is described lies in a variable as a whole.
#[test]
fn what_is_wrong_with_them_is_said() {
    let built = Built::new(&["-O1", "-fPIC", "-fdata-sections"]);
    let mut world = World::new();
    let number = world.add_type(Type::new("number", 8, 8)).unwrap();
    world.add_cell("records", (built.describe)(0), number).unwrap();
    let (memory, mappings) = (ThisProcess::open().unwrap(), Mappings::of_this_process().unwrap());
    let closure = world.trace(&["records"], &memory, None).unwrap();
    let mut code = Code::of(built.jit.session(), &[built.jit.main().id()]).unwrap();
    code.connect(&closure).unwrap();
    assert_eq!(closure.prove(&world, &code, &mappings), []);
    let findings = code.take_values(&memory, &mappings).unwrap();
    let starts: Vec<&str> = findings.iter().map(|finding| finding.path.split('+').next().unwrap()).collect();
    assert!(starts.iter().any(|path| path.contains("records")), "{starts:?}");
    assert!(starts.iter().any(|path| path.contains("state")), "{starts:?}");

    let mut world = World::new();
    let number = world.add_type(Type::new("number", 8, 4)).unwrap();
    world.add_cell("unused", (built.describe)(4), number).unwrap();
    let closure = world.trace(&["unused"], &memory, None).unwrap();
    let error = Code::of(built.jit.session(), &[built.jit.main().id()]).unwrap().connect(&closure).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("program.o(.bss.unused+0x3c)") && text.contains("less than its 8 bytes"), "{text}");
}

/// Pointers that its compiler knew of may be null by now, or hold something that is no address.
#[test]
fn pointers_that_have_been_cleared_are_null() {
    let text = r#"
struct record { struct record *next; };
static struct record first;
static const char *greeting = "hello";
static struct record *head = &first;
static void *others[3] = {&first, &head, &greeting};
void clear(void) { greeting = 0; head = 0; others[0] = (void *)17; }
void *where(void) { return &head; }
int main(void) {
    if (greeting || head || (long)others[0] != 17) return 1;
    return others[1] == &head && others[2] == &greeting ? 42 : 2;
}
"#;
    let compiled = Compiled::new(&[("cleared.c", text)], &["-O1", "-fPIC"]);
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    jit.main().add_objects(&compiled.inputs()).unwrap();
    // SAFETY: the functions are declared so.
    let clear = unsafe { jit.main().function::<extern "C" fn()>("clear").unwrap() };
    clear();
    // SAFETY: as above.
    let head = unsafe { jit.main().function::<extern "C" fn() -> u64>("where").unwrap() }();
    let mut world = World::new();
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
    world.add_cell("head", head, cell).unwrap();
    let libraries = HERE.libraries(&["libc.so.6"]);
    for data in [None, Some((&world, &["head"][..]))] {
        let code = Some((jit.session(), &[jit.main().id()][..]));
        let frozen = Freeze { code, data, ..Freeze::default() }.freeze().unwrap();
        let image = write_elf(frozen.graphs, &ElfOptions::executable("main", &libraries)).unwrap();
        assert_eq!(run(&mut Command::new(compiled.write("image", &image))).status, Some(42), "{}", data.is_some());
    }
}

/// A variable may lie at a rounder address than its compiler asked for, but an image has to have it there.
#[test]
fn variables_are_aligned_as_they_are_described() {
    let text = r#"
__attribute__((aligned(4096))) char before[4096] = {1};
__attribute__((aligned(8))) long words[2] = {2, 3};
__attribute__((aligned(8))) long behind[16] = {4};
"#;
    let flags = ["-O1", "-fPIC", "-fdata-sections", "-fno-toplevel-reorder"];
    let compiled = Compiled::new(&[("aligned.c", text)], &flags);
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    jit.main().add_objects(&compiled.inputs()).unwrap();
    let words = jit.main().address("words").unwrap();
    let code = |address: u64, align: u64| {
        let mut world = World::new();
        let described = world.add_type(Type::new("words", 8, align)).unwrap();
        world.add_cell("described", address, described).unwrap();
        let closure = world.trace(&["described"], &ThisProcess::open().unwrap(), None).unwrap();
        let mut code = Code::of(jit.session(), &[jit.main().id()])?;
        code.connect(&closure)?;
        Ok::<_, Error>(code.into_graphs())
    };
    let align = |graphs: &[LinkGraph]| {
        let id = graphs[0].find_symbol(b"words").unwrap();
        let Definition::Block(block) = graphs[0].symbol(id).definition else { panic!("it is there") };
        1 << graphs[0].block(block).align_log2
    };
    assert!(words.is_multiple_of(64) && align(&code(words, 8).unwrap()) < 64, "by chance");
    assert_eq!(align(&code(words, 64).unwrap()), 64);
    let behind = jit.main().address("behind").unwrap();
    assert!(!behind.is_multiple_of(64));
    let error = code(behind.next_multiple_of(64), 64).err().unwrap().to_string();
    assert!(error.contains("aligned.o(.data.behind+0x") && error.contains("no image aligns to 64 bytes"), "{error}");
}
