//! A program that was built in memory, of code that a session has linked and of data, goes on as a file of its own.

mod support;

use std::process::Command;
use support::{Compiled, HERE, run};
use uruk::Jit;
use uruk_image::memory::ThisProcess;
use uruk_image::{
    Closure, Code, ElfKind, ElfOptions, Error, External, Freeze, Frozen, Mappings, Pointer, PointerEntry, Type, World,
    write_elf, write_object,
};

/// A runtime in C: a list of records on a heap of its own, each with a function that another object has.
const RUNTIME: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct record { struct record *next; long (*function)(long); FILE *stream; const char *inner; char name[24]; };
extern struct record *records;
static long calls;
static int generation = 1;
static const char *greeting = "as compiled";
static long square(long value) { calls += 1; return value * value; }
long cube(long value) { calls += 1; return value * value * value; }
struct record *prepend(struct record *next, const char *name, int which) {
    struct record *record = calloc(1, sizeof *record);
    record->next = next;
    record->function = which ? square : cube;
    record->stream = stdout;
    strcpy(record->name, name);
    record->inner = record->name + 1;
    generation += 1;
    return record;
}
void set_name(void *name) { memcpy(records->name, &name, sizeof name); }
void forget_greeting(void) { greeting = strdup("of this process"); }
int main(void) {
    for (struct record *record = records; record; record = record->next)
        fprintf(record->stream, "%s %s %ld\n", record->name, record->inner, record->function(4));
    printf("%ld calls, generation %d, %s\n", calls, generation, greeting);
    return 0;
}
"#;

type Prepend = extern "C" fn(u64, *const std::ffi::c_char, i32) -> u64;

/// A world with a list of three records.
struct Built {
    jit: Jit,
    world: World,
}

impl Built {
    fn new() -> Built {
        let jit = Jit::builder().retain_graphs(true).build().unwrap();
        let compiled =
            Compiled::new(&[("runtime.c", RUNTIME)], &["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"]);
        let head: &'static mut [u64] = Vec::leak(vec![0]);
        let cell = head.as_ptr().expose_provenance() as u64;
        jit.main().define("records", cell);
        jit.main().add_objects(&compiled.inputs()).unwrap();
        // SAFETY: the functions are declared so.
        let prepend: Prepend = unsafe { jit.main().function("prepend").unwrap() };
        // SAFETY: as above.
        let square_sum = unsafe { jit.main().function::<extern "C" fn(i64) -> i64>("cube").unwrap() };
        assert_eq!(square_sum(3), 27);
        let mut world = World::new();
        let record = Type::new("record", 56, 8)
            .field(0, Pointer::Reference)
            .field(8, Pointer::Code)
            .field(16, Pointer::Data)
            .field(24, Pointer::Inner);
        let record = world.add_type(record).unwrap();
        let cell_type = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
        for (name, which) in [(c"first", 0), (c"second", 1), (c"third", 1)] {
            head[0] = prepend(head[0], name.as_ptr(), which);
            world.add_object(head[0], record).unwrap();
            world.add_pointer(head[0] + 16, PointerEntry::Symbol(External::new("_IO_2_1_stdout_"))).unwrap();
        }
        world.add_cell("records", cell, cell_type).unwrap();
        Built { jit, world }
    }

    fn trace(&self) -> Closure {
        self.world.trace(&["records"], &ThisProcess::open().unwrap(), None).unwrap()
    }

    fn code(&self) -> Result<Code, Error> {
        Code::of(self.jit.session(), &[self.jit.main().id()])
    }

    fn freeze(&self, allowed: &[String]) -> Result<Frozen, Error> {
        let code = Some((self.jit.session(), &[self.jit.main().id()][..]));
        Freeze { code, data: Some((&self.world, &["records"])), allowed, ..Freeze::default() }.freeze()
    }
}

const EXPECTED: &str = "third hird 16\nsecond econd 16\nfirst irst 64\n4 calls, generation 4, as compiled\n";

#[test]
fn what_was_built_here_goes_on_as_a_program() {
    let built = Built::new();
    let images = [None, Some(0x80_0000)].map(|address| {
        let frozen = built.freeze(&[]).unwrap();
        assert_eq!(frozen.closure.kept.len(), 4);
        let files = Compiled::new(&[], &[]);
        let libraries = HERE.libraries(&["libc.so.6"]);
        let roots = ["main".to_owned()];
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, roots: Some(&roots), ..ElfOptions::executable("main", &libraries) };
        let image = write_elf(frozen.graphs, &options).unwrap();
        let output = run(&mut Command::new(files.write("image", &image)));
        assert_eq!((output.text.as_str(), output.status), (EXPECTED, Some(0)), "{}", output.errors);
        image
    });
    let text = |image: &[u8]| String::from_utf8_lossy(image).into_owned();
    assert!(
        text(&images[0]).contains("cube") && !text(&images[0]).contains("prepend"),
        "only what is reached is there"
    );
}

#[test]
fn words_that_would_be_wrong_are_found() {
    let built = Built::new();
    let mappings = Mappings::of_this_process().unwrap();
    // A pointer that the description leaves out, in a name's bytes.
    let closure = built.trace();
    let first = closure.kept.iter().position(|kept| kept.size == 56).unwrap();
    let mut changed = closure;
    let (start, leak) = (changed.kept[first].start + 40, changed.kept[first].address);
    changed.bytes[start..start + 8].copy_from_slice(&leak.to_le_bytes());
    let findings = changed.prove(&built.world, &(), &mappings);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].path.as_str(), findings[0].value), ("records+0 -> record+40", leak));
    // A variable of the code that has got a pointer since.
    // SAFETY: the function is declared so.
    let forget = unsafe { built.jit.main().function::<extern "C" fn()>("forget_greeting").unwrap() };
    forget();
    let mut code = built.code().unwrap();
    let findings = code.take_values(&ThisProcess::open().unwrap(), &mappings).unwrap();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].path.starts_with("runtime.o(.data"), "{}", findings[0]);
}

/// Where two words are addresses that nobody described: all are told, and those that were allowed are not.
#[test]
fn findings_are_errors_unless_they_are_allowed() {
    let built = Built::new();
    // SAFETY: the function is declared so.
    let forget = unsafe { built.jit.main().function::<extern "C" fn()>("forget_greeting").unwrap() };
    forget();
    // SAFETY: the function is declared so.
    let set_name = unsafe { built.jit.main().function::<extern "C" fn(u64)>("set_name").unwrap() };
    set_name(std::ptr::from_ref(&built).expose_provenance() as u64);
    let Err(Error::Findings { findings }) = built.freeze(&[]) else { panic!("no findings") };
    let paths: Vec<String> = findings.iter().map(|finding| finding.path.clone()).collect();
    assert!(
        paths.len() == 2 && paths[0] == "records+0 -> record+32" && paths[1].starts_with("runtime.o(."),
        "{paths:?}"
    );
    let error = built.freeze(&paths[1..]).err().unwrap().to_string();
    assert!(error.starts_with("records+0 -> record+32: 0x") && !error.contains("runtime.o"), "{error}");
    assert!(built.freeze(&paths).is_ok());
}

#[test]
fn data_is_frozen_without_code_and_code_without_data() {
    let built = Built::new();
    let code = Freeze { code: Some((built.jit.session(), &[built.jit.main().id()])), ..Freeze::default() };
    let frozen = code.freeze().unwrap();
    assert!(!frozen.graphs.is_empty() && frozen.closure.kept.is_empty());
    // Functions are the code's.
    let data = Freeze { data: Some((&built.world, &["records"])), ..Freeze::default() };
    let error = data.freeze().err().unwrap().to_string();
    assert!(error.ends_with("is not the address of a function that was linked here"), "{error}");

    let numbers: &'static [u64] = Vec::leak(vec![40, 2]);
    let mut world = World::new();
    let pair = world.add_type(Type { constant: true, ..Type::new("pair", 16, 8) }).unwrap();
    world.add_cell("numbers", numbers.as_ptr().expose_provenance() as u64, pair).unwrap();
    let frozen = Freeze { data: Some((&world, &["numbers"])), ..Freeze::default() }.freeze().unwrap();
    let graphs: Vec<_> = frozen.graphs.iter().collect();
    let files = Compiled::new(
        &[("user.c", "extern const long numbers[2]; int main(void) { return numbers[0] + numbers[1]; }")],
        &["-fPIC"],
    );
    let object = files.write("numbers.o", &write_object(&graphs).unwrap());
    let linked = files.link("linked", &[object.to_str().unwrap()]);
    let shared = files.write("libnumbers.so", &write_elf(frozen.graphs, &ElfOptions::shared_object(&[])).unwrap());
    let dynamic = files.link("dynamic", &["-Wl,--no-as-needed,-rpath,$ORIGIN", shared.to_str().unwrap()]);
    for program in [linked, dynamic] {
        assert_eq!(run(&mut Command::new(program)).status, Some(42));
    }
    let nothing = Freeze::default().freeze().unwrap();
    assert!(matches!(write_elf(nothing.graphs, &ElfOptions::shared_object(&[])), Err(Error::Empty)));
}

#[test]
fn dylibs_without_graphs_are_errors_that_name_the_option() {
    let jit = Jit::new().unwrap();
    let error = Code::of(jit.session(), &[jit.main().id()]).err().unwrap().to_string();
    assert!(error.contains("`main`") && error.contains("retain_graphs"), "{error}");
}

/// What a pointer leads to has a name for the data, whatever bytes its own name has.
#[test]
fn functions_whose_names_are_no_text_are_pointed_to() {
    let text = r#"
extern long (*function)(long);
long odd(long value) __asm__("odd\xff");
long odd(long value) { return value + 1; }
void *where(void) { return odd; }
int main(void) { return function(41); }
"#;
    let compiled = Compiled::new(&[("odd.c", text)], &["-O1", "-fPIC"]);
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    let cell: &'static mut [u64] = Vec::leak(vec![0]);
    let start = cell.as_ptr().expose_provenance() as u64;
    jit.main().define("function", start);
    jit.main().add_objects(&compiled.inputs()).unwrap();
    // SAFETY: the function is declared so.
    cell[0] = unsafe { jit.main().function::<extern "C" fn() -> u64>("where").unwrap() }();
    let mut world = World::new();
    let described = world.add_type(Type::new("function", 8, 8).field(0, Pointer::Code)).unwrap();
    world.add_cell("function", start, described).unwrap();
    let code = Some((jit.session(), &[jit.main().id()][..]));
    let frozen = Freeze { code, data: Some((&world, &["function"])), ..Freeze::default() }.freeze().unwrap();
    let libraries = HERE.libraries(&["libc.so.6"]);
    let image = write_elf(frozen.graphs, &ElfOptions::executable("main", &libraries)).unwrap();
    assert_eq!(run(&mut Command::new(compiled.write("image", &image))).status, Some(42));
}
