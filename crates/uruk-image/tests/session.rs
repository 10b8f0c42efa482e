//! A program that was built in memory, of code that a session has linked and of data, goes on as a file of its own.

mod support;

use std::process::Command;
use support::{Compiled, HERE, run};
use uruk::Jit;
use uruk_image::memory::ThisProcess;
use uruk_image::{
    Closure, Code, ElfKind, ElfOptions, Error, External, Mappings, Pointer, PointerEntry, Type, World, write_elf,
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
}

const EXPECTED: &str = "third hird 16\nsecond econd 16\nfirst irst 64\n4 calls, generation 4, as compiled\n";

#[test]
fn what_was_built_here_goes_on_as_a_program() {
    let built = Built::new();
    let (closure, mappings) = (built.trace(), Mappings::of_this_process().unwrap());
    let images = [None, Some(0x80_0000)].map(|address| {
        let mut code = built.code().unwrap();
        code.connect(&closure).unwrap();
        assert_eq!(closure.prove(&built.world, &code, &mappings), []);
        assert_eq!(code.take_values(&ThisProcess::open().unwrap(), &mappings).unwrap(), []);
        let data = closure.to_graph(&built.world, "the data", &uruk_jitlink::elf::x86_64::FORMAT, &code).unwrap();
        let graphs = [code.into_graphs(), vec![data]].concat();
        let files = Compiled::new(&[], &[]);
        let libraries = HERE.libraries(&["libc.so.6"]);
        let roots = ["main".to_owned()];
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, roots: Some(&roots), ..ElfOptions::executable("main", &libraries) };
        let image = write_elf(graphs, &options).unwrap();
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

#[test]
fn dylibs_without_graphs_are_errors_that_name_the_option() {
    let jit = Jit::new().unwrap();
    let error = Code::of(jit.session(), &[jit.main().id()]).err().unwrap().to_string();
    assert!(error.contains("`main`") && error.contains("retain_graphs"), "{error}");
}
