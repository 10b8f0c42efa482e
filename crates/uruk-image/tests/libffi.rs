//! Chains of a C library's own structures: an object that points to libffi's description of a structure, whose elements are variables of
//! that library.

mod support;

use std::process::Command;
use support::{Compiled, HERE, run};
use uruk::Jit;
use uruk_image::memory::ThisProcess;
use uruk_image::{Code, Count, ElfKind, ElfOptions, External, Mappings, Pointer, PointerEntry, Type, World, write_elf};
use uruk_jitlink::elf::x86_64::FORMAT;

/// What libffi's documentation says of its types and functions, and a program that calls a function by such a description.
const PROGRAM: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct ffi_type { size_t size; unsigned short alignment, type; struct ffi_type **elements; } ffi_type;
typedef struct { int abi; unsigned count; ffi_type **arguments, *result; unsigned bytes, flags; uint64_t room[8]; } ffi_cif;
extern ffi_type ffi_type_sint32, ffi_type_double, ffi_type_pointer;
extern int ffi_prep_cif(ffi_cif *, int abi, unsigned count, ffi_type *result, ffi_type **arguments);
extern void ffi_call(ffi_cif *, void (*)(void), void *result, void **arguments);
enum { STRUCT = 13, UNIX64 = 2 };

/* An object of a language: the name of a foreign type, and its description. */
struct foreign { ffi_type *described; uint64_t length; char name[]; };
struct foreign *measurement, *nested;

static ffi_type *describe(ffi_type *first, ffi_type *second, ffi_type *third) {
    ffi_type *described = calloc(1, sizeof *described), *elements[] = {first, second, third, NULL};
    described->type = STRUCT;
    described->elements = memcpy(malloc(sizeof elements), elements, sizeof elements);
    return described;
}
static struct foreign *make(const char *name, ffi_type *described) {
    struct foreign *made = calloc(1, sizeof *made + strlen(name));
    made->described = described;
    made->length = strlen(name);
    return memcpy(made->name, name, made->length), made;
}
void build(void) {
    measurement = make("measurement", describe(&ffi_type_sint32, &ffi_type_double, NULL));
    nested = make("nested", describe(measurement->described, &ffi_type_pointer, &ffi_type_sint32));
}
uint64_t type_of(int which) { return (uintptr_t)(which ? &ffi_type_pointer : &ffi_type_double); }

struct measurement { int32_t count; double value; };
struct nested { struct measurement inner; const char *text; int32_t last; };
static double total(struct measurement measured) { return measured.count * measured.value; }
static struct nested next(struct nested given) {
    given.inner.count += 1, given.inner.value /= 2, given.text += 1, given.last = -given.last;
    return given;
}
static void call(void (*function)(void), ffi_type *result, ffi_type *argument, void *value, void *into) {
    ffi_cif cif = {0};
    if (ffi_prep_cif(&cif, UNIX64, 1, result, &argument)) abort();
    ffi_call(&cif, function, into, &value);
}
int answer(char *text) {
    struct measurement measured = {6, 7.5};
    struct nested given = {measured, "text", 11}, other;
    double sum;
    call((void (*)(void))total, &ffi_type_double, measurement->described, &measured, &sum);
    call((void (*)(void))next, nested->described, nested->described, &given, &other);
    return sprintf(text, "%.11s %.6s %g %d %g %s %d, %zu bytes", measurement->name, nested->name, sum, other.inner.count,
                   other.inner.value, other.text, other.last, nested->described->size);
}
int main(void) {
    char text[200];
    answer(text);
    puts(text);
    return measurement->described->elements[1] != &ffi_type_double || measurement->described->elements[2] != NULL;
}
"#;

const EXPECTED: &str = "measurement nested 45 7 3.75 ext -11, 32 bytes";

const LIBFFI: &str = "/usr/lib/x86_64-linux-gnu/libffi.so.8";

#[test]
fn descriptions_of_structures_are_right_after_reload() {
    let compiled = Compiled::new(&[("program.c", PROGRAM)], &["-O1", "-fPIC", "-fdata-sections"]);
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    jit.session().executor().load_library(LIBFFI).unwrap();
    jit.main().add_objects(&compiled.inputs()).unwrap();
    // SAFETY: the functions are declared so.
    let (build, answer, type_of) = unsafe {
        let build = jit.main().function::<extern "C" fn()>("build").unwrap();
        let answer = jit.main().function::<extern "C" fn(*mut u8) -> i32>("answer").unwrap();
        (build, answer, jit.main().function::<extern "C" fn(i32) -> u64>("type_of").unwrap())
    };
    build();
    let variables = [("ffi_type_double", type_of(0)), ("ffi_type_pointer", type_of(1))];
    let sint32 = ("ffi_type_sint32", jit.main().find("ffi_type_sint32").unwrap());

    let mut world = World::new();
    // An untraced pointer, as to all that is no object of the language.
    let name = Count { offset: 8, width: 8 };
    let foreign = Type::new("foreign", 16, 8).field(0, Pointer::Data).tail(name, 1, []);
    let foreign = world.add_type(foreign).unwrap();
    let described = world.add_type(Type::new("ffi_type", 24, 8).field(16, Pointer::Data)).unwrap();
    let elements = (0..4).fold(Type::new("elements", 32, 8), |made, at| made.field(8 * at, Pointer::Data));
    let elements = world.add_type(elements).unwrap();
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
    let mut own = Vec::new();
    for name in ["measurement", "nested"] {
        let cell_address = jit.main().find(name).unwrap();
        world.add_cell(name, cell_address, cell).unwrap();
        let object = word(cell_address);
        let (structure, list) = (word(object), word(word(object) + 16));
        world.add_object(object, foreign).unwrap();
        world.add_object(structure, described).unwrap();
        world.add_object(list, elements).unwrap();
        world.add_pointer(object, PointerEntry::Own(structure)).unwrap();
        world.add_pointer(structure + 16, PointerEntry::Own(list)).unwrap();
        own.push(structure);
        for place in (list..list + 32).step_by(8) {
            let value = word(place);
            let variable = variables.iter().chain([&sint32]).find(|(_, address)| *address == value);
            match variable {
                Some((name, _)) => world.add_pointer(place, PointerEntry::Symbol(External::new(*name))).unwrap(),
                None if own.contains(&value) => world.add_pointer(place, PointerEntry::Own(value)).unwrap(),
                None => assert_eq!(value, 0),
            }
        }
    }
    let (memory, mappings) = (ThisProcess::open().unwrap(), Mappings::of_this_process().unwrap());
    let closure = world.trace(&["measurement", "nested"], &memory, None).unwrap();
    let mut code = Code::of(jit.session(), &[jit.main().id()]).unwrap();
    code.connect(&closure).unwrap();
    assert_eq!(
        (closure.prove(&world, &code, &mappings), code.take_values(&memory, &mappings).unwrap()),
        (vec![], vec![])
    );
    let data = closure.to_graph(&world, "the data", &FORMAT, &code).unwrap();
    let graphs = [code.into_graphs(), vec![data]].concat();

    // What the library has filled in, sizes and alignments, is in the image too: it is made before.
    let mut text = [0; 200];
    let length = answer(text.as_mut_ptr()) as usize;
    assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), EXPECTED, "in memory");
    let libraries = HERE.libraries(&["libffi.so.8", "libc.so.6"]);
    for address in [None, Some(0x80_0000)] {
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries) };
        let image = write_elf(graphs.clone(), &options).unwrap();
        let output = run(&mut Command::new(compiled.write("image", &image)));
        assert_eq!((output.text.trim_end(), output.status), (EXPECTED, Some(0)), "{address:?}: {}", output.errors);
    }
}

/// Reads a word of what the program has built.
fn word(address: u64) -> u64 {
    // SAFETY: the test asks for words of live objects and variables.
    unsafe { std::ptr::with_exposed_provenance::<u64>(address as usize).read() }
}
